//! What attackers send over HTTP/2: floods are bounded, and no request is taken in two ways.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{
    catch_all, door, echo,
    frames::{
        ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Ended, GOAWAY, HEADERS, NO_ERROR,
        PING, PROTOCOL_ERROR, SETTINGS, WHOLE, Wire, block, frame, get, post, request, reset, setting,
    },
    local, start,
    witness::{TestClock, holding, timed},
};
use http::Response;
use tokio::io::AsyncWriteExt;
use weft_gateway::{Gateway, Limits};

/// A door that counts its calls and answers each at once.
fn counting() -> (Arc<dyn weft_types::Invoke>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let door = door(move |_| {
        count.fetch_add(1, SeqCst);
        async { Ok(Response::new(weft_types::full("counted"))) }
    });
    (door, calls)
}

/// Sends requests without end, until the server refuses to have more.
async fn pour(bytes: impl Fn(u32) -> Vec<u8>) -> (Ended, usize) {
    let (door, calls) = counting();
    let gateway = start(door);
    let mut wire = Wire::open(gateway.address()).await;
    let flood: Vec<u8> = (0..5_000).flat_map(|n| bytes(2 * n + 1)).collect();
    wire.send(&flood).await;
    let ended = loop {
        match wire.next().await {
            None => break Ended::Closed,
            Some(frame) if frame.kind == GOAWAY => break Ended::GoneAway(frame.code()),
            Some(_) => {}
        }
    };
    (ended, calls.load(SeqCst))
}

#[tokio::test]
async fn a_flood_of_resets_is_answered_by_goaway() {
    let (ended, calls) = pour(|stream| [get(stream), reset(stream, CANCEL)].concat()).await;
    assert_eq!(ended, Ended::GoneAway(ENHANCE_YOUR_CALM));
    assert!(calls < 500, "{calls} of 5000");
}

#[tokio::test]
async fn a_flood_of_requests_that_we_must_reset_is_answered_by_goaway() {
    // MadeYouReset: each is well-formed until our own reset is provoked.
    let (ended, calls) = pour(|stream| [get(stream), frame(8, 0, stream, &[0; 4])].concat()).await;
    assert!(matches!(ended, Ended::GoneAway(ENHANCE_YOUR_CALM | PROTOCOL_ERROR)), "{ended:?}");
    assert!(calls < 2_000, "{calls} of 5000");
}

#[tokio::test]
async fn a_client_that_gives_up_most_of_its_requests_is_sent_away() {
    let (door, mut held) = holding();
    let gateway = Gateway::new(door, catch_all()).serve(local());
    let mut wire = Wire::open(gateway.address()).await;
    let mut asked = 0;
    // Each is given up only when its call has begun: no flood, but as much work.
    while asked < 5_000 {
        let stream = 2 * asked + 1;
        wire.send(&get(stream)).await;
        tokio::select! {
            () = held.entered() => {}
            () = async { while wire.next().await.is_some() {} } => break,
        }
        wire.send(&reset(stream, CANCEL)).await;
        held.dropped().await;
        asked += 1;
    }
    assert!((500..=1_000).contains(&asked), "{asked}");
    assert_eq!(gateway.drain(Duration::ZERO).await, 0, "it was cut off before");
}

#[tokio::test]
async fn a_client_that_gives_up_some_of_its_requests_stays() {
    let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let door = door(move |request| {
        let begin = begin.clone();
        async move {
            if request.uri().path() == "/slow" {
                begin.send(()).expect("the test waits");
                std::future::pending::<()>().await;
            }
            Ok(Response::new(weft_types::empty()))
        }
    });
    let gateway = start(door);
    let mut wire = Wire::open(gateway.address()).await;
    let mut streams = (1..).step_by(2);
    for stream in streams.by_ref().take(700) {
        wire.send(&get(stream)).await;
        wire.until(HEADERS).await.expect("answered");
    }
    for stream in streams.by_ref().take(600) {
        wire.send(&frame(HEADERS, WHOLE, stream, &request("GET", "/slow", &[]))).await;
        begun.recv().await.expect("begun");
        wire.send(&reset(stream, CANCEL)).await;
    }
    let last = streams.next().expect("one more");
    wire.send(&get(last)).await;
    assert_eq!(wire.ended(last).await, Ended::Answered(200, String::new()));
}

#[tokio::test]
async fn header_blocks_without_end_are_cut_off() {
    let begin = frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[]));
    let (empty, full) =
        (frame(CONTINUATION, 0, 1, &[]), frame(CONTINUATION, 0, 1, &block(&[("x", &"y".repeat(16_000))])));
    for (why, more) in [("empty", empty), ("full", full)] {
        let (door, calls) = counting();
        let gateway = start(door);
        let mut wire = Wire::open(gateway.address()).await;
        wire.send(&begin).await;
        wire.send(&more.repeat(10_000)).await;
        let goaway = wire.until(GOAWAY).await.unwrap_or_else(|| panic!("{why}: told why"));
        assert_ne!(goaway.code(), NO_ERROR, "{why}");
        assert!(wire.next().await.is_none(), "{why}: closed");
        assert_eq!(calls.load(SeqCst), 0, "{why}");
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_and_the_connection_goes_on() {
    let (door, calls) = counting();
    let gateway = start(door);
    let long = "y".repeat(12_000);
    let over: Vec<u8> = [
        frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[("x", &long)])),
        frame(CONTINUATION, 0, 1, &block(&[("x", &long)])),
        frame(CONTINUATION, END_HEADERS, 1, &block(&[("x", &long)])),
    ]
    .concat();
    // A header that the table remembers, named a thousand times by one byte each.
    let mut bomb = request("GET", "/", &[]);
    bomb.extend([0x40, 1, b'x', 127, (3_000u32 - 127) as u8 & 127 | 128, ((3_000u32 - 127) >> 7) as u8]);
    bomb.extend(vec![b'y'; 3_000]);
    bomb.extend(vec![0xbe; 1_000]);
    let many = request("GET", "/", &vec![("x", ""); 2_000]);
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&frame(HEADERS, WHOLE, 1, &bomb)).await;
    let ended = wire.ended(1).await;
    assert!(matches!(ended, Ended::Answered(431, _) | Ended::GoneAway(ENHANCE_YOUR_CALM)), "{ended:?}");
    assert_eq!(calls.load(SeqCst), 0);
    for (asked, bytes) in [over, frame(HEADERS, WHOLE, 1, &many)].into_iter().enumerate() {
        let mut wire = Wire::open(gateway.address()).await;
        wire.send(&bytes).await;
        let ended = wire.ended(1).await;
        assert!(matches!(ended, Ended::Answered(431, _)), "{ended:?}");
        assert_eq!(calls.load(SeqCst), asked);
        wire.send(&get(99)).await;
        assert_eq!(wire.ended(99).await, Ended::Answered(200, "counted".to_owned()));
    }
}

#[tokio::test]
async fn floods_of_what_must_be_acknowledged_are_answered_one_by_one() {
    let gateway = start(echo());
    for (kind, flood) in [(PING, frame(PING, 0, 0, b"12345678")), (SETTINGS, frame(SETTINGS, 0, 0, &setting(3, 9)))] {
        let mut wire = Wire::open(gateway.address()).await;
        wire.until(SETTINGS).await.expect("settings");
        wire.send(&flood.repeat(2_000)).await;
        let expected = if kind == SETTINGS { 2_001 } else { 2_000 };
        for _ in 0..expected {
            while wire.until(kind).await.expect("still open").flags != ACK {}
        }
        wire.send(&get(1)).await;
        assert_eq!(wire.ended(1).await, Ended::Answered(200, "GET http://a/ ".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_floods_and_never_reads_is_not_read_and_then_cut_off() {
    let gateway = Gateway::new(echo(), catch_all()).clock(TestClock::new()).serve(local());
    let mut wire = Wire::open(gateway.address()).await;
    let flood = frame(PING, 0, 0, b"12345678").repeat(10_000);
    let pouring = async {
        let mut sent = 0;
        // Ends only when the server closes: what it does not take is kept from it by the kernel's buffers.
        while wire.stream.write_all(&flood).await.is_ok() {
            sent += flood.len();
        }
        sent
    };
    let (sent, took) = timed(pouring).await;
    assert!(sent < 64 << 20, "no more than buffers hold: {sent}");
    assert!(took >= Duration::from_secs(30), "{took:?}");
    assert_eq!(gateway.connections(), 0);
}

#[tokio::test]
async fn empty_frames_of_a_body_are_bounded() {
    let (door, _held) = holding();
    let gateway = start(door);
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&post(1, &[])).await;
    wire.send(&frame(DATA, 0, 1, &[]).repeat(20_000)).await;
    let goaway = wire.until(GOAWAY).await.expect("told why");
    assert_eq!(goaway.code(), ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn a_body_is_read_no_faster_than_it_is_wanted() {
    let (door, mut held) = holding();
    let gateway = start(door);
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&post(1, &[])).await;
    held.entered().await;
    // More than any window that was given: the stream, or the connection, must not take it.
    wire.send(&frame(DATA, 0, 1, &[0; 16_384]).repeat(1_000)).await;
    let ended = wire.ended(1).await;
    assert!(matches!(ended, Ended::Reset(3) | Ended::GoneAway(3)), "{ended:?}");
}

#[tokio::test]
async fn a_request_is_for_one_host_and_one_target() {
    let gateway = start(echo());
    let with = |fields: &[(&str, &str)]| frame(HEADERS, WHOLE, 1, &block(fields));
    let get = |path: &'static str, more: &[(&'static str, &'static str)]| {
        let mut fields = vec![(":method", "GET"), (":scheme", "http"), (":path", path)];
        fields.extend_from_slice(more);
        with(&fields)
    };
    let refused = [
        ("another host", get("/", &[(":authority", "a"), ("host", "b")])),
        ("another port", get("/", &[(":authority", "a"), ("host", "a:81")])),
        ("two hosts", get("/", &[("host", "a"), ("host", "a")])),
        ("no host", get("/", &[])),
        ("an empty authority", get("/", &[(":authority", "")])),
        ("an empty host", get("/", &[("host", "")])),
        ("a user", get("/", &[(":authority", "u@a")])),
        ("a user in the host", get("/", &[("host", "u@a")])),
        ("a path in the host", get("/", &[("host", "a/b")])),
        ("a list", get("/", &[(":authority", "a,b c")])),
        ("a port that is none", get("/", &[(":authority", "a:99999")])),
        ("a space before a value", get("/", &[(":authority", "a"), ("x", " 1")])),
        ("a tab after a value", get("/", &[(":authority", "a"), ("x", "1\t")])),
        ("only a space", get("/", &[(":authority", "a"), ("x", " "), ("y", "1")])),
        ("no slash", get("x", &[(":authority", "a")])),
        ("an absolute target", get("http://b/", &[(":authority", "a")])),
        ("the asterisk for GET", get("*", &[(":authority", "a")])),
        ("a space in the target", get("/a b", &[(":authority", "a")])),
        ("a dot-segment", get("/a/%2e%2e/b", &[(":authority", "a")])),
        ("a plain dot-segment", get("/a/../b", &[(":authority", "a")])),
        ("another scheme", with(&[(":method", "GET"), (":scheme", "ftp"), (":path", "/"), (":authority", "a")])),
        ("CONNECT", with(&[(":method", "CONNECT"), (":authority", "a:443")])),
        ("TRACE", with(&[(":method", "TRACE"), (":scheme", "http"), (":path", "/"), (":authority", "a")])),
    ];
    let mut wrong = Vec::new();
    for (why, bytes) in refused {
        let mut wire = Wire::open(gateway.address()).await;
        wire.send(&bytes).await;
        match wire.ended(1).await {
            Ended::Answered(400, body) if body.contains("\"bad-") => {}
            Ended::Answered(405, body) if body.contains("method-not-allowed") => {}
            Ended::Reset(PROTOCOL_ERROR) => {}
            ended => wrong.push(format!("{why}: {ended:?}")),
        }
    }
    let accepted = [
        ("only an authority", get("/", &[(":authority", "a")])),
        ("only a host", get("/", &[("host", "a")])),
        ("both, equal", get("/", &[(":authority", "a"), ("host", "A")])),
        (
            "https, through a proxy",
            with(&[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")]),
        ),
    ];
    for (why, bytes) in accepted {
        let mut wire = Wire::open(gateway.address()).await;
        wire.send(&bytes).await;
        match wire.ended(1).await {
            Ended::Answered(200, body) if body == "GET http://a/ " => {}
            ended => wrong.push(format!("{why}: {ended:?}")),
        }
    }
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&with(&[(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "a")])).await;
    let ended = wire.ended(1).await;
    if ended != Ended::Answered(204, String::new()) {
        wrong.push(format!("OPTIONS *: {ended:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_more_is_sent_away() {
    let limits = Limits { head_time: Duration::from_secs(3), idle: Duration::from_secs(9), ..Limits::default() };
    // A preface that does not end is a head that does not end; then there is a time for being idle.
    for (why, bytes, within) in [
        ("half a preface", &b"PRI * HTTP/2.0\r\n"[..], 3..=5),
        ("a preface", &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], 9..=14),
    ] {
        let gateway = Gateway::new(echo(), catch_all()).clock(TestClock::new()).limits(limits).serve(local());
        let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.expect("connects");
        stream.write_all(bytes).await.expect("sends");
        let (_, took) = timed(common::rest(&mut stream)).await;
        assert!(within.contains(&took.as_secs()), "{why}: {took:?}");
    }
}
