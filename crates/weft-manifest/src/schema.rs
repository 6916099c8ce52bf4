//! The JSON Schemas of `weft.toml` and `node.toml`, generated from the structs. They are what editors use, what
//! the reference is written from, and what [`crate::check`] walks: one source for all three.

use std::sync::LazyLock;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::{author, experiment, node};

static APPLICATION: LazyLock<Value> = LazyLock::new(|| generate::<author::Manifest>("weft.schema.json", "weft.toml"));
static NODE: LazyLock<Value> = LazyLock::new(|| generate::<node::NodeManifest>("node.schema.json", "node.toml"));

static EXPERIMENT: LazyLock<Value> =
    LazyLock::new(|| generate::<experiment::Experiment>("experiment.schema.json", "experiment.toml"));

/// The schema of an experiment.
pub fn experiment_schema() -> &'static Value {
    &EXPERIMENT
}

/// The schema of `weft.toml`.
pub fn application_schema() -> &'static Value {
    &APPLICATION
}

/// The schema of `node.toml`.
pub fn node_schema() -> &'static Value {
    &NODE
}

fn generate<T: JsonSchema>(id: &str, title: &str) -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let mut value = strip_null(schema.to_value());
    if let Value::Object(root) = &mut value {
        root.insert("$id".to_owned(), format!("https://weft.example/schema/{id}").into());
        root.insert("title".to_owned(), title.into());
    }
    // Whether serde_json keeps the order of insertion depends on what else is in the build; what people read does not.
    value.sort_all_objects();
    value
}

/// TOML has no null: what serde allows to be absent is not thereby allowed to be null.
fn strip_null(value: Value) -> Value {
    match value {
        Value::Object(map) => strip_object(map),
        Value::Array(items) => items.into_iter().map(strip_null).collect(),
        other => other,
    }
}

fn strip_object(map: Map<String, Value>) -> Value {
    let mut out: Map<String, Value> = map.into_iter().map(|(key, value)| (key, strip_null(value))).collect();
    if out.get("default").is_some_and(Value::is_null) {
        out.remove("default");
    }
    if let Some(Value::Array(types)) = out.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            out.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = out.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if let Some(Value::Array(choices)) = out.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            out.remove("anyOf");
            for (key, value) in only {
                out.entry(key).or_insert(value);
            }
        }
    }
    Value::Object(out)
}

/// The schema that a `$ref` names, or the schema itself.
pub(crate) fn follow<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
    name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema)
}

/// The schemas of which a value meets one, told apart by their types. None of an enumeration.
pub(crate) fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> + Clone {
    let all = schema.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let all = if choices(schema).is_empty() { all } else { &[] };
    all.iter()
}

/// The values of an enumeration, with what is said about each.
pub(crate) fn choices(schema: &Value) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        if let Some(value) = choice.get("const").and_then(Value::as_str) {
            out.push((value, choice.get("description").and_then(Value::as_str).unwrap_or_default()));
        }
        for value in choice.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            out.push((value, ""));
        }
    }
    let plain = schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    out.extend(plain.map(|value| (value, "")));
    if let Some(value) = schema.get("const").and_then(Value::as_str) {
        out.push((value, ""));
    }
    out
}
