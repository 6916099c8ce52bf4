//! Answers kept for others, over sockets and on a clock that the tests move.

#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod key;
mod old;

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
