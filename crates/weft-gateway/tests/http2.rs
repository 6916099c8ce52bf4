//! HTTP/2 as clients use it: bodies and trailers both ways, answers that break off, clients that leave, draining.

mod common;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    catch_all, door, echo,
    frames::{
        ACK, DATA, Ended, GOAWAY, HEADERS, INTERNAL_ERROR, NO_ERROR, PING, RST_STREAM, WHOLE, Wire, frame, get, post,
        request, reset,
    },
    local, start,
    witness::{Held, TestClock, Witness, holding, timed},
};
use futures_util::stream;
use h2::{Reason, RecvStream, client::SendRequest};
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::net::TcpStream;
use weft_gateway::{Gateway, Limits, Running};
use weft_types::{Body, Class, Fault, Invoke, Ran, code};

async fn connect(gateway: &Running) -> SendRequest<Bytes> {
    connect_with(gateway, &h2::client::Builder::new()).await
}

async fn connect_with(gateway: &Running, builder: &h2::client::Builder) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(gateway.address()).await.expect("connects");
    let (send, conn) = builder.handshake(stream).await.expect("a handshake");
    tokio::spawn(conn);
    send.ready().await.expect("ready")
}

fn ask(method: Method) -> Request<()> {
    Request::builder().method(method).uri("http://a/x").body(()).expect("valid")
}

/// A gateway whose observer is a witness.
fn watched(door: Arc<dyn Invoke>) -> (Running, Arc<Witness>) {
    let witness = Arc::new(Witness::default());
    let observer = Arc::clone(&witness) as Arc<dyn weft_gateway::Observer>;
    (Gateway::new(door, catch_all()).observer(observer).serve(local()), witness)
}

async fn whole(mut body: RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("whole");
        all.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len()).expect("released");
    }
    (all, body.trailers().await.expect("whole"))
}

/// A body of some frames, and then perhaps a fault.
fn parts(parts: &[&'static str], fault: Option<Fault>) -> Body {
    let frames: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect();
    Body::new(StreamBody::new(stream::iter(frames.into_iter().chain(fault.map(Err)))))
}

#[tokio::test]
async fn bodies_and_trailers_go_both_ways() {
    let mirror = door(|request| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        Ok(Response::new(request.into_body()))
    });
    let (gateway, witness) = watched(mirror);
    let mut send = connect(&gateway).await;
    let (answer, mut upload) = send.send_request(ask(Method::POST), false).expect("sent");
    let chunk = Bytes::from(vec![b'x'; 100_000]);
    let uploading = tokio::spawn(async move {
        for _ in 0..5 {
            upload.send_data(chunk.clone(), false).expect("sent");
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().expect("value"));
        for (name, value) in [("content-length", "3"), ("weft-identity", "root"), ("x-forwarded-for", "10.0.0.1")] {
            trailers.insert(name, value.parse().expect("value"));
        }
        upload.send_trailers(trailers).expect("sent");
    });
    let answer = answer.await.expect("answered");
    let (body, trailers) = whole(answer.into_body()).await;
    uploading.await.expect("uploaded");
    assert_eq!(body.len(), 500_000);
    let trailers = trailers.expect("trailers");
    assert_eq!(
        (trailers.len(), &trailers["x-sum"]),
        (1, &"7".parse().expect("value")),
        "no framing and no identity in trailers"
    );
    let seen = &witness.seen(1).await[0];
    assert_eq!((seen.status, seen.code, seen.complete), (200, None, true));
    assert_eq!((seen.bytes_in, seen.bytes_out), (500_000, 500_000));
}

#[tokio::test]
async fn many_streams_share_a_connection() {
    let gateway = start(echo());
    let send = connect(&gateway).await;
    let asking = (0..200).map(|n| {
        let mut send = send.clone();
        tokio::spawn(async move {
            let uri = format!("http://a/{n}");
            let (answer, _) = send.send_request(Request::get(&uri).body(()).expect("valid"), true).expect("sent");
            let (body, _) = whole(answer.await.expect("answered").into_body()).await;
            assert_eq!(String::from_utf8_lossy(&body), format!("GET {uri} "));
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.expect("answered");
    }
    assert_eq!(gateway.connections(), 1);
}

#[tokio::test]
async fn a_cookie_in_crumbs_is_one_header() {
    let cookies = door(|request| async move {
        let all: Vec<_> =
            request.headers().get_all("cookie").iter().map(|v| v.to_str().expect("text").to_owned()).collect();
        Ok(Response::new(weft_types::full(all.join("|"))))
    });
    let gateway = start(cookies);
    for (crumbs, whole) in [(&[][..], ""), (&["a=1"], "a=1"), (&["a=1", "b=2; c=3", "d"], "a=1; b=2; c=3; d")] {
        let mut wire = Wire::open(gateway.address()).await;
        let crumbs: Vec<_> = crumbs.iter().map(|crumb| ("cookie", *crumb)).collect();
        wire.send(&frame(HEADERS, WHOLE, 1, &request("GET", "/", &crumbs))).await;
        assert_eq!(wire.ended(1).await, Ended::Answered(200, whole.to_owned()));
    }
}

#[tokio::test]
async fn a_panic_ends_one_stream_and_is_told_of_as_ours() {
    let (gateway, witness) = watched(door(|request| async move {
        assert!(request.uri().path() == "/", "this is the test's own panic");
        Ok(Response::new(weft_types::full("calm")))
    }));
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&frame(HEADERS, WHOLE, 1, &request("GET", "/panic", &[]))).await;
    assert!(matches!(wire.ended(1).await, Ended::Reset(_)));
    let seen = &witness.seen(1).await[0];
    assert_eq!((seen.status, seen.code, seen.complete), (500, Some("internal"), false));
    wire.send(&get(3)).await;
    assert_eq!(wire.ended(3).await, Ended::Answered(200, "calm".to_owned()));
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let chatty = door(|request| async move {
        let status: u16 = request.uri().path()[1..].parse().expect("a status");
        let answer = Response::builder().status(status).header("content-length", 5).header("connection", "x-a");
        Ok(answer.header("x-a", "1").header("te", "x").body(weft_types::full("hello")).expect("valid"))
    });
    let gateway = start(chatty);
    let mut send = connect(&gateway).await;
    let cases = [(Method::HEAD, 200, Some("5")), (Method::GET, 204, None), (Method::GET, 304, Some("5"))];
    for (method, status, length) in cases {
        let request = Request::builder().method(&method).uri(format!("http://a/{status}")).body(()).expect("valid");
        let (answer, _) = send.send_request(request, true).expect("sent");
        let answer = answer.await.expect("answered");
        assert_eq!(answer.status(), status);
        let said = answer.headers().get("content-length").map(|value| value.to_str().expect("text"));
        assert_eq!(said, length, "{method} {status}");
        for name in ["connection", "x-a", "te"] {
            assert!(!answer.headers().contains_key(name), "{name} is of one hop");
        }
        assert!(answer.body().is_end_stream(), "{method} {status}: the head ends the stream");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_reset() {
    let failing = |declared: Option<u32>, fault: bool| {
        door(move |_| async move {
            let mut answer = Response::builder();
            if let Some(length) = declared {
                answer = answer.header("content-length", length);
            }
            let fault = fault.then(|| Fault::new(code::GUEST_BODY_FAILED, Ran::Yes));
            Ok(answer.body(parts(&["some", "more"], fault)).expect("valid"))
        })
    };
    let cases = [("a fault", None, true), ("too short", Some(9), false), ("too long", Some(6), false)];
    for (why, declared, fault) in cases {
        let (gateway, witness) = watched(failing(declared, fault));
        let mut wire = Wire::open(gateway.address()).await;
        wire.send(&get(1)).await;
        let mut data = 0;
        let reset = loop {
            let frame = wire.next().await.expect("open");
            assert!(!frame.ends(), "{why}: it must not look whole");
            data += if frame.kind == DATA { frame.payload.len() } else { 0 };
            if frame.kind == RST_STREAM {
                break frame;
            }
        };
        assert_eq!((reset.stream, reset.code()), (1, INTERNAL_ERROR), "{why}");
        assert!(data <= 8, "{why}");
        let seen = &witness.seen(1).await[0];
        assert_eq!((seen.code, seen.complete), (Some("guest-body-failed"), false), "{why}");
        // The other streams of the connection go on.
        wire.send(&get(3)).await;
        assert_eq!(wire.until(RST_STREAM).await.expect("the next one").stream, 3, "{why}");
    }
}

/// A client that does something and then is gone: the call must be cancelled, and told of as such.
async fn leaves(first: Vec<u8>, then: Vec<u8>) {
    let (door, mut held): (_, Held) = holding();
    let (gateway, witness) = watched(door);
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&first).await;
    held.entered().await;
    match then.is_empty() {
        true => drop(wire),
        false => wire.send(&then).await,
    }
    held.dropped().await;
    let seen = &witness.seen(1).await[0];
    assert!(seen.is_gone(), "{seen:?}");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call() {
    leaves(get(1), reset(1, 8)).await;
    leaves(get(1), reset(1, NO_ERROR)).await;
    leaves(get(1), Vec::new()).await;
    leaves(post(1, &[]), reset(1, 8)).await;
    leaves(post(1, &[]), Vec::new()).await;
    // Another's fault ends the whole connection.
    leaves(get(1), frame(DATA, 0, 0, b"x")).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_whole() {
    // Waits for the whole body, and would answer 200 to what looks like one.
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("cancelled", reset(1, 8), "client-gone"),
        ("reset without an error", reset(1, NO_ERROR), "client-gone"),
        ("left", Vec::new(), "client-gone"),
        ("shorter than its length", frame(DATA, 1, 1, b"de"), "bad-request"),
    ];
    for (why, then, code) in cases {
        let (gateway, witness) = watched(echo());
        let mut wire = Wire::open(gateway.address()).await;
        let length: &[(&str, &str)] = if code == "bad-request" { &[("content-length", "9")] } else { &[] };
        wire.send(&[post(1, length), frame(DATA, 0, 1, b"abc")].concat()).await;
        // So that what came first has been read before the rest comes.
        wire.send(&frame(PING, 0, 0, b"12345678")).await;
        while wire.until(PING).await.expect("open").flags != ACK {}
        match then.is_empty() {
            true => drop(wire),
            false => wire.send(&then).await,
        }
        let seen = &witness.seen(1).await[0];
        assert_eq!((seen.code, seen.complete), (Some(code), false), "{why}: {seen:?}");
        assert_ne!(seen.status, 200, "{why}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_during_its_answer_is_told_of() {
    let endless = door(|_| async {
        let words = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 8192]))));
        Ok(Response::new(Body::new(StreamBody::new(words))))
    });
    let (gateway, witness) = watched(endless);
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&get(1)).await;
    wire.until(DATA).await.expect("a frame");
    wire.send(&reset(1, 8)).await;
    let seen = &witness.seen(1).await[0];
    assert_eq!((seen.status, seen.code, seen.complete), (200, Some("client-gone"), false));
}

#[tokio::test]
async fn a_drain_says_goaway_and_finishes_what_is_in_flight() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let once = std::sync::Mutex::new(Some(gone));
    let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let slow = door(move |_| {
        let gone = once.lock().expect("lock").take().expect("one request");
        begin.send(()).expect("the test waits");
        async move {
            gone.await.expect("the test goes on");
            Ok(Response::new(parts(&["all ", "of it"], None)))
        }
    });
    let gateway = Gateway::new(slow, catch_all()).serve(local());
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&get(1)).await;
    begun.recv().await.expect("begun");
    let drained = tokio::spawn(gateway.drain(Duration::from_secs(30)));
    let first = wire.until(GOAWAY).await.expect("told");
    assert_eq!((first.code(), &first.payload[..4]), (NO_ERROR, &[0x7f, 255, 255, 255][..]), "no stream is cut off");
    let ping = wire.until(PING).await.expect("asked");
    wire.send(&frame(PING, ACK, 0, &ping.payload)).await;
    let last = wire.until(GOAWAY).await.expect("told");
    assert_eq!((last.code(), &last.payload[..4]), (NO_ERROR, &[0, 0, 0, 1][..]));
    // What comes after it is not answered.
    wire.send(&get(3)).await;
    go.send(()).expect("in flight");
    let mut body = Vec::new();
    loop {
        let frame = wire.next().await.expect("not yet closed");
        assert_eq!(frame.stream, 1, "{frame:?}");
        body.extend_from_slice(if frame.kind == DATA { &frame.payload } else { &[] });
        if frame.ends() {
            break;
        }
    }
    assert_eq!(body, b"all of it");
    assert_eq!(drained.await.expect("drained"), 0);
    assert!(wire.next().await.is_none(), "closed");
}

#[tokio::test(start_paused = true)]
async fn a_drain_cuts_off_what_does_not_end() {
    let (door, mut held) = holding();
    let (gateway, witness) = watched(door);
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&get(1)).await;
    held.entered().await;
    let (cut, took) = timed(gateway.drain(Duration::from_secs(7))).await;
    assert_eq!((cut, took.as_secs()), (1, 7));
    held.dropped().await;
    let seen = &witness.seen(1).await[0];
    assert_eq!((seen.status, seen.code, seen.class), (503, Some("draining"), Class::Failure), "not its client's doing");
    while wire.next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_its_client_does_not_read_is_ended_and_the_others_go_on() {
    let witness = Arc::new(Witness::default());
    let long = door(|_| async { Ok(Response::new(parts(&["word"; 1000], None))) });
    let gateway = Gateway::new(long, catch_all())
        .clock(TestClock::new())
        .observer(Arc::clone(&witness) as Arc<dyn weft_gateway::Observer>)
        .serve(local());
    let mut send = connect_with(&gateway, h2::client::Builder::new().initial_window_size(0)).await;
    let (answer, _) = send.send_request(ask(Method::GET), true).expect("sent");
    let mut body = answer.await.expect("a head").into_body();
    let (ended, took) = timed(body.data()).await;
    let error = ended.expect("not the end").expect_err("not data");
    assert_eq!(error.reason(), Some(Reason::CANCEL), "{error}");
    assert!((60..=63).contains(&took.as_secs()), "the listener's idle limit, to within its sweep: {took:?}");
    let seen = &witness.seen(1).await[0];
    assert_eq!((seen.code, seen.complete), (Some("client-gone"), false));
    let (answer, _) = send.send_request(ask(Method::HEAD), true).expect("sent");
    assert_eq!(answer.await.expect("answered").status(), 200);
    assert_eq!(gateway.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_as_long_as_it_may_be_idle() {
    let gateway = Gateway::new(echo(), catch_all()).clock(TestClock::new()).serve(local());
    let stream = TcpStream::connect(gateway.address()).await.expect("connects");
    let (mut send, conn) = h2::client::handshake(stream).await.expect("a handshake");
    let conn = tokio::spawn(conn);
    let (answer, _) = send.send_request(ask(Method::GET), true).expect("sent");
    whole(answer.await.expect("answered").into_body()).await;
    let (ended, took) = timed(conn).await;
    assert!(ended.expect("runs").is_ok(), "in peace");
    assert!((60..=63).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_let_itself_be_closed_is_cut_off() {
    // Answers the pings that ask whether it lives, never the one that would let the connection end.
    let limits = Limits { idle: Duration::from_secs(5), ..Limits::default() };
    let gateway = Gateway::new(echo(), catch_all()).clock(TestClock::new()).limits(limits).serve(local());
    let mut wire = Wire::open(gateway.address()).await;
    let (told, _) = timed(wire.until(GOAWAY)).await;
    assert_eq!(told.expect("told to go").code(), NO_ERROR);
    let (closed, took) = timed(async { while wire.next().await.is_some() {} }).await;
    let () = closed;
    assert!((9..=12).contains(&took.as_secs()), "the time for a head later: {took:?}");
    assert_eq!(gateway.connections(), 0);
}
