//! `wasi:otel`: a guest's own spans, metrics and log records, below the span of the call that makes them.

mod lower;
mod sink;
mod wit;

use wasmtime::{StoreContextMut, component::Linker};
use weft_types::{Trace, TraceId};

pub(crate) use sink::NoSpans;
pub use sink::{
    Attributes, Buckets, ExponentialPoint, GuestMetric, GuestScope, GuestSpan, GuestSpans, HistogramPoint, MetricData,
    Number, NumberPoint, SpanEvent, SpanKind, SpanLink, SpanStatus,
};
use wit::{LogRecord, ResourceMetrics, SpanContext, SpanData, TraceFlags};

use super::log::{GuestLine, LogSource};
use crate::guest::{Guest, find_caller};

/// The versions that guests in use were built with. Their types are the same.
const VERSIONS: &[&str] = &["0.2.0-draft", "0.2.0-rc.1", "0.2.0-rc.2"];

/// Spans that a guest has begun and not ended, of which it is told the last.
const OPEN_MAX: usize = 128;
/// Metrics that one export may hold.
const METRICS_MAX: usize = 1_000;

/// The spans that one call has begun and not ended, as the guest named them.
pub(crate) type Open = Vec<SpanContext>;

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    for version in VERSIONS {
        let mut tracing = linker.instance(&format!("wasi:otel/tracing@{version}"))?;
        tracing.func_wrap("on-start", started)?;
        tracing.func_wrap("on-end", ended)?;
        tracing.func_wrap("current-span-context", |mut store: StoreContextMut<'_, Guest>, (): ()| {
            find_caller(&mut store)?;
            let guest = store.data();
            let own = guest.call().and_then(|call| call.spans.lock().last().cloned());
            Ok((own.unwrap_or_else(|| outer(guest)),))
        })?;
        // What the first draft called it.
        tracing.func_wrap("outer-span-context", |mut store: StoreContextMut<'_, Guest>, (): ()| {
            find_caller(&mut store)?;
            Ok((outer(store.data()),))
        })?;
        linker.instance(&format!("wasi:otel/metrics@{version}"))?.func_wrap("export", measured)?;
        linker.instance(&format!("wasi:otel/logs@{version}"))?.func_wrap("on-emit", logged)?;
    }
    Ok(())
}

/// The span of the call in progress.
fn outer(guest: &Guest) -> SpanContext {
    let Some(call) = guest.call() else { return SpanContext::default() };
    let Trace { trace, span, flags, state, .. } = &call.trace;
    let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    SpanContext {
        trace_id: trace.to_string(),
        span_id: span.to_string(),
        trace_flags: if flags & Trace::SAMPLED != 0 { TraceFlags::SAMPLED } else { TraceFlags::empty() },
        is_remote: true,
        trace_state: state.iter().flat_map(|state| state.split(',')).filter_map(pair).collect(),
    }
}

fn started(mut store: StoreContextMut<'_, Guest>, (context,): (SpanContext,)) -> wasmtime::Result<()> {
    find_caller(&mut store)?;
    let Some(call) = store.data().call() else { return Ok(()) };
    let mut open = call.spans.lock();
    if open.len() < OPEN_MAX && context.trace_id.len() == 32 && context.span_id.len() == 16 {
        open.push(context);
    }
    Ok(())
}

fn ended(mut store: StoreContextMut<'_, Guest>, (data,): (SpanData,)) -> wasmtime::Result<()> {
    find_caller(&mut store)?;
    let guest = store.data();
    let lent = guest.lent();
    // Outside of a call there is no trace that it could be part of.
    let Some(call) = guest.call() else { return Ok(()) };
    call.spans.lock().retain(|open| open.span_id != data.span_context.span_id);
    if lent.spans.wants(&call.trace)
        && let Some(span) = lower::span(data, &call.trace)
    {
        lent.spans.span(&lent.application, &lent.component, span);
    }
    Ok(())
}

type Exported = (Result<(), String>,);

fn measured(store: StoreContextMut<'_, Guest>, (metrics,): (ResourceMetrics,)) -> wasmtime::Result<Exported> {
    let lent = store.data().lent();
    let count: usize = metrics.scope_metrics.iter().map(|scope| scope.metrics.len()).sum();
    if count > METRICS_MAX {
        return Ok((Err(format!("{count} metrics at once are more than {METRICS_MAX}")),));
    }
    for scope in metrics.scope_metrics {
        let named = lower::scope(scope.scope);
        for metric in scope.metrics {
            lent.spans.metric(&lent.application, &lent.component, lower::metric(metric, &named));
        }
    }
    Ok((Ok(()),))
}

fn logged(mut store: StoreContextMut<'_, Guest>, (record,): (LogRecord,)) -> wasmtime::Result<()> {
    find_caller(&mut store)?;
    let guest = store.data();
    let (log, level) = (guest.lent().log(), lower::level(&record));
    if log.wants(level) {
        let call = guest.call();
        let scope = record.instrumentation_scope.as_ref().map(|scope| scope.name.as_str());
        log.log(&GuestLine {
            source: LogSource::Logging,
            level,
            context: record.event_name.as_deref().filter(|name| !name.is_empty()).or(scope).unwrap_or_default(),
            message: &lower::message(&record),
            invocation: call.map(|call| call.id),
            trace: call.map(|call| &call.trace),
        });
    }
    Ok(())
}

/// 16 or 8 bytes in lower-case hexadecimal; zero is none.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let value = if plain { u128::from_str_radix(text, 16).ok()? } else { 0 };
    (value != 0).then_some(value)
}

fn trace_id(text: &str) -> Option<TraceId> {
    hex(text, 32).map(TraceId)
}

fn span_id(text: &str) -> Option<weft_types::SpanId> {
    hex(text, 16).map(|value| weft_types::SpanId(value as u64))
}
