//! Spans, metrics and log records of its own, through `wasi:otel`. WASI 0.2.

use wasip2::http::types::{IncomingRequest, ResponseOutparam};

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:otel;
            world otel {
                import wasi:otel/tracing@0.2.0-rc.2;
                import wasi:otel/metrics@0.2.0-rc.2;
                import wasi:otel/logs@0.2.0-rc.2;
            }
        ",
        path: ["../../../wit/wasi-drafts/otel-0.2.0-rc.2.wit"],
        world: "test:otel/otel",
        generate_all,
    });
}

use bindings::wasi::otel::{
    logs::{self, LogRecord},
    metrics::{
        self, ExponentialBucket, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, GaugeDataPoint, Histogram,
        HistogramDataPoint, Metric, MetricData, MetricNumber, ResourceMetrics, ScopeMetrics, Sum, SumDataPoint,
        Temporality,
    },
    tracing::{self, Event, Link, SpanContext, SpanData, SpanKind, Status},
    types::{Datetime, InstrumentationScope, KeyValue, Resource},
};

struct Otel;

wasip2::http::proxy::export!(Otel);

impl wasip2::exports::http::incoming_handler::Guest for Otel {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (path, value) = kit_p2::target(&request);
        let text = match path.as_str() {
            "/current" => shown(&tracing::current_span_context()),
            "/spans" => spans(),
            "/many" => many(value.parse().unwrap_or(0)),
            "/metrics" => measure(value.parse().unwrap_or(1)),
            "/log" => log(),
            _ => "no such thing".to_owned(),
        };
        kit_p2::respond(out, 200, &format!("{text}\n"));
    }
}

fn shown(context: &SpanContext) -> String {
    let state: Vec<_> = context.trace_state.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let sampled = context.trace_flags == tracing::TraceFlags::SAMPLED;
    format!("{} {} {sampled} {}", context.trace_id, context.span_id, state.join(","))
}

fn at(seconds: u64) -> Datetime {
    Datetime { seconds, nanoseconds: 5 }
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: value.to_owned() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "lib".into(), version: Some("1.2".into()), schema_url: None, attributes: vec![] }
}

fn context(trace: &str, span: &str) -> SpanContext {
    SpanContext {
        trace_id: trace.to_owned(),
        span_id: span.to_owned(),
        trace_flags: tracing::TraceFlags::SAMPLED,
        is_remote: false,
        trace_state: vec![],
    }
}

fn span(context: SpanContext, parent: &str, name: &str) -> SpanData {
    SpanData {
        span_context: context,
        parent_span_id: parent.to_owned(),
        span_kind: SpanKind::Client,
        name: name.to_owned(),
        start_time: at(10),
        end_time: at(11),
        attributes: vec![pair("db", "\"orders\""), pair("rows", "3")],
        events: vec![Event { name: "retry".into(), time: at(10), attributes: vec![pair("n", "1")] }],
        links: vec![Link { span_context: tracing::current_span_context(), attributes: vec![] }],
        status: Status::Error("late".into()),
        instrumentation_scope: scope(),
        dropped_attributes: 1,
        dropped_events: 0,
        dropped_links: 0,
    }
}

/// An outer span, an inner one in it, and one that claims a trace of its own. Answers with what was current on the way.
fn spans() -> String {
    let host = tracing::current_span_context();
    let (outer, inner) = (context(&host.trace_id, "00000000000000aa"), context(&host.trace_id, "00000000000000bb"));
    let mut current = vec![];
    tracing::on_start(&outer);
    current.push(tracing::current_span_context().span_id);
    tracing::on_start(&inner);
    current.push(tracing::current_span_context().span_id);
    tracing::on_end(&span(inner, "00000000000000aa", "inner"));
    current.push(tracing::current_span_context().span_id);
    tracing::on_end(&span(outer, &host.span_id, "outer"));
    current.push(tracing::current_span_context().span_id);
    tracing::on_end(&span(context("ffffffffffffffffffffffffffffffff", "00000000000000cc"), "", "forged"));
    tracing::on_end(&span(context(&host.trace_id, "not hexadecimal!"), "", "nameless"));
    current.join(" ")
}

/// A span with `count` attributes.
fn many(count: usize) -> String {
    let host = tracing::current_span_context();
    let mut data = span(context(&host.trace_id, "00000000000000dd"), "", &"n".repeat(10_000));
    data.attributes = (0..count).map(|n| pair(&n.to_string(), "1")).collect();
    tracing::on_end(&data);
    "sent".to_owned()
}

/// `count` metrics of each of four kinds.
fn measure(count: usize) -> String {
    let attributes = || vec![pair("shop", "\"a\"")];
    let gauge = MetricData::F64Gauge(Gauge {
        data_points: vec![GaugeDataPoint { attributes: attributes(), value: MetricNumber::F64(0.5), exemplars: vec![] }],
        start_time: None,
        time: at(2),
    });
    let sum = MetricData::U64Sum(Sum {
        data_points: vec![SumDataPoint { attributes: attributes(), value: MetricNumber::U64(7), exemplars: vec![] }],
        start_time: at(1),
        time: at(2),
        temporality: Temporality::Delta,
        is_monotonic: true,
    });
    let histogram = MetricData::S64Histogram(Histogram {
        data_points: vec![HistogramDataPoint {
            attributes: attributes(),
            count: 3,
            bounds: vec![1.0, 10.0],
            bucket_counts: vec![1, 1, 1],
            min: Some(MetricNumber::S64(-1)),
            max: None,
            sum: MetricNumber::S64(20),
            exemplars: vec![],
        }],
        start_time: at(1),
        time: at(2),
        temporality: Temporality::Cumulative,
    });
    let bucket = |offset| ExponentialBucket { offset, counts: vec![1, 2] };
    let exponential = MetricData::F64ExponentialHistogram(ExponentialHistogram {
        data_points: vec![ExponentialHistogramDataPoint {
            attributes: attributes(),
            count: 6,
            min: None,
            max: None,
            sum: MetricNumber::F64(1.5),
            scale: -1,
            zero_count: 0,
            positive_bucket: bucket(2),
            negative_bucket: bucket(-2),
            zero_threshold: 0.0,
            exemplars: vec![],
        }],
        start_time: at(1),
        time: at(2),
        temporality: Temporality::Cumulative,
    });
    let metric = |name: &str, data: &MetricData| Metric {
        name: name.to_owned(),
        description: "what".into(),
        unit: "1".into(),
        data: data.clone(),
    };
    let one = [("gauge", &gauge), ("sum", &sum), ("histogram", &histogram), ("exponential", &exponential)];
    let all = one.iter().flat_map(|(name, data)| (0..count).map(|_| metric(name, data))).collect();
    let answer = metrics::export(&ResourceMetrics {
        resource: Resource { attributes: vec![], schema_url: None },
        scope_metrics: vec![ScopeMetrics { scope: scope(), metrics: all }],
    });
    format!("{answer:?}")
}

fn log() -> String {
    logs::on_emit(&LogRecord {
        timestamp: None,
        observed_timestamp: None,
        severity_text: Some("WARN".into()),
        severity_number: Some(13),
        body: Some("\"stock is \\\"low\\\"\"".into()),
        attributes: Some(vec![pair("left", "2")]),
        event_name: None,
        resource: None,
        instrumentation_scope: Some(scope()),
        trace_id: None,
        span_id: None,
        trace_flags: None,
    });
    "logged".to_owned()
}
