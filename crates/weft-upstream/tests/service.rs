//! Calls to a real server over real sockets: HTTP/1.1, HTTP/2 by prior knowledge and by ALPN, streams and trailers.

mod common;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{Many, Raw, call, call_until, fault, get, head, request, response, text, upstream, upstream_with};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};
use weft_types::{Body, Fault, ManualClock, Outcome, Ran, SystemClock, Timestamp, code};
use weft_upstream::{Options, Roots};

type Sent = UnsyncBoxBody<Bytes, hyper::Error>;

/// Says how it was asked, and sends the body back with trailers.
async fn echo(request: Request<Incoming>) -> Result<Response<Sent>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let mut response = Response::new(body.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert("x-version", format!("{:?}", parts.version).parse().expect("a value"));
    for name in ["traceparent", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "host", "te"] {
        if let Some(value) = parts.headers.get(name) {
            headers.insert(format!("saw-{name}").parse::<http::HeaderName>().expect("a name"), value.clone());
        }
    }
    Ok(response)
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) {
    let service = hyper::service::service_fn(echo);
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn echoing() -> Raw {
    Raw::new(serve).await
}

fn saw<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("nothing")
}

#[tokio::test]
async fn a_connection_is_used_again_and_the_service_is_told_who_asked() {
    let service = echoing().await;
    let upstream = upstream(&[service.url()]);
    for _ in 0..3 {
        let response = response(call(&upstream, request("POST", "/a?b", weft_types::full("hello"))).await);
        assert_eq!((saw(&response, "x-version"), saw(&response, "saw-x-forwarded-for")), ("HTTP/1.1", "192.0.2.7"));
        assert_eq!(saw(&response, "saw-x-forwarded-host"), "shop.example");
        assert_eq!(saw(&response, "saw-x-forwarded-proto"), "https");
        assert_eq!(saw(&response, "saw-host"), service.address.to_string());
        let parent = saw(&response, "saw-traceparent");
        assert!(parent.starts_with("00-00000000000000000000000000000007-") && parent.ends_with("-01"), "{parent}");
        assert!(!parent.contains("0000000000000008"), "the try has a span of its own: {parent}");
        assert_eq!(text(response.into_body()).await.expect("whole"), "hello");
    }
    assert_eq!(service.seen(), 1);
}

#[tokio::test]
async fn http2_with_prior_knowledge_carries_trailers_both_ways() {
    let service = echoing().await;
    let upstream = upstream(&[format!("h2c://{}", service.address)]);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Frame::data(Bytes::from_static(b"hello")), Frame::trailers(trailers.clone())];
    let body = StreamBody::new(futures(frames)).boxed_unsync();
    let response = response(call(&upstream, request("POST", "/", body)).await);
    assert_eq!(saw(&response, "x-version"), "HTTP/2.0");
    let whole = response.into_body().collect().await.expect("whole");
    assert_eq!(whole.trailers(), Some(&trailers));
    assert_eq!(whole.to_bytes(), "hello");
}

fn futures<const N: usize>(frames: [Frame<Bytes>; N]) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Fault>> {
    futures_util::stream::iter(frames.map(Ok))
}

#[tokio::test]
async fn twenty_mebibytes_pass_both_ways_without_being_held() {
    const FRAMES: usize = 320;
    const SIZE: usize = 64 << 10;
    for scheme in ["http", "h2c"] {
        let service = echoing().await;
        let upstream = upstream(&[format!("{scheme}://{}", service.address)]);
        let body = Many::new(FRAMES, SIZE);
        let taken = Arc::clone(&body.taken);
        let mut answer = response(call(&upstream, request("POST", "/", body.boxed_unsync())).await).into_body();
        let (mut came, mut lead) = (0, 0);
        while let Some(frame) = answer.frame().await {
            came += frame.expect("good").data_ref().map_or(0, Bytes::len);
            lead = lead.max(taken.load(SeqCst) - came);
        }
        assert_eq!(came, FRAMES * SIZE);
        // What is under way in HTTP/2 is bounded by windows; in HTTP/1 by the system's socket buffers.
        assert!(scheme == "http" || lead <= 8 << 20, "{lead} bytes were ahead");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_is_read_is_passed_on() {
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let raw = Raw::new(move |mut stream| {
        let gate = Arc::clone(&gate);
        async move {
            head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nea").await;
            gate.notified().await;
            let mut sink = vec![0; 1 << 20];
            let mut left = 20 << 20;
            while left > 0 {
                match stream.read(&mut sink).await {
                    Ok(some) if some > 0 => left = usize::saturating_sub(left, some),
                    _ => return,
                }
            }
            let _ = stream.write_all(b"rl").await;
        }
    })
    .await;
    let body = Many::new(320, 64 << 10);
    let response = response(call(&upstream(&[raw.url()]), request("POST", "/", body.boxed_unsync())).await);
    assert_eq!(response.status(), 200);
    go.notify_one();
    assert_eq!(text(response.into_body()).await.expect("whole"), "earl");
}

#[tokio::test]
async fn who_leaves_closes_the_connection() {
    let closed = Arc::new(Notify::new());
    let told = Arc::clone(&closed);
    let raw = Raw::new(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
            let mut byte = [0];
            assert!(!matches!(stream.read(&mut byte).await, Ok(1..)), "nothing more is sent");
            told.notify_one();
        }
    })
    .await;
    let upstream = upstream(&[raw.url()]);
    let outcome = call(&upstream, get("/")).await;
    assert_eq!(upstream.endpoints()[0].in_flight, 1, "until its end");
    drop(response(outcome));
    closed.notified().await;
    assert_eq!(upstream.endpoints()[0].in_flight, 0);
    assert_eq!(upstream.status().breaker.expect("a breaker").consecutive, 0, "it says nothing of the upstream");
}

#[tokio::test]
async fn a_request_that_breaks_is_its_callers_fault_and_not_sent_again() {
    let raw = Raw::new(|mut stream| async move {
        head(&mut stream).await;
        let mut byte = [0; 64];
        while stream.read(&mut byte).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let upstream = upstream(&[raw.url()]);
    let broken = StreamBody::new(futures_util::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"half"))),
        Err(Fault::new(code::CLIENT_GONE, Ran::Maybe)),
    ]));
    let outcome = call(&upstream, request("PUT", "/", broken.boxed_unsync())).await;
    assert_eq!(outcome.class, weft_types::Class::CallerFault);
    assert_eq!((fault(outcome).code, raw.seen()), (code::CLIENT_GONE, 1));
    assert_eq!(upstream.status().breaker.expect("a breaker").consecutive, 0);
}

#[tokio::test]
async fn of_two_endpoints_one_dies_is_ejected_and_comes_back() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let far = Timestamp::from_millis(10_000_000);
    let (stays, dies) = (echoing().await, echoing().await);
    let address = dies.address;
    let upstream = upstream_with(&[stays.url(), dies.url()], Options::default(), Arc::clone(&clock) as _);
    drop(dies);
    for call in 0..400 {
        let outcome: Outcome = call_until(&upstream, get("/"), far).await;
        assert_eq!(response(outcome).status(), 200, "call {call}: what was refused is tried elsewhere");
        // The penalty fades, so that the dead one is asked from time to time.
        clock.advance(Duration::from_millis(500));
    }
    let view = |wanted: SocketAddr| {
        let all = upstream.endpoints();
        all.into_iter().find(|view| view.address.ends_with(&wanted.to_string())).expect("an endpoint")
    };
    let (good, bad) = (view(stays.address), view(address));
    assert!(good.eligible && good.times_ejected == 0);
    assert!(bad.ewma > good.ewma || bad.ejected.is_some(), "{bad:?}");
    let back = Raw::at(address, serve).await;
    let mut calls = 0;
    while back.seen() == 0 {
        calls += 1;
        assert!(calls < 5_000, "it never came back: {:?}", view(address));
        assert_eq!(response(call_until(&upstream, get("/"), far).await).status(), 200);
        clock.advance(Duration::from_millis(500));
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_where_its_peer_does_not_is_ejected() {
    let bad = Raw::new(|mut stream| async move {
        while head(&mut stream).await.is_some() {
            let _ = stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let good = echoing().await;
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let mut policy = weft_traffic::Policy::default();
    policy.breaker.enabled = false;
    let upstream = upstream_with(&[good.url(), bad.url()], Options::of(&policy), Arc::clone(&clock) as _);
    let ejected = || {
        let views = upstream.endpoints();
        views.iter().find(|view| view.ejected.is_some()).map(|view| Arc::clone(&view.address))
    };
    let mut calls = 0;
    while ejected().is_none() {
        calls += 1;
        assert!(calls < 20_000, "nobody was ejected: {:?}", upstream.endpoints());
        response(call_until(&upstream, get("/"), Timestamp::from_millis(100_000_000)).await);
        // Ten seconds make a sweep; within it the failing one is drawn now and then.
        clock.advance(Duration::from_millis(20));
    }
    assert_eq!(ejected().as_deref(), Some(bad.url().as_str()));
    for _ in 0..50 {
        assert_eq!(response(call_until(&upstream, get("/"), Timestamp::from_millis(100_000_000)).await).status(), 200);
    }
    let out = upstream.endpoints();
    assert!(!out.iter().any(|view| view.eligible && view.ejected.is_some()));
}

/// A TLS server with a certificate of its own, for `localhost`, and that certificate.
async fn secure(protocols: &[&[u8]]) -> (u16, CertificateDer<'static>) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let certificate = signed.cert.der().clone();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a key");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            });
        }
    });
    (port, certificate)
}

#[tokio::test]
async fn tls_is_verified_and_the_protocol_agreed_on() {
    for (protocols, version) in [(&[&b"h2"[..], b"http/1.1"][..], "HTTP/2.0"), (&[&b"http/1.1"[..]][..], "HTTP/1.1")] {
        let (port, certificate) = secure(protocols).await;
        let url = [format!("https://localhost:{port}")];
        let options = Options { roots: Roots::Platform(vec![certificate]), ..Options::default() };
        let trusting = upstream_with(&url, options, Arc::new(SystemClock::new()));
        let response = response(call(&trusting, get("/")).await);
        assert_eq!(saw(&response, "x-version"), version);
        let refused = fault(call(&upstream(&url), get("/")).await);
        assert_eq!((refused.code, refused.ran), (code::UPSTREAM_UNREACHABLE, Ran::No), "{refused:?}");
        assert!(refused.detail.contains("TLS failed"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_stream_that_was_refused_ran_nothing_and_even_a_post_is_sent_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let raw = Raw::new(move |stream| {
        let count = Arc::clone(&count);
        async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                match count.fetch_add(1, SeqCst) {
                    0 => respond.send_reset(h2::Reason::REFUSED_STREAM),
                    _ => drop(respond.send_response(Response::new(()), true)),
                }
            }
        }
    })
    .await;
    let upstream = upstream(&[format!("h2c://{}", raw.address)]);
    let post = request("POST", "/", Full::new(Bytes::from_static(b"x")).map_err(|never| match never {}).boxed_unsync());
    assert_eq!(response(call(&upstream, post).await).status(), 200);
    assert_eq!(asked.load(SeqCst), 2);
}
