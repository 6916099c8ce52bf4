//! The engine floor: compile, cache, instantiate, limit and meter WebAssembly components.
//!
//! The only crate that names wasmtime. A [`Host`] loads [`Component`]s; a component runs one [`Invocation`] at a
//! time through [`Component::invoke`], in a fresh instance or a warm one. What a guest may touch is its
//! [`Grants`]; everything else is refused with the line of the manifest that would grant it.
//!
//! [`Invocation`]: weft_types::Invocation

mod away;
mod body;
mod cache;
mod call;
mod component;
mod cores;
mod engine;
mod exchange;
mod grants;
mod guest;
mod http2;
mod http3;
mod http_values;
mod judge;
mod limits;
mod load;
mod pool;
mod reuse;
mod services;
mod worker;

pub use component::{Component, Stats};
pub use cores::Computing;
pub use engine::{Host, HostOptions};
pub use grants::{Folder, Grants, Isolation, Limits};
pub use load::{ComponentSpec, Handler, LoadError, Source};
pub use services::{
    Attributes, Buckets, CodeFrom, ExponentialPoint, GuestLine, GuestLog, GuestLogs, GuestMetric, GuestScope,
    GuestSpan, GuestSpans, HistogramPoint, InstanceMeter, LendError, LogLevel, LogSource, Meters, MetricData, Number,
    NumberPoint, OutboundOptions, OutboundRules, Resolve, Secret, Services, SpanEvent, SpanKind, SpanLink, SpanStatus,
    Stores,
};
