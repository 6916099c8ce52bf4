//! Spans and guests' metrics as records, and the sink that takes them.

#[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "only the exporter looks inside"))]
mod metric;
#[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "without an exporter every sink is off"))]
mod sink;
mod span;
mod value;

pub use metric::{
    Buckets, ExponentialPoint, GuestMetric, HistogramPoint, MetricData, Number, NumberPoint, Temporality,
};
pub use sink::SpanSink;
pub use span::{Dropped, Kind, Link, Origin, Scope, SpanEvent, SpanRecord, Status};
pub use value::{Attributes, Text, Value};

#[cfg(feature = "otel")]
pub(crate) use sink::{Item, Waiting};
