//! What guests trace and measure by themselves, from the host's seam to the exporter.

use std::sync::Arc;

use weft_host::{self as host, GuestSpans};
use weft_telemetry::trace::{self, SpanSink, Value};
use weft_types::{Name, Trace};

use crate::sampling::wants;

pub(crate) struct Spans(pub(crate) SpanSink);

impl GuestSpans for Spans {
    fn wants(&self, trace: &Trace) -> bool {
        wants(&self.0, trace)
    }

    fn span(&self, application: &Name, component: &Name, span: host::GuestSpan) {
        let kind = match span.kind {
            host::SpanKind::Client => trace::Kind::Client,
            host::SpanKind::Server => trace::Kind::Server,
            host::SpanKind::Producer => trace::Kind::Producer,
            host::SpanKind::Consumer => trace::Kind::Consumer,
            host::SpanKind::Internal => trace::Kind::Internal,
        };
        let mut record = trace::SpanRecord::new(span.name, kind, span.trace, span.start, span.end);
        record.origin = origin(application, component, &span.scope);
        record.attributes = attributes(span.attributes);
        record.status = match span.status {
            host::SpanStatus::Unset => trace::Status::Unset,
            host::SpanStatus::Ok => trace::Status::Ok,
            host::SpanStatus::Error(text) => trace::Status::Error(text.into()),
        };
        let event = |event: host::SpanEvent| trace::SpanEvent {
            name: event.name.into(),
            at: event.at,
            attributes: attributes(event.attributes),
        };
        record.events = span.events.into_iter().map(event).collect();
        let link = |link: host::SpanLink| trace::Link {
            trace: link.trace,
            span: link.span,
            flags: if link.sampled { Trace::SAMPLED } else { 0 },
            state: None,
            attributes: attributes(link.attributes),
        };
        record.links = span.links.into_iter().map(link).collect();
        let [attributes, events, links] = span.dropped;
        record.dropped = trace::Dropped { attributes, events, links };
        self.0.emit(record);
    }

    fn metric(&self, application: &Name, component: &Name, metric: host::GuestMetric) {
        self.0.emit_metric(trace::GuestMetric {
            origin: origin(application, component, &metric.scope),
            name: metric.name.into(),
            description: metric.description.into(),
            unit: metric.unit.into(),
            start: metric.start,
            at: metric.at,
            data: data(metric.data),
        });
    }
}

fn origin(application: &Name, component: &Name, scope: &host::GuestScope) -> trace::Origin {
    let scope = trace::Scope { name: scope.name.clone(), version: scope.version.clone().unwrap_or_default() };
    trace::Origin { scope: Some(Arc::new(scope)), ..trace::Origin::component(application, component) }
}

fn attributes(given: host::Attributes) -> trace::Attributes {
    given.into_iter().map(|(key, json)| (key.into(), value(&json))).collect()
}

/// A value comes as JSON; what is none is passed on as the text that it is.
fn value(json: &str) -> Value {
    serde_json::from_str(json).ok().and_then(of_json).unwrap_or_else(|| Value::Text(json.to_owned().into()))
}

fn of_json(json: serde_json::Value) -> Option<Value> {
    Some(match json {
        serde_json::Value::Bool(is) => Value::Bool(is),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::I64(number),
            None => Value::F64(number.as_f64()?),
        },
        serde_json::Value::String(text) => Value::Text(text.into()),
        serde_json::Value::Array(items) => Value::List(items.into_iter().filter_map(of_json).collect()),
        serde_json::Value::Null | serde_json::Value::Object(_) => return None,
    })
}

fn data(data: host::MetricData) -> trace::MetricData {
    let temporality = |delta: bool| if delta { trace::Temporality::Delta } else { trace::Temporality::Cumulative };
    let numbers = |points: Vec<host::NumberPoint>| points.into_iter().map(number_point).collect();
    match data {
        host::MetricData::Gauge(points) => trace::MetricData::Gauge(numbers(points)),
        host::MetricData::Sum { points, delta, monotonic } => {
            trace::MetricData::Sum { points: numbers(points), temporality: temporality(delta), monotonic }
        }
        host::MetricData::Histogram { points, delta } => trace::MetricData::Histogram {
            points: points.into_iter().map(histogram).collect(),
            temporality: temporality(delta),
        },
        host::MetricData::Exponential { points, delta } => trace::MetricData::Exponential {
            points: points.into_iter().map(exponential).collect(),
            temporality: temporality(delta),
        },
    }
}

fn number_point(point: host::NumberPoint) -> trace::NumberPoint {
    let value = match point.value {
        host::Number::Float(number) => trace::Number::F64(number),
        host::Number::Signed(number) => trace::Number::I64(number),
        // OTLP has no unsigned numbers.
        host::Number::Unsigned(number) => trace::Number::I64(i64::try_from(number).unwrap_or(i64::MAX)),
    };
    trace::NumberPoint { attributes: attributes(point.attributes), value }
}

fn histogram(point: host::HistogramPoint) -> trace::HistogramPoint {
    let host::HistogramPoint { attributes: given, count, sum, min, max, bounds, counts } = point;
    let (min, max) = (min.map(host::Number::as_f64), max.map(host::Number::as_f64));
    trace::HistogramPoint { attributes: attributes(given), count, sum: sum.as_f64(), min, max, bounds, counts }
}

fn exponential(point: host::ExponentialPoint) -> trace::ExponentialPoint {
    let buckets = |buckets: host::Buckets| trace::Buckets { offset: buckets.offset, counts: buckets.counts };
    trace::ExponentialPoint {
        attributes: attributes(point.attributes),
        count: point.count,
        sum: point.sum.as_f64(),
        min: point.min.map(host::Number::as_f64),
        max: point.max.map(host::Number::as_f64),
        scale: point.scale.into(),
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: buckets(point.positive),
        negative: buckets(point.negative),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_keeps_its_type_or_is_text() {
        for (json, is) in [
            ("\"a\"", Value::Text("a".into())),
            ("true", Value::Bool(true)),
            ("-3", Value::I64(-3)),
            ("0.5", Value::F64(0.5)),
            ("[1,2]", Value::List(vec![Value::I64(1), Value::I64(2)])),
            ("{\"a\":1}", Value::Text("{\"a\":1}".into())),
            ("not json", Value::Text("not json".into())),
        ] {
            assert_eq!(value(json), is, "{json}");
        }
    }
}
