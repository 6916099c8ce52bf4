//! A span: what one piece of work was, when, and how it went. Made where it ends, from facts known there.

use std::sync::Arc;

use weft_types::{Name, SpanId, Timestamp, Trace, TraceId};

use super::value::{Attributes, Text, bound, weight};

const EVENTS_MAX: usize = 128;
const LINKS_MAX: usize = 128;
const NAME_BYTES_MAX: usize = 1 << 10;

/// One finished span: ours, or one that a guest made by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanRecord {
    /// Such as `GET /orders/:id`: few different ones, never with an id in it.
    pub name: Text,
    pub kind: Kind,
    /// Trace, own span, parent, flags and state.
    pub trace: Trace,
    pub start: Timestamp,
    pub end: Timestamp,
    pub origin: Origin,
    pub attributes: Attributes,
    pub status: Status,
    pub events: Vec<SpanEvent>,
    pub links: Vec<Link>,
    pub dropped: Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub enum Status {
    #[default]
    Unset,
    Ok,
    Error(Text),
}

/// Who did the work: the span's *resource* and *scope* in OpenTelemetry's words.
///
/// A component is a service: `service.namespace` is its application, `service.name` the component. What the node
/// does by itself belongs to the service `weft`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Origin {
    pub component: Option<(Name, Name)>,
    /// The library that made it; `None` for Weft itself.
    pub scope: Option<Arc<Scope>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Scope {
    pub name: String,
    pub version: String,
}

impl Origin {
    pub fn component(application: &Name, component: &Name) -> Self {
        Self { component: Some((application.clone(), component.clone())), scope: None }
    }
}

/// Something that happened during a span.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanEvent {
    pub name: Text,
    pub at: Timestamp,
    pub attributes: Attributes,
}

/// Another span that this one has to do with.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub trace: TraceId,
    pub span: SpanId,
    pub flags: u8,
    pub state: Option<Arc<str>>,
    pub attributes: Attributes,
}

/// How many were left out, by the guest or by our bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    pub attributes: u32,
    pub events: u32,
    pub links: u32,
}

impl SpanRecord {
    /// A span of ours, with nothing but its frame.
    pub fn new(name: impl Into<Text>, kind: Kind, trace: Trace, start: Timestamp, end: Timestamp) -> Self {
        Self {
            name: name.into(),
            kind,
            trace,
            start,
            end,
            origin: Origin::default(),
            attributes: Vec::new(),
            status: Status::Unset,
            events: Vec::new(),
            links: Vec::new(),
            dropped: Dropped::default(),
        }
    }

    /// Cuts what is over the bounds, and counts it in `dropped`.
    pub(crate) fn bound(&mut self) {
        self.name.bound(NAME_BYTES_MAX);
        if let Status::Error(text) = &mut self.status {
            text.bound(NAME_BYTES_MAX);
        }
        self.dropped.events += self.events.len().saturating_sub(EVENTS_MAX) as u32;
        self.events.truncate(EVENTS_MAX);
        self.dropped.links += self.links.len().saturating_sub(LINKS_MAX) as u32;
        self.links.truncate(LINKS_MAX);
        self.dropped.attributes += bound(&mut self.attributes);
        for event in &mut self.events {
            event.name.bound(NAME_BYTES_MAX);
            bound(&mut event.attributes);
        }
        self.links.iter_mut().for_each(|link| _ = bound(&mut link.attributes));
    }

    /// Bytes that it holds in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        let events = self.events.iter().map(|event| 64 + event.name.as_str().len() + weight(&event.attributes));
        let links = self.links.iter().map(|link| 96 + weight(&link.attributes));
        size_of::<Self>() + self.name.as_str().len() + weight(&self.attributes) + events.chain(links).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Value;

    #[test]
    fn a_guests_span_is_kept_within_bounds_and_says_what_is_missing() {
        let at = Timestamp::from_millis(1);
        let mut span = SpanRecord::new("x".repeat(2000), Kind::Internal, Trace::default(), at, at);
        let event = SpanEvent { name: "e".into(), at, attributes: vec![] };
        span.events = vec![event; 200];
        span.attributes = (0..200).map(|at| (format!("k{at}").into(), Value::I64(at))).collect();
        span.dropped.attributes = 1;
        span.bound();
        assert_eq!(span.dropped, Dropped { attributes: 73, events: 72, links: 0 });
        assert_eq!((span.name.as_str().len(), span.events.len(), span.attributes.len()), (1024, 128, 128));
    }
}
