//! Our records as OTLP messages, grouped by who made them.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, span, status},
};
use weft_types::{Name, Trace};

use super::{Identity, metric};
use crate::trace::{Attributes, GuestMetric, Kind, Link, Origin, Scope, SpanEvent, SpanRecord, Status, Value};

/// As OTLP says whether the parent is known to be remote; ours may be either.
const FLAGS_MASK: u32 = 0xff;

pub(super) fn spans(identity: &Identity, records: Vec<SpanRecord>) -> ExportTraceServiceRequest {
    let grouped = by_origin(records.into_iter().map(|record| (record.origin.clone(), span(record))));
    let resource_spans = grouped
        .into_iter()
        .map(|(component, scopes)| ResourceSpans {
            resource: Some(resource(identity, component.as_ref())),
            scope_spans: scopes
                .into_iter()
                .map(|(of, spans)| ScopeSpans { scope: Some(scope(identity, &of)), spans, ..ScopeSpans::default() })
                .collect(),
            schema_url: String::new(),
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

pub(super) fn metrics(identity: &Identity, records: Vec<GuestMetric>) -> ExportMetricsServiceRequest {
    use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
    let grouped = by_origin(records.into_iter().map(|record| (record.origin.clone(), metric::metric(record))));
    let resource_metrics = grouped
        .into_iter()
        .map(|(component, scopes)| ResourceMetrics {
            resource: Some(resource(identity, component.as_ref())),
            scope_metrics: scopes
                .into_iter()
                .map(|(of, metrics)| ScopeMetrics {
                    scope: Some(scope(identity, &of)),
                    metrics,
                    ..ScopeMetrics::default()
                })
                .collect(),
            schema_url: String::new(),
        })
        .collect();
    ExportMetricsServiceRequest { resource_metrics }
}

type Grouped<T> = BTreeMap<Option<(Name, Name)>, BTreeMap<Option<std::sync::Arc<Scope>>, Vec<T>>>;

fn by_origin<T>(all: impl Iterator<Item = (Origin, T)>) -> Grouped<T> {
    all.fold(Grouped::new(), |mut grouped, (origin, one)| {
        grouped.entry(origin.component).or_default().entry(origin.scope).or_default().push(one);
        grouped
    })
}

fn resource(identity: &Identity, component: Option<&(Name, Name)>) -> Resource {
    let mut attributes = match component {
        Some((application, component)) => {
            vec![text("service.namespace", application.as_str()), text("service.name", component.as_str())]
        }
        None => vec![text("service.name", "weft"), text("service.version", &identity.version)],
    };
    attributes.push(text("service.instance.id", &identity.instance));
    Resource { attributes, ..Resource::default() }
}

fn scope(identity: &Identity, scope: &Option<std::sync::Arc<Scope>>) -> InstrumentationScope {
    let (name, version) = match scope {
        Some(scope) => (scope.name.clone(), scope.version.clone()),
        None => ("weft".to_owned(), identity.version.clone()),
    };
    InstrumentationScope { name, version, ..InstrumentationScope::default() }
}

fn span(record: SpanRecord) -> Span {
    let Trace { trace, parent, span, flags, state } = record.trace;
    Span {
        trace_id: trace.0.to_be_bytes().to_vec(),
        span_id: span.0.to_be_bytes().to_vec(),
        trace_state: state.as_deref().unwrap_or_default().to_owned(),
        parent_span_id: parent.map(|parent| parent.0.to_be_bytes().to_vec()).unwrap_or_default(),
        flags: u32::from(flags) & FLAGS_MASK,
        name: record.name.as_str().to_owned(),
        kind: kind(record.kind) as i32,
        start_time_unix_nano: record.start.as_nanos(),
        // A span that ends before it began confuses every reader.
        end_time_unix_nano: record.end.max(record.start).as_nanos(),
        attributes: attributes(record.attributes),
        dropped_attributes_count: record.dropped.attributes,
        events: record.events.into_iter().map(event).collect(),
        dropped_events_count: record.dropped.events,
        links: record.links.into_iter().map(link).collect(),
        dropped_links_count: record.dropped.links,
        status: status(record.status),
    }
}

fn kind(kind: Kind) -> span::SpanKind {
    match kind {
        Kind::Internal => span::SpanKind::Internal,
        Kind::Server => span::SpanKind::Server,
        Kind::Client => span::SpanKind::Client,
        Kind::Producer => span::SpanKind::Producer,
        Kind::Consumer => span::SpanKind::Consumer,
    }
}

fn status(status: Status) -> Option<opentelemetry_proto::tonic::trace::v1::Status> {
    let (code, message) = match status {
        Status::Unset => return None,
        Status::Ok => (status::StatusCode::Ok, String::new()),
        Status::Error(message) => (status::StatusCode::Error, message.as_str().to_owned()),
    };
    Some(opentelemetry_proto::tonic::trace::v1::Status { message, code: code as i32 })
}

fn event(event: SpanEvent) -> span::Event {
    span::Event {
        time_unix_nano: event.at.as_nanos(),
        name: event.name.as_str().to_owned(),
        attributes: attributes(event.attributes),
        dropped_attributes_count: 0,
    }
}

fn link(link: Link) -> span::Link {
    span::Link {
        trace_id: link.trace.0.to_be_bytes().to_vec(),
        span_id: link.span.0.to_be_bytes().to_vec(),
        trace_state: link.state.as_deref().unwrap_or_default().to_owned(),
        attributes: attributes(link.attributes),
        dropped_attributes_count: 0,
        flags: u32::from(link.flags) & FLAGS_MASK,
    }
}

pub(super) fn attributes(all: Attributes) -> Vec<KeyValue> {
    all.into_iter()
        .map(|(key, one)| KeyValue { key: key.as_str().to_owned(), value: Some(value(one)), ..KeyValue::default() })
        .collect()
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn value(value: Value) -> AnyValue {
    let value = match value {
        Value::Bool(value) => any_value::Value::BoolValue(value),
        Value::I64(value) => any_value::Value::IntValue(value),
        Value::F64(value) => any_value::Value::DoubleValue(value),
        Value::Text(text) => any_value::Value::StringValue(text.as_str().to_owned()),
        Value::List(values) => {
            any_value::Value::ArrayValue(ArrayValue { values: values.into_iter().map(self::value).collect() })
        }
    };
    AnyValue { value: Some(value) }
}
