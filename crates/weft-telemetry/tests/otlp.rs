//! Spans and guests' metrics as a collector receives them, over a real connection.

#![cfg(feature = "otel")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::ExportMetricsServiceRequest,
        trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    common::v1::{KeyValue, any_value},
    metrics::v1::metric,
    trace::v1::{ResourceSpans, span::SpanKind, status::StatusCode},
};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::mpsc,
};
use weft_telemetry::{
    metrics::{Build, Metrics, NodeMeter},
    otlp::{self, Identity, OtlpError, Pace, Trust},
    trace::{
        Buckets, ExponentialPoint, GuestMetric, HistogramPoint, Kind, Link, MetricData, Number, NumberPoint, Origin,
        Scope, SpanEvent, SpanRecord, SpanSink, Status, Temporality, Text, Value,
    },
};
use weft_types::{Name, SpanId, Timestamp, Trace, TraceId};

const LONG: Duration = Duration::from_secs(60);

/// A POST as it came: path, content type, an own header, body.
struct Post {
    path: String,
    content_type: String,
    token: String,
    body: Bytes,
}

type Answers = Arc<Mutex<Vec<Response<Full<Bytes>>>>>;

/// A collector that keeps what it is sent, and answers in turn; 200 when the answers are used up.
struct Receiver {
    address: SocketAddr,
    posts: mpsc::UnboundedReceiver<Post>,
    answers: Answers,
}

async fn handle(
    request: Request<Incoming>,
    tell: mpsc::UnboundedSender<Post>,
    answers: Answers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
    let (path, content_type, token) = (request.uri().path().to_owned(), header("content-type"), header("x-token"));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let _ = tell.send(Post { path, content_type, token, body });
    let mut answers = answers.lock().unwrap();
    Ok(if answers.is_empty() { Response::default() } else { answers.remove(0) })
}

fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    tell: mpsc::UnboundedSender<Post>,
    answers: Answers,
) {
    let service = service_fn(move |request| handle(request, tell.clone(), Arc::clone(&answers)));
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(io), service));
}

impl Receiver {
    async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, posts) = mpsc::unbounded_channel();
        let answers = Answers::default();
        let mine = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => serve(stream, tell.clone(), Arc::clone(&mine)),
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, tell.clone(), Arc::clone(&mine));
                        }
                    }
                }
            }
        });
        Self { address, posts, answers }
    }

    fn answer(&self, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let response =
            headers.iter().fold(Response::builder().status(status), |r, (key, value)| r.header(*key, *value));
        self.answers.lock().unwrap().push(response.body(Full::new(body.into())).unwrap());
    }

    async fn post(&mut self) -> Post {
        tokio::time::timeout(LONG, self.posts.recv()).await.expect("a post in time").expect("a living collector")
    }
}

fn node() -> Arc<NodeMeter> {
    Arc::clone(Metrics::new(Build { version: "0", commit: "", wasmtime: "" }, 2).node())
}

fn options(address: SocketAddr) -> otlp::Options {
    let identity = Identity { instance: "node-1".to_owned(), version: "0.1.0".to_owned() };
    let pace = Pace { wait: Duration::from_millis(20), backoff: Duration::from_millis(1), ..Pace::default() };
    otlp::Options { ratio: 1.0, pace, ..otlp::Options::new(format!("http://{address}"), identity) }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn trace(span: u64) -> Trace {
    Trace {
        trace: TraceId(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
        parent: Some(SpanId(1)),
        span: SpanId(span),
        flags: Trace::SAMPLED,
        state: Some("a=1".into()),
    }
}

fn span(id: u64) -> SpanRecord {
    let (start, end) = (Timestamp::from_millis(1000), Timestamp::from_millis(1005));
    SpanRecord::new("GET /orders/:id", Kind::Server, trace(id), start, end)
}

fn text_of(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|one| one.key == key).and_then(|one| one.value.clone()?.value);
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

fn service(spans: &ResourceSpans) -> String {
    text_of(&spans.resource.as_ref().unwrap().attributes, "service.name")
}

async fn spans_in(receiver: &mut Receiver) -> Vec<ResourceSpans> {
    let post = receiver.post().await;
    assert_eq!((post.path.as_str(), post.content_type.as_str()), ("/v1/traces", "application/x-protobuf"));
    ExportTraceServiceRequest::decode(post.body).unwrap().resource_spans
}

fn emit_three(sink: &SpanSink) {
    let mut ours = span(2);
    ours.origin = Origin::component(&name("orders"), &name("api"));
    ours.attributes.push(("http.response.status_code".into(), 200u16.into()));
    ours.status = Status::Error(Text::from("guest-trap"));
    let mut guests = span(3);
    guests.kind = Kind::Internal;
    guests.origin.component = Some((name("orders"), name("api")));
    guests.origin.scope = Some(Arc::new(Scope { name: "cart".to_owned(), version: "2".to_owned() }));
    let at = Timestamp::from_millis(1002);
    let attributes = vec![("items".into(), Value::List(vec![Value::I64(1), Value::from("two")]))];
    guests.events.push(SpanEvent { name: "added".into(), at, attributes: attributes.clone() });
    guests.links.push(Link { trace: TraceId(5), span: SpanId(6), flags: 1, state: None, attributes });
    [ours, guests, span(4)].into_iter().for_each(|span| sink.emit(span));
}

#[tokio::test]
async fn spans_arrive_grouped_by_who_made_them() {
    let mut receiver = Receiver::start(None).await;
    let node = node();
    let headers = http::HeaderMap::from_iter([("x-token".parse().unwrap(), "t".parse().unwrap())]);
    let (sink, exporter) = otlp::start(otlp::Options { headers, ..options(receiver.address) }, &node).unwrap();
    emit_three(&sink);
    let post = receiver.post().await;
    assert_eq!(post.token, "t");
    let mut all = ExportTraceServiceRequest::decode(post.body).unwrap().resource_spans;
    all.sort_by_key(service);
    assert_eq!(all.iter().map(service).collect::<Vec<_>>(), ["api", "weft"]);
    let resource = &all[0].resource.as_ref().unwrap().attributes;
    assert_eq!(text_of(resource, "service.namespace"), "orders");
    assert_eq!(text_of(resource, "service.instance.id"), "node-1");

    let scopes: Vec<_> = all[0].scope_spans.iter().map(|one| one.scope.clone().unwrap().name).collect();
    assert_eq!(scopes, ["weft", "cart"]);
    let ours = &all[0].scope_spans[0].spans[0];
    assert_eq!(ours.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736u128.to_be_bytes());
    assert_eq!(
        (ours.span_id.as_slice(), ours.parent_span_id.as_slice()),
        (&2u64.to_be_bytes()[..], &1u64.to_be_bytes()[..])
    );
    assert_eq!((ours.trace_state.as_str(), ours.flags, ours.kind()), ("a=1", 1, SpanKind::Server));
    assert_eq!((ours.start_time_unix_nano, ours.end_time_unix_nano), (1_000_000_000, 1_005_000_000));
    let status = ours.status.as_ref().unwrap();
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "guest-trap"));
    let guests = &all[0].scope_spans[1].spans[0];
    assert_eq!((guests.events[0].name.as_str(), guests.events[0].time_unix_nano), ("added", 1_002_000_000));
    assert_eq!(guests.links[0].span_id, 6u64.to_be_bytes());
    let value = guests.links[0].attributes[0].value.clone().unwrap().value;
    assert!(matches!(value, Some(any_value::Value::ArrayValue(list)) if list.values.len() == 2));

    exporter.shutdown(LONG).await;
    assert_eq!((node.spans_exported.get(), node.spans_dropped.get()), (3, 0));
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_and_the_batch_is_the_same() {
    let mut receiver = Receiver::start(None).await;
    receiver.answer(503, &[("retry-after", "0")], "");
    receiver.answer(429, &[], "");
    let node = node();
    let (sink, exporter) = otlp::start(options(receiver.address), &node).unwrap();
    sink.emit(span(2));
    let (first, second, third) = (receiver.post().await, receiver.post().await, receiver.post().await);
    assert!(first.body == second.body && second.body == third.body);
    exporter.shutdown(LONG).await;
    assert_eq!((node.spans_exported.get(), node.exports_failed.get()), (1, 0));
}

#[tokio::test]
async fn what_a_collector_refuses_is_counted_and_not_sent_again() {
    let mut receiver = Receiver::start(None).await;
    receiver.answer(400, &[], "");
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: String::new() };
    receiver.answer(200, &[], ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec());
    let node = node();
    let (sink, exporter) = otlp::start(options(receiver.address), &node).unwrap();
    sink.emit(span(2));
    assert_eq!(spans_in(&mut receiver).await.len(), 1);
    [span(3), span(4)].into_iter().for_each(|span| sink.emit(span));
    let ids: Vec<_> = spans_in(&mut receiver).await[0].scope_spans[0].spans.iter().map(|s| s.span_id[7]).collect();
    assert_eq!(ids, [3, 4], "the refused one is not sent again");
    exporter.shutdown(LONG).await;
    assert_eq!((node.spans_exported.get(), node.spans_dropped.get(), node.exports_failed.get()), (1, 2, 1));
}

#[tokio::test]
async fn without_a_collector_the_batch_is_given_up_after_its_tries() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let node = node();
    let (sink, exporter) = otlp::start(options(nobody), &node).unwrap();
    sink.emit(span(2));
    exporter.shutdown(LONG).await;
    assert_eq!((node.spans_dropped.get(), node.exports_failed.get()), (1, 1));
    sink.emit(span(3));
    assert_eq!(node.spans_dropped.get(), 2, "an ended exporter takes nothing");
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = node();
    let (sink, exporter) = otlp::start(options(silent.local_addr().unwrap()), &node).unwrap();
    (0..2000).for_each(|id| sink.emit(span(id)));
    let (_held, _) = silent.accept().await.unwrap();
    tokio::time::timeout(LONG, exporter.shutdown(Duration::from_millis(50))).await.expect("ends at its deadline");
    assert_eq!(node.spans_dropped.get() + node.spans_exported.get(), 2000, "each is accounted for");
}

#[tokio::test]
async fn shutdown_sends_what_waits() {
    let mut receiver = Receiver::start(None).await;
    let node = node();
    let patient = Pace { wait: LONG, ..Pace::default() };
    let (sink, exporter) = otlp::start(otlp::Options { pace: patient, ..options(receiver.address) }, &node).unwrap();
    (0..1000).for_each(|id| sink.emit(span(id + 2)));
    exporter.shutdown(LONG).await;
    let mut count = 0;
    while let Ok(post) = receiver.posts.try_recv() {
        let all = ExportTraceServiceRequest::decode(post.body).unwrap().resource_spans;
        count += all[0].scope_spans[0].spans.len();
    }
    assert_eq!((count, node.spans_exported.get()), (1000, 1000));
}

fn metric(metric: &'static str, data: MetricData) -> GuestMetric {
    GuestMetric {
        origin: Origin::component(&name("orders"), &name("api")),
        name: metric.into(),
        description: "what".into(),
        unit: "By".into(),
        start: Some(Timestamp::from_millis(1)),
        at: Timestamp::from_millis(2),
        data,
    }
}

#[tokio::test]
async fn metrics_of_guests_are_passed_on_in_each_form() {
    let mut receiver = Receiver::start(None).await;
    let node = node();
    let (sink, exporter) = otlp::start(options(receiver.address), &node).unwrap();
    let attributes = || vec![(Text::from("kind"), Value::from("soup"))];
    let point = |value| vec![NumberPoint { attributes: attributes(), value }];
    let histogram = HistogramPoint {
        attributes: attributes(),
        count: 3,
        sum: 6.0,
        min: Some(1.0),
        max: None,
        bounds: vec![2.0],
        counts: vec![1, 2],
    };
    let exponential = ExponentialPoint {
        attributes: vec![],
        count: 2,
        sum: 3.0,
        min: None,
        max: None,
        scale: 3,
        zero_count: 1,
        zero_threshold: 0.5,
        positive: Buckets { offset: -2, counts: vec![1] },
        negative: Buckets::default(),
    };
    let (delta, total) = (Temporality::Delta, Temporality::Cumulative);
    sink.emit_metric(metric("a", MetricData::Gauge(point(Number::F64(0.5)))));
    sink.emit_metric(metric(
        "b",
        MetricData::Sum { points: point(Number::I64(7)), temporality: total, monotonic: true },
    ));
    sink.emit_metric(metric("c", MetricData::Histogram { points: vec![histogram], temporality: delta }));
    sink.emit_metric(metric("d", MetricData::Exponential { points: vec![exponential], temporality: delta }));
    let post = receiver.post().await;
    assert_eq!(post.path, "/v1/metrics");
    let all = ExportMetricsServiceRequest::decode(post.body).unwrap().resource_metrics;
    assert_eq!(text_of(&all[0].resource.as_ref().unwrap().attributes, "service.name"), "api");
    let metrics = &all[0].scope_metrics[0].metrics;
    assert_eq!(metrics.iter().map(|m| m.name.as_str()).collect::<String>(), "abcd");
    let Some(metric::Data::Sum(sum)) = &metrics[1].data else { panic!("{:?}", metrics[1]) };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    assert_eq!(text_of(&sum.data_points[0].attributes, "kind"), "soup");
    assert_eq!((sum.data_points[0].start_time_unix_nano, sum.data_points[0].time_unix_nano), (1_000_000, 2_000_000));
    let Some(metric::Data::Histogram(histogram)) = &metrics[2].data else { panic!("{:?}", metrics[2]) };
    assert_eq!((histogram.data_points[0].count, histogram.data_points[0].min), (3, Some(1.0)));
    assert!(matches!(&metrics[3].data, Some(metric::Data::ExponentialHistogram(e)) if e.data_points[0].scale == 3));
    exporter.shutdown(LONG).await;
    assert_eq!((node.points_exported.get(), node.points_dropped.get()), (4, 0));
}

#[tokio::test]
async fn a_guest_that_invents_series_is_cut_off_and_its_old_ones_pass() {
    let mut receiver = Receiver::start(None).await;
    let node = node();
    let (sink, exporter) = otlp::start(options(receiver.address), &node).unwrap();
    let gauge = |ids: std::ops::Range<i64>| {
        let point = |id| NumberPoint { attributes: vec![("id".into(), Value::I64(id))], value: Number::I64(1) };
        metric("carts", MetricData::Gauge(ids.map(point).collect()))
    };
    (0..3).for_each(|at| sink.emit_metric(gauge(at * 1000..(at + 1) * 1000)));
    receiver.post().await;
    sink.emit_metric(gauge(0..10));
    receiver.post().await;
    exporter.shutdown(LONG).await;
    assert_eq!((node.points_exported.get(), node.points_dropped.get()), (2010, 1000));
}

#[tokio::test]
async fn a_collector_behind_tls_is_believed_only_with_its_authority() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let ring = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut receiver = Receiver::start(Some(Arc::new(config).into())).await;
    let secure = |trust| {
        let mut options = otlp::Options { trust, ..options(receiver.address) };
        options.endpoint = format!("https://localhost:{}", receiver.address.port());
        options.pace.tries_max = 1;
        options
    };
    let (known, stranger) = (secure(Trust::Pem(made.cert.pem().into_bytes())), secure(Trust::System));
    let node = node();
    let (sink, exporter) = otlp::start(known, &node).unwrap();
    sink.emit(span(2));
    assert_eq!(spans_in(&mut receiver).await.len(), 1);
    exporter.shutdown(LONG).await;
    assert_eq!(node.spans_exported.get(), 1);

    // A machine without any authorities of its own refuses earlier, which is as good.
    match otlp::start(stranger, &node) {
        Err(error) => assert!(matches!(error, OtlpError::Tls(_)), "{error}"),
        Ok((sink, exporter)) => {
            sink.emit(span(3));
            exporter.shutdown(LONG).await;
            assert_eq!(node.spans_dropped.get(), 1);
        }
    }
    assert!(receiver.posts.try_recv().is_err());
}
