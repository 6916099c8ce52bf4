//! Endpoints that are asked whether they are well, and TLS in which both sides show who they are.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{Raw, call, fault, get, head, response, text, upstream_with};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use weft_traffic::balance::Active;
use weft_types::{Ran, SystemClock, code};
use weft_upstream::{Checking, Health, Identity, Options, Roots, Upstream};

fn checked(path: &'static str) -> Options {
    let health = Health {
        path: path.parse().expect("a path"),
        host: None,
        interval: Duration::from_millis(5),
        timeout: Duration::from_millis(500),
    };
    Options { health: Some(health), ..Options::default() }
}

/// Says whether it is well on `/healthz`, and 200 to everything else.
async fn service(well: &Arc<AtomicBool>, calls: &Arc<AtomicUsize>) -> Raw {
    let (well, calls) = (Arc::clone(well), Arc::clone(calls));
    Raw::new(move |mut stream| {
        let (well, calls) = (Arc::clone(&well), Arc::clone(&calls));
        async move {
            while let Some(head) = head(&mut stream).await {
                let asked = head.starts_with("GET /healthz ");
                let status = if asked && !well.load(SeqCst) { "503 No" } else { "200 OK" };
                calls.fetch_add(usize::from(!asked), SeqCst);
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nhi");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

async fn until(upstream: &Upstream, says: Active) {
    let is = || upstream.endpoints().iter().any(|view| view.active == says);
    tokio::time::timeout(common::PATIENCE, async {
        while !is() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("never {says:?}: {:?}", upstream.endpoints()));
}

#[tokio::test]
async fn who_says_that_it_is_not_well_takes_no_calls_until_it_is() {
    let (well, sick_calls, calls) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::default());
    let sick = service(&well, &sick_calls).await;
    let good = service(&Arc::new(AtomicBool::new(true)), &calls).await;
    let clock = Arc::new(SystemClock::new());
    let upstream = Arc::new(upstream_with(&[sick.url(), good.url()], checked("/healthz"), clock));
    let _checking = Checking::start(&upstream).expect("asked for");
    until(&upstream, Active::Unhealthy).await;
    let before = sick_calls.load(SeqCst);
    for _ in 0..50 {
        assert_eq!(text(response(call(&upstream, get("/")).await).into_body()).await.expect("whole"), "hi");
    }
    assert_eq!((sick_calls.load(SeqCst), calls.load(SeqCst) >= 50), (before, true));
    well.store(true, SeqCst);
    let healed = |view: &weft_traffic::balance::View| view.active == Active::Healthy;
    tokio::time::timeout(common::PATIENCE, async {
        while !upstream.endpoints().iter().all(healed) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("healed");
    let slow = upstream.endpoints().into_iter().find(|view| *view.address == *sick.url()).expect("there");
    assert!(slow.ramp < 1.0, "it starts slowly: {slow:?}");
}

#[tokio::test]
async fn who_does_not_answer_is_not_well_and_the_last_is_used_all_the_same() {
    let service = Raw::new(|mut stream| async move {
        while let Some(head) = head(&mut stream).await {
            if head.starts_with("GET /healthz ") {
                return std::future::pending().await;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let mut options = checked("/healthz");
    options.health.as_mut().expect("asked for").timeout = Duration::from_millis(20);
    let upstream = Arc::new(upstream_with(&[service.url()], options, Arc::new(SystemClock::new())));
    let checking = Checking::start(&upstream).expect("asked for");
    until(&upstream, Active::Unhealthy).await;
    assert_eq!(response(call(&upstream, get("/")).await).status(), 200, "a wrong check takes nothing away");
    drop(checking);
    assert!(Checking::start(&Arc::new(upstream_with(&[], Options::default(), Arc::new(SystemClock::new())))).is_none());
}

/// An authority, and what it has signed for a name.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed").der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed").der().clone();
        (certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }
}

/// A server that wants to see a certificate of the authority.
async fn demanding(authority: &Authority) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).expect("a root");
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&ring)).build();
    let (certificate, key) = authority.sign("localhost");
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients.expect("a verifier"))
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("listening");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else { return };
                let answer = hyper::service::service_fn(|_| async {
                    Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(
                        bytes::Bytes::from("seen"),
                    )))
                });
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tls), answer).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn both_sides_show_who_they_are_and_only_the_named_authority_is_believed() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let port = demanding(&ours).await;
    let url = [format!("https://localhost:{port}")];
    let identity = |authority: &Authority| {
        let (certificate, key) = authority.sign("client");
        Some(Arc::new(Identity { chain: vec![certificate], key }))
    };
    let with = |roots: &Authority, identity: Option<Arc<Identity>>| {
        let roots = Roots::Only(vec![roots.certificate.clone()]);
        upstream_with(&url, Options { roots, identity, ..Options::default() }, Arc::new(SystemClock::new()))
    };
    let seen = with(&ours, identity(&ours));
    assert_eq!(text(response(call(&seen, get("/")).await).into_body()).await.expect("whole"), "seen");
    let unknown = fault(call(&with(&theirs, identity(&ours)), get("/")).await);
    assert_eq!(unknown.code, code::UPSTREAM_UNREACHABLE);
    assert!(unknown.detail.contains("invalid peer certificate"), "{}", unknown.detail);
    for stranger in [identity(&theirs), None] {
        let refused = fault(call(&with(&ours, stranger), get("/")).await);
        assert_eq!((refused.code, refused.ran), (code::UPSTREAM_UNREACHABLE, Ran::No), "{refused:?}");
    }
}
