//! Plain requests, answered and refused.

mod common;

use common::{catch_all, context, door, echo, local, raw, route, start, table, until};
use http::{Method, Response};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use weft_gateway::Gateway;
use weft_traffic::Action;
use weft_types::{Fault, Ran, code};

#[tokio::test]
async fn a_request_reaches_its_component_with_a_whole_uri() {
    let gateway = start(echo());
    let answer = raw(
        gateway.address(),
        "POST /a?b=c HTTP/1.1\r\nHost: shop.example:80\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("POST http://shop.example:80/a?b=c hi"), "{answer}");
}

#[tokio::test]
async fn one_connection_carries_request_after_request() {
    let gateway = start(echo());
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    for n in 0..3 {
        stream.write_all(format!("GET /{n} HTTP/1.1\r\nHost: h{n}\r\n\r\n").as_bytes()).await.expect("sends");
        until(&mut stream, &format!("GET http://h{n}/{n} ")).await;
    }
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: b\r\n\r\n").await.expect("sends");
    until(&mut stream, "http://b/y ").await;
    assert_eq!(gateway.connections(), 1);
}

#[tokio::test]
async fn failures_are_problems_and_never_tell_the_detail() {
    let failing = door(|_| async { Err(Fault::new(code::OVERLOADED, Ran::No).detail("secret detail")) });
    let gateway = start(failing);
    let answer = raw(gateway.address(), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    for part in ["content-type: application/problem+json\r\n", "weft-error: overloaded\r\n", "retry-after: 1\r\n"] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    let id = answer.split("weft-request-id: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("an id");
    assert!(answer.contains(&format!(r#""request-id":"{id}""#)), "{answer}");
    assert!(!answer.contains("secret"), "{answer}");
}

#[tokio::test]
async fn what_no_route_answers_is_told_apart() {
    let get = route("/orders/:id", &[Method::GET, Method::PUT], Action::Component(context()));
    let away = route("/old/:id", &[], Action::Redirect { to: "/orders/:id".into(), status: 308 });
    let gateway = Gateway::new(echo(), table(vec![get, away])).serve(local());
    let ask = async |line: &str| {
        raw(gateway.address(), format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await
    };

    let answer = ask("GET /nothing").await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("weft-error: no-route\r\n"), "{answer}");
    let answer = ask("POST /orders/7").await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD, PUT\r\n"), "{answer}");
    let answer = ask("GET /orders/%2e%2e").await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("weft-error: bad-path\r\n"), "{answer}");
    let answer = ask("GET /old/a%2Fb?x=1").await;
    assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains("location: /orders/a%2Fb?x=1\r\n"), "{answer}");
    let answer = ask("HEAD /nothing").await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let (began, begun) = tokio::sync::oneshot::channel::<()>();
    let once = std::sync::Mutex::new(Some((began, gone)));
    let slow = door(move |_| {
        let (began, gone) = once.lock().expect("lock").take().expect("one request");
        async move {
            began.send(()).expect("the test waits");
            gone.await.expect("the test goes on");
            Ok(Response::new(weft_types::full("done")))
        }
    });
    let gateway = Gateway::new(slow, catch_all()).serve(local());
    let address = gateway.address();
    let mut idle = TcpStream::connect(address).await.expect("connects");
    let busy = tokio::spawn(raw(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    begun.await.expect("begins");
    let drained = tokio::spawn(gateway.drain(std::time::Duration::from_secs(30)));
    assert_eq!(common::rest(&mut idle).await, "", "an idle connection is closed");
    assert!(TcpStream::connect(address).await.is_err(), "nothing new");
    assert!(!drained.is_finished());
    go.send(()).expect("in flight");
    let answer = busy.await.expect("answered");
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("done"), "{answer}");
    assert_eq!(drained.await.expect("drained"), 0);
}
