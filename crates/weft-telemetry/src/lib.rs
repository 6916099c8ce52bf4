//! Logs, metrics and traces: the only crate that names their libraries.
//!
//! Nothing here waits on the path of a request: a count is a relaxed addition, a log line or a span is put on a
//! bounded queue, and what finds its queue full is dropped and counted.

pub mod logs;
pub mod metrics;
#[cfg(feature = "otel")]
pub mod otlp;
pub mod trace;
