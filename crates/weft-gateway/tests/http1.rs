//! HTTP/1 connections from their first byte to their last: slow ones, those that leave, those that are cut off.

mod common;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    catch_all, context, door, echo, local, raw, rest, route, start, table, until,
    witness::{TestClock, Witness, holding, holding_read, timed},
};
use futures_util::{StreamExt, stream};
use http::Response;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use weft_gateway::{Gateway, Limits, Listener, Observer, Running};
use weft_traffic::{Action, Policy};
use weft_types::{Body, Class, Fault, Invoke, Ran, code};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A gateway in the time of the test, which tells a witness.
fn watched(door: Arc<dyn Invoke>, policy: Policy) -> (Running, Arc<Witness>) {
    let witness = Arc::new(Witness::default());
    let mut spec = route("/*", &[], Action::Component(context()));
    spec.policy = policy;
    let observer = Arc::clone(&witness) as Arc<dyn Observer>;
    let gateway = Gateway::new(door, table(vec![spec])).clock(TestClock::new()).observer(observer);
    (gateway.serve(local()), witness)
}

async fn open(gateway: &Running, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    stream.write_all(bytes.as_bytes()).await.expect("sends");
    stream
}

/// Closes with RST, as a client that crashes does.
fn crash(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("set");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_timed_out() {
    let (gateway, witness) = watched(echo(), Policy::default());
    for (why, begun) in [
        ("half a line", "GET / HT"),
        ("half a head", "GET / HTTP/1.1\r\nHost: a\r\nX: "),
        ("one byte", "G"),
        ("one that may become HTTP/2", "P"),
    ] {
        let mut stream = open(&gateway, begun).await;
        let (answer, took) = timed(rest(&mut stream)).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{why}: {answer}");
        assert!(
            answer.contains("weft-error: request-timeout\r\n") && answer.contains("connection: close\r\n"),
            "{why}"
        );
        assert!((10..=12).contains(&took.as_secs()), "{why}: {took:?}");
    }
    assert_eq!(*witness.refused.lock(), ["request-timeout"; 4], "each is told of");
    let mut silent = open(&gateway, "").await;
    let (answer, took) = timed(rest(&mut silent)).await;
    assert_eq!(answer, "", "who said nothing is told nothing");
    assert!((10..=12).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_does_not_make_a_head_faster() {
    let (gateway, _) = watched(echo(), Policy::default());
    let mut stream = open(&gateway, "GET / HTTP/1.1\r\nHost: a\r\n").await;
    let (sent, took) = timed(async {
        let mut sent = 0;
        while gateway.connections() == 1 && sent < 100 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = stream.write_all(b"X: 1\r\n").await;
            sent += 1;
        }
        sent
    })
    .await;
    assert!(sent < 15, "{sent} in {took:?}");
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_may_idle_but_its_next_head_must_come() {
    let (gateway, _) = watched(echo(), Policy::default());
    let mut stream = open(&gateway, GET).await;
    until(&mut stream, "GET http://a/ ").await;
    let (answer, took) = timed(rest(&mut stream)).await;
    assert_eq!(answer, "", "closed without a word");
    assert!((60..=62).contains(&took.as_secs()), "{took:?}");

    let mut stream = open(&gateway, GET).await;
    until(&mut stream, "GET http://a/ ").await;
    stream.write_all(b"GET /next HT").await.expect("sends");
    let (answer, took) = timed(rest(&mut stream)).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!((10..=12).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_timed_out() {
    let policy = Policy { idle: Duration::from_secs(5), ..Policy::default() };
    let bodies =
        ["Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "Content-Length: 9\r\n\r\n"];
    for body in bodies {
        let (gateway, witness) = watched(echo(), policy.clone());
        let mut stream = open(&gateway, &format!("POST / HTTP/1.1\r\nHost: a\r\n{body}")).await;
        let (answer, took) = timed(rest(&mut stream)).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close\r\n"), "{body:?}: {answer}");
        assert!((5..=7).contains(&took.as_secs()), "{body:?}: {took:?}");
        let seen = &witness.seen(1).await[0];
        assert_eq!((seen.status, seen.code), (408, Some("request-timeout")), "{body:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call() {
    for crashes in [false, true] {
        for head in [GET, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"] {
            let (door, mut held) = holding_read();
            let (gateway, witness) = watched(door, Policy::default());
            let stream = open(&gateway, head).await;
            held.entered().await;
            if crashes {
                crash(stream)
            } else {
                drop(stream)
            }
            held.dropped().await;
            let seen = &witness.seen(1).await[0];
            assert!(seen.is_gone(), "{head:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_whole() {
    for crashes in [false, true] {
        for body in ["Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
            let (gateway, witness) = watched(echo(), Policy::default());
            let mut stream = open(&gateway, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n").await;
            stream.write_all(body.as_bytes()).await.expect("sends");
            // The body is being read.
            until(&mut stream, "HTTP/1.1 100 ").await;
            if crashes {
                crash(stream)
            } else {
                drop(stream)
            }
            let seen = &witness.seen(1).await[0];
            assert!(seen.is_gone(), "{body:?}, crashes {crashes}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_during_its_answer_is_told_of() {
    let endless = door(|_| async {
        let words = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 8192]))));
        Ok(Response::new(Body::new(StreamBody::new(words))))
    });
    let (gateway, witness) = watched(endless, Policy::default());
    let mut stream = open(&gateway, GET).await;
    until(&mut stream, "xxx").await;
    drop(stream);
    let seen = &witness.seen(1).await[0];
    assert_eq!((seen.status, seen.code, seen.complete), (200, Some("client-gone"), false));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_its_client_does_not_read_is_cut_off() {
    let endless = door(|_| async {
        let words = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 8192]))));
        Ok(Response::new(Body::new(StreamBody::new(words))))
    });
    let (gateway, witness) = watched(endless, Policy::default());
    let stream = open(&gateway, GET).await;
    let (seen, took) = timed(witness.seen(1)).await;
    assert_eq!((seen[0].code, seen[0].complete), (Some("client-gone"), false));
    assert!((60..=62).contains(&took.as_secs()), "{took:?}");
    drop(stream);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to() {
    let cases: [(Option<&str>, bool, &str); 3] =
        [(None, true, "4\r\nsome\r\n4\r\nmore\r\n"), (Some("99"), true, "somemore"), (Some("9"), false, "somemore")];
    for (declared, fails, left) in cases {
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let slot = std::sync::Mutex::new(Some(gone));
        let failing = door(move |_| {
            let gone = slot.lock().expect("lock").take().expect("one request");
            async move {
                let words = ["some", "more"].map(|word| Ok(Frame::data(Bytes::from_static(word.as_bytes()))));
                let fault = stream::once(gone)
                    .filter_map(move |_| async move { fails.then(|| Err(Fault::new(code::GUEST_TRAP, Ran::Yes))) });
                let body = Body::new(StreamBody::new(Box::pin(stream::iter(words).chain(fault))));
                let answer = declared.into_iter().fold(Response::builder(), |head, n| head.header("content-length", n));
                Ok(answer.body(body).expect("valid"))
            }
        });
        let (gateway, witness) = watched(failing, Policy::default());
        let mut stream = open(&gateway, &format!("{GET}{GET}")).await;
        let answer = until(&mut stream, "more").await;
        go.send(()).expect("in flight");
        let answer = answer + &rest(&mut stream).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(body, left, "no last chunk, too few bytes, and nothing after it: {declared:?}");
        let seen = &witness.seen(1).await[0];
        let code = if fails { "guest-trap" } else { "guest-body-failed" };
        assert_eq!((seen.code, seen.complete), (Some(code), false));
    }
}

#[tokio::test]
async fn an_answer_that_is_longer_than_it_says_is_cut_off() {
    let generous = door(|_| async {
        let words = ["some", "more", "HTTP/1.1 200 OK\r\n\r\n"];
        let words = words.map(|word| Ok(Frame::data(Bytes::from_static(word.as_bytes()))));
        let body = Body::new(StreamBody::new(stream::iter(words)));
        Ok(Response::builder().header("content-length", "6").body(body).expect("valid"))
    });
    let (gateway, witness) = watched(generous, Policy::default());
    let answer = raw(gateway.address(), format!("{GET}{GET}")).await;
    assert!(answer.is_empty() || answer.ends_with("some"), "{answer}");
    let seen = &witness.seen(1).await[0];
    assert_eq!((seen.code, seen.complete), (Some("guest-body-failed"), false));
}

#[tokio::test]
async fn a_guest_that_says_a_wrong_length_is_found_out() {
    let lengths: [(&[&str], u16); 8] = [
        (&["5"], 200),
        (&["5", "5"], 200),
        (&["4"], 502),
        (&["6"], 502),
        (&["5", "6"], 502),
        (&["-5"], 502),
        (&["5, 5"], 502),
        (&["99999999999999999999"], 502),
    ];
    for (lengths, status) in lengths {
        let guest = door(move |_| async move {
            let answer = lengths.iter().fold(Response::builder(), |head, n| head.header("content-length", *n));
            Ok(answer.header("weft-error", "forged").body(weft_types::full("hello")).expect("valid"))
        });
        let gateway = start(guest);
        let answer = raw(gateway.address(), GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{lengths:?}: {answer}");
        assert!(!answer.contains("forged"), "{answer}");
        assert_eq!(answer.matches("content-length: ").count(), 1, "{answer}");
        assert_eq!(answer.contains("weft-error: guest-bad-response\r\n"), status == 502, "{answer}");
    }
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let chatty = door(|request| async move {
        let status: u16 = request.uri().path()[1..].parse().expect("a status");
        Ok(Response::builder().status(status).body(weft_types::full("hello")).expect("valid"))
    });
    let gateway = start(chatty);
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    for (ask, status) in
        [("HEAD /200", 200), ("GET /204", 204), ("GET /304", 304), ("GET /205", 205), ("HEAD /404", 404)]
    {
        stream.write_all(format!("{ask} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.expect("sends");
        let answer = until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{ask}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{ask}: {answer}");
        assert!(!answer.contains("transfer-encoding"), "{ask}: {answer}");
        match status {
            204 | 304 => assert!(!answer.contains("content-length"), "{ask}: {answer}"),
            205 => assert!(answer.contains("content-length: 0\r\n"), "{ask}: {answer}"),
            _ => assert!(!answer.contains("content-length: 0"), "GET would have had a body: {answer}"),
        }
    }
    stream.write_all(b"GET /200 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sends");
    assert!(until(&mut stream, "hello").await.contains("content-length: 5\r\n"), "the connection is still in step");
    for status in [100, 101, 103] {
        let answer =
            raw(gateway.address(), format!("GET /{status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("guest-bad-response"), "{answer}");
    }
}

#[tokio::test]
async fn one_connection_more_waits_until_another_leaves() {
    let witness = Arc::new(Witness::default());
    let limits = Limits { connections: 2, ..Limits::default() };
    let observer = Arc::clone(&witness) as Arc<dyn Observer>;
    let gateway = Gateway::new(echo(), catch_all()).limits(limits).observer(observer).serve(local());
    let (mut first, mut second) = (open(&gateway, GET).await, open(&gateway, GET).await);
    until(&mut first, "GET http://a/ ").await;
    until(&mut second, "GET http://a/ ").await;
    let mut third = open(&gateway, GET).await;
    second.write_all(GET.as_bytes()).await.expect("sends");
    until(&mut second, "GET http://a/ ").await;
    assert_eq!(witness.accepted.load(std::sync::atomic::Ordering::SeqCst), 2, "the third waits");
    drop(first);
    until(&mut third, "GET http://a/ ").await;
    assert_eq!(gateway.connections(), 2);
}

#[tokio::test]
async fn a_taken_port_is_known_at_once() {
    let gateway = start(echo());
    let error = Listener::bind(gateway.address()).err().expect("taken");
    assert_eq!(error.code(), code::PORT_TAKEN);
    assert!(error.to_string().contains(&gateway.address().to_string()), "{error}");
    let address = gateway.address();
    assert_eq!(gateway.drain(Duration::ZERO).await, 0);
    Listener::bind(address).expect("free again at once");
    let unknown: SocketAddr = "192.0.2.1:0".parse().expect("an address");
    assert_eq!(Listener::bind(unknown).err().expect("not ours").code(), code::USAGE);
}

#[tokio::test]
async fn requests_may_come_before_their_answers_and_are_answered_in_order() {
    let gateway = start(echo());
    let post = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\n\r\n";
    let last = "GET /d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let all = format!("{GET}{post}{chunked}{last}{GET}");
    // However the bytes are cut.
    for size in [all.len(), 1, 7, 64] {
        let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
        stream.set_nodelay(true).expect("set");
        for part in all.as_bytes().chunks(size) {
            let _ = stream.write_all(part).await;
            tokio::task::yield_now().await;
        }
        let answers = rest(&mut stream).await;
        let bodies: Vec<&str> =
            answers.split("HTTP/1.1 200 OK").skip(1).map(|a| a.split_once("\r\n\r\n").expect("a head").1).collect();
        assert_eq!(bodies, ["GET http://a/ ", "POST http://a/b hi", "POST http://a/c ho", "GET http://a/d "]);
    }
}

#[tokio::test]
async fn nothing_is_answered_after_what_could_not_be_read() {
    let gateway = start(echo());
    for bad in
        ["GET / HTTP/1.1\r\nHost : a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
    {
        let answers = raw(gateway.address(), format!("{GET}{bad}{GET}")).await;
        let statuses: Vec<&str> = answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
        assert_eq!(statuses, ["200", "400"], "{answers}");
        for part in ["weft-error: bad-request\r\n", "date: ", "connection: close\r\n"] {
            assert!(answers.rsplit("HTTP/1.1 ").next().is_some_and(|last| last.contains(part)), "{part}: {answers}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_read_the_body_leaves_no_part_of_it_behind() {
    let deaf = door(|_| async { Ok(Response::new(weft_types::full("deaf"))) });
    let gateway = start(deaf);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len());
    let answers = raw(gateway.address(), format!("{post}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
    assert!((1..=2).contains(&answers.matches("HTTP/1.1 200 ").count()), "{answers}");
    // One that does not even come: the answer is there, and the connection is not used again.
    let mut stream =
        open(&gateway, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n").await;
    let answer = until(&mut stream, "deaf").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "nobody asked for the body: {answer}");
    let more = rest(&mut stream).await;
    assert_eq!(more, "", "closed");
}

#[tokio::test(start_paused = true)]
async fn a_drain_cuts_off_what_does_not_end() {
    let (door, mut held) = holding();
    let (gateway, witness) = watched(door, Policy::default());
    let mut stream = open(&gateway, GET).await;
    held.entered().await;
    let (cut, took) = timed(gateway.drain(Duration::from_secs(7))).await;
    assert_eq!((cut, took.as_secs()), (1, 7));
    held.dropped().await;
    let seen = &witness.seen(1).await[0];
    assert_eq!((seen.status, seen.code, seen.class), (503, Some("draining"), Class::Failure), "not its client's doing");
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_said_all_may_close_its_side_and_is_answered_for_a_moment() {
    let (door, mut held) = holding_read();
    let (gateway, witness) = watched(door, Policy::default());
    for head in [GET, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"] {
        let mut stream = open(&gateway, head).await;
        stream.shutdown().await.expect("shuts down");
        held.entered().await;
        held.answer_one();
        let (answer, took) = timed(until(&mut stream, "\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{head}: {answer}");
        assert!(took < Duration::from_millis(100), "{took:?}");
        assert_eq!(rest(&mut stream).await, "");
    }
    let mut stream = open(&gateway, GET).await;
    stream.shutdown().await.expect("shuts down");
    held.entered().await;
    let (_, took) = timed(rest(&mut stream)).await;
    assert!((100..200).contains(&took.as_millis()), "then it has left: {took:?}");
    assert!(witness.seen(3).await[2].is_gone());
}

#[tokio::test]
async fn a_drain_waits_for_the_last_byte_of_a_body() {
    let (feed, fed) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let slot = std::sync::Mutex::new(Some(fed));
    let slow = door(move |_| {
        let fed = slot.lock().expect("lock").take().expect("one request");
        async move {
            let frames = stream::unfold(fed, |mut fed| async {
                fed.recv().await.map(|word| (Ok(Frame::data(Bytes::from_static(word.as_bytes()))), fed))
            });
            Ok(Response::new(Body::new(StreamBody::new(frames))))
        }
    });
    let gateway = Gateway::new(slow, catch_all()).serve(local());
    let mut stream = open(&gateway, GET).await;
    feed.send("first").expect("in flight");
    until(&mut stream, "first\r\n").await;
    let drained = tokio::spawn(gateway.drain(Duration::from_secs(30)));
    feed.send("second").expect("in flight");
    until(&mut stream, "second\r\n").await;
    assert!(!drained.is_finished());
    drop(feed);
    assert!(rest(&mut stream).await.ends_with("0\r\n\r\n"));
    assert_eq!(drained.await.expect("drained"), 0);
}
