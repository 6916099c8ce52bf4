//! What a component sees of a request, and a client of its answer, where the route changes either: over sockets.

mod common;

use std::{net::SocketAddr, sync::Arc};

use common::{context, door, local, raw, route, table};
use http::{HeaderName, HeaderValue, Method, Response};
use weft_gateway::{Gateway, Running};
use weft_traffic::{
    Action, RouteSpec,
    feature::{Features, HeaderChanges, Rewrite, rewrite::HostName},
};
use weft_types::{Fault, Invoke, Ran, code};

fn pair(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}

fn spec(path: &str, features: Features) -> RouteSpec {
    RouteSpec { features: Some(Arc::new(features)), ..route(path, &[], Action::Component(context())) }
}

/// Answers with what it saw, and with headers of its own; a POST fails.
fn mirror() -> Arc<dyn Invoke> {
    door(|request| async move {
        if request.method() == Method::POST {
            return Err(Fault::new(code::GUEST_TRAP, Ran::Yes));
        }
        let fields = request.headers().iter().filter(|(name, _)| *name != "traceparent");
        let mut lines: Vec<String> =
            fields.map(|(name, value)| format!("{name}={}", value.to_str().expect("text"))).collect();
        lines.sort();
        let text = format!("{} {}", request.uri(), lines.join(" "));
        let response = Response::builder().header("server", "guest").header("x-a", "1").body(weft_types::full(text));
        Ok(response.expect("an answer"))
    })
}

fn start(spec: RouteSpec) -> Running {
    Gateway::new(mirror(), table(vec![spec])).serve(local())
}

async fn ask(address: SocketAddr, line: &str, headers: &str) -> String {
    raw(address, format!("{line} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{headers}\r\n")).await
}

#[tokio::test]
async fn the_component_sees_the_rewritten_path_and_host_and_the_query_as_it_was() {
    let host = HostName::new("orders.internal:8080");
    let rewrite = Rewrite { path: Some("/v2/:id/*".into()), host };
    let gateway = start(spec("/api/orders/:id/*", Features { rewrite: Some(rewrite), ..Features::default() }));
    let answer = ask(gateway.address(), "GET /api/orders/a%2Fb/lines/1%20x?q=%20&q=2", "").await;
    let wanted = "\r\n\r\nhttp://orders.internal:8080/v2/a%2Fb/lines/1%20x?q=%20&q=2 host=orders.internal:8080";
    assert!(answer.ends_with(wanted), "{answer}");
    let answer = ask(gateway.address(), "GET http://shop.example/api/orders/7//evil/", "").await;
    assert!(answer.ends_with("http://orders.internal:8080/v2/7//evil/ host=orders.internal:8080"), "{answer}");
}

#[tokio::test]
async fn a_host_alone_leaves_the_path_and_a_path_alone_the_host() {
    let host = Rewrite { path: None, host: HostName::new("b") };
    let path = Rewrite { path: Some("/*".into()), host: None };
    let features = |rewrite| Features { rewrite: Some(rewrite), ..Features::default() };
    let gateway = Gateway::new(mirror(), table(vec![spec("/h/*", features(host)), spec("/p/*", features(path))]));
    let gateway = gateway.serve(local());
    let answer = ask(gateway.address(), "GET /h/x?y", "").await;
    assert!(answer.ends_with("\r\n\r\nhttp://b/h/x?y host=b"), "{answer}");
    let answer = ask(gateway.address(), "GET /p/x//y?y", "").await;
    assert!(answer.ends_with("\r\n\r\nhttp://shop.example/x//y?y host=shop.example"), "{answer}");
}

#[tokio::test]
async fn what_a_rewrite_cannot_lead_to_is_refused_and_not_led_elsewhere() {
    let features =
        |path: &str| Features { rewrite: Some(Rewrite { path: Some(path.into()), host: None }), ..Features::default() };
    let routes = vec![spec("/api/*", features("/*")), spec("/u/:name/*", features("/tenants/:name/*"))];
    let gateway = Gateway::new(mirror(), table(routes)).serve(local());
    // `/api/admin/*` may have a guard of its own, which such a path would step around.
    for path in ["/api//admin/users", "/api///admin"] {
        let answer = ask(gateway.address(), &format!("GET {path}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("weft-error: bad-path\r\n"), "{answer}");
    }
    // Each is three bytes longer where it is led to.
    let answer = ask(gateway.address(), &format!("GET /u/{}/a", "!".repeat(22_000)), "").await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("weft-error: bad-path\r\n"), "{answer}");
}

#[tokio::test]
async fn headers_of_requests_are_removed_set_and_added() {
    let request_headers = HeaderChanges {
        remove: vec![HeaderName::from_static("cookie")],
        set: vec![pair("x-from", "gateway")],
        add: vec![pair("x-more", "2")],
    };
    let gateway = start(spec("/*", Features { request_headers, ..Features::default() }));
    let sent = "Cookie: a=1\r\nX-From: me\r\nX-From: me-too\r\nX-More: 1\r\n";
    let answer = ask(gateway.address(), "GET /", sent).await;
    assert!(answer.ends_with("/ host=shop.example x-from=gateway x-more=1 x-more=2"), "{answer}");
}

#[tokio::test]
async fn headers_of_answers_are_changed_and_errors_of_ours_lose_nothing() {
    let response_headers = HeaderChanges {
        remove: vec![HeaderName::from_static("server")],
        set: vec![pair("x-a", "set"), pair("cache-control", "max-age=1")],
        add: vec![pair("x-b", "added")],
    };
    let gateway = start(spec("/*", Features { response_headers, ..Features::default() }));
    let answer = ask(gateway.address(), "GET /", "").await;
    assert!(answer.contains("x-a: set\r\n") && answer.contains("x-b: added\r\n"), "{answer}");
    assert!(answer.contains("cache-control: max-age=1\r\n") && !answer.contains("server:"), "{answer}");
    let failed = ask(gateway.address(), "POST /", "").await;
    assert!(failed.starts_with("HTTP/1.1 500 ") && failed.contains("weft-error: guest-trap\r\n"), "{failed}");
    assert!(failed.contains("x-a: set\r\n") && failed.contains("x-b: added\r\n"), "{failed}");
    assert!(failed.contains("cache-control: no-store\r\n") && !failed.contains("max-age"), "{failed}");
}

#[tokio::test]
async fn a_redirect_keeps_query_and_fragment_in_order_and_leads_to_no_other_host() {
    let away = |to: &str, status| Action::Redirect { to: to.into(), status };
    let routes = vec![
        route("/old/:id/*", &[], away("/new/:id/*#top", 307)),
        route("/root/*", &[], away("/*", 308)),
        route("/q", &[], away("https://b.example/?fixed=1", 302)),
    ];
    let gateway = Gateway::new(mirror(), table(routes)).serve(local());
    for (path, status, wanted) in [
        ("/old/a%2Fb/c?x=1", 307, "/new/a%2Fb/c?x=1#top"),
        ("/old/7/c", 307, "/new/7/c#top"),
        ("/root//evil.example/", 308, "/evil.example/"),
        ("/q?x=1", 302, "https://b.example/?fixed=1"),
    ] {
        let answer = ask(gateway.address(), &format!("GET {path}"), "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(&format!("location: {wanted}\r\n")), "{path}: {answer}");
    }
}
