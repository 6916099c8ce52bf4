//! What the platform lends to guests: each WIT interface and version is a thin face over one port.
//!
//! ```text
//! weft.toml ─▶ Grants ─┐                 ┌─▶ a face (keyvalue, unit, config, logging, …) ─▶ the guest
//! node.toml ─▶ Services ┴─▶ Lent (deploy) ┘
//! ```
//! Deny by default: a face finds in [`Lent`] what was granted, and nothing else. A refusal names the line of the
//! manifest that would grant it.

mod callers;
mod config;
mod http_error;
mod keyvalue;
mod lend;
mod log;
mod logging;
mod meter;
mod otel;
mod outbound;
mod random;
mod refusal;
mod secret;
mod stdio;
mod unit;
mod wasi;

use wasmtime::component::{Linker, LinkerInstance, Lower};

pub(crate) use keyvalue::link_for;
pub use lend::{LendError, Services, Stores};
pub(crate) use lend::{Lent, Ready};
pub use log::{GuestLine, GuestLog, GuestLogs, LogLevel, LogSource};
pub(crate) use meter::Counted;
pub use meter::{CodeFrom, InstanceMeter, Meters};
pub(crate) use otel::Open as OpenSpans;
pub use otel::{
    Attributes, Buckets, ExponentialPoint, GuestMetric, GuestScope, GuestSpan, GuestSpans, HistogramPoint, MetricData,
    Number, NumberPoint, SpanEvent, SpanKind, SpanLink, SpanStatus,
};
pub use outbound::{OutboundOptions, OutboundRules, Resolve};
pub use secret::Secret;
pub(crate) use stdio::Stdio;
pub(crate) use wasi::wasi;

use crate::guest::Guest;

/// Makes every service importable. What a component may do with it is decided by its [`Lent`].
pub(crate) fn link(linker: &mut Linker<Guest>, concurrency: bool) -> wasmtime::Result<()> {
    keyvalue::link(linker)?;
    unit::link(linker)?;
    config::link(linker)?;
    logging::link(linker)?;
    otel::link(linker)?;
    if concurrency {
        callers::link(linker)?;
    }
    http_error::link(linker)
}

/// Defines a function that may wait. What it needs of the guest it takes before it waits.
///
/// The interfaces are of WASI 0.2, whose functions block the instance that calls them, in a concurrent 0.3 instance too.
fn waits<P, R, F>(
    instance: &mut LinkerInstance<'_, Guest>,
    name: &str,
    begin: impl Fn(&mut Guest, P) -> wasmtime::Result<F> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lift + 'static,
    R: wasmtime::component::ComponentType + Lower + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    instance.func_wrap_async(name, move |mut store, params: P| {
        let begun = begin(store.data_mut(), params);
        // The instance can do nothing else meanwhile: nobody should come in.
        if let Some(worker) = store.data().worker() {
            worker.set_busy(true);
        }
        Box::new(async move { Ok((begun?.await,)) })
    })
}
