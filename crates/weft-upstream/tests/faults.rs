//! Services that misbehave: which status and code that makes, and whether the call was sent again.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{Raw, call, call_until, fault, get, head, request, reset, response, text, upstream, upstream_with};
use tokio::io::AsyncWriteExt;
use weft_traffic::Policy;
use weft_types::{Class, Clock, ManualClock, Ran, SystemClock, Timestamp, code};
use weft_upstream::Options;

fn post() -> http::Request<weft_types::Body> {
    request("POST", "/", weft_types::full("order"))
}

/// A body of which nothing ever comes.
fn stalled() -> weft_types::Body {
    weft_types::Body::new(http_body_util::StreamBody::new(futures_util::stream::pending()))
}

#[tokio::test]
async fn an_answer_passes_as_it_is_whatever_its_status() {
    for status in [200, 404, 418, 500] {
        let answer = format!(
            "HTTP/1.1 {status} Odd\r\nx-its: own\r\nconnection: x-hop\r\nx-hop: 1\r\ncontent-length: 4\r\n\r\nbody"
        );
        let raw = Raw::says(answer.leak().as_bytes()).await;
        let outcome = call(&upstream(&[raw.url()]), get("/")).await;
        assert_eq!(outcome.class, if status < 500 { Class::Ok } else { Class::Failure });
        let response = response(outcome);
        assert_eq!((response.status().as_u16(), &response.headers()["x-its"]), (status, &"own".parse().unwrap()));
        assert!(!response.headers().contains_key("x-hop") && !response.headers().contains_key("connection"));
        assert_eq!(text(response.into_body()).await.expect("whole"), "body");
        assert_eq!(raw.seen(), 1, "what it answered itself is its answer");
    }
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_ran_nothing() {
    let url = Raw::says(b"").await.url();
    let outcome = call(&upstream(&[url]), post()).await;
    assert_eq!(outcome.class, Class::Failure);
    let fault = fault(outcome);
    assert_eq!((fault.code, fault.ran), (code::UPSTREAM_UNREACHABLE, Ran::No), "{fault:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unreachable() {
    let fault = fault(call(&upstream(&["http://no-such-host.invalid:1".to_owned()]), get("/")).await);
    assert_eq!((fault.code, fault.ran), (code::UPSTREAM_UNREACHABLE, Ran::No), "{fault:?}");
}

#[tokio::test]
async fn who_never_answers_is_given_up_at_the_deadline() {
    let raw = Raw::new(|mut stream| async move {
        head(&mut stream).await;
        std::future::pending().await
    })
    .await;
    let deadline = SystemClock::new().now().saturating_add(Duration::from_millis(200));
    let outcome = call_until(&upstream(&[raw.url()]), get("/"), deadline).await;
    assert_eq!(outcome.class, Class::Failure);
    let fault = fault(outcome);
    assert_eq!((fault.code, fault.ran), (code::DEADLINE_EXCEEDED, Ran::Maybe));
    assert_eq!(raw.seen(), 1, "what was too slow is not asked again");
}

#[tokio::test]
async fn a_client_that_stalls_its_upload_says_nothing_of_the_upstream() {
    let arrived = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&arrived);
    let raw = Raw::new(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            head(&mut stream).await;
            told.notify_one();
            std::future::pending().await
        }
    })
    .await;
    let upstream = upstream(&[raw.url()]);
    // A PUT may be repeated: but what did not arrive cannot be.
    let call = call(&upstream, request("PUT", "/", stalled()));
    let stall = async {
        arrived.notified().await;
        // From here on time passes as soon as there is nothing else to do.
        tokio::time::pause();
    };
    let (outcome, ()) = tokio::join!(call, stall);
    assert_eq!(outcome.class, Class::CallerFault);
    let fault = fault(outcome);
    assert_eq!((fault.code, fault.ran), (code::REQUEST_TIMEOUT, Ran::Maybe));
    let status = upstream.status();
    assert_eq!((raw.seen(), status.breaker.expect("a breaker").consecutive), (1, 0));
}

#[tokio::test]
async fn who_closes_before_the_head_is_asked_again_for_what_may_be_repeated() {
    let raw = Raw::new(|mut stream| async move {
        head(&mut stream).await;
        reset(stream);
    })
    .await;
    let upstream = upstream(&[raw.url()]);
    let lost = fault(call(&upstream, get("/")).await);
    assert_eq!((lost.code, lost.ran), (code::UPSTREAM_LOST, Ran::Maybe), "{lost:?}");
    assert_eq!(raw.seen(), 3, "two retries");
    let lost = fault(call(&upstream, post()).await);
    assert_eq!(lost.code, code::UPSTREAM_LOST);
    assert_eq!(raw.seen(), 4, "a POST is never sent twice");
}

#[tokio::test]
async fn a_short_body_is_sent_whole_again_and_a_long_one_never() {
    let raw = Raw::new(|mut stream| async move {
        let mut text = [0; 4_096];
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut text).await;
        reset(stream);
    })
    .await;
    let upstream = upstream(&[raw.url()]);
    fault(call(&upstream, request("PUT", "/", weft_types::full(vec![b'x'; 64]))).await);
    assert_eq!(raw.seen(), 3);
    fault(call(&upstream, request("PUT", "/", weft_types::full(vec![b'x'; (64 << 10) + 1]))).await);
    assert_eq!(raw.seen(), 4, "it is no longer held");
}

#[tokio::test]
async fn a_gateway_status_is_asked_again_and_the_last_answer_stands() {
    for status in [502, 503, 504] {
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
        let raw = Raw::says(answer.leak().as_bytes()).await;
        let upstream = upstream(&[raw.url()]);
        let response = response(call(&upstream, get("/")).await);
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(text(response.into_body()).await.expect("its own body"), "no");
        assert_eq!(raw.seen(), 3);
        assert_eq!(common::response(call(&upstream, post()).await).status().as_u16(), status);
        assert_eq!(raw.seen(), 4, "a POST is never sent twice");
    }
}

#[tokio::test]
async fn ambiguous_framing_is_refused() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: -3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length : 3\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"nonsense\r\n\r\n",
    ] {
        let raw = Raw::says(answer).await;
        let outcome = call(&upstream(&[raw.url()]), get("/")).await;
        assert_eq!(outcome.class, Class::Failure);
        let fault = fault(outcome);
        assert_eq!(fault.code, code::UPSTREAM_BAD_ANSWER, "{}: {fault:?}", String::from_utf8_lossy(answer));
        assert_eq!(raw.seen(), 1, "the same would come again");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let raw = Raw::new(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x-more: and more and more and more\r\n").await.is_ok() {}
    })
    .await;
    let fault = fault(call(&upstream(&[raw.url()]), get("/")).await);
    assert_eq!(fault.code, code::UPSTREAM_BAD_ANSWER, "{fault:?}");
}

#[tokio::test]
async fn a_flood_of_informational_responses_is_refused() {
    let raw = Raw::new(|mut stream| async move {
        head(&mut stream).await;
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await.is_ok() {}
    })
    .await;
    let fault = fault(call(&upstream(&[raw.url()]), get("/")).await);
    assert_eq!((fault.code, raw.seen()), (code::UPSTREAM_BAD_ANSWER, 1), "{fault:?}");
}

#[tokio::test]
async fn a_few_informational_responses_are_passed_over() {
    let raw = Raw::says(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No\r\n\r\n").await;
    assert_eq!(response(call(&upstream(&[raw.url()]), get("/")).await).status(), 204);
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_complete() {
    let cases: [(&[u8], _); 4] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", code::UPSTREAM_LOST),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", code::UPSTREAM_LOST),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", code::UPSTREAM_BAD_ANSWER),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdef", code::UPSTREAM_BAD_ANSWER),
    ];
    for (answer, wanted) in cases {
        let raw = Raw::says(answer).await;
        let response = response(call(&upstream(&[raw.url()]), get("/")).await);
        let broken = text(response.into_body()).await.expect_err("it is not whole");
        assert_eq!((broken.code, broken.ran), (wanted, Ran::Yes), "{}: {broken:?}", String::from_utf8_lossy(answer));
        assert_eq!(raw.seen(), 1, "after the head nothing is sent again");
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_breaks_the_body_and_its_end() {
    let raw = Raw::new(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
        reset(stream);
    })
    .await;
    let upstream = upstream(&[raw.url()]);
    let outcome = call(&upstream, get("/")).await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let weft_types::Outcome { reply, end, .. } = outcome;
    end.then(move |fault, _| tell.send(fault.map(|fault| fault.code)).unwrap());
    // The reset may overtake the head: then the call itself is lost, and tried again.
    if let Ok(weft_types::Reply::Http(response)) = reply {
        text(response.into_body()).await.expect_err("it is not whole");
        assert_eq!(told.await, Ok(Some(code::UPSTREAM_LOST)));
    }
}

#[tokio::test]
async fn the_breaker_opens_sends_nothing_and_heals() {
    let healthy = Arc::new(AtomicUsize::new(0));
    let state = Arc::clone(&healthy);
    let raw = Raw::new(move |mut stream| {
        let good = state.load(SeqCst) > 0;
        async move {
            head(&mut stream).await;
            let status = if good { "200 OK" } else { "500 No" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let upstream = upstream_with(&[raw.url()], Options::default(), Arc::clone(&clock) as _);
    let far = Timestamp::from_millis(2_000_000);
    for _ in 0..7 {
        assert_eq!(response(call_until(&upstream, get("/"), far).await).status(), 500);
    }
    let outcome = call_until(&upstream, get("/"), far).await;
    assert_eq!(outcome.class, Class::Shed);
    let refused = fault(outcome);
    assert_eq!((refused.code, refused.ran, raw.seen()), (code::BREAKER_OPEN, Ran::No, 7));
    healthy.store(1, SeqCst);
    clock.advance(Duration::from_secs(2));
    assert_eq!(response(call_until(&upstream, get("/"), far).await).status(), 200);
    assert_eq!(response(call_until(&upstream, get("/"), far).await).status(), 200);
    assert_eq!(upstream.status().breaker.expect("a breaker").state.as_str(), "closed");
}

#[tokio::test]
async fn retries_are_a_share_of_the_calls() {
    let raw = Raw::new(|mut stream| async move {
        head(&mut stream).await;
        reset(stream);
    })
    .await;
    let mut policy = Policy::default();
    policy.breaker.enabled = false;
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let upstream = upstream_with(&[raw.url()], Options::of(&policy), clock);
    for _ in 0..50 {
        fault(call_until(&upstream, get("/"), Timestamp::from_millis(2_000_000)).await);
    }
    // Within one second of the clock: three by the floor until a share of 20 % is more.
    assert_eq!(raw.seen(), 60);
}
