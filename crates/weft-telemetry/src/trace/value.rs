//! Texts and attribute values of spans and guests' metrics.

use std::sync::Arc;

/// A text that is copied as seldom as possible: most names are known when we are compiled or deployed.
#[derive(Debug, Clone)]
pub enum Text {
    Static(&'static str),
    Shared(Arc<str>),
    Owned(Box<str>),
}

impl Text {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
            Self::Owned(text) => text,
        }
    }

    /// Cuts to at most `max` bytes.
    pub(crate) fn bound(&mut self, max: usize) {
        if self.as_str().len() > max {
            let text = self.as_str();
            *self = Self::Owned(text[..text.floor_char_boundary(max)].into());
        }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}
impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Owned(text.into())
    }
}
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
impl Default for Text {
    fn default() -> Self {
        Self::Static("")
    }
}

/// An attribute's value, as OpenTelemetry knows them.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    I64(i64),
    F64(f64),
    Text(Text),
    List(Vec<Value>),
}

impl<T: Into<Text>> From<T> for Value {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}
impl From<u16> for Value {
    fn from(value: u16) -> Self {
        Self::I64(value.into())
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

/// In the order in which they were set; a key should occur once.
pub type Attributes = Vec<(Text, Value)>;

/// As OpenTelemetry's default.
pub(crate) const ATTRIBUTES_MAX: usize = 128;
/// Bytes of one text, alone or as an element of a list.
const TEXT_BYTES_MAX: usize = 4 << 10;
const LIST_MAX: usize = 64;
const DEPTH_MAX: usize = 3;

/// Keeps attributes within their bounds; says how many were dropped.
pub(crate) fn bound(attributes: &mut Attributes) -> u32 {
    let dropped = attributes.len().saturating_sub(ATTRIBUTES_MAX);
    attributes.truncate(ATTRIBUTES_MAX);
    for (key, value) in attributes {
        key.bound(TEXT_BYTES_MAX);
        bound_value(value, DEPTH_MAX);
    }
    dropped as u32
}

fn bound_value(value: &mut Value, depth: usize) {
    match value {
        Value::Text(text) => text.bound(TEXT_BYTES_MAX),
        Value::List(values) => {
            values.truncate(if depth == 0 { 0 } else { LIST_MAX });
            values.iter_mut().for_each(|value| bound_value(value, depth.saturating_sub(1)));
        }
        Value::Bool(_) | Value::I64(_) | Value::F64(_) => {}
    }
}

/// Bytes that attributes hold in memory, roughly.
pub(crate) fn weight(attributes: &Attributes) -> usize {
    let each = |(key, value): &(Text, Value)| 64 + key.as_str().len() + weight_of(value);
    attributes.iter().map(each).sum()
}

fn weight_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.as_str().len(),
        Value::List(values) => values.iter().map(|value| 32 + weight_of(value)).sum(),
        Value::Bool(_) | Value::I64(_) | Value::F64(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_kept_within_bounds() {
        let nested = |inner| Value::List(vec![inner]);
        let deep = nested(nested(nested(nested(nested(Value::from(true))))));
        let mut attributes: Attributes = (0..130).map(|at| (format!("k{at}").into(), Value::I64(at))).collect();
        attributes[0].1 = Value::from("ü".repeat(5000));
        attributes[1].1 = Value::List(vec![Value::I64(1); 500]);
        attributes[2].1 = deep;
        assert_eq!(bound(&mut attributes), 2);
        assert_eq!(attributes.len(), 128);
        assert_eq!(attributes[0].1, Value::from("ü".repeat(2048)));
        assert_eq!(attributes[1].1, Value::List(vec![Value::I64(1); 64]));
        assert_eq!(attributes[2].1, nested(nested(nested(Value::List(vec![])))));
        assert!(weight(&attributes) < 128 * (64 + 8) + 4096 + 64 * 32 + 200);
    }
}
