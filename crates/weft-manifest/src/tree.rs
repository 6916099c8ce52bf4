//! A TOML document as a plain tree in which every key and value knows its place.
//!
//! Dotted keys, inline tables, `[headers]` and `[[arrays]]` all come out as the same few nodes.

use std::{collections::HashSet, ops::Range};

use toml_edit::{Document, Item, TableLike, Value};

/// Larger files are refused unread: no one writes such a manifest by hand.
pub(crate) const BYTES_MAX: usize = 1 << 20;

pub(crate) type Span = Range<usize>;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Table(Vec<Entry>),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Date(String),
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn parse(text: &str) -> Result<Self, toml_edit::TomlError> {
        let document = Document::parse(text)?;
        Ok(Self { span: 0..0, kind: Kind::Table(entries(document.as_table(), &(0..0))) })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Table(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// With its article, for messages.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Table(_) => "a table",
            Kind::List(_) => "a list",
            Kind::Text(_) => "a string",
            Kind::Integer(_) => "an integer",
            Kind::Float(_) => "a float",
            Kind::Bool(_) => "a boolean",
            Kind::Date(_) => "a date",
        }
    }

    /// For serde, without the entries whose keys begin at these places.
    pub(crate) fn to_json(&self, dropped: &HashSet<usize>) -> serde_json::Value {
        match &self.kind {
            Kind::Table(entries) => {
                let kept = entries.iter().filter(|entry| !dropped.contains(&entry.key_span.start));
                kept.map(|entry| (entry.key.clone(), entry.value.to_json(dropped))).collect()
            }
            Kind::List(items) => items.iter().map(|item| item.to_json(dropped)).collect(),
            Kind::Text(text) | Kind::Date(text) => text.clone().into(),
            Kind::Integer(number) => (*number).into(),
            Kind::Float(number) => (*number).into(),
            Kind::Bool(is) => (*is).into(),
        }
    }
}

fn entries(table: &dyn TableLike, around: &Span) -> Vec<Entry> {
    let entry = |(name, _): (&str, &Item)| {
        let (key, item) = table.get_key_value(name)?;
        let key_span = key.span().or_else(|| item.span()).unwrap_or_else(|| around.clone());
        let value = node(item, &key_span)?;
        Some(Entry { key: name.to_owned(), key_span, value })
    };
    table.iter().filter_map(entry).collect()
}

/// `around` is where a table lives that no header spells out, such as the `a` of `[a.b]`.
fn node(item: &Item, around: &Span) -> Option<Node> {
    let span = item.span().unwrap_or_else(|| around.clone());
    let kind = match item {
        Item::None => return None,
        Item::Value(value) => return Some(of_value(value, around)),
        Item::Table(table) => Kind::Table(entries(table, &span)),
        Item::ArrayOfTables(tables) => {
            let one = |table: &toml_edit::Table| {
                let span = table.span().unwrap_or_else(|| around.clone());
                Node { kind: Kind::Table(entries(table, &span)), span }
            };
            Kind::List(tables.iter().map(one).collect())
        }
    };
    Some(Node { span, kind })
}

fn of_value(value: &Value, around: &Span) -> Node {
    let span = value.span().unwrap_or_else(|| around.clone());
    let kind = match value {
        Value::String(text) => Kind::Text(text.value().clone()),
        Value::Integer(number) => Kind::Integer(*number.value()),
        Value::Float(number) => Kind::Float(*number.value()),
        Value::Boolean(is) => Kind::Bool(*is.value()),
        Value::Datetime(date) => Kind::Date(date.value().to_string()),
        Value::Array(items) => Kind::List(items.iter().map(|item| of_value(item, &span)).collect()),
        Value::InlineTable(table) => Kind::Table(entries(table, &span)),
    };
    Node { span, kind }
}

/// A walk down the tree that never fails: where a step is missing it stays at the last place that exists.
#[derive(Debug, Clone)]
pub(crate) struct Spot<'a> {
    node: Option<&'a Node>,
    key: Span,
    value: Span,
}

impl<'a> Spot<'a> {
    pub(crate) fn root(node: &'a Node) -> Self {
        Self { node: Some(node), key: 0..0, value: 0..0 }
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        match self.node.and_then(|node| node.entry(key)) {
            Some(entry) => {
                Self { node: Some(&entry.value), key: entry.key_span.clone(), value: entry.value.span.clone() }
            }
            None => Self { node: None, ..self.clone() },
        }
    }

    pub(crate) fn item(&self, at: usize) -> Self {
        match self.node.and_then(|node| node.items().get(at)) {
            Some(item) => Self { node: Some(item), key: item.span.clone(), value: item.span.clone() },
            None => Self { node: None, ..self.clone() },
        }
    }

    /// The keys that are written here, whether what they hold is good or not.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.node.map(Node::entries).unwrap_or_default().iter().map(|entry| entry.key.as_str())
    }

    pub(crate) fn key_span(&self) -> Span {
        self.key.clone()
    }
    pub(crate) fn value_span(&self) -> Span {
        self.value.clone()
    }
}
