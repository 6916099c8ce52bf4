//! The types of `wasi:otel`, as they are lifted.
#![allow(dead_code, reason = "the interface has fields that nothing reads")]

use wasmtime::component::{ComponentType, Lift, Lower, flags};

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct KeyValue {
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Resource {
    attributes: Vec<KeyValue>,
    #[component(name = "schema-url")]
    schema_url: Option<String>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Scope {
    pub(super) name: String,
    pub(super) version: Option<String>,
    #[component(name = "schema-url")]
    schema_url: Option<String>,
    attributes: Vec<KeyValue>,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(record)]
pub(super) struct Datetime {
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
}

flags! {
    TraceFlags {
        #[component(name = "sampled")]
        const SAMPLED;
    }
}

#[derive(ComponentType, Lift, Lower, Clone, Default)]
#[component(record)]
pub(crate) struct SpanContext {
    #[component(name = "trace-id")]
    pub(super) trace_id: String,
    #[component(name = "span-id")]
    pub(super) span_id: String,
    #[component(name = "trace-flags")]
    pub(super) trace_flags: TraceFlags,
    #[component(name = "is-remote")]
    pub(super) is_remote: bool,
    #[component(name = "trace-state")]
    pub(super) trace_state: Vec<(String, String)>,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum SpanKind {
    #[component(name = "client")]
    Client,
    #[component(name = "server")]
    Server,
    #[component(name = "producer")]
    Producer,
    #[component(name = "consumer")]
    Consumer,
    #[component(name = "internal")]
    Internal,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) time: Datetime,
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Link {
    #[component(name = "span-context")]
    pub(super) span_context: SpanContext,
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Status {
    #[component(name = "unset")]
    Unset,
    #[component(name = "ok")]
    Ok,
    #[component(name = "error")]
    Error(String),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct SpanData {
    #[component(name = "span-context")]
    pub(super) span_context: SpanContext,
    #[component(name = "parent-span-id")]
    pub(super) parent_span_id: String,
    #[component(name = "span-kind")]
    pub(super) span_kind: SpanKind,
    pub(super) name: String,
    #[component(name = "start-time")]
    pub(super) start_time: Datetime,
    #[component(name = "end-time")]
    pub(super) end_time: Datetime,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) events: Vec<Event>,
    pub(super) links: Vec<Link>,
    pub(super) status: Status,
    #[component(name = "instrumentation-scope")]
    pub(super) instrumentation_scope: Scope,
    #[component(name = "dropped-attributes")]
    pub(super) dropped_attributes: u32,
    #[component(name = "dropped-events")]
    pub(super) dropped_events: u32,
    #[component(name = "dropped-links")]
    pub(super) dropped_links: u32,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct LogRecord {
    timestamp: Option<Datetime>,
    #[component(name = "observed-timestamp")]
    observed_timestamp: Option<Datetime>,
    #[component(name = "severity-text")]
    severity_text: Option<String>,
    #[component(name = "severity-number")]
    pub(super) severity_number: Option<u8>,
    pub(super) body: Option<String>,
    pub(super) attributes: Option<Vec<KeyValue>>,
    #[component(name = "event-name")]
    pub(super) event_name: Option<String>,
    resource: Option<Resource>,
    #[component(name = "instrumentation-scope")]
    pub(super) instrumentation_scope: Option<Scope>,
    #[component(name = "trace-id")]
    trace_id: Option<String>,
    #[component(name = "span-id")]
    span_id: Option<String>,
    #[component(name = "trace-flags")]
    trace_flags: Option<TraceFlags>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct ResourceMetrics {
    resource: Resource,
    #[component(name = "scope-metrics")]
    pub(super) scope_metrics: Vec<ScopeMetrics>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct ScopeMetrics {
    pub(super) scope: Scope,
    pub(super) metrics: Vec<Metric>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) unit: String,
    pub(super) data: MetricData,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum MetricData {
    #[component(name = "f64-gauge")]
    F64Gauge(Gauge),
    #[component(name = "f64-sum")]
    F64Sum(Sum),
    #[component(name = "f64-histogram")]
    F64Histogram(Histogram),
    #[component(name = "f64-exponential-histogram")]
    F64Exponential(ExponentialHistogram),
    #[component(name = "u64-gauge")]
    U64Gauge(Gauge),
    #[component(name = "u64-sum")]
    U64Sum(Sum),
    #[component(name = "u64-histogram")]
    U64Histogram(Histogram),
    #[component(name = "u64-exponential-histogram")]
    U64Exponential(ExponentialHistogram),
    #[component(name = "s64-gauge")]
    S64Gauge(Gauge),
    #[component(name = "s64-sum")]
    S64Sum(Sum),
    #[component(name = "s64-histogram")]
    S64Histogram(Histogram),
    #[component(name = "s64-exponential-histogram")]
    S64Exponential(ExponentialHistogram),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Gauge {
    #[component(name = "data-points")]
    pub(super) points: Vec<NumberPoint>,
    #[component(name = "start-time")]
    pub(super) start_time: Option<Datetime>,
    pub(super) time: Datetime,
}

/// Of a gauge and of a sum.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct NumberPoint {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) value: Number,
    exemplars: Vec<Exemplar>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Sum {
    #[component(name = "data-points")]
    pub(super) points: Vec<NumberPoint>,
    #[component(name = "start-time")]
    pub(super) start_time: Datetime,
    pub(super) time: Datetime,
    pub(super) temporality: Temporality,
    #[component(name = "is-monotonic")]
    pub(super) is_monotonic: bool,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Histogram {
    #[component(name = "data-points")]
    pub(super) points: Vec<HistogramPoint>,
    #[component(name = "start-time")]
    pub(super) start_time: Datetime,
    pub(super) time: Datetime,
    pub(super) temporality: Temporality,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct HistogramPoint {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) count: u64,
    pub(super) bounds: Vec<f64>,
    #[component(name = "bucket-counts")]
    pub(super) bucket_counts: Vec<u64>,
    pub(super) min: Option<Number>,
    pub(super) max: Option<Number>,
    pub(super) sum: Number,
    exemplars: Vec<Exemplar>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct ExponentialHistogram {
    #[component(name = "data-points")]
    pub(super) points: Vec<ExponentialPoint>,
    #[component(name = "start-time")]
    pub(super) start_time: Datetime,
    pub(super) time: Datetime,
    pub(super) temporality: Temporality,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct ExponentialPoint {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) count: u64,
    pub(super) min: Option<Number>,
    pub(super) max: Option<Number>,
    pub(super) sum: Number,
    pub(super) scale: i8,
    #[component(name = "zero-count")]
    pub(super) zero_count: u64,
    #[component(name = "positive-bucket")]
    pub(super) positive: Bucket,
    #[component(name = "negative-bucket")]
    pub(super) negative: Bucket,
    #[component(name = "zero-threshold")]
    pub(super) zero_threshold: f64,
    exemplars: Vec<Exemplar>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Bucket {
    pub(super) offset: i32,
    pub(super) counts: Vec<u64>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Exemplar {
    #[component(name = "filtered-attributes")]
    filtered_attributes: Vec<KeyValue>,
    time: Datetime,
    value: Number,
    #[component(name = "span-id")]
    span_id: String,
    #[component(name = "trace-id")]
    trace_id: String,
}

#[derive(ComponentType, Lift, Clone, Copy, PartialEq, Eq)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Temporality {
    #[component(name = "cumulative")]
    Cumulative,
    #[component(name = "delta")]
    Delta,
    #[component(name = "low-memory")]
    LowMemory,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(variant)]
pub(super) enum Number {
    #[component(name = "f64")]
    F64(f64),
    #[component(name = "s64")]
    S64(i64),
    #[component(name = "u64")]
    U64(u64),
}
