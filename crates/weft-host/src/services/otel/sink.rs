//! Where a guest's own spans and metrics go: a sink that the node provides.

use std::sync::Arc;

use weft_types::{Name, SpanId, Timestamp, Trace, TraceId};

/// Takes spans and metrics without ever waiting; what it cannot keep it drops and counts.
pub trait GuestSpans: Send + Sync {
    /// Whether spans of this trace are recorded at all.
    fn wants(&self, trace: &Trace) -> bool;

    fn span(&self, application: &Name, component: &Name, span: GuestSpan);

    fn metric(&self, application: &Name, component: &Name, metric: GuestMetric);
}

/// Keys and values. A value is JSON, as `wasi:otel` hands it over: `"text"`, `1`, `true`, `["a"]`; bytes are
/// `"{base64}:…"`. At most 128 of them, of at most 4 KiB each.
pub type Attributes = Vec<(String, String)>;

/// What made a span or metric: a library of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuestScope {
    pub name: String,
    pub version: Option<String>,
}

/// A finished span.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestSpan {
    /// In the trace of the invocation, whose span is the parent of those that the guest gave none.
    pub trace: Trace,
    pub name: String,
    pub kind: SpanKind,
    pub start: Timestamp,
    pub end: Timestamp,
    pub attributes: Attributes,
    pub events: Vec<SpanEvent>,
    pub links: Vec<SpanLink>,
    pub status: SpanStatus,
    pub scope: Arc<GuestScope>,
    /// Attributes, events and links that the guest or we left out.
    pub dropped: [u32; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    Client,
    Server,
    Producer,
    Consumer,
    Internal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanStatus {
    Unset,
    Ok,
    Error(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanEvent {
    pub name: String,
    pub at: Timestamp,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanLink {
    pub trace: TraceId,
    pub span: SpanId,
    pub sampled: bool,
    pub attributes: Attributes,
}

/// One instrument's points.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestMetric {
    pub name: String,
    pub description: String,
    pub unit: String,
    pub scope: Arc<GuestScope>,
    pub start: Option<Timestamp>,
    pub at: Timestamp,
    pub data: MetricData,
}

/// `delta`: since the last export; else since the start. At most 1000 points.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricData {
    Gauge(Vec<NumberPoint>),
    Sum { points: Vec<NumberPoint>, delta: bool, monotonic: bool },
    Histogram { points: Vec<HistogramPoint>, delta: bool },
    Exponential { points: Vec<ExponentialPoint>, delta: bool },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Float(f64),
    Signed(i64),
    Unsigned(u64),
}

impl Number {
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Float(number) => number,
            Self::Signed(number) => number as f64,
            Self::Unsigned(number) => number as f64,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct NumberPoint {
    pub attributes: Attributes,
    pub value: Number,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HistogramPoint {
    pub attributes: Attributes,
    pub count: u64,
    pub sum: Number,
    pub min: Option<Number>,
    pub max: Option<Number>,
    /// Upper bounds of the buckets; one count more than bounds.
    pub bounds: Vec<f64>,
    pub counts: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ExponentialPoint {
    pub attributes: Attributes,
    pub count: u64,
    pub sum: Number,
    pub min: Option<Number>,
    pub max: Option<Number>,
    pub scale: i8,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Buckets,
    pub negative: Buckets,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    pub offset: i32,
    pub counts: Vec<u64>,
}

/// Keeps nothing.
pub(crate) struct NoSpans;

impl GuestSpans for NoSpans {
    fn wants(&self, _: &Trace) -> bool {
        false
    }
    fn span(&self, _: &Name, _: &Name, _: GuestSpan) {}
    fn metric(&self, _: &Name, _: &Name, _: GuestMetric) {}
}
