//! Holds a tree against a schema, and finds every mistake rather than the first.
//!
//! Understands what our own schemas use: `$ref`, `type`, `properties`, `additionalProperties`, `required`,
//! `propertyNames`, `items`, enumerations, `oneOf` of different types, `minimum` and `maximum`, and our own words: `x-form` (a form of
//! [`crate::values`]), `x-unsupported` (known, not served yet), `x-later` (the same of a value), `x-one-of`
//! (exactly one of a group), `x-table` (what a table is called).

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;
use weft_types::code;

use crate::{
    Problem, Source,
    near::nearest,
    schema::{alternatives, choices, follow},
    tree::{Entry, Kind, Node, Span},
    values,
};

/// What a check found.
pub(crate) struct Checked {
    /// Every way in which the tree is not what the schema says. Empty: serde will take it.
    pub(crate) problems: Vec<Problem>,
    /// Where the entries begin without which serde will take the rest; `None` where it never will. With the rest
    /// the next step can go on, so that its mistakes are told in the same report.
    pub(crate) dropped: Option<HashSet<usize>>,
}

pub(crate) fn check(source: &Source, root: &Value, tree: &Node) -> Checked {
    let mut checker = Checker { source, root, problems: Vec::new(), dropped: HashSet::new() };
    let good = checker.node(root, tree, &Place { path: String::new(), span: 0..0 });
    Checked { problems: checker.problems, dropped: good.then_some(checker.dropped) }
}

struct Checker<'a> {
    source: &'a Source,
    root: &'a Value,
    problems: Vec<Problem>,
    dropped: HashSet<usize>,
}

/// Where the walk is: for messages, and for what is missing.
struct Place {
    /// `component.api.source`; empty at the top.
    path: String,
    /// The key, or the item of a list.
    span: Span,
}

impl Checker<'_> {
    /// Whether serde will take this once what is in `dropped` has been left out.
    fn node(&mut self, schema: &Value, node: &Node, place: &Place) -> bool {
        let before = self.problems.len();
        let target = alternative(follow(schema, self.root), node, self.root);
        match (expected(target), &node.kind) {
            (Some("object"), Kind::Table(entries)) => return self.table(target, entries, place),
            (Some("array"), Kind::List(items)) => return self.list(target, items, place),
            (Some("string"), Kind::Text(text)) => self.text(schema, target, text, node, place),
            (Some("integer"), Kind::Integer(number)) => self.integer(target, *number, node, place),
            (Some("boolean"), Kind::Bool(_)) | (None, _) => {}
            (Some(wanted), _) => self.wrong_type(schema, target, wanted, node, place),
        }
        self.problems.len() == before
    }

    fn table(&mut self, schema: &Value, entries: &[Entry], place: &Place) -> bool {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let mut whole = self.missing(schema, entries, place);
        for entry in entries {
            let below = Place { path: join(&place.path, &entry.key), span: entry.key_span.clone() };
            let good = match known.and_then(|known| known.get(&entry.key)).or(others) {
                Some(property) if unsupported(property).is_some() => self.unsupported(property, &below, &entry.key),
                Some(property) => self.key(schema, entry, &below) & self.node(property, &entry.value, &below),
                None => self.unknown(schema, entry, place),
            };
            if !good {
                self.dropped.insert(entry.key_span.start);
                whole &= !required(schema).any(|key| key == entry.key);
            }
        }
        self.one_of(schema, entries, place);
        whole
    }

    fn key(&mut self, schema: &Value, entry: &Entry, place: &Place) -> bool {
        let form = schema.get("propertyNames").and_then(|names| names.get("x-form")).and_then(Value::as_str);
        let Some(why) = form.and_then(|form| values::fault_of(form, &entry.key)) else { return true };
        let message = format!("`{}` cannot be a key here: {why}", shown(&entry.key));
        let problem = Problem::at(self.source, place.span.clone(), code::MANIFEST_TYPE, message, "this key");
        self.problems.push(problem);
        false
    }

    fn unsupported(&mut self, schema: &Value, place: &Place, key: &str) -> bool {
        let why = unsupported(schema).unwrap_or_default();
        let message = format!("`{}` cannot be used: {why}", shown(&place.path));
        let problem =
            Problem::at(self.source, place.span.clone(), code::MANIFEST_UNSUPPORTED, message, "not served yet");
        self.problems.push(problem.help(format!("remove `{}`; nothing is ignored silently", shown(key))));
        false
    }

    fn unknown(&mut self, schema: &Value, entry: &Entry, place: &Place) -> bool {
        let message = match place.path.as_str() {
            "" => format!("unknown key `{}`", shown(&entry.key)),
            path => format!("unknown key `{}` in `{}`", shown(&entry.key), shown(path)),
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        let keys: Vec<&str> = properties.into_iter().flat_map(|p| p.keys()).map(String::as_str).collect();
        let help = match nearest(&entry.key, keys.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => self.elsewhere(&entry.key).unwrap_or_else(|| served(schema, &keys)),
        };
        let problem =
            Problem::at(self.source, entry.key_span.clone(), code::MANIFEST_UNKNOWN_KEY, message, "unknown key");
        self.problems.push(problem.help(help));
        false
    }

    /// A key of another table, written in the wrong one.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let definitions = self.root.get("$defs").and_then(Value::as_object)?;
        let tables = definitions.values().filter(|table| {
            table.get("properties").and_then(|p| p.get(key)).is_some_and(|property| unsupported(property).is_none())
        });
        let names: BTreeSet<&str> = tables.filter_map(|table| table.get("x-table")?.as_str()).collect();
        let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| format!("`{key}` is a key of {}", names.join(" and of ")))
    }

    /// Whether everything that is required is there.
    fn missing(&mut self, schema: &Value, entries: &[Entry], place: &Place) -> bool {
        let before = self.problems.len();
        for key in required(schema) {
            if entries.iter().any(|entry| entry.key == key) {
                continue;
            }
            let property = schema.get("properties").and_then(|properties| properties.get(key)).unwrap_or(&Value::Null);
            let message = match place.path.as_str() {
                "" => format!("`{key}` is missing"),
                path => format!("`{}` lacks `{key}`", shown(path)),
            };
            let example = example(property, self.root).map_or(String::new(), |value| format!(": `{key} = {value}`"));
            let problem = Problem::at(self.source, place.span.clone(), code::MANIFEST_MISSING, message, "needed here");
            self.problems.push(problem.help(format!("add `{key}`{}", example.replacen(": ", ", such as ", 1))));
        }
        self.problems.len() == before
    }

    /// Groups of keys of which exactly one is given.
    fn one_of(&mut self, schema: &Value, entries: &[Entry], place: &Place) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let name = properties.values().find_map(|p| p.get("x-one-of")?.as_str());
        let (nothing, label, first_label, second_label) = match name {
            Some("keys") => ("where the keys are", "no keys", "first", "second"),
            Some("auth") => ("what proves who is calling", "proves nothing", "first", "second"),
            _ => ("what answers", "nothing answers this", "first answer", "second answer"),
        };
        let group: Vec<&str> =
            properties.iter().filter(|(_, p)| p.get("x-one-of").is_some()).map(|(k, _)| k.as_str()).collect();
        let given: Vec<&Entry> = entries.iter().filter(|entry| group.contains(&entry.key.as_str())).collect();
        let usable = group.iter().filter(|key| unsupported(&properties[**key]).is_none());
        let usable: Vec<String> = usable.map(|key| format!("`{key}`")).collect();
        let help = format!("give exactly one of {}", usable.join(", "));
        match given.as_slice() {
            _ if group.is_empty() => {}
            [] => {
                let message = format!("`{}` does not say {nothing}", shown(&place.path));
                let problem = Problem::at(self.source, place.span.clone(), code::MANIFEST_MISSING, message, label);
                self.problems.push(problem.help(help));
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("`{}` and `{}` exclude each other", first.key, second.key);
                let problem =
                    Problem::at(self.source, second.key_span.clone(), code::MANIFEST_DUPLICATE, message, second_label);
                self.problems.push(problem.mark(first.key_span.clone(), first_label).help(help));
            }
        }
    }

    /// A list with a bad item is dropped whole, so that the others keep their numbers.
    fn list(&mut self, schema: &Value, items: &[Node], place: &Place) -> bool {
        let Some(schema) = schema.get("items") else { return true };
        let mut good = true;
        for item in items {
            good &= self.node(schema, item, &Place { path: place.path.clone(), span: item.span.clone() });
        }
        good
    }

    fn text(&mut self, outer: &Value, schema: &Value, text: &str, node: &Node, place: &Place) {
        let choices: Vec<&str> = choices(schema).into_iter().map(|(value, _)| value).collect();
        if !choices.is_empty() && !choices.contains(&text) {
            return self.no_choice(outer, &choices, text, node, place);
        }
        let form = outer.get("x-form").or_else(|| schema.get("x-form")).and_then(Value::as_str);
        if let Some(why) = form.and_then(|form| values::fault_of(form, text)) {
            let message = format!("`{}` cannot be `{}`", shown(&place.path), shown(text));
            let problem = Problem::at(self.source, node.span.clone(), code::MANIFEST_TYPE, message, "this value");
            self.problems.push(problem.help(why));
        }
    }

    fn no_choice(&mut self, outer: &Value, choices: &[&str], text: &str, node: &Node, place: &Place) {
        let later = outer.get("x-later").and_then(|later| later.get(text)).and_then(Value::as_str);
        if let Some(why) = later {
            let message = format!("`{}` cannot be `{text}`: {why}", shown(&place.path));
            let problem =
                Problem::at(self.source, node.span.clone(), code::MANIFEST_UNSUPPORTED, message, "not served yet");
            return self.problems.push(problem.help(format!("this version has {}", list(choices))));
        }
        let message = format!("`{}` cannot be `{}`", shown(&place.path), shown(text));
        let help = match nearest(text, choices.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", list(choices)),
        };
        let problem = Problem::at(self.source, node.span.clone(), code::MANIFEST_TYPE, message, "this value");
        self.problems.push(problem.help(help));
    }

    fn integer(&mut self, schema: &Value, number: i64, node: &Node, place: &Place) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let one_of = |key: &str| schema.get(key).and_then(Value::as_array);
        let wanted =
            match (schema.get("const").and_then(Value::as_i64), one_of("enum"), bound("minimum"), bound("maximum")) {
                (Some(only), ..) if only != number => format!("it must be {only}"),
                (None, Some(choices), ..) if !choices.contains(&number.into()) => {
                    let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
                    format!("it is one of {}", choices.join(", "))
                }
                (.., Some(min), _) if (number as f64) < min => format!("it must be at least {min}"),
                (.., Some(max)) if (number as f64) > max => format!("it must be at most {max}"),
                _ => return,
            };
        let message = format!("`{}` cannot be {number}", shown(&place.path));
        let problem = Problem::at(self.source, node.span.clone(), code::MANIFEST_TYPE, message, "this value");
        self.problems.push(problem.help(wanted));
    }

    fn wrong_type(&mut self, outer: &Value, schema: &Value, wanted: &str, node: &Node, place: &Place) {
        let name = article(wanted);
        let message = format!("`{}` must be {name}, not {}", shown(&place.path), node.kind_name());
        let key = place.path.rsplit('.').next().unwrap_or_default();
        let help = quoted(wanted, outer, schema, node).or_else(|| example(outer, self.root));
        let problem =
            Problem::at(self.source, node.span.clone(), code::MANIFEST_TYPE, message, &format!("{name} is expected"));
        self.problems.push(match help {
            Some(value) => problem.help(format!("such as `{} = {value}`", shown(key))),
            None => problem,
        });
    }
}

/// Of alternatives of different types, the one of the type that was written, else the first.
fn alternative<'a>(schema: &'a Value, node: &Node, root: &'a Value) -> &'a Value {
    let written = match &node.kind {
        Kind::Table(_) => "object",
        Kind::List(_) => "array",
        _ => "string",
    };
    let mut all = alternatives(schema).map(|schema| follow(schema, root));
    let meant = all.clone().find(|schema| expected(schema) == Some(written));
    meant.or_else(|| all.next()).unwrap_or(schema)
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn unsupported(schema: &Value) -> Option<&str> {
    schema.get("x-unsupported").and_then(Value::as_str)
}

/// The type that a schema asks for; an enumeration is one of strings unless it says otherwise.
fn expected(schema: &Value) -> Option<&str> {
    let named = schema.get("type").and_then(Value::as_str);
    named.or_else(|| (!choices(schema).is_empty()).then_some("string"))
}

fn article(name: &str) -> &'static str {
    match name {
        "object" => "a table",
        "array" => "a list",
        "integer" => "an integer",
        "boolean" => "a boolean",
        _ => "a string",
    }
}

/// What was written, as it should have been, where a string was meant and a number or boolean is there.
fn quoted(wanted: &str, outer: &Value, schema: &Value, node: &Node) -> Option<String> {
    let form = outer.get("x-form").or_else(|| schema.get("x-form")).and_then(Value::as_str);
    let free = form.is_none() && choices(schema).is_empty();
    match &node.kind {
        Kind::Integer(number) if form == Some("duration") && *number > 0 => Some(format!("\"{number}s\"")),
        Kind::Integer(number) if wanted == "string" && free => Some(format!("\"{number}\"")),
        Kind::Float(number) if wanted == "string" && free => Some(format!("\"{number}\"")),
        Kind::Bool(is) if wanted == "string" && free => Some(format!("\"{is}\"")),
        Kind::Text(text) if wanted == "array" => Some(format!("[{text:?}]")),
        _ => None,
    }
}

/// A value to show, as TOML: the first example, else the default, else the smallest table that would do.
fn example(schema: &Value, root: &Value) -> Option<String> {
    let target = follow(schema, root);
    let said = schema.get("examples").and_then(|examples| examples.get(0)).or_else(|| schema.get("const"));
    let said =
        said.or_else(|| schema.get("default").filter(|default| default.as_array().is_none_or(|d| !d.is_empty())));
    if let Some(value) = said.or_else(|| target.get("const")) {
        return Some(toml(value));
    }
    if let Some((first, _)) = choices(target).first() {
        return Some(format!("{first:?}"));
    }
    if expected(target) == Some("array") {
        return target.get("items").and_then(|items| example(items, root)).map(|item| format!("[{item}]"));
    }
    let required = target.get("required").and_then(Value::as_array)?;
    let pair = |key: &Value| {
        let property = target.get("properties")?.get(key.as_str()?)?;
        Some(format!("{} = {}", key.as_str()?, example(property, root)?))
    };
    let pairs: Option<Vec<String>> = required.iter().map(pair).collect();
    pairs.map(|pairs| format!("{{ {} }}", pairs.join(", ")))
}

/// JSON as inline TOML.
pub(crate) fn toml(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let bare = |key: &str| key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            let name = |key: &str| if bare(key) { key.to_owned() } else { format!("{key:?}") };
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{} = {}", name(key), toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn served(schema: &Value, keys: &[&str]) -> String {
    let known = |key: &&&str| schema["properties"].get(**key).is_some_and(|property| unsupported(property).is_none());
    let keys: Vec<&str> = keys.iter().filter(known).copied().collect();
    format!("the keys here are {}", list(&keys))
}

fn list(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What someone wrote, fit for one line of a terminal: controls escaped, long texts cut.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == 80 {
            out.push('…');
            break;
        }
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}
