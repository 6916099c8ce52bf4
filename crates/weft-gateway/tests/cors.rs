//! The server's side of CORS, as a browser meets it: over sockets.

mod common;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{context, door, local, raw, route, table};
use http::{Method, Response};
use weft_gateway::{Gateway, Running};
use weft_traffic::{
    Action, RouteSpec,
    feature::{Cors, Features, cors::Options},
};
use weft_types::{Fault, Ran, code};

fn spec(path: &str, methods: &[Method], cors: &Options<'_>) -> RouteSpec {
    let features = Features { cors: Some(Cors::new(cors)), ..Features::default() };
    RouteSpec { features: Some(Arc::new(features)), ..route(path, methods, Action::Component(context())) }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Counts its calls; says of itself what it should not; fails where asked to.
fn serve(routes: Vec<RouteSpec>) -> (Running, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let door = door(move |request| {
        counted.fetch_add(1, SeqCst);
        async move {
            if request.uri().query() == Some("fail") {
                return Err(Fault::new(code::GUEST_TRAP, Ran::Yes));
            }
            let answer = Response::builder()
                .header("access-control-allow-origin", "https://forged.example")
                .header("access-control-allow-credentials", "true")
                .header("vary", "accept");
            Ok(answer.body(weft_types::full("hi")).expect("an answer"))
        }
    });
    (Gateway::new(door, table(routes)).serve(local()), calls)
}

async fn ask(address: SocketAddr, line: &str, headers: &str) -> String {
    raw(address, format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")).await
}

/// The values of a header, joined.
fn values(answer: &str, name: &str) -> String {
    let lines = answer.lines().filter_map(|line| line.split_once(": ")).filter(|(key, _)| *key == name);
    lines.map(|(_, value)| value).collect::<Vec<_>>().join(" | ")
}

#[tokio::test]
async fn a_preflight_is_answered_for_the_route_that_the_request_will_find() {
    let origins = words(&["https://shop.example"]);
    let headers = words(&["content-type", "x-a"]);
    let (methods, expose) = (words(&["PUT", "DELETE"]), words(&["etag"]));
    let max_age = Some(Duration::from_secs(600));
    let all = Options {
        origins: &origins,
        methods: &methods,
        headers: &headers,
        expose: &expose,
        credentials: true,
        max_age,
    };
    let (gateway, calls) =
        serve(vec![spec("/x", &[Method::PUT], &all), route("/x", &[], Action::Component(context()))]);
    let ask_for = |method: &str| format!("Origin: https://shop.example\r\nAccess-Control-Request-Method: {method}\r\n");
    let answer = ask(gateway.address(), "OPTIONS /x", &ask_for("PUT")).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    for (name, wanted) in [
        ("access-control-allow-origin", "https://shop.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "PUT, DELETE"),
        ("access-control-allow-headers", "content-type, x-a"),
        ("access-control-max-age", "600"),
        ("access-control-expose-headers", ""),
        ("vary", "origin, access-control-request-method, access-control-request-headers"),
    ] {
        assert_eq!(values(&answer, name), wanted, "{name}: {answer}");
    }
    assert_eq!(calls.load(SeqCst), 0);
    let other = ask(gateway.address(), "OPTIONS /x", &ask_for("GET")).await;
    assert!(other.starts_with("HTTP/1.1 200 "), "a route without `cors` answers for itself: {other}");
    let plain = ask(gateway.address(), "OPTIONS /x", "Origin: https://shop.example\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 200 "), "no preflight: {plain}");
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test]
async fn a_preflight_of_another_origin_is_refused_and_says_that_others_might_not_be() {
    let origins = words(&["https://*.example.com"]);
    let (gateway, calls) = serve(vec![spec("/x", &[], &Options { origins: &origins, ..Options::default() })]);
    for origin in
        ["https://example.com", "https://a.b.example.com", "http://a.example.com", "null", "https://evil.example"]
    {
        let headers = format!("Origin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n");
        let answer = ask(gateway.address(), "OPTIONS /x", &headers).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{origin}: {answer}");
        assert!(answer.contains("weft-error: origin-refused\r\n") && !answer.contains("access-control-"), "{answer}");
        assert_eq!(values(&answer, "vary"), "origin");
    }
    let headers = "Origin: https://a.example.com\r\nAccess-Control-Request-Method: PATCH\r\n";
    let answer = ask(gateway.address(), "OPTIONS /x", headers).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert_eq!(values(&answer, "access-control-allow-methods"), "PATCH", "what the route takes");
    assert_eq!(values(&answer, "access-control-allow-headers"), "");
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test]
async fn an_answer_is_for_the_page_that_asked_whatever_the_component_says() {
    let origins = words(&["https://shop.example"]);
    let expose = words(&["etag"]);
    let all = Options { origins: &origins, expose: &expose, ..Options::default() };
    let (gateway, _) = serve(vec![spec("/x", &[], &all)]);
    let answer = ask(gateway.address(), "POST /x", "Origin: https://shop.example\r\nContent-Length: 0\r\n").await;
    assert_eq!(values(&answer, "access-control-allow-origin"), "https://shop.example");
    assert_eq!(values(&answer, "access-control-allow-credentials"), "", "not allowed by the route");
    assert_eq!(values(&answer, "access-control-expose-headers"), "etag");
    assert_eq!(values(&answer, "vary"), "accept | origin");
    for headers in ["", "Origin: https://evil.example\r\n"] {
        let answer = ask(gateway.address(), "GET /x", headers).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("access-control"), "{answer}");
        assert_eq!(values(&answer, "vary"), "accept | origin", "another one might be told otherwise");
    }
}

#[tokio::test]
async fn errors_of_ours_can_be_read_by_the_page_too() {
    let origins = words(&["https://shop.example"]);
    let (gateway, _) = serve(vec![spec("/x", &[], &Options { origins: &origins, ..Options::default() })]);
    let answer = ask(gateway.address(), "GET /x?fail", "Origin: https://shop.example\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("weft-error: guest-trap\r\n"), "{answer}");
    assert_eq!(values(&answer, "access-control-allow-origin"), "https://shop.example");
}

#[tokio::test]
async fn anybody_may_read_what_is_public() {
    let (origins, headers) = (words(&["*"]), words(&["*", "authorization"]));
    let all = Options { origins: &origins, headers: &headers, ..Options::default() };
    let (gateway, _) = serve(vec![spec("/x", &[], &all)]);
    let answer = ask(gateway.address(), "GET /x", "Origin: null\r\n").await;
    assert_eq!(values(&answer, "access-control-allow-origin"), "*");
    assert_eq!(values(&answer, "vary"), "accept", "the answer is the same for all");
    let answer =
        ask(gateway.address(), "OPTIONS /x", "Origin: https://a\r\nAccess-Control-Request-Method: GET\r\n").await;
    assert_eq!(values(&answer, "access-control-allow-headers"), "*, authorization");
}
