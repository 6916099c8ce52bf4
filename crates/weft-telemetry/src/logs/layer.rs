//! The node's own events, from `tracing` into the queue.

use std::{fmt, sync::Arc};

use tracing::{
    Event, Subscriber,
    field::{Field as Key, Visit},
};
use tracing_subscriber::{Layer, layer::Context};
use weft_types::Clock;

use super::{
    history::History,
    line::{Field, Format, Id, Line},
    queue::{From, Queue},
};
use crate::metrics::NodeMeter;

/// Formats each enabled event where it happens, and leaves the writing to the queue's thread.
///
/// Fields named `application`, `component`, `invocation`, `trace_id` and `span_id` have places of their own in a
/// line. Spans of `tracing` are not followed: ours are records, made where the facts are (see [`crate::trace`]).
pub(super) struct QueueLayer {
    pub(super) queue: Arc<Queue>,
    pub(super) history: Arc<History>,
    pub(super) format: Format,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) node: Arc<NodeMeter>,
}

impl<S: Subscriber> Layer<S> for QueueLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let fields: Vec<_> = said.fields.iter().map(|(key, value)| (*key, value.borrowed())).collect();
        let id = |text: &'static str| said.lifted(text).map(Id::Text);
        let line = Line {
            at: self.clock.now(),
            level: *event.metadata().level(),
            target: said.lifted("log.target").unwrap_or(event.metadata().target()),
            message: &said.message,
            application: said.lifted("application"),
            component: said.lifted("component"),
            invocation: id("invocation"),
            trace: id("trace_id"),
            span: id("span_id"),
            fields: &fields,
        };
        let mut out = String::with_capacity(256);
        line.write(self.format, &mut out);
        self.history.keep(&line);
        if !self.queue.push(From::Node, out.as_bytes()) {
            self.node.log_dropped.add(1);
        }
    }
}

/// Fields that a line has a place for.
const LIFTED: [&str; 6] = ["application", "component", "invocation", "trace_id", "span_id", "log.target"];

/// What an event says, taken down as it is visited.
#[derive(Default)]
struct Said {
    message: String,
    lifted: [Option<String>; LIFTED.len()],
    fields: Vec<(&'static str, Owned)>,
}

enum Owned {
    Text(String),
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
}

impl Owned {
    fn borrowed(&self) -> Field<'_> {
        match self {
            Self::Text(text) => Field::Text(text),
            Self::I64(value) => Field::I64(*value),
            Self::U64(value) => Field::U64(*value),
            Self::F64(value) => Field::F64(*value),
            Self::Bool(value) => Field::Bool(*value),
        }
    }
}

impl Said {
    fn lifted(&self, name: &str) -> Option<&str> {
        let at = LIFTED.iter().position(|known| *known == name)?;
        self.lifted[at].as_deref()
    }

    fn text(&mut self, key: &Key, text: String) {
        match (key.name(), LIFTED.iter().position(|known| *known == key.name())) {
            ("message", _) => self.message = text,
            (_, Some(at)) => self.lifted[at] = Some(text),
            // What the `log` facade adds about the place; the target says enough.
            ("log.module_path" | "log.file" | "log.line", _) => {}
            (name, None) => self.fields.push((name, Owned::Text(text))),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, key: &Key, value: &dyn fmt::Debug) {
        self.text(key, format!("{value:?}"));
    }
    fn record_str(&mut self, key: &Key, value: &str) {
        self.text(key, value.to_owned());
    }
    fn record_error(&mut self, key: &Key, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.text(key, text);
    }
    fn record_i64(&mut self, key: &Key, value: i64) {
        self.fields.push((key.name(), Owned::I64(value)));
    }
    fn record_u64(&mut self, key: &Key, value: u64) {
        if key.name() != "log.line" {
            self.fields.push((key.name(), Owned::U64(value)));
        }
    }
    fn record_f64(&mut self, key: &Key, value: f64) {
        self.fields.push((key.name(), Owned::F64(value)));
    }
    fn record_bool(&mut self, key: &Key, value: bool) {
        self.fields.push((key.name(), Owned::Bool(value)));
    }
}
