//! Sends a span and a metric to a collector, to see that it takes them:
//! `cargo run -p weft-telemetry --example emit -- http://127.0.0.1:4318`.

use std::{sync::Arc, time::Duration};

use weft_telemetry::{
    metrics::{Build, Metrics},
    otlp::{self, Identity},
    trace::{GuestMetric, Kind, MetricData, Number, NumberPoint, Origin, SpanEvent, SpanRecord, Status, Temporality},
};
use weft_types::{Clock, Name, SpanId, SystemClock, Trace, TraceId};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = std::env::args().nth(1).ok_or("usage: emit ENDPOINT")?;
    let node = Arc::clone(Metrics::new(Build { version: "0", commit: "", wasmtime: "" }, 1).node());
    let identity = Identity { instance: "example".to_owned(), version: "0".to_owned() };
    let (sink, exporter) = otlp::start(otlp::Options::new(endpoint, identity), &node)?;
    let (application, component) = (Name::new("orders")?, Name::new("api")?);
    let now = SystemClock::new().now();
    let trace = Trace {
        trace: TraceId(u128::from(now.as_nanos()) << 32),
        parent: Some(SpanId(7)),
        span: SpanId(now.as_nanos()),
        flags: Trace::SAMPLED,
        state: Some("vendor=x".into()),
    };
    let end = now.saturating_add(Duration::from_millis(5));
    let mut span = SpanRecord::new("GET /orders/:id", Kind::Server, trace, now, end);
    span.origin = Origin::component(&application, &component);
    span.attributes = vec![("http.route".into(), "/orders/:id".into()), ("ratio".into(), 0.5.into())];
    span.events = vec![SpanEvent { name: "read".into(), at: now, attributes: vec![("hit".into(), true.into())] }];
    span.status = Status::Error("guest-trap".into());
    sink.emit(span);
    sink.emit_metric(GuestMetric {
        origin: Origin::component(&application, &component),
        name: "carts".into(),
        description: "Open carts".into(),
        unit: "1".into(),
        start: Some(now),
        at: end,
        data: MetricData::Sum {
            points: vec![NumberPoint { attributes: vec![("kind".into(), "soup".into())], value: Number::I64(-3) }],
            temporality: Temporality::Cumulative,
            monotonic: false,
        },
    });
    exporter.shutdown(Duration::from_secs(30)).await;
    println!("exported {} span, {} point", node.spans_exported.get(), node.points_exported.get());
    Ok(())
}
