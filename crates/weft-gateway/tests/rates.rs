//! Rate limits of routes, over sockets and on a clock that the tests move.

mod common;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{context, door, local, route, table};
use http::Response;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use weft_gateway::{Gateway, Running};
use weft_traffic::{Action, Policy, RouteSpec, Table, gcra::By, policy::RateLimit};
use weft_types::{Invoke, ManualClock, Timestamp};

fn limited(path: &str, rate: &str, by: By) -> RouteSpec {
    let rate_limit = RateLimit { rate: Some(rate.parse().expect("a rate")), burst: None, by };
    RouteSpec { policy: Policy { rate_limit, ..Policy::default() }, ..route(path, &[], Action::Component(context())) }
}

fn open(path: &str) -> RouteSpec {
    route(path, &[], Action::Component(context()))
}

/// Counts what comes through, and answers with a header that is not a guest's to set.
fn counting() -> (Arc<dyn Invoke>, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let door = door(move |_| {
        counted.fetch_add(1, SeqCst);
        async { Ok(Response::builder().header("ratelimit", "forged").body(weft_types::full("hi")).expect("an answer")) }
    });
    (door, calls)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_nanos(1_700_000_000_000_000_000)))
}

async fn get(address: SocketAddr, path: &str) -> String {
    common::raw(address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await
}

/// From another address of this machine.
async fn get_from(from: &str, gateway: &Running, path: &str) -> String {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("bound");
    let mut stream: TcpStream = socket.connect(gateway.address()).await.expect("connects");
    let ask = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.expect("sends");
    let mut all = String::new();
    stream.read_to_string(&mut all).await.expect("reads");
    all
}

fn has(answer: &str, status: &str, lines: &[&str]) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    for line in lines {
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{line} in {answer}");
    }
}

#[tokio::test]
async fn over_the_limit_is_429_before_the_door_and_says_when_to_come_back() {
    let (door, calls) = counting();
    let clock = clock();
    let routes = table(vec![limited("/a", "2/m", By::Route), open("/free")]);
    let gateway = Gateway::new(door, routes).clock(Arc::clone(&clock) as _).serve(local());
    let first = get(gateway.address(), "/a").await;
    has(&first, "200", &["ratelimit-policy: \"route\";q=2;w=60", "ratelimit: \"route\";r=1;t=30"]);
    assert!(!first.contains("forged"), "{first}");
    has(&get(gateway.address(), "/a").await, "200", &["ratelimit: \"route\";r=0;t=60"]);
    let refused = get(gateway.address(), "/a").await;
    has(&refused, "429", &["weft-error: rate-limited", "retry-after: 30", "ratelimit: \"route\";r=0;t=60"]);
    assert!(refused.contains("\"code\":\"rate-limited\"") && refused.contains("\"retry\":\"after\""), "{refused}");
    assert_eq!(calls.load(SeqCst), 2, "the third did not reach the door");

    let free = get(gateway.address(), "/free").await;
    has(&free, "200", &["ratelimit: forged"]);
    assert!(!free.contains("ratelimit-policy"), "{free}");

    clock.advance(Duration::from_secs(30));
    has(&get(gateway.address(), "/a").await, "200", &["ratelimit: \"route\";r=0;t=60"]);
    has(&get(gateway.address(), "/a").await, "429", &["retry-after: 30"]);
}

#[tokio::test]
async fn each_address_has_a_limit_of_its_own() {
    let (door, _) = counting();
    let routes = table(vec![limited("/a", "1/h", By::Address)]);
    let gateway = Gateway::new(door, routes).clock(clock()).serve(local());
    has(&get_from("127.0.0.1", &gateway, "/a").await, "200", &[]);
    has(&get_from("127.0.0.1", &gateway, "/a").await, "429", &["retry-after: 3600"]);
    has(&get_from("127.0.0.2", &gateway, "/a").await, "200", &["ratelimit: \"address\";r=0;t=3600"]);
}

#[tokio::test]
async fn a_count_outlives_a_swap_and_is_one_for_all_listeners() {
    let (door, _) = counting();
    let routes = table(vec![limited("/a", "2/h", By::Route)]);
    let gateway = Gateway::new(door, Arc::clone(&routes)).clock(clock());
    let (one, two) = (gateway.serve(local()), gateway.serve(local()));
    has(&get(one.address(), "/a").await, "200", &[]);
    routes.store(Arc::new(Table::compile(vec![open("/"), limited("/a", "2/h", By::Route)]).expect("routes")));
    has(&get(two.address(), "/a").await, "200", &["ratelimit: \"route\";r=0;t=3600"]);
    has(&get(one.address(), "/a").await, "429", &[]);
    routes.store(Arc::new(Table::compile(vec![open("/a")]).expect("routes")));
    has(&get(one.address(), "/a").await, "200", &["ratelimit: forged"]);
}

#[tokio::test]
async fn a_redirect_is_limited_and_its_connection_lives_on() {
    let (door, _) = counting();
    let away = Action::Redirect { to: "/new".into(), status: 308 };
    let routes = table(vec![RouteSpec { action: away, ..limited("/old", "1/h", By::Route) }]);
    let gateway = Gateway::new(door, routes).clock(clock()).serve(local());
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    for status in ["308", "429", "429"] {
        stream.write_all(b"GET /old HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sends");
        let end = if status == "308" { "\r\n\r\n" } else { "\"}" };
        has(&common::until(&mut stream, end).await, status, &["ratelimit: \"route\";r=0;t=3600"]);
    }
}
