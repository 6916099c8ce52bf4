use std::sync::Arc;

use parking_lot::Mutex;
use weft_host::{
    Buckets, GuestMetric, GuestSpan, GuestSpans, LogLevel, LogSource, MetricData, Number, Services, SpanKind,
    SpanStatus,
};
use weft_types::{Name, SpanId, Timestamp, Trace, TraceId};

use crate::bench::Bench;

#[derive(Default)]
struct Sink {
    spans: Mutex<Vec<GuestSpan>>,
    metrics: Mutex<Vec<GuestMetric>>,
}

struct Spans(Arc<Sink>);

impl GuestSpans for Spans {
    fn wants(&self, trace: &Trace) -> bool {
        trace.sampled()
    }
    fn span(&self, application: &Name, component: &Name, span: GuestSpan) {
        assert_eq!((application.as_str(), component.as_str()), ("shop", "api"));
        self.0.spans.lock().push(span);
    }
    fn metric(&self, _: &Name, _: &Name, metric: GuestMetric) {
        self.0.metrics.lock().push(metric);
    }
}

fn bench() -> (Bench, Arc<Sink>) {
    let sink = Arc::<Sink>::default();
    let spans = Arc::new(Spans(Arc::clone(&sink)));
    (Bench::with(move |services: &mut Services| services.spans = spans), sink)
}

const HOST: &str = "0000000000000009";

#[tokio::test]
async fn a_guest_is_told_its_calls_span_and_then_its_own() {
    let (bench, _) = bench();
    let guest = bench.load("otel-p2", Default::default());
    let mut call = bench.call(&guest, "/current");
    call.trace.state = Some("a=1, b=2".into());
    let text = bench.answer(&guest, call).await.text();
    assert_eq!(text, format!("00000000000000000000000000000007 {HOST} true a=1,b=2"));
    let text = bench.text(&guest, "/spans").await;
    assert_eq!(text, format!("00000000000000aa 00000000000000bb 00000000000000aa {HOST}"));
}

#[tokio::test]
async fn spans_are_below_their_calls_span_and_in_no_other_trace() {
    let (bench, sink) = bench();
    let guest = bench.load("otel-p2", Default::default());
    bench.text(&guest, "/spans").await;
    let spans = std::mem::take(&mut *sink.spans.lock());
    let shown: Vec<_> = spans
        .iter()
        .map(|span| (span.name.as_str(), span.trace.trace.0, span.trace.span.0, span.trace.parent))
        .collect();
    let parent = |id| Some(SpanId(id));
    // The one without a valid id is dropped; the one that claimed another trace is in this one.
    assert_eq!(
        shown,
        [("inner", 7, 0xbb, parent(0xaa)), ("outer", 7, 0xaa, parent(9)), ("forged", 7, 0xcc, parent(9))]
    );
    let inner = &spans[0];
    assert_eq!((inner.kind, &inner.status), (SpanKind::Client, &SpanStatus::Error("late".into())));
    assert_eq!(
        (inner.start, inner.end),
        (Timestamp::from_nanos(10_000_000_005), Timestamp::from_nanos(11_000_000_005))
    );
    assert_eq!(inner.attributes, [("db".into(), "\"orders\"".into()), ("rows".into(), "3".into())]);
    assert_eq!((inner.events[0].name.as_str(), inner.links[0].trace), ("retry", TraceId(7)));
    assert_eq!((inner.scope.name.as_str(), inner.scope.version.as_deref()), ("lib", Some("1.2")));
    assert_eq!(inner.dropped, [1, 0, 0]);

    let mut call = bench.call(&guest, "/spans");
    call.trace.flags = 0;
    bench.answer(&guest, call).await;
    assert!(sink.spans.lock().is_empty(), "an unsampled trace records nothing");
}

#[tokio::test]
async fn a_span_is_bounded() {
    let (bench, sink) = bench();
    let guest = bench.load("otel-p2", Default::default());
    assert_eq!(bench.text(&guest, "/many?5000").await, "sent");
    let span = sink.spans.lock().pop().expect("a span");
    assert_eq!((span.attributes.len(), span.dropped[0], span.name.len()), (128, 1 + 5_000 - 128, 4_096));
}

#[tokio::test]
async fn every_kind_of_metric_arrives_and_too_many_are_refused() {
    let (bench, sink) = bench();
    let guest = bench.load("otel-p2", Default::default());
    assert_eq!(bench.text(&guest, "/metrics?1").await, "Ok(())");
    let metrics = std::mem::take(&mut *sink.metrics.lock());
    let [gauge, sum, histogram, exponential] = &metrics[..] else { panic!("{metrics:?}") };
    let second = Timestamp::from_nanos(1_000_000_005);
    assert_eq!((gauge.name.as_str(), gauge.unit.as_str(), gauge.start), ("gauge", "1", None));
    assert!(matches!(&gauge.data, MetricData::Gauge(points) if points[0].value == Number::Float(0.5)));
    assert_eq!(sum.start, Some(second));
    let MetricData::Sum { points, delta: true, monotonic: true } = &sum.data else { panic!("{sum:?}") };
    assert_eq!(
        (points[0].value, &points[0].attributes[..]),
        (Number::Unsigned(7), &[("shop".into(), "\"a\"".into())][..])
    );
    let MetricData::Histogram { points, delta: false } = &histogram.data else { panic!("{histogram:?}") };
    assert_eq!(
        (points[0].min, points[0].max, points[0].counts.as_slice()),
        (Some(Number::Signed(-1)), None, &[1, 1, 1][..])
    );
    let MetricData::Exponential { points, .. } = &exponential.data else { panic!("{exponential:?}") };
    assert_eq!((points[0].scale, &points[0].negative), (-1, &Buckets { offset: -2, counts: vec![1, 2] }));

    let refused = bench.text(&guest, "/metrics?251").await;
    assert!(refused.contains("1004 metrics at once are more than 1000"), "{refused}");
    assert!(sink.metrics.lock().is_empty());
}

#[tokio::test]
async fn a_log_record_is_a_line_like_any_other() {
    let (bench, _) = bench();
    let guest = bench.load("otel-p2", Default::default());
    let call = bench.call(&guest, "/log");
    let id = call.id;
    bench.answer(&guest, call).await;
    let lines = bench.lines.take();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!((line.source, line.level, line.context.as_str()), (LogSource::Logging, LogLevel::Warn, "lib"));
    assert_eq!((line.message.as_str(), line.invocation), ("stock is \"low\" left=2", Some(id)));
}
