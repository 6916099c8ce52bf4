use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use weft_host::{Component, Grants, OutboundRules, Resolve, Services};
use weft_types::Pending;

use crate::{
    bench::{Answer, Bench, query},
    rules::{Outbound, Scheme},
    server::{Server, raw},
};

const GUESTS: [&str; 2] = ["fetch-p2", "fetch-p3"];

/// The rules as the manifest has them.
#[derive(Debug)]
struct Rules(Outbound);

impl OutboundRules for Rules {
    fn allows(&self, https: bool, host: &str, port: u16) -> bool {
        self.0.allows(if https { Scheme::Https } else { Scheme::Http }, host, port)
    }
    fn allows_address(&self, host: &str, address: IpAddr) -> bool {
        self.0.allows_address(host, address)
    }
}

fn grants(rules: &[&str], private: &[&str]) -> Grants {
    let rules = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
    let private = private.iter().map(|network| network.parse().expect("a network")).collect();
    Grants { outbound: Some(Arc::new(Rules(Outbound { rules, private }))), ..Grants::default() }
}

/// Names that tests make up. Each question gets the next answer; the last one stays.
#[derive(Default)]
struct Names(Mutex<Vec<(&'static str, Vec<IpAddr>)>>);

impl Names {
    fn say(&self, host: &'static str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        self.0.lock().push((host, addresses));
    }
}

struct Resolver(Arc<Names>);

impl Resolve for Resolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, io::Result<Vec<SocketAddr>>> {
        let mut names = self.0.0.lock();
        let known: Vec<_> = names.iter().enumerate().filter(|(_, (name, _))| *name == host).map(|(at, _)| at).collect();
        let found = match known[..] {
            [] => Err(io::Error::other("no such name")),
            [only] => Ok(names[only].1.clone()),
            [first, ..] => Ok(names.remove(first).1),
        };
        let found = found.map(|all| all.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
        Box::pin(std::future::ready(found))
    }
}

fn bench() -> (Bench, Arc<Names>) {
    let names = Arc::new(Names::default());
    let resolver = Arc::new(Resolver(Arc::clone(&names)));
    (Bench::with(move |services: &mut Services| services.outbound.resolver = resolver), names)
}

async fn fetch(bench: &Bench, guest: &Arc<Component>, url: &str, rest: &str) -> Answer {
    bench.get(guest, &format!("/?url={}{rest}", query(url))).await
}

#[tokio::test]
async fn a_granted_request_carries_the_trace_and_brings_everything_back() {
    let server = Server::plain().await;
    let (bench, _) = bench();
    for name in GUESTS {
        let guest = bench.load(name, grants(&["http://127.0.0.1:*"], &[]));
        let got = fetch(&bench, &guest, &server.url("/hello?a=b"), "&header=x-mine:1").await;
        assert_eq!(got.status, 200, "{got:?}");
        let text = got.text();
        assert!(
            text.starts_with("200\n") && text.contains("x-from: server\n") && text.contains("hello\n5 bytes"),
            "{text}"
        );
        let seen = server.seen.lock().pop().expect("a request");
        let parent = seen.headers["traceparent"].to_str().expect("text");
        assert!(parent.starts_with("00-00000000000000000000000000000007-") && parent.ends_with("-01"), "{parent}");
        assert_ne!(&parent[36..52], "0000000000000009", "a span of its own");
        assert_eq!(seen.headers["host"], server.address.to_string());
        assert_eq!(seen.headers["x-mine"], "1");
        assert_eq!((seen.path.as_str(), seen.version), ("/hello", http::Version::HTTP_11));
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_with_trailers() {
    let server = Server::plain().await;
    let (bench, _) = bench();
    for name in GUESTS {
        let guest = bench.load(name, grants(&["http://127.0.0.1:*"], &[]));
        let bytes = 5 << 20;
        let rest = format!("&method=POST&send={bytes}&trailer=yes&header=trailer:x-sent");
        assert_eq!(fetch(&bench, &guest, &server.url("/hello"), &rest).await.status, 200);
        let seen = server.seen.lock().pop().expect("a request");
        assert_eq!(seen.body, bytes, "{name}");
        assert_eq!(seen.trailers.expect("trailers")["x-sent"], "yes", "{name}");
        let text = fetch(&bench, &guest, &server.url("/trailers"), "&header=te:trailers").await.text();
        assert!(text.contains("body\n4 bytes\ntrailer x-checksum: abc"), "{name}: {text}");
        let text = fetch(&bench, &guest, &server.url("/big"), "").await.text();
        assert!(text.ends_with("10485760 bytes"), "{name}: {}", &text[text.len() - 100..]);
    }
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request_and_shared_with_nobody() {
    let server = Server::plain().await;
    let (bench, _) = bench();
    for name in GUESTS {
        let before = *server.accepted.lock();
        let guest = bench.load(name, grants(&["http://127.0.0.1:*"], &[]));
        for _ in 0..5 {
            assert_eq!(fetch(&bench, &guest, &server.url("/hello"), "").await.status, 200);
        }
        assert_eq!(*server.accepted.lock() - before, 1, "{name}");
        let other = bench.load(name, grants(&["http://127.0.0.1:*"], &[]));
        assert_eq!(fetch(&bench, &other, &server.url("/hello"), "").await.status, 200);
        assert_eq!(*server.accepted.lock() - before, 2, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_granted_is_denied_before_any_name_is_resolved() {
    let server = Server::plain().await;
    let (bench, _) = bench();
    let port = server.address.port();
    for name in GUESTS {
        let none = bench.load(name, Grants::default());
        let some = bench.load(
            name,
            grants(&["http://127.0.0.1:1", "https://127.0.0.1:*", "http://api.example", "http://*.below.example"], &[]),
        );
        for (guest, url) in [
            (&none, server.url("/hello")),
            (&some, server.url("/hello")),
            (&some, format!("http://localhost:{port}/hello")),
            (&some, format!("http://[::1]:{port}/hello")),
            (&some, format!("http://[::ffff:127.0.0.1]:{port}/hello")),
            (&some, format!("http://127.1:{port}/hello")),
            (&some, format!("http://2130706433:{port}/hello")),
            (&some, format!("http://0x7f.0.0.1:{port}/hello")),
            (&some, format!("http://127.0.0.1.nip.example:{port}/hello")),
            (&some, "http://api.example:8080/".to_owned()),
            (&some, "https://api.example/".to_owned()),
            (&some, "http://api.example.evil.example/".to_owned()),
            (&some, "http://below.example/".to_owned()),
            (&some, "http://a.b.below.example/".to_owned()),
        ] {
            let got = fetch(&bench, guest, &url, "").await;
            assert_eq!((got.status, got.text().as_str()), (502, "ErrorCode::HttpRequestDenied"), "{name} {url}");
        }
        let got = fetch(&bench, &some, "http://user@api.example/", "").await;
        assert_eq!(got.status, 502, "{got:?}");
        assert!(!got.text().contains("Dns"), "{got:?}");
        let got = fetch(&bench, &some, "http://api.example/", "&method=CONNECT").await;
        assert_eq!((got.status, got.text().contains("Dns")), (502, false), "{got:?}");
    }
    assert!(server.seen.lock().is_empty());
}

#[tokio::test]
async fn a_granted_name_at_a_private_address_is_prohibited_however_it_is_written() {
    let server = Server::plain().await;
    let (bench, names) = bench();
    let private = [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ];
    for name in GUESTS {
        let guest = bench.load(name, grants(&["http://evil.example:*"], &[]));
        for address in private {
            names.0.lock().clear();
            names.say("evil.example", &[address]);
            let got = fetch(&bench, &guest, &format!("http://evil.example:{}/hello", server.address.port()), "").await;
            assert_eq!(
                (got.status, got.text().as_str()),
                (502, "ErrorCode::DestinationIpProhibited"),
                "{name} {address}"
            );
        }
        // Its network granted, the same name is reached.
        let guest = bench.load(name, grants(&["http://evil.example:*"], &["127.0.0.0/8"]));
        names.0.lock().clear();
        names.say("evil.example", &["127.0.0.1"]);
        let url = format!("http://evil.example:{}/hello", server.address.port());
        assert_eq!(fetch(&bench, &guest, &url, "").await.status, 200);
        let seen = server.seen.lock().pop().expect("a request");
        assert_eq!(seen.headers["host"], format!("evil.example:{}", server.address.port()));
    }
    assert!(server.seen.lock().is_empty());
}

#[tokio::test]
async fn an_address_is_judged_each_time_and_the_judged_one_is_connected_to() {
    let server = Server::plain().await;
    let (bench, names) = bench();
    let url = format!("http://turn.example:{}/hello", server.address.port());
    for name in GUESTS {
        // Two addresses, of which one may be reached: that one is.
        names.0.lock().clear();
        names.say("turn.example", &["10.0.0.1", "127.0.0.1"]);
        let guest = bench.load(name, grants(&["http://turn.example:*"], &["127.0.0.1"]));
        assert_eq!(fetch(&bench, &guest, &url, "").await.status, 200, "{name}");
        // First a public address, where nothing answers in time; then, resolved anew, a private one.
        names.0.lock().clear();
        names.say("turn.example", &["192.88.99.77"]);
        names.say("turn.example", &["127.0.0.1"]);
        let guest = bench.load(name, grants(&["http://turn.example:*"], &[]));
        let first = fetch(&bench, &guest, &url, "&connect=1").await;
        assert_eq!(first.status, 502);
        assert_eq!(fetch(&bench, &guest, &url, "").await.text(), "ErrorCode::DestinationIpProhibited", "{name}");
    }
    assert_eq!(server.seen.lock().len(), 2);
}

#[tokio::test]
async fn a_redirect_is_the_guests_business() {
    let server = Server::plain().await;
    let (bench, _) = bench();
    for name in GUESTS {
        let guest = bench.load(name, grants(&["http://127.0.0.1:*"], &[]));
        let text = fetch(&bench, &guest, &server.url("/redirect"), "").await.text();
        assert!(text.starts_with("302\n") && text.contains("location: http://10.0.0.1/"), "{text}");
        let got = fetch(&bench, &guest, "http://10.0.0.1/", "").await;
        assert_eq!(got.text(), "ErrorCode::HttpRequestDenied");
    }
}

#[tokio::test]
async fn slow_servers_meet_each_limit_by_its_own_code() {
    let server = Server::plain().await;
    let (bench, _) = bench();
    for name in GUESTS {
        let guest = bench.load(name, grants(&["http://127.0.0.1:*"], &[]));
        let first = fetch(&bench, &guest, &server.url("/never"), "&first=50").await;
        assert_eq!(first.text(), "ErrorCode::HttpResponseTimeout", "{name}");
        let between = fetch(&bench, &guest, &server.url("/stalls"), "&between=50").await.text();
        assert!(between.contains("5 bytes, then Some(ErrorCode::ConnectionReadTimeout)"), "{name}: {between}");
        // No limit of its own: the call's deadline ends it.
        let mut call = bench.call(&guest, &format!("/?url={}", query(&server.url("/never"))));
        call.deadline = bench.now().saturating_add(Duration::from_millis(300));
        let outcome = guest.invoke(call).await;
        match outcome.reply {
            Err(fault) => assert_eq!(fault.code.as_str(), "deadline-exceeded"),
            Ok(_) => assert_eq!(outcome.class, weft_types::Class::Failure),
        }
    }
}

#[tokio::test]
async fn hostile_answers_are_errors_and_not_memory() {
    let server = Server::plain().await;
    let (bench, _) = bench();
    let (garbage, _garbage) = raw(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let (silent, _silent) = raw(b"").await;
    let (short, _short) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour").await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    for name in GUESTS {
        let guest = bench.load(name, grants(&["http://127.0.0.1:*"], &[]));
        let text = async |url: String| fetch(&bench, &guest, &url, "").await.text();
        let huge = text(server.url("/huge-header")).await;
        assert!(huge.starts_with("ErrorCode::HttpResponseHeaderSectionSize"), "{name}: {huge}");
        let many = text(server.url("/many-headers")).await;
        assert!(many.starts_with("ErrorCode::HttpResponseHeaderSectionSize"), "{name}: {many}");
        assert_eq!(text(format!("http://{garbage}/")).await, "ErrorCode::HttpProtocolError", "{name}");
        assert_eq!(text(format!("http://{silent}/")).await, "ErrorCode::ConnectionTerminated", "{name}");
        let broken = text(format!("http://{short}/")).await;
        assert!(broken.contains("4 bytes, then Some(ErrorCode::HttpResponseIncomplete)"), "{name}: {broken}");
        assert_eq!(text(format!("http://{closed}/")).await, "ErrorCode::ConnectionRefused", "{name}");
    }
}

#[tokio::test]
async fn unknown_names_are_dns_errors() {
    let (bench, names) = bench();
    names.say("empty.example", &[]);
    for name in GUESTS {
        let guest = bench.load(name, grants(&["http://*.example"], &[]));
        let text = async |url: &'static str| fetch(&bench, &guest, url, "").await.text();
        assert!(text("http://nowhere.example/").await.starts_with("ErrorCode::DnsError"), "{name}");
        assert_eq!(text("http://empty.example/").await, "ErrorCode::DestinationNotFound", "{name}");
    }
}

#[tokio::test]
async fn tls_is_verified_and_http2_is_spoken_where_the_server_can() {
    let (server, root) = Server::tls().await;
    let url = format!("https://localhost:{}/hello", server.address.port());
    let names = Arc::new(Names::default());
    names.say("localhost", &["127.0.0.1"]);
    let resolver = Arc::new(Resolver(names));
    let trusting = Bench::with({
        let resolver = resolver.clone();
        |services: &mut Services| {
            services.outbound.resolver = resolver;
            services.outbound.extra_roots = vec![root];
        }
    });
    let strict = Bench::with(|services: &mut Services| services.outbound.resolver = resolver);
    for name in GUESTS {
        let guest = trusting.load(name, grants(&["https://localhost:*", "https://127.0.0.1:*"], &[]));
        for _ in 0..3 {
            let got = fetch(&trusting, &guest, &url, "").await;
            assert_eq!(got.status, 200, "{name}: {got:?}");
        }
        let seen = server.seen.lock().pop().expect("a request");
        assert_eq!(seen.version, http::Version::HTTP_2);
        assert!(seen.headers.get("host").is_none(), "the authority says it");
        // The certificate is not for this name, and for the other host not signed by anyone known.
        let other = fetch(&trusting, &guest, &format!("https://{}/hello", server.address), "").await;
        assert_eq!(other.text(), "ErrorCode::TlsCertificateError", "{name}");
        let guest = strict.load(name, grants(&["https://localhost:*"], &[]));
        assert_eq!(fetch(&strict, &guest, &url, "").await.text(), "ErrorCode::TlsCertificateError", "{name}");
    }
    let (plain, _) = bench();
    let server = Server::plain().await;
    let guest = plain.load("fetch-p2", grants(&["https://127.0.0.1:*"], &[]));
    let got = fetch(&plain, &guest, &format!("https://{}/", server.address), "").await;
    assert_eq!(got.text(), "ErrorCode::TlsProtocolError");
}

#[tokio::test]
async fn connections_of_a_node_are_bounded() {
    let server = Server::plain().await;
    let bench = Bench::with(|services: &mut Services| services.outbound.connections_max = 1);
    for name in GUESTS {
        let guest = bench.load(name, grants(&["http://127.0.0.1:*"], &[]));
        server.seen.lock().clear();
        let holding = bench.call(&guest, &format!("/?url={}", query(&server.url("/never"))));
        let held = tokio::spawn(guest.invoke(holding));
        while server.seen.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let second = fetch(&bench, &guest, &server.url("/hello"), "&connect=100").await;
        assert_eq!(second.text(), "ErrorCode::ConnectionTimeout", "{name}");
        held.abort();
        let _ = held.await;
        let third = fetch(&bench, &guest, &server.url("/hello"), "").await;
        assert_eq!(third.status, 200, "{name}: {third:?}");
    }
}

#[tokio::test]
async fn calls_that_share_an_instance_send_each_for_itself() {
    let server = Server::plain().await;
    let (bench, _) = bench();
    let guest = bench.try_load("fetch-p3", weft_host::Isolation::Instance, grants(&["http://127.0.0.1:*"], &[]));
    let guest = guest.expect("the guest loads");
    let mut traces = Vec::new();
    let calls = [3u128, 4, 5].map(|trace| {
        let path = format!("/?url={}&header=x-call:{trace}", query(&server.url("/meet")));
        let mut call = bench.call(&guest, &path);
        call.trace.trace = weft_types::TraceId(trace);
        traces.push(trace);
        bench.answer(&guest, call)
    });
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(guest.stats().instances_created, 1, "they met in one instance");
    let seen = server.seen.lock().clone();
    let mut found: Vec<u128> = Vec::new();
    for seen in seen {
        let parent = seen.headers["traceparent"].to_str().expect("text");
        let trace = u128::from_str_radix(&parent[3..35], 16).expect("hexadecimal");
        assert_eq!(seen.headers["x-call"], trace.to_string(), "the trace of who called");
        found.push(trace);
    }
    found.sort_unstable();
    assert_eq!(found, traces);
}
