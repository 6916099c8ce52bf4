//! From what a guest hands over to what the sink takes: within bounds, and within the invocation's trace.

use std::sync::Arc;

use weft_types::{Timestamp, Trace};

use super::{
    sink::{
        Attributes, Buckets, ExponentialPoint, GuestMetric, GuestScope, GuestSpan, HistogramPoint, MetricData, Number,
        NumberPoint, SpanEvent, SpanKind, SpanLink, SpanStatus,
    },
    span_id, trace_id,
    wit::{self, KeyValue, LogRecord, SpanData, Temporality, TraceFlags},
};
use crate::services::log::LogLevel;

/// Attributes, events or links of one thing.
const LIST_MAX: usize = 128;
/// Points of one metric, and buckets of one point.
const POINTS_MAX: usize = 1_000;
/// One text: a name, a key, a value.
const TEXT_MAX: usize = 4 << 10;

/// A span in the invocation's trace, whatever trace the guest thought it was in: a guest adds to its own call's trace
/// and to no other. `None` where it has no id.
pub(super) fn span(data: SpanData, call: &Trace) -> Option<GuestSpan> {
    let own = span_id(&data.span_context.span_id)?;
    let parent = span_id(&data.parent_span_id).unwrap_or(call.span);
    let mut dropped = [data.dropped_attributes, data.dropped_events, data.dropped_links];
    let attributes = attributes(data.attributes, &mut dropped[0]);
    let events = some(data.events, &mut dropped[1]).map(event).collect();
    let links = some(data.links, &mut dropped[2]).filter_map(link).collect();
    Some(GuestSpan {
        trace: Trace { span: own, parent: Some(parent), ..call.clone() },
        name: short(data.name),
        kind: match data.span_kind {
            wit::SpanKind::Client => SpanKind::Client,
            wit::SpanKind::Server => SpanKind::Server,
            wit::SpanKind::Producer => SpanKind::Producer,
            wit::SpanKind::Consumer => SpanKind::Consumer,
            wit::SpanKind::Internal => SpanKind::Internal,
        },
        start: time(data.start_time),
        end: time(data.end_time).max(time(data.start_time)),
        attributes,
        events,
        links,
        status: match data.status {
            wit::Status::Unset => SpanStatus::Unset,
            wit::Status::Ok => SpanStatus::Ok,
            wit::Status::Error(text) => SpanStatus::Error(short(text)),
        },
        scope: scope(data.instrumentation_scope),
        dropped,
    })
}

pub(super) fn scope(scope: wit::Scope) -> Arc<GuestScope> {
    Arc::new(GuestScope { name: short(scope.name), version: scope.version.map(short) })
}

fn event(event: wit::Event) -> SpanEvent {
    let attributes = attributes(event.attributes, &mut 0);
    SpanEvent { name: short(event.name), at: time(event.time), attributes }
}

fn link(link: wit::Link) -> Option<SpanLink> {
    Some(SpanLink {
        trace: trace_id(&link.span_context.trace_id)?,
        span: span_id(&link.span_context.span_id)?,
        sampled: link.span_context.trace_flags.contains(TraceFlags::SAMPLED),
        attributes: attributes(link.attributes, &mut 0),
    })
}

pub(super) fn metric(metric: wit::Metric, scope: &Arc<GuestScope>) -> GuestMetric {
    let (data, start, at) = match metric.data {
        wit::MetricData::F64Gauge(it) | wit::MetricData::U64Gauge(it) | wit::MetricData::S64Gauge(it) => {
            (MetricData::Gauge(numbers(it.points)), it.start_time, it.time)
        }
        wit::MetricData::F64Sum(it) | wit::MetricData::U64Sum(it) | wit::MetricData::S64Sum(it) => {
            let (delta, monotonic) = (delta(it.temporality), it.is_monotonic);
            (MetricData::Sum { points: numbers(it.points), delta, monotonic }, Some(it.start_time), it.time)
        }
        wit::MetricData::F64Histogram(it) | wit::MetricData::U64Histogram(it) | wit::MetricData::S64Histogram(it) => {
            let points = it.points.into_iter().take(POINTS_MAX).map(histogram).collect();
            (MetricData::Histogram { points, delta: delta(it.temporality) }, Some(it.start_time), it.time)
        }
        wit::MetricData::F64Exponential(it)
        | wit::MetricData::U64Exponential(it)
        | wit::MetricData::S64Exponential(it) => {
            let points = it.points.into_iter().take(POINTS_MAX).map(exponential).collect();
            (MetricData::Exponential { points, delta: delta(it.temporality) }, Some(it.start_time), it.time)
        }
    };
    GuestMetric {
        name: short(metric.name),
        description: short(metric.description),
        unit: short(metric.unit),
        scope: Arc::clone(scope),
        start: start.map(time),
        at: time(at),
        data,
    }
}

fn delta(temporality: Temporality) -> bool {
    // Low memory is delta for the instruments that can be exported so.
    temporality != Temporality::Cumulative
}

fn numbers(points: Vec<wit::NumberPoint>) -> Vec<NumberPoint> {
    let point = |point: wit::NumberPoint| NumberPoint {
        attributes: attributes(point.attributes, &mut 0),
        value: number(point.value),
    };
    points.into_iter().take(POINTS_MAX).map(point).collect()
}

fn histogram(mut point: wit::HistogramPoint) -> HistogramPoint {
    point.bounds.truncate(POINTS_MAX);
    point.bucket_counts.truncate(POINTS_MAX + 1);
    HistogramPoint {
        attributes: attributes(point.attributes, &mut 0),
        count: point.count,
        sum: number(point.sum),
        min: point.min.map(number),
        max: point.max.map(number),
        bounds: point.bounds,
        counts: point.bucket_counts,
    }
}

fn exponential(point: wit::ExponentialPoint) -> ExponentialPoint {
    ExponentialPoint {
        attributes: attributes(point.attributes, &mut 0),
        count: point.count,
        sum: number(point.sum),
        min: point.min.map(number),
        max: point.max.map(number),
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: buckets(point.positive),
        negative: buckets(point.negative),
    }
}

fn buckets(mut buckets: wit::Bucket) -> Buckets {
    buckets.counts.truncate(POINTS_MAX);
    Buckets { offset: buckets.offset, counts: buckets.counts }
}

fn number(number: wit::Number) -> Number {
    match number {
        wit::Number::F64(number) => Number::Float(number),
        wit::Number::S64(number) => Number::Signed(number),
        wit::Number::U64(number) => Number::Unsigned(number),
    }
}

/// By the ranges of OpenTelemetry's severity numbers.
pub(super) fn level(record: &LogRecord) -> LogLevel {
    match record.severity_number {
        Some(1..=4) => LogLevel::Trace,
        Some(5..=8) => LogLevel::Debug,
        Some(13..=16) => LogLevel::Warn,
        Some(17..=20) => LogLevel::Error,
        Some(21..) => LogLevel::Critical,
        _ => LogLevel::Info,
    }
}

/// The body, and behind it the attributes.
pub(super) fn message(record: &LogRecord) -> String {
    let mut message = record.body.as_deref().map(unquoted).unwrap_or_default();
    for KeyValue { key, value } in record.attributes.iter().flatten().take(LIST_MAX) {
        if !message.is_empty() {
            message.push(' ');
        }
        message.push_str(key);
        message.push('=');
        message.push_str(value);
    }
    message
}

/// A JSON text as the text that it stands for; any other JSON as it is.
fn unquoted(json: &str) -> String {
    let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return json.to_owned() };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                text.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    text
}

fn attributes(all: Vec<KeyValue>, dropped: &mut u32) -> Attributes {
    some(all, dropped).map(|KeyValue { key, value }| (short(key), short(value))).collect()
}

/// The first so many; the rest is counted as dropped.
fn some<T>(all: Vec<T>, dropped: &mut u32) -> impl Iterator<Item = T> {
    let over = all.len().saturating_sub(LIST_MAX);
    *dropped = dropped.saturating_add(u32::try_from(over).unwrap_or(u32::MAX));
    all.into_iter().take(LIST_MAX)
}

fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_MAX));
    text
}

fn time(at: wit::Datetime) -> Timestamp {
    Timestamp::from_nanos(at.seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(at.nanoseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_text_is_shown_as_text() {
        for (json, text) in [
            (r#""a\n\"b\" \u00e4 \\""#, "a\n\"b\" ä \\"),
            ("17", "17"),
            (r#"["a"]"#, r#"["a"]"#),
            (r#"""#, r#"""#),
            ("\"\\\"", "\\"),
        ] {
            assert_eq!(unquoted(json), text, "{json}");
        }
    }
}
