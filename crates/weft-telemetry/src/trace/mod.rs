//! Spans and guests' metrics as records, and the sink that takes them.

mod metric;
mod sink;
mod span;
mod value;

pub use metric::{
    Buckets, ExponentialPoint, GuestMetric, HistogramPoint, MetricData, Number, NumberPoint, Temporality,
};
pub use sink::SpanSink;
pub use span::{Dropped, Kind, Link, Origin, Scope, SpanEvent, SpanRecord, Status};
pub use value::{Attributes, Text, Value};

pub(crate) use sink::{Item, Waiting};
