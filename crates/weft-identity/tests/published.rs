//! Keys that an issuer publishes: rotated, cached, lost, and lied about. The issuer is a server of the test.

mod support;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Uri, header as field};
use parking_lot::Mutex;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use weft_identity::{Demand, Jwks, JwksOptions, Jwt, Provider, RouteGuard};
use weft_types::{Checked, Guard, Name, Presented, code};

/// What the issuer answers, and the heads of what it was asked.
#[derive(Default)]
struct Script {
    answer: String,
    asked: Vec<String>,
}

struct Issuer {
    script: Arc<Mutex<Script>>,
    url: String,
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let script = Arc::new(Mutex::new(Script::default()));
        let served = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => break,
                        Ok(read) => head.extend_from_slice(&buffer[..read]),
                    }
                }
                let answer = {
                    let mut script = served.lock();
                    script.asked.push(String::from_utf8_lossy(&head).to_lowercase());
                    script.answer.clone()
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { script, url }
    }

    fn answers(&self, status: &str, more: &str, body: &str) {
        let length = body.len();
        self.script.lock().answer =
            format!("HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    }

    fn publishes(&self, keys: &[Value]) {
        self.answers("200 OK", "", &json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.script.lock().asked.len()
    }

    fn guard(&self) -> RouteGuard {
        let jwks =
            Jwks::new(&JwksOptions { url: self.url.clone(), max_age: Duration::from_secs(3600) }).expect("a URL");
        let auth = Name::new("staff").expect("a name");
        RouteGuard::new(vec![Arc::new(Provider::Jwt(Jwt::new(auth, options(ALL), jwks)))], Demand::default())
    }
}

/// What becomes of a token in the end, as the gateway asks: once more after what has to be waited for.
async fn ask(guard: &RouteGuard, token: &str, now: u64) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(field::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).expect("a value"));
    let (method, uri) = (Method::GET, Uri::from_static("/"));
    let presented = Presented {
        method: &method,
        uri: &uri,
        headers: &headers,
        authority: "shop.example",
        secure: true,
        certificate: None,
        params: &[],
        address: None,
    };
    for _ in 0..2 {
        match guard.check(&presented, at(now)) {
            Checked::Passed(identity) => return identity.expect("somebody").subject.to_string(),
            Checked::Refused(denial) => return denial.code.to_string(),
            Checked::Later(ready) => ready.await,
            Checked::Answered(answer) => return answer.status.to_string(),
        }
    }
    panic!("a guard is waited for once")
}

fn ec(kid: &str) -> Value {
    let random = ring::rand::SystemRandom::new();
    let der = PrivatePkcs8KeyDer::from_pem_slice(EC.as_bytes()).expect("a key");
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random).expect("a key");
    let point = pair.public_key().as_ref();
    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": encode(&point[1..33]), "y": encode(&point[33..]) })
}

fn ed(kid: &str) -> Value {
    let der = PrivatePkcs8KeyDer::from_pem_slice(ED.as_bytes()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).expect("a key");
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encode(pair.public_key().as_ref()) })
}

/// Good for long.
fn signed(alg: &str, key: &str, kid: &str) -> String {
    raw(&header(alg, json!({ "kid": kid })), &claims(json!({ "exp": NOW + 100_000 })), alg, key)
}

#[tokio::test]
async fn keys_are_fetched_once_and_a_new_key_is_found_but_not_more_often_than_the_floor() {
    let issuer = Issuer::start().await;
    issuer.publishes(&[ec("one")]);
    let guard = issuer.guard();
    let (old, new) = (signed("ES256", EC, "one"), signed("EdDSA", ED, "two"));
    assert_eq!(ask(&guard, &old, NOW).await, "alice");
    assert_eq!(ask(&guard, &old, NOW + 1).await, "alice");
    assert_eq!(issuer.asked(), 1);
    assert_eq!(ask(&guard, &new, NOW + 2).await, "credential-invalid");
    issuer.publishes(&[ed("two")]);
    assert_eq!(ask(&guard, &new, NOW + 9).await, "credential-invalid", "not yet: one has just been tried");
    assert_eq!(issuer.asked(), 1);
    assert_eq!(ask(&guard, &new, NOW + 10).await, "alice");
    assert_eq!(issuer.asked(), 2);
    assert_eq!(ask(&guard, &old, NOW + 11).await, "credential-invalid", "also one that was known: its key is gone");
    for second in 12..20 {
        assert_eq!(ask(&guard, &signed("EdDSA", ED, &second.to_string()), NOW + second).await, "credential-invalid");
    }
    assert_eq!(issuer.asked(), 2, "whoever makes up names of keys fetches nothing");
}

#[tokio::test]
async fn the_last_good_keys_are_used_until_a_limit_whatever_the_issuer_says() {
    let issuer = Issuer::start().await;
    issuer.publishes(&[ec("one")]);
    let guard = issuer.guard();
    let token = signed("ES256", EC, "one");
    assert_eq!(ask(&guard, &token, NOW).await, "alice");
    let lies = [
        ("500 Internal Server Error", "", "{\"keys\":[]}".to_owned()),
        ("200 OK", "", "<html>".to_owned()),
        ("200 OK", "", "{\"keys\":[]}".to_owned()),
        ("200 OK", "", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}".to_owned()),
        ("200 OK", "", format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300 << 10))),
        ("302 Found", "location: http://127.0.0.1:1/\r\n", String::new()),
        ("304 Not Modified", "", String::new()),
        ("200 OK\r\ntransfer-encoding: nonsense", "", "{}".to_owned()),
    ];
    let mut now = NOW + 300;
    for (status, more, body) in &lies {
        issuer.answers(status, more, body);
        let before = issuer.asked();
        assert_eq!(ask(&guard, &token, now).await, "alice", "{status}");
        // Fetched aside: an unknown key waits for it.
        assert_eq!(ask(&guard, &signed("EdDSA", ED, "x"), now).await, "credential-invalid", "{status}");
        assert_eq!(issuer.asked(), before + 1, "{status}");
        now += 10;
    }
    assert_eq!(ask(&guard, &token, NOW + 3599).await, "alice");
    assert_eq!(ask(&guard, &token, NOW + 3610).await, "identity-unavailable", "too old: nobody is let in");
    assert_eq!(ask(&guard, &signed("EdDSA", ED, "x"), NOW + 3611).await, "identity-unavailable");
    issuer.publishes(&[ec("one")]);
    assert_eq!(ask(&guard, &token, NOW + 3620).await, "alice", "and back");
}

#[tokio::test]
async fn an_issuer_that_is_not_there_lets_nobody_in() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    drop(listener);
    let jwks = Jwks::new(&JwksOptions { url, max_age: Duration::from_secs(3600) }).expect("a URL");
    let auth = Name::new("staff").expect("a name");
    let guard = RouteGuard::new(vec![Provider::Jwt(Jwt::new(auth, options(ALL), jwks)).into()], Demand::default());
    let token = signed("ES256", EC, "one");
    for second in [0, 1, 11] {
        assert_eq!(ask(&guard, &token, NOW + second).await, code::IDENTITY_UNAVAILABLE.as_str());
    }
    let mut headers = HeaderMap::new();
    headers.insert(field::AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
    let (method, uri) = (Method::GET, Uri::from_static("/"));
    let presented = Presented {
        method: &method,
        uri: &uri,
        headers: &headers,
        authority: "shop.example",
        secure: true,
        certificate: None,
        params: &[],
        address: None,
    };
    let Checked::Refused(denial) = guard.check(&presented, at(NOW)) else { panic!("refused at once") };
    assert_eq!(denial.code, code::UNAUTHENTICATED, "without a token nothing has to be fetched");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let issuer = Issuer::start().await;
    let body = json!({ "keys": [ec("one")] }).to_string();
    issuer.answers("200 OK", "etag: \"v1\"\r\n", &body);
    let guard = issuer.guard();
    let token = signed("ES256", EC, "one");
    assert_eq!(ask(&guard, &token, NOW).await, "alice");
    issuer.answers("304 Not Modified", "", "");
    assert_eq!(ask(&guard, &signed("EdDSA", ED, "x"), NOW + 3000).await, "credential-invalid");
    assert!(issuer.script.lock().asked[1].contains("if-none-match: \"v1\"\r\n"));
    assert_eq!(ask(&guard, &token, NOW + 6000).await, "alice", "good for an hour from when it was last found good");
}

#[test]
fn keys_come_by_tls_or_from_this_machine() {
    let jwks = |url: &str| Jwks::new(&JwksOptions { url: url.to_owned(), max_age: Duration::from_secs(60) }).map(drop);
    for good in ["https://id.example/keys", "http://127.0.0.1:9/", "http://localhost/x", "http://[::1]:80/x"] {
        assert!(jwks(good).is_ok(), "{good}");
    }
    for bad in ["http://id.example/keys", "ftp://127.0.0.1/", "/keys", "", "http://127.0.0.1.evil.example/"] {
        assert!(jwks(bad).is_err(), "{bad}");
    }
}
