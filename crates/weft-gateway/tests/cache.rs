//! Answers kept for others, over sockets and on a clock that the tests move.

mod common;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use common::{context, door, local, raw, route, table};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use parking_lot::Mutex;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Semaphore};
use weft_gateway::{Gateway, Running};
use weft_traffic::{
    Action, HeaderMatch, RouteSpec,
    cache::Options,
    feature::{Features, HeaderChanges},
};
use weft_types::{Body, Fault, ManualClock, Ran, Timestamp, code};

fn options() -> Options {
    Options {
        partition: "p".into(),
        ttl: None,
        key: Vec::new(),
        forward: Vec::new(),
        ignore_cookies: false,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        body_max: 10_000,
        bytes_max: 1 << 20,
    }
}

fn spec(path: &str, options: Options) -> RouteSpec {
    let features = Features { cache: Some(options), ..Features::default() };
    RouteSpec { features: Some(Arc::new(features)), ..route(path, &[], Action::Component(context())) }
}

fn names(names: &[&'static str]) -> Vec<HeaderName> {
    names.iter().map(|name| HeaderName::from_static(name)).collect()
}

type Answers = dyn Fn(&Request<Body>, usize) -> Result<Response<Body>, Fault> + Send + Sync;

/// A gateway before something that counts what it is asked, and remembers it.
struct Site {
    gateway: Running,
    clock: Arc<ManualClock>,
    seen: Arc<Mutex<Vec<(Method, String, HeaderMap)>>>,
}

impl Site {
    fn new(
        routes: Vec<RouteSpec>,
        answers: impl Fn(&Request<Body>, usize) -> Result<Response<Body>, Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::gated(routes, Arc::new(answers), None)
    }

    /// No GET is answered without a permit.
    fn gated(routes: Vec<RouteSpec>, answers: Arc<Answers>, gate: Option<Arc<Semaphore>>) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let door = door(move |request| {
            let (answers, gate, told) = (Arc::clone(&answers), gate.clone(), Arc::clone(&told));
            async move {
                let number = {
                    let mut told = told.lock();
                    told.push((request.method().clone(), request.uri().to_string(), request.headers().clone()));
                    told.len()
                };
                if let Some(gate) = gate.filter(|_| request.method() == Method::GET) {
                    gate.acquire().await.expect("open").forget();
                }
                answers(&request, number)
            }
        });
        let gateway = Gateway::new(door, table(routes)).clock(Arc::clone(&clock) as _).serve(local());
        Self { gateway, clock, seen }
    }

    fn calls(&self) -> usize {
        self.seen.lock().len()
    }

    fn last(&self) -> HeaderMap {
        self.seen.lock().last().expect("asked").2.clone()
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn get(&self, path: &str, headers: &str) -> Answer {
        ask(self.gateway.address(), &format!("GET {path}"), headers).await
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn cache(&self) -> &str {
        self.header("cache-status").unwrap_or_default()
    }
}

async fn ask(address: SocketAddr, line: &str, headers: &str) -> Answer {
    let all = raw(address, format!("{line} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{headers}\r\n")).await;
    let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {all:?}"));
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    Answer { status, head: format!("{head}\r\n"), body: body.to_owned() }
}

/// `number: text`, with these headers.
fn answer(headers: &[(&'static str, &str)], number: usize) -> Result<Response<Body>, Fault> {
    let mut response = Response::new(weft_types::full(format!("answer {number}")));
    for (name, value) in headers {
        response.headers_mut().append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    Ok(response)
}

#[tokio::test]
async fn what_is_fresh_is_not_asked_for_again() {
    let site = Site::new(vec![spec("/*", options())], |_, n| answer(&[("cache-control", "max-age=60")], n));
    let first = site.get("/a?x=1", "").await;
    assert_eq!((first.body.as_str(), first.cache()), ("answer 1", "weft; fwd=miss; stored"));
    site.pass(59);
    let second = site.get("/a?x=1", "").await;
    assert_eq!(
        (second.body.as_str(), second.header("age"), second.cache()),
        ("answer 1", Some("59"), "weft; hit; ttl=1")
    );
    assert_eq!(second.header("date"), Some("Tue, 14 Nov 2023 22:13:20 GMT"), "when it was made");
    assert_eq!(site.get("/a?x=2", "").await.body, "answer 2", "another query is another thing");
    let other = ask(site.gateway.address(), "GET http://other/a?x=1", "").await;
    assert_eq!(other.body, "answer 3", "and so is another host");
    site.pass(1);
    assert_eq!(site.get("/a?x=1", "").await.body, "answer 4");
    assert_eq!(site.calls(), 4);
}

#[tokio::test]
async fn nothing_outside_of_the_key_reaches_whoever_answers() {
    let changes = HeaderChanges {
        set: vec![(HeaderName::from_static("x-gateway"), HeaderValue::from_static("1"))],
        ..HeaderChanges::default()
    };
    let cache = Options {
        key: names(&["accept-language"]),
        forward: names(&["x-request-id"]),
        ignore_cookies: true,
        ..options()
    };
    let features = Features { cache: Some(cache), request_headers: changes, ..Features::default() };
    let spec = RouteSpec { features: Some(Arc::new(features)), ..route("/*", &[], Action::Component(context())) };
    let site = Site::new(vec![spec], |_, n| answer(&[("cache-control", "max-age=60")], n));
    let poison = "X-Forwarded-Host: evil\r\nX-Original-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\nX-Gateway: mine\r\n\
        User-Agent: evil\r\nReferer: evil\r\nOrigin: https://evil\r\nForwarded: host=evil\r\nX-Any: evil\r\nCookie: a=evil\r\n\
        Accept: text/evil\r\nAccept-Encoding: evil\r\nTracestate: evil=1\r\nPriority: evil\r\nX-Request-Id: 7\r\nAccept-Language: de\r\n";
    assert_eq!(site.get("/a", poison).await.body, "answer 1");
    let mut shown: Vec<String> =
        site.last().iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    shown.retain(|line| !line.starts_with("traceparent: "));
    shown.sort();
    assert_eq!(shown, ["accept-language: de", "host: shop", "x-gateway: 1", "x-request-id: 7"]);
    assert_eq!(site.get("/a", "Accept-Language: de\r\n").await.body, "answer 1");
    assert_eq!(site.get("/a", "").await.body, "answer 2");
    assert_eq!(site.get("/a", "Accept-Language: de\r\nAccept-Language: fr\r\n").await.body, "answer 3");
}

#[tokio::test]
async fn a_header_that_an_answer_varies_by_is_learned_shown_and_kept_apart() {
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let language = request.headers().get("accept-language").map_or("en", |value| value.to_str().expect("text"));
        let headers = [("cache-control", "max-age=60"), ("vary", "Accept-Language"), ("content-language", language)];
        answer(&headers, n)
    });
    let german = site.get("/a", "Accept-Language: de\r\n").await;
    assert_eq!((german.header("content-language"), site.calls()), (Some("de"), 2), "asked once more, with it shown");
    assert_eq!(site.get("/a", "Accept-Language: de\r\n").await.body, "answer 2");
    let french = site.get("/a", "Accept-Language: fr\r\n").await;
    assert_eq!((french.header("content-language"), site.calls()), (Some("fr"), 3), "known by now");
    let none = site.get("/a", "").await;
    assert_eq!((none.header("content-language"), site.calls()), (Some("en"), 4));
    for (language, body) in [("de", "answer 2"), ("fr", "answer 3")] {
        assert_eq!(site.get("/a", &format!("Accept-Language: {language}\r\n")).await.body, body);
    }
    assert_eq!(site.calls(), 4);
}

#[tokio::test]
async fn what_may_not_be_kept_is_not() {
    let cases: [(&[(&str, &str)], &str); 12] = [
        (&[("cache-control", "max-age=60, no-store")], "no-store"),
        (&[("cache-control", "private, max-age=60")], "private"),
        (&[("cache-control", "max-age=60, private=\"x\"")], "private"),
        (&[("cache-control", "max-age=60"), ("set-cookie", "a=1")], "set-cookie"),
        (&[("cache-control", "max-age=60"), ("vary", "*")], "vary"),
        (&[("cache-control", "max-age=60"), ("vary", "a, b, c, d, e, f, g, h, i")], "vary"),
        (&[("cache-control", "max-age=60"), ("content-type", "text/event-stream")], "stream"),
        (&[], "no-freshness"),
        (&[("cache-control", "max-age=0")], "no-freshness"),
        (&[("cache-control", "max-age=60"), ("age", "60")], "no-freshness"),
        (&[("expires", "0")], "no-freshness"),
        (&[("cache-control", "no-cache, max-age=60")], "no-freshness"),
    ];
    for (headers, why) in cases {
        let site = Site::new(vec![spec("/*", options())], move |_, n| answer(headers, n));
        for n in 1..=2 {
            let got = site.get("/a", "").await;
            assert_eq!(got.body, format!("answer {n}"), "{headers:?}");
            assert_eq!(got.cache(), format!("weft; fwd=miss; detail={why}"), "{headers:?}");
        }
    }
    for status in [206, 401, 416] {
        let site = Site::new(vec![spec("/*", options())], move |_, n| {
            let mut response = answer(&[("cache-control", "max-age=60")], n)?;
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            Ok(response)
        });
        site.get("/a", "").await;
        site.get("/a", "").await;
        assert_eq!(site.calls(), 2, "{status}");
    }
}

#[tokio::test]
async fn long_bodies_and_those_with_trailers_pass_and_are_not_kept() {
    let site = Site::new(vec![spec("/*", options())], |request, _| {
        let trailers = request.uri().path() == "/trailers";
        let pieces = if trailers { 2 } else { 3 };
        let frames = (0..pieces).map(|_| Ok(Frame::data(Bytes::from(vec![b'x'; 4000]))));
        let end = trailers.then(|| {
            Ok(Frame::trailers(
                [("x-end".parse().expect("a name"), HeaderValue::from_static("1"))].into_iter().collect(),
            ))
        });
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames.chain(end))));
        let mut response = Response::new(body);
        response.headers_mut().insert("cache-control", HeaderValue::from_static("max-age=60"));
        Ok(response)
    });
    for _ in 0..2 {
        let long = site.get("/long", "").await;
        assert_eq!(long.body.matches('x').count(), 12_000);
        assert_eq!(long.cache(), "weft; fwd=miss; detail=size");
        assert_eq!(site.get("/trailers", "").await.cache(), "weft; fwd=miss; detail=trailers");
    }
    assert_eq!(site.calls(), 4);
}

#[tokio::test]
async fn who_asks_is_answered_with_what_is_for_everybody_alone() {
    let site = Site::new(vec![spec("/*", options())], |request, n| match request.uri().path() {
        "/own" => answer(&[("cache-control", "max-age=60")], n),
        _ => answer(&[("cache-control", "public, max-age=60")], n),
    });
    let token = "Authorization: Bearer a\r\nX-Evil: 1\r\n";
    for n in 1..=2 {
        assert_eq!(site.get("/own", token).await.body, format!("answer {n}"));
    }
    assert_eq!(site.get("/own", "").await.body, "answer 3", "and nobody else is given it");
    assert_eq!(site.get("/own", token).await.body, "answer 4", "nor is it given what was for nobody");
    assert_eq!(site.get("/all", token).await.body, "answer 5");
    assert!(site.last().contains_key("authorization") && !site.last().contains_key("x-evil"));
    assert_eq!(site.get("/all", "").await.body, "answer 5");
    assert_eq!(site.get("/all", "Authorization: Bearer b\r\n").await.body, "answer 5");
}

#[tokio::test]
async fn cookies_go_past_the_cache() {
    let site = Site::new(vec![spec("/*", options())], |_, n| answer(&[("cache-control", "max-age=60")], n));
    site.get("/a", "").await;
    assert_eq!(site.get("/a", "Cookie: a=1\r\n").await.body, "answer 2");
    assert!(site.last().contains_key("cookie"));
    assert_eq!(site.get("/a", "").await.body, "answer 1");
    let with_body = ask(site.gateway.address(), "GET /a", "Content-Length: 2\r\n\r\nhi").await;
    assert_eq!(with_body.body, "answer 3", "a body could change the answer");
}

#[tokio::test]
async fn what_is_old_is_asked_about_and_renewed() {
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let same = request.headers().get("if-none-match").is_some_and(|tag| tag == "\"v1\"");
        let mut response = answer(&[("cache-control", "max-age=10"), ("etag", "\"v1\""), ("x-n", &n.to_string())], n)?;
        if same && n < 4 {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = weft_types::empty();
        }
        Ok(response)
    });
    site.get("/a", "").await;
    site.pass(10);
    let renewed = site.get("/a", "").await;
    assert_eq!((renewed.body.as_str(), renewed.status, renewed.header("x-n")), ("answer 1", 200, Some("2")));
    assert_eq!(renewed.cache(), "weft; hit; fwd=stale; fwd-status=304; stored");
    site.pass(9);
    assert_eq!(site.get("/a", "").await.header("age"), Some("9"), "as new as the last word about it");
    site.pass(1);
    // What the client asks about its own copy is answered from what comes, and asked of nobody.
    let client = site.get("/a", "If-None-Match: \"mine\", W/\"v1\"\r\n").await;
    assert_eq!((client.status, client.body.as_str()), (304, ""));
    assert_eq!(site.last()["if-none-match"], "\"v1\"");
    site.pass(10);
    assert_eq!(site.get("/a", "").await.body, "answer 4");
    assert_eq!(site.calls(), 4);
}

#[tokio::test]
async fn a_304_about_something_else_is_not_believed() {
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let mut response = answer(&[("cache-control", "max-age=10"), ("etag", &format!("\"v{n}\""))], n)?;
        if request.headers().contains_key("if-none-match") {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        Ok(response)
    });
    site.get("/a", "").await;
    site.pass(10);
    assert_eq!(site.get("/a", "").await.body, "answer 3");
    assert_eq!(site.calls(), 3);
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so_and_one_that_wants_a_part_gets_it() {
    let headers =
        [("cache-control", "max-age=60"), ("etag", "\"a\""), ("last-modified", "Tue, 14 Nov 2023 20:00:00 GMT")];
    let site = Site::new(vec![spec("/*", options())], move |_, n| answer(&headers, n));
    site.get("/a", "").await;
    for asked in [
        "If-None-Match: \"a\"",
        "If-None-Match: W/\"a\"",
        "If-None-Match: \"b,\", \"a\"",
        "If-None-Match: *",
        "If-Modified-Since: Tue, 14 Nov 2023 20:00:00 GMT",
    ] {
        let answer = site.get("/a", &format!("{asked}\r\n")).await;
        assert_eq!((answer.status, answer.header("content-length")), (304, None), "{asked}: {answer:?}");
        assert_eq!(answer.header("etag"), Some("\"a\""));
    }
    for asked in [
        "If-None-Match: \"b\"",
        "If-None-Match: a",
        "If-Modified-Since: Tue, 14 Nov 2023 19:59:59 GMT",
        "If-None-Match: \"b\"\r\nIf-Modified-Since: Tue, 14 Nov 2023 20:00:00 GMT",
    ] {
        assert_eq!(site.get("/a", &format!("{asked}\r\n")).await.status, 200, "{asked}");
    }
    let part = site.get("/a", "Range: bytes=2-4\r\n").await;
    assert_eq!((part.status, part.body.as_str(), part.header("content-range")), (206, "swe", Some("bytes 2-4/8")));
    assert_eq!(site.get("/a", "Range: bytes=2-4\r\nIf-Range: \"b\"\r\n").await.status, 200);
    assert_eq!(site.get("/a", "Range: bytes=2-4\r\nIf-Range: \"a\"\r\n").await.status, 206);
    let outside = site.get("/a", "Range: bytes=99-\r\n").await;
    assert_eq!((outside.status, outside.header("weft-error")), (416, Some("range-not-satisfiable")));
    let head = ask(site.gateway.address(), "HEAD /a", "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some("8"), ""));
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn an_old_answer_is_better_than_a_failure_where_it_may_be() {
    let cache = Options { ttl: Some(Duration::from_secs(10)), stale_if_error: Duration::from_secs(60), ..options() };
    let site = Site::new(vec![spec("/*", cache)], |request, n| match (request.uri().path(), n) {
        ("/strict", 1) => answer(&[("cache-control", "max-age=10, must-revalidate")], n),
        (_, 1) => answer(&[], n),
        (_, n) if n % 2 == 0 => Err(Fault::new(code::GUEST_TRAP, Ran::Yes)),
        _ => {
            let mut response = answer(&[], n)?;
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    });
    site.get("/a", "").await;
    site.pass(10);
    for told in ["weft; hit; fwd=stale; detail=error", "weft; hit; fwd=stale; fwd-status=502; detail=error"] {
        let got = site.get("/a", "").await;
        assert_eq!((got.status, got.body.as_str(), got.cache()), (200, "answer 1", told));
    }
    let strict = site.get("/a", "Cache-Control: no-cache\r\n").await;
    assert_eq!(strict.status, 500, "the client wants no old one");
    site.pass(60);
    assert_eq!(site.get("/a", "").await.status, 502, "too old");

    let site =
        Site::new(vec![spec("/*", Options { stale_if_error: Duration::from_secs(60), ..options() })], |_, n| match n {
            1 => answer(&[("cache-control", "max-age=10, must-revalidate")], n),
            _ => Err(Fault::new(code::GUEST_TRAP, Ran::Yes)),
        });
    site.get("/a", "").await;
    site.pass(10);
    assert_eq!(site.get("/a", "").await.status, 500, "it forbids it");
}

#[tokio::test]
async fn an_old_answer_is_given_while_it_is_asked_about() {
    let answers = |_: &Request<Body>, n| answer(&[("cache-control", "max-age=10, stale-while-revalidate=30")], n);
    let gate = Arc::new(Semaphore::new(1));
    let site = Site::gated(vec![spec("/*", options())], Arc::new(answers), Some(Arc::clone(&gate)));
    site.get("/a", "").await;
    site.pass(10);
    for _ in 0..3 {
        let stale = site.get("/a", "").await;
        assert_eq!(
            (stale.body.as_str(), stale.header("age"), stale.cache()),
            ("answer 1", Some("10"), "weft; hit; ttl=0; detail=stale")
        );
    }
    // One asks behind, whoever reads; once it is answered, the new one is given.
    gate.add_permits(1);
    while site.get("/a", "").await.body != "answer 2" {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.calls(), 2);
}

#[tokio::test]
async fn a_change_makes_what_is_kept_old_whichever_route_it_went_by() {
    let mut writes = route("/a", &[Method::POST, Method::DELETE], Action::Component(context()));
    writes.host = None;
    let site = Site::new(vec![spec("/*", options()), writes], |request, n| {
        let mut response = answer(&[("cache-control", "max-age=60")], n)?;
        if request.method() == Method::DELETE {
            *response.status_mut() = StatusCode::CONFLICT;
        }
        if request.method() == Method::PUT {
            response.headers_mut().insert("location", HeaderValue::from_static("http://shop/b"));
        }
        Ok(response)
    });
    let address = site.gateway.address();
    assert_eq!(site.get("/a", "").await.body, "answer 1");
    assert_eq!(site.get("/b", "").await.body, "answer 2");
    ask(address, "DELETE /a", "").await;
    assert_eq!(site.get("/a", "").await.body, "answer 1", "it failed, and changed nothing");
    ask(address, "POST /a", "Content-Length: 0\r\n").await;
    assert_eq!(site.get("/a", "").await.body, "answer 5");
    assert_eq!(site.get("/b", "").await.body, "answer 2");
    ask(address, "PUT /c", "Content-Length: 0\r\n").await;
    assert_eq!(site.get("/b", "").await.body, "answer 7", "named by what changed");
    assert_eq!(ask(address, "OPTIONS /a", "").await.status, 200);
    assert_eq!(site.get("/a", "").await.body, "answer 5", "a safe method changes nothing");
}

#[tokio::test]
async fn a_request_says_what_it_takes() {
    let site = Site::new(vec![spec("/*", options())], |_, n| answer(&[("cache-control", "max-age=60")], n));
    let nothing = site.get("/a", "Cache-Control: only-if-cached\r\n").await;
    assert_eq!((nothing.status, nothing.header("weft-error")), (504, Some("not-cached")));
    assert!(nothing.body.contains("\"request-id\""), "{nothing:?}");
    assert_eq!(site.get("/a", "Cache-Control: no-store\r\n").await.body, "answer 1");
    assert_eq!(site.get("/a", "").await.body, "answer 2");
    site.pass(30);
    for (asked, body) in [
        ("Cache-Control: only-if-cached", "answer 2"),
        ("Cache-Control: max-age=30", "answer 2"),
        ("Cache-Control: min-fresh=30", "answer 2"),
        ("Cache-Control: max-age=29", "answer 3"),
        ("Cache-Control: min-fresh=61", "answer 4"),
        ("Pragma: no-cache", "answer 5"),
        ("Cache-Control: max-age=100\r\nPragma: no-cache", "answer 5"),
        ("Cache-Control: no-cache", "answer 6"),
    ] {
        assert_eq!(site.get("/a", &format!("{asked}\r\n")).await.body, body, "{asked}");
    }
    site.pass(70);
    assert_eq!(site.get("/a", "Cache-Control: max-stale=10\r\n").await.body, "answer 6");
    assert_eq!(site.get("/a", "Cache-Control: max-stale=9\r\n").await.body, "answer 7");
}

/// Waits until so many are in the cache's hands: each has a connection that was read.
async fn connections(site: &Site, wanted: usize) {
    while site.gateway.connections() < wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_asks_for_all_who_want_the_same() {
    let answers = |_: &Request<Body>, n| answer(&[("cache-control", "max-age=60")], n);
    let gate = Arc::new(Semaphore::new(0));
    let site = Arc::new(Site::gated(vec![spec("/*", options())], Arc::new(answers), Some(Arc::clone(&gate))));
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { site.get("/a", "").await.body })
        })
        .collect();
    connections(&site, 50).await;
    gate.add_permits(100);
    for client in clients {
        assert_eq!(client.await.expect("answered"), "answer 1");
    }
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn nobody_waits_for_what_is_not_kept_nor_for_one_who_left() {
    let answers = |request: &Request<Body>, n| match request.uri().path() {
        "/own" => answer(&[("cache-control", "private")], n),
        _ => answer(&[("cache-control", "max-age=60")], n),
    };
    let gate = Arc::new(Semaphore::new(1));
    let site = Arc::new(Site::gated(vec![spec("/*", options())], Arc::new(answers), Some(Arc::clone(&gate))));
    site.get("/own", "").await;
    let clients: Vec<_> = (0..5)
        .map(|_| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { site.get("/own", "").await.body })
        })
        .collect();
    // All of them ask, though none is answered yet.
    while site.calls() < 6 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(5);
    for client in clients {
        client.await.expect("answered");
    }
    // The one who asks leaves: another does.
    let mut first = TcpStream::connect(site.gateway.address()).await.expect("connects");
    first.write_all(b"GET /a HTTP/1.1\r\nHost: shop\r\n\r\n").await.expect("sends");
    while site.calls() < 7 {
        tokio::task::yield_now().await;
    }
    let second = {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.get("/a", "").await.body })
    };
    connections(&site, 2).await;
    drop(first);
    while site.calls() < 8 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    assert_eq!(second.await.expect("answered"), "answer 8");
    assert_eq!(site.get("/a", "").await.body, "answer 8");
}

#[tokio::test]
async fn what_changed_while_it_was_asked_for_is_not_kept() {
    let answers = |_: &Request<Body>, n| answer(&[("cache-control", "max-age=60")], n);
    let gate = Arc::new(Semaphore::new(0));
    let site = Arc::new(Site::gated(vec![spec("/*", options())], Arc::new(answers), Some(Arc::clone(&gate))));
    let reader = {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.get("/a", "").await })
    };
    while site.calls() < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(site.gateway.address(), "POST /a", "Content-Length: 0\r\n").await.status, 200);
    gate.add_permits(10);
    let read = reader.await.expect("answered");
    assert_eq!((read.body.as_str(), read.cache()), ("answer 1", "weft; fwd=miss"));
    assert_eq!(site.get("/a", "").await.body, "answer 3");
    assert_eq!(site.get("/a", "").await.body, "answer 3");
}

#[tokio::test]
async fn routes_share_nothing_though_they_share_an_address() {
    let beta = HeaderMatch { name: HeaderName::from_static("x-beta"), value: None };
    let with_header =
        RouteSpec { headers: vec![beta], ..spec("/a", Options { partition: "beta".into(), ..options() }) };
    let site =
        Site::new(vec![spec("/a", options()), with_header], |_, n| answer(&[("cache-control", "max-age=60")], n));
    assert_eq!(site.get("/a", "X-Beta: 1\r\n").await.body, "answer 1");
    assert_eq!(site.get("/a", "").await.body, "answer 2");
    assert_eq!(site.get("/a", "X-Beta: 2\r\n").await.body, "answer 1");
}

#[tokio::test]
async fn what_was_shown_tells_answers_apart_though_they_do_not_say_so() {
    // Only the first answer says what it varies by; the others vary all the same.
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let accept = request.headers().get("accept").map_or("none", |value| value.to_str().expect("text"));
        let vary = if n <= 2 { "accept" } else { "" };
        answer(&[("cache-control", "max-age=60"), ("vary", vary), ("x-accept", accept)], n)
    });
    for accept in ["a", "evil", "b"] {
        assert_eq!(site.get("/a", &format!("Accept: {accept}\r\n")).await.header("x-accept"), Some(accept));
    }
    assert_eq!(site.get("/a", "").await.header("x-accept"), Some("none"));
    for accept in ["a", "evil", "b"] {
        assert_eq!(site.get("/a", &format!("Accept: {accept}\r\n")).await.header("x-accept"), Some(accept));
    }
    assert_eq!(site.calls(), 5);
    // A host is shown as it was sent, and kept apart so.
    let loud = ask(site.gateway.address(), "GET http://SHOP/a", "Accept: a\r\n").await;
    assert!(loud.cache().starts_with("weft; fwd=miss"), "{loud:?}");
}
