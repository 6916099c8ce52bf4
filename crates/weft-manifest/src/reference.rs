//! `docs/manifest.md`, written from the schemas.

use std::fmt::Write;

use serde_json::Value;

use crate::{
    check::toml,
    schema::{alternatives, application_schema, choices, follow, node_schema},
};

/// The whole page, as it is committed.
pub fn reference() -> String {
    let mut out = String::from(
        "# Manifests\n\nGenerated from the schemas; `UPDATE=1 cargo test -p weft-manifest` writes it again. \
         Editors complete and check both files by [`weft.schema.json`](schema/weft.schema.json) and \
         [`node.schema.json`](schema/node.schema.json).\n\n\
         Both files are strict: a key that is not listed here is an error, with the place and the nearest key that \
         exists. Durations are a whole number and `ms`, `s`, `m`, `h` or `d` (`30s`); sizes a whole number and `B`, \
         `KiB`, `MiB` or `GiB` (`64MiB`); rates a whole number and `/s`, `/m`, `/h` or `/d` (`100/s`); shares a number and `%` (`20%`). Paths are relative to the file's own folder.\n",
    );
    for schema in [application_schema(), node_schema()] {
        page(schema, &mut out);
    }
    out
}

fn page(root: &Value, out: &mut String) {
    table(root, root, "##", out);
    let mut seen = Vec::new();
    let mut queue = children(root, root);
    while !queue.is_empty() {
        let child = queue.remove(0);
        let name = text(child, "x-table");
        if name.is_empty() || seen.contains(&name) {
            continue;
        }
        seen.push(name);
        table(child, root, "###", out);
        queue.extend(children(child, root));
    }
    later(root, out);
}

/// The tables that a table's keys lead to.
fn children<'a>(table: &'a Value, root: &'a Value) -> Vec<&'a Value> {
    let leads = |property: &'a Value| {
        let inner = [property.get("additionalProperties"), property.get("items")];
        let inner = inner.into_iter().flatten().chain([property]).map(|schema| follow(schema, root));
        inner.flat_map(|schema| alternatives(schema).map(|schema| follow(schema, root)).chain([schema]))
    };
    let found = properties(table).filter(|(_, property)| !is_later(property)).flat_map(|(_, property)| leads(property));
    found.filter(|schema| schema.get("x-table").is_some()).collect()
}

fn table(schema: &Value, root: &Value, heading: &str, out: &mut String) {
    let name = text(schema, "x-table");
    let shown = match name.strip_prefix('[') {
        Some(rest) if rest.ends_with(']') => format!("[{name}]"),
        _ if heading == "##" => name.to_owned(),
        _ => format!("[{name}]"),
    };
    let _ = write!(out, "\n{heading} `{shown}`\n\n{}\n\n", one_line(text(schema, "description")));
    out.push_str("| Key | Type | Default | Meaning |\n|---|---|---|---|\n");
    let required: Vec<&str> = strings(schema.get("required")).collect();
    let mut rows: Vec<_> = properties(schema).filter(|(_, property)| !is_later(property)).collect();
    rows.sort_by_key(|(key, _)| !required.contains(&key.as_str()));
    for (key, property) in rows {
        let needed = required.contains(&key.as_str());
        let _ = writeln!(
            out,
            "| `{key}` | {} | {} | {} |",
            kind(property, root),
            default(property, needed),
            meaning(property, root)
        );
    }
}

fn later(root: &Value, out: &mut String) {
    let defs = root.get("$defs").and_then(Value::as_object).into_iter().flat_map(|defs| defs.values());
    let mut rows = Vec::new();
    for schema in std::iter::once(root).chain(defs) {
        let table = if schema.get("$defs").is_some() { "" } else { text(schema, "x-table") };
        for (key, property) in properties(schema).filter(|(_, property)| is_later(property)) {
            let key = if table.is_empty() { key.clone() } else { format!("{}.{key}", table.trim_matches(['[', ']'])) };
            rows.push(format!("| `{key}` | {} |", text(property, "x-unsupported")));
        }
        for (key, property) in properties(schema) {
            for (value, why) in property.get("x-later").and_then(Value::as_object).into_iter().flatten() {
                rows.push(format!("| `{table}.{key} = \"{value}\"` | {} |", why.as_str().unwrap_or_default()));
            }
        }
    }
    if !rows.is_empty() {
        let file = text(root, "x-table");
        let _ = write!(
            out,
            "\n### Planned for `{file}`\n\nThese keys are known and refused with `manifest-unsupported`.\n\n"
        );
        let _ = writeln!(out, "| Key | Today |\n|---|---|\n{}", rows.join("\n"));
    }
}

fn kind(property: &Value, root: &Value) -> String {
    let target = follow(property, root);
    let form = text(property, "x-form");
    let form = if form.is_empty() { text(target, "x-form") } else { form };
    let kinds: Vec<String> = alternatives(target).map(|one| kind(one, root)).collect();
    if !kinds.is_empty() {
        return kinds.join(" or ");
    }
    match text(target, "type") {
        _ if target.get("additionalProperties").is_some_and(Value::is_object) => {
            let each = follow(&target["additionalProperties"], root);
            let tables = alternatives(each).map(|schema| text(follow(schema, root), "x-table"));
            if let Some(name) = tables.into_iter().find(|name| !name.is_empty()) {
                return format!("table of strings or [`{name}`](#{})", anchor(name));
            }
            match text(each, "x-table") {
                "" => "table of strings".to_owned(),
                name => format!("tables [`{name}`](#{})", anchor(name)),
            }
        }
        "" if alternatives(target).next().is_some() => {
            let all: Vec<String> = alternatives(target).map(|schema| kind(schema, root)).collect();
            all.join(" or ")
        }
        "array" => {
            let items = target.get("items").unwrap_or(&Value::Null);
            match text(follow(items, root), "x-table") {
                "" if alternatives(items).next().is_some() => {
                    let all: Vec<String> = alternatives(items).map(|schema| plural(&kind(schema, root))).collect();
                    format!("list of {}", all.join(" or "))
                }
                "" => format!("list of {}", plural(&kind(items, root))),
                name => format!("list of [`{name}`](#{})", anchor(name)),
            }
        }
        "object" => format!("table [`{0}`](#{1})", text(target, "x-table"), anchor(text(target, "x-table"))),
        "string" if matches!(form, "duration" | "size" | "rate" | "share" | "path" | "name" | "method" | "address") => {
            form.to_owned()
        }
        "integer" | "boolean" => text(target, "type").to_owned(),
        _ if !choices(target).is_empty() => {
            choices(target).iter().map(|(value, _)| format!("`{value:?}`")).collect::<Vec<_>>().join(" or ")
        }
        _ => "string".to_owned(),
    }
}

fn plural(kind: &str) -> String {
    match kind.ends_with('s') {
        true => format!("{kind}es"),
        false => format!("{kind}s"),
    }
}

/// GitHub's anchor of a heading that shows the table's name.
fn anchor(name: &str) -> String {
    name.to_ascii_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

fn default(property: &Value, required: bool) -> String {
    match property.get("default") {
        _ if required => "required".to_owned(),
        Some(Value::Object(map)) if map.is_empty() => String::new(),
        Some(Value::Array(items)) if items.is_empty() => String::new(),
        Some(value) => format!("`{}`", toml(value)),
        None => String::new(),
    }
}

fn meaning(property: &Value, root: &Value) -> String {
    let mut said = one_line(text(property, "description"));
    let target = follow(property, root);
    for (value, about) in choices(target).iter().filter(|(_, about)| !about.is_empty()) {
        let _ = write!(said, " `{value:?}`: {}", one_line(about));
    }
    let bound = |key: &str| target.get(key).or_else(|| property.get(key)).and_then(Value::as_f64);
    if let (Some(min), Some(max)) = (bound("minimum"), bound("maximum"))
        && target.get("enum").or_else(|| property.get("enum")).is_none()
        && max < f64::from(u32::MAX)
    {
        let _ = write!(said, " {min} to {max}.");
    }
    if let Some(example) = property.get("examples").and_then(|examples| examples.get(0)) {
        let _ = write!(said, " Example: `{}`.", toml(example));
    }
    said
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn is_later(property: &Value) -> bool {
    property.get("x-unsupported").is_some()
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
