//! TLS: names, protocols, and certificates that change while serving.

mod common;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use common::{catch_all, echo, local, witness::Witness};
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use weft_gateway::{CertificateFiles, Gateway, Tls, TlsError};

/// Writes a self-signed certificate for `names` as `NAME.pem` and `NAME.key`, and answers its DER.
fn write(folder: &Path, file: &str, names: &[&str]) -> (CertificateFiles, Vec<u8>) {
    let made =
        rcgen::generate_simple_self_signed(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).expect("made");
    let files = CertificateFiles { chain: folder.join(format!("{file}.pem")), key: folder.join(format!("{file}.key")) };
    std::fs::write(&files.chain, made.cert.pem()).expect("written");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    (files, made.cert.der().to_vec())
}

async fn connect(address: SocketAddr, name: &str, roots: &[&[u8]], alpn: &[&str]) -> TlsStream<TcpStream> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.to_vec().into()).expect("a root");
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await.expect("connects");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
}

fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().expect("shown")[0].to_vec()
}

#[tokio::test]
async fn alpn_chooses_the_protocol_and_the_scheme_is_https() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, root) = write(folder.path(), "a", &["a.example"]);
    let tls = Tls::load(vec![files]).expect("loads");
    let gateway = Gateway::new(echo(), catch_all()).serve(local().tls(tls));

    let stream = connect(gateway.address(), "a.example", &[&root], &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, conn) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("h2");
    tokio::spawn(conn);
    let request = Request::get("https://a.example/x").body(Empty::<bytes::Bytes>::new()).expect("valid");
    let answer = send.send_request(request).await.expect("answered");
    assert_eq!(answer.version(), Version::HTTP_2);
    let body = answer.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(body, "GET https://a.example/x ");

    for alpn in [&["http/1.1"][..], &[]] {
        let stream = connect(gateway.address(), "a.example", &[&root], alpn).await;
        let (mut send, conn) = http1::handshake(TokioIo::new(stream)).await.expect("h1");
        tokio::spawn(conn);
        let request = Request::get("/y").header("host", "a.example").body(Empty::<bytes::Bytes>::new()).expect("valid");
        let body = send.send_request(request).await.expect("answered").into_body().collect().await.expect("whole");
        assert_eq!(body.to_bytes(), "GET https://a.example/y ");
    }
}

#[tokio::test]
async fn the_certificate_is_chosen_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, a) = write(folder.path(), "a", &["a.example"]);
    let (second, b) = write(folder.path(), "b", &["b.example", "*.b.example"]);
    let tls = Tls::load(vec![first, second]).expect("loads");
    let gateway = Gateway::new(echo(), catch_all()).serve(local().tls(tls));
    for (name, expected) in [("a.example", &a), ("b.example", &b), ("x.b.example", &b)] {
        let stream = connect(gateway.address(), name, &[&a, &b], &[]).await;
        assert_eq!(&shown(&stream), expected, "{name}");
    }
}

#[tokio::test]
async fn changed_certificates_are_taken_and_broken_ones_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, old) = write(folder.path(), "a", &["a.example"]);
    let tls = Tls::load(vec![files.clone()]).expect("loads");
    let gateway = Gateway::new(echo(), catch_all()).serve(local().tls(tls.clone()));
    let stream = connect(gateway.address(), "a.example", &[&old], &[]).await;
    assert_eq!(shown(&stream), old);

    std::fs::write(&files.chain, "not a certificate").expect("written");
    assert!(!tls.refresh());
    let again = connect(gateway.address(), "a.example", &[&old], &[]).await;
    assert_eq!(shown(&again), old, "the last good one stays");

    let (_, new) = write(folder.path(), "a", &["a.example"]);
    // Either this refresh or the listener's own takes it; afterwards it is in use.
    tls.refresh();
    let stream = connect(gateway.address(), "a.example", &[&new], &[]).await;
    assert_eq!(shown(&stream), new);
}

#[tokio::test]
async fn what_cannot_be_loaded_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, _) = write(folder.path(), "a", &["a.example"]);
    let (b, _) = write(folder.path(), "b", &["b.example"]);
    let crossed = CertificateFiles { chain: a.chain.clone(), key: b.key };
    let error = Tls::load(vec![crossed]).err().expect("refused");
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
    assert_eq!(error.code().as_str(), "tls-invalid");
    let missing = CertificateFiles { chain: folder.path().join("none.pem"), key: a.key };
    let error = Tls::load(vec![missing]).err().expect("refused").to_string();
    assert!(error.contains("none.pem"), "{error}");
    assert!(matches!(Tls::load(vec![]), Err(TlsError::NoCertificates)));
}

#[tokio::test]
async fn a_handshake_that_never_comes_holds_up_nobody_and_ends_with_the_drain() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, root) = write(folder.path(), "a", &["a.example"]);
    let gateway = Gateway::new(echo(), catch_all()).serve(local().tls(Tls::load(vec![files]).expect("loads")));
    let mut silent = TcpStream::connect(gateway.address()).await.expect("connects");
    let stream = connect(gateway.address(), "a.example", &[&root], &[]).await;
    drop(stream);
    assert_eq!(gateway.drain(Duration::from_secs(30)).await, 0);
    assert_eq!(common::rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_handshake_that_fails_is_told_of_and_harms_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, root) = write(folder.path(), "a", &["a.example"]);
    let witness = Arc::new(Witness::default());
    let observer = Arc::clone(&witness) as Arc<dyn weft_gateway::Observer>;
    let listener = local().tls(Tls::load(vec![files]).expect("loads"));
    let gateway = Gateway::new(echo(), catch_all()).observer(observer).serve(listener);
    let said = common::raw(gateway.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!said.contains("HTTP"), "nothing is answered in the clear: {said:?}");
    witness.until(|witness| witness.handshake_failed.load(SeqCst) == 1).await;
    connect(gateway.address(), "a.example", &[&root], &["h2"]).await;
    assert_eq!(witness.accepted.load(SeqCst), 2);
}
