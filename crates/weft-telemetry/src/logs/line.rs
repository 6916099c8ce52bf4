//! One log line as bytes: JSON for machines, or a compact line for people.
//!
//! Whatever a guest or a client wrote reaches the line only through the escapes here: it cannot begin a line of its
//! own or speak to the terminal.

use std::fmt::Write;

use tracing::Level;
use weft_types::{InvocationId, SpanId, Timestamp, TraceId};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object a line.
    Json,
    /// For people; with colour only where the reader is a terminal.
    Text { colour: bool },
}

/// What one line says. Borrowed: nothing is copied but into the line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) at: Timestamp,
    pub(crate) level: Level,
    pub(crate) target: &'a str,
    pub(crate) message: &'a str,
    pub(crate) application: Option<&'a str>,
    pub(crate) component: Option<&'a str>,
    pub(crate) invocation: Option<Id<'a>>,
    pub(crate) trace: Option<Id<'a>>,
    pub(crate) span: Option<Id<'a>>,
    /// Whatever else was said, in order: the value is JSON already.
    pub(crate) fields: &'a [(&'a str, Field<'a>)],
}

/// An id, formatted only where it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Id<'a> {
    Text(&'a str),
    Invocation(InvocationId),
    Trace(TraceId),
    Span(SpanId),
}

#[derive(Debug, Clone)]
pub(crate) enum Field<'a> {
    Text(&'a str),
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
}

impl std::fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Invocation(id) => id.fmt(f),
            Self::Trace(id) => id.fmt(f),
            Self::Span(id) => id.fmt(f),
        }
    }
}

impl Line<'_> {
    /// Appends the line and its newline to `out`.
    pub(crate) fn write(&self, format: Format, out: &mut String) {
        match format {
            Format::Json => self.write_json(out),
            Format::Text { colour } => self.write_text(colour, out),
        }
        out.push('\n');
    }

    fn write_json(&self, out: &mut String) {
        out.push_str("{\"timestamp\":\"");
        timestamp(self.at, out);
        let _ = write!(out, "\",\"level\":\"{}\",\"target\":", level_name(self.level));
        json_text(self.target, out);
        out.push_str(",\"message\":");
        json_text(self.message, out);
        let names = [("application", self.application), ("component", self.component)];
        for (key, text) in names.into_iter().filter_map(|(key, text)| Some((key, text?))) {
            let _ = write!(out, ",\"{key}\":");
            json_text(text, out);
        }
        for (key, id) in self.ids() {
            let _ = write!(out, ",\"{key}\":");
            json_text(&id.to_string(), out);
        }
        self.write_json_fields(out);
        out.push('}');
    }

    fn write_json_fields(&self, out: &mut String) {
        if self.fields.is_empty() {
            return;
        }
        out.push_str(",\"fields\":{");
        for (at, (key, value)) in self.fields.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            json_text(key, out);
            out.push(':');
            value.write_json(out);
        }
        out.push('}');
    }

    fn write_text(&self, colour: bool, out: &mut String) {
        let (dim, strong, plain) = if colour { ("\x1b[2m", level_colour(self.level), "\x1b[0m") } else { ("", "", "") };
        out.push_str(dim);
        timestamp(self.at, out);
        let _ = write!(out, "{plain} {strong}{:5}{plain} ", level_name(self.level).to_ascii_uppercase());
        match (self.application, self.component) {
            (Some(application), Some(component)) => {
                let _ = write!(out, "{dim}{application}/{component}{plain} ");
            }
            (Some(name), None) | (None, Some(name)) => {
                let _ = write!(out, "{dim}{name}{plain} ");
            }
            (None, None) => {}
        }
        plain_text(self.message, out);
        for (key, value) in self.fields {
            let _ = write!(out, " {dim}{key}={plain}");
            value.write_text(out);
        }
        for (key, id) in self.ids().filter(|(key, _)| *key != "span_id") {
            let _ = write!(out, " {dim}{key}=");
            plain_text(&id.to_string(), out);
            out.push_str(plain);
        }
    }

    fn ids(&self) -> impl Iterator<Item = (&'static str, Id<'_>)> {
        let all = [("invocation", self.invocation), ("trace_id", self.trace), ("span_id", self.span)];
        all.into_iter().filter_map(|(key, id)| Some((key, id?)))
    }
}

impl Field<'_> {
    fn write_json(&self, out: &mut String) {
        let _ = match self {
            Self::Text(text) => return json_text(text, out),
            Self::I64(value) => write!(out, "{value}"),
            Self::U64(value) => write!(out, "{value}"),
            Self::F64(value) if value.is_finite() => write!(out, "{value}"),
            Self::F64(value) => write!(out, "\"{value}\""),
            Self::Bool(value) => write!(out, "{value}"),
        };
    }

    fn write_text(&self, out: &mut String) {
        match self {
            Self::Text(text) if needs_quotes(text) => {
                out.push('"');
                plain_text(text, out);
                out.push('"');
            }
            Self::Text(text) => plain_text(text, out),
            Self::F64(value) => _ = write!(out, "{value}"),
            _ => self.write_json(out),
        }
    }
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty() || text.contains([' ', '=', '"'])
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn level_colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// RFC 3339 in UTC, to the millisecond.
fn timestamp(at: Timestamp, out: &mut String) {
    let at = jiff::Timestamp::from_millisecond(at.as_millis() as i64).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let _ = write!(out, "{at:.3}");
}

/// What must not reach a terminal or a line-based reader as it is: controls, and the marks that reorder text.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A JSON string, with every hostile character as an escape.
fn json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hostile(c) => _ = write!(out, "\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Text for people: a tab stays, every hostile character becomes visible.
pub(super) fn plain_text(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\t' => out.push('\t'),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if is_hostile(c) => _ = write!(out, "\\u{{{:x}}}", c as u32),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(line: &Line<'_>, format: Format, expected: &Expect) {
        let mut out = String::new();
        line.write(format, &mut out);
        expected.assert_eq(&out);
    }

    fn line<'a>(message: &'a str, fields: &'a [(&'a str, Field<'a>)]) -> Line<'a> {
        Line {
            at: Timestamp::from_millis(1_795_232_400_007),
            level: Level::INFO,
            target: "weft_node",
            message,
            application: Some("orders"),
            component: Some("api"),
            invocation: Some(Id::Invocation(InvocationId(7))),
            trace: Some(Id::Trace(TraceId(0xab))),
            span: Some(Id::Span(SpanId(0xcd))),
            fields,
        }
    }

    #[test]
    fn json_has_every_part_and_parses() {
        let fields = [("count", Field::U64(3)), ("ratio", Field::F64(f64::NAN)), ("path", Field::Text("/a\"b"))];
        let line = line("applied", &fields);
        check(
            &line,
            Format::Json,
            &expect![[r#"
            {"timestamp":"2026-11-21T03:40:00.007Z","level":"info","target":"weft_node","message":"applied","application":"orders","component":"api","invocation":"inv_00000000000000000000000000000007","trace_id":"000000000000000000000000000000ab","span_id":"00000000000000cd","fields":{"count":3,"ratio":"NaN","path":"/a\"b"}}
        "#]],
        );
        let mut out = String::new();
        line.write(Format::Json, &mut out);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value["fields"]["path"], "/a\"b");
    }

    #[test]
    fn text_is_compact() {
        let fields = [("count", Field::U64(3)), ("path", Field::Text("/a b"))];
        check(
            &line("applied", &fields),
            Format::Text { colour: false },
            &expect![[r#"
            2026-11-21T03:40:00.007Z INFO  orders/api applied count=3 path="/a b" invocation=inv_00000000000000000000000000000007 trace_id=000000000000000000000000000000ab
        "#]],
        );
    }

    #[test]
    fn nothing_said_can_forge_a_line_or_reach_the_terminal() {
        let hostile = "a\n{\"level\":\"error\"}\r\x1b[2J\u{9b}31m\u{202e}evil\u{2028}\0\x7f";
        for format in [Format::Json, Format::Text { colour: false }] {
            let fields = [("field", Field::Text(hostile))];
            let mut line = line(hostile, &fields);
            line.trace = Some(Id::Text(hostile));
            let mut out = String::new();
            line.write(format, &mut out);
            let body = out.strip_suffix('\n').unwrap();
            assert!(!body.chars().any(is_hostile), "{body:?}");
        }
        let mut out = String::new();
        line(hostile, &[]).write(Format::Json, &mut out);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value["message"], hostile, "JSON loses nothing");
    }
}
