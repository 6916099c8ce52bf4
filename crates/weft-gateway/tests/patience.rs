//! Answers that stand still, and answers that do not end.

mod common;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use common::{context, door, local, raw, route, table};
use http::Response;
use http_body::Frame;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use weft_gateway::Gateway;
use weft_traffic::{Action, Policy};
use weft_types::{Body, Fault};

/// One word, and then another every so often, for ever.
struct Drip {
    pause: Duration,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl http_body::Body for Drip {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(timer) = &mut self.timer {
            std::task::ready!(timer.as_mut().poll(cx));
        }
        self.timer = Some(Box::pin(tokio::time::sleep(self.pause)));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"word ")))))
    }
}

/// What a client gets of such an answer, and how long it took in the clock of the test.
async fn drip(pause: Duration) -> (String, Duration) {
    let policy = Policy { idle: Duration::from_secs(5), lifetime: Duration::from_secs(20), ..Policy::default() };
    let mut spec = route("/*", &[], Action::Component(context()));
    spec.policy = policy;
    let dripping = door(move |_| async move { Ok(Response::new(Body::new(Drip { pause, timer: None }))) });
    let gateway = Gateway::new(dripping, table(vec![spec])).serve(local());
    let began = tokio::time::Instant::now();
    let answer = raw(gateway.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    (answer, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stands_still_is_broken_off() {
    let (answer, took) = drip(Duration::from_secs(60)).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("word "), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "it must not look whole: {answer}");
    assert!((5..6).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_always_there_ends_with_its_lifetime_for_a_client_that_reads_slowly() {
    let mut spec = route("/*", &[], Action::Component(context()));
    spec.policy = Policy { lifetime: Duration::from_secs(20), ..Policy::default() };
    let endless = door(|_| async { Ok(Response::new(Body::new(Flood))) });
    let gateway = Gateway::new(endless, table(vec![spec])).serve(local());
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sends");
    let began = tokio::time::Instant::now();
    let mut part = vec![0; 1 << 20];
    // Never still for long, and never at the end of what there is.
    while stream.read(&mut part).await.is_ok_and(|n| n > 0) && began.elapsed() < Duration::from_secs(600) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // What was sent before is still read from the kernel's buffers.
    assert!((20..60).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// A frame whenever one is asked for.
struct Flood;

impl http_body::Body for Flood {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16_384])))))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_end_is_broken_off() {
    let (answer, took) = drip(Duration::from_secs(2)).await;
    assert!(answer.matches("word ").count() >= 9, "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "it must not look whole: {answer}");
    assert!((19..=22).contains(&took.as_secs()), "{took:?}");
}
