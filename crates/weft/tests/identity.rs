//! Who is calling, as a client of a real node proves it: tokens, what the guest is told, and what follows from it.

#[allow(dead_code, reason = "not every key is used here")]
#[path = "../../weft-identity/tests/support/sign.rs"]
mod sign;
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use sign::{EC, RSA, RSA_PUBLIC, claims_at, encode, header, raw};
use support::{Node, Response, application, request, run};
use tempfile::TempDir;

const AUTH: &str = r#"
[auth.staff.jwt]
issuer = "https://id.example"
audience = ["orders"]
algorithms = ["RS256"]
keys = "keys/issuer.pem"
tenant = "org"
roles = "roles"

[[route]]
path = "/open"
component = "api"

[[route]]
path = "/maybe"
component = "api"
policy = { auth = { any = ["staff"], optional = true } }

[[route]]
path = "/admin"
component = "api"
policy = { auth = { any = ["staff"], roles = ["admin"] } }

[[route]]
path = "/mine"
component = "api"
policy = { auth = "staff", rate-limit = { rate = "1/h", by = "identity" } }

[[route]]
path = "/ours"
component = "api"
policy = { auth = ["staff"], rate-limit = { rate = "1/h", by = "tenant" } }

[[route]]
path = "/files/*"
files = { from = "keys" }
policy = { auth = "staff" }
"#;

fn folder() -> TempDir {
    let folder = application("shop", "path = \"/closed\"\npolicy = { auth = \"staff\" }", "mirror-p2.wasm");
    fs::create_dir(folder.path().join("keys")).expect("made");
    fs::write(folder.path().join("keys/issuer.pem"), RSA_PUBLIC).expect("written");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, text + AUTH).expect("written");
    folder
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn token(change: Value) -> String {
    let mut all = json!({ "org": "acme" });
    all.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    raw(&header("RS256", json!({})), &claims_at(now(), all), "RS256", RSA)
}

fn ask(node: &Node, path: &str, headers: &[String]) -> Response {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    request(&node.url, &format!("GET {path} HTTP/1.1\r\nhost: t\r\n{headers}connection: close\r\n\r\n"))
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

/// Who the guest was told is calling.
fn told(response: &Response) -> Vec<&str> {
    assert_eq!(response.status, 200, "{response:?}");
    response.body.lines().filter(|line| line.to_lowercase().replace('_', "-").contains("weft-")).collect()
}

fn refused(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    let head = response.head.to_lowercase();
    assert!(head.contains(&format!("weft-error: {code}\r\n")), "{response:?}");
    assert_eq!(head.contains("www-authenticate: bearer realm=\"staff\""), status == 401, "{response:?}");
    assert!(response.body.contains(&format!("\"code\":\"{code}\"")), "{response:?}");
}

#[test]
fn the_guest_learns_who_is_calling_from_us_alone() {
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder());
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    let alice = bearer(&token(json!({ "roles": ["admin", "dev"] })));
    let forged =
        ["weft-identity: root", "Weft-Tenant: evil", "weft_roles: admin", "WEFT-AUTH: x", "weft-identity: root2"];
    let with = |mut headers: Vec<String>| {
        headers.extend(forged.iter().map(|line| (*line).to_owned()));
        headers
    };
    let wanted = ["weft-auth: staff", "weft-identity: alice", "weft-roles: admin,dev", "weft-tenant: acme"];
    for path in ["/closed", "/maybe", "/admin"] {
        assert_eq!(told(&ask(&node, path, &with(vec![alice.clone()]))), wanted, "{path}");
    }
    for path in ["/open", "/maybe"] {
        assert_eq!(told(&ask(&node, path, &with(Vec::new()))), [""; 0], "{path}");
    }
    refused(&ask(&node, "/closed", &with(Vec::new())), 401, "unauthenticated");
    assert_eq!(told(&ask(&node, "/open", &[bearer("nonsense")])), [""; 0], "a route without `auth` looks at no token");
    let file = ask(&node, "/files/issuer.pem", std::slice::from_ref(&alice));
    assert_eq!((file.status, &*file.body), (200, RSA_PUBLIC));
    refused(&ask(&node, "/files/issuer.pem", &[]), 401, "unauthenticated");
    let preflight = request(&node.url, "OPTIONS /closed HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    refused(&preflight, 401, "unauthenticated");

    let (code, out, _) = run(&["explain", "GET", "/admin", "--data", data.path().to_str().expect("text")]);
    let line = out.lines().find(|line| line.trim_start().starts_with("auth ")).unwrap_or_default();
    assert!(code == 0 && line.contains("staff, role admin") && line.contains("(route "), "{out}");
}

#[test]
fn tokens_that_are_not_good_are_refused_for_what_they_are() {
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder());
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    let closed = |token: &str| ask(&node, "/closed", &[bearer(token)]);
    for _ in 0..2 {
        let expired = closed(&token(json!({ "exp": now() - 31 })));
        refused(&expired, 401, "credential-expired");
        assert!(expired.head.contains("error=\"invalid_token\", error_description=\"the token has expired\""));
    }
    let bad = [
        token(json!({ "nbf": now() + 300 })),
        token(json!({ "aud": "other" })),
        token(json!({ "iss": "https://evil.example" })),
        token(json!({ "org": null })),
        token(json!({ "exp": null })),
        raw(&header("HS256", json!({})), &claims_at(now(), json!({ "org": "acme" })), "HS256", RSA_PUBLIC),
        format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(claims_at(now(), json!({ "org": "acme" })))),
        raw(&header("RS256", json!({ "crit": ["exp"] })), &claims_at(now(), json!({ "org": "acme" })), "RS256", RSA),
        format!("{}A", token(json!({}))),
        format!("{}=", token(json!({}))),
        token(json!({ "padding": "x".repeat(9000) })),
    ];
    for token in &bad {
        refused(&closed(token), 401, "credential-invalid");
    }
    let good = token(json!({}));
    refused(&ask(&node, "/closed", &[bearer(&good), bearer(&good)]), 401, "credential-invalid");
    refused(&ask(&node, "/maybe", &[bearer(&bad[0])]), 401, "credential-invalid");
    refused(&ask(&node, "/admin", &[bearer(&good)]), 403, "forbidden");
    assert_eq!(closed(&good).status, 200);
    assert_eq!(closed(&good).status, 200, "known");
}

#[test]
fn identities_and_tenants_have_their_own_limits_meters_and_instances() {
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder());
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    let of = |sub: &str, org: &str| [bearer(&token(json!({ "sub": sub, "org": org })))];
    let status = |path: &str, who: &[String]| ask(&node, path, who).status;
    assert_eq!(status("/mine", &of("alice", "acme")), 200);
    assert_eq!(status("/mine", &of("alice", "acme")), 429, "her own limit");
    assert_eq!(status("/mine", &of("bob", "acme")), 200);
    assert_eq!(status("/mine", &of("alice", "other")), 200, "another tenant's alice is somebody else");
    assert_eq!(status("/ours", &of("alice", "acme")), 200);
    assert_eq!(status("/ours", &of("bob", "acme")), 429, "the tenant's limit");
    assert_eq!(status("/ours", &of("bob", "other")), 200);
    refused(&ask(&node, "/ours", &[]), 401, "unauthenticated");

    let metrics = node.admin_get("/metrics", None).body;
    let of_tenant = |tenant: &str| {
        let label = format!("tenant=\"{tenant}\"");
        metrics.lines().any(|line| line.contains(&label) && !line.ends_with(" 0"))
    };
    assert!(of_tenant("acme") && of_tenant("other"), "{metrics}");
}

#[test]
fn keys_that_cannot_be_used_are_told_by_check_and_never_served_without() {
    let folder = folder();
    fs::write(folder.path().join("keys/issuer.pem"), RSA).expect("written");
    let (code, _, err) = run(&["check", folder.path().to_str().expect("text")]);
    assert!(code == 1 && err.contains("keys-invalid") && err.contains("private key"), "{err}");
    fs::remove_file(folder.path().join("keys/issuer.pem")).expect("removed");
    let (code, _, err) = run(&["check", folder.path().to_str().expect("text")]);
    assert!(code == 1 && err.contains("file-missing") && err.contains("keys/issuer.pem"), "{err}");
}

/// An issuer's published keys: answers every request with what `body` holds at the time, until the test ends.
fn issuer(body: &Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let body = Arc::clone(body);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let body = body.lock().expect("not poisoned").clone();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = reader.into_inner().write_all((head + &body).as_bytes());
        }
    });
    url
}

/// The public half of the test's EC key, named `one`.
fn published() -> String {
    let der = PrivatePkcs8KeyDer::from_pem_slice(EC.as_bytes()).expect("a key");
    let random = ring::rand::SystemRandom::new();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random).expect("a key");
    let point = pair.public_key().as_ref();
    let key =
        json!({ "kty": "EC", "crv": "P-256", "kid": "one", "x": encode(&point[1..33]), "y": encode(&point[33..]) });
    json!({ "keys": [key] }).to_string()
}

#[test]
fn an_issuer_publishes_keys_and_partners_have_keys_of_their_own() {
    let (code, out, _) = run(&["key", "new", "ci", "--format", "json"]);
    assert_eq!(code, 0, "{out}");
    let made: Value = serde_json::from_str(&out).expect("JSON");
    let (key, hash) = (made["key"].as_str().expect("text"), made["hash"].as_str().expect("text"));
    let body = Arc::new(Mutex::new(published()));
    let url = issuer(&body);
    let data = tempfile::tempdir().expect("folder");
    let both = "path = \"/both\"\npolicy = { auth = [\"staff\", \"partners\"] }";
    let folder = application("shop", both, "mirror-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there")
        + &format!(
            "[auth.staff.jwt]\nissuer = \"https://id.example\"\naudience = [\"orders\"]\nalgorithms = [\"ES256\"]\njwks-url = \"{url}\"\n\
             [auth.partners.api-key]\nkeys.ci = {{ hash = \"{hash}\", tenant = \"acme\", roles = [\"read\"] }}\n"
        );
    fs::write(&manifest, &text).expect("written");
    assert!(!text.contains(key), "the key is written nowhere");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());

    let told_ci = ["weft-auth: partners", "weft-identity: ci", "weft-roles: read", "weft-tenant: acme"];
    assert_eq!(told(&ask(&node, "/both", &[format!("x-api-key: {key}")])), told_ci);
    let of =
        |kid: &str| bearer(&raw(&header("ES256", json!({ "kid": kid })), &claims_at(now(), json!({})), "ES256", EC));
    assert_eq!(told(&ask(&node, "/both", &[of("one")])), ["weft-auth: staff", "weft-identity: alice"]);
    refused(&ask(&node, "/both", &[of("two")]), 401, "credential-invalid");
    refused(&ask(&node, "/both", &[format!("x-api-key: {key}x")]), 401, "credential-invalid");
    let nothing = ask(&node, "/both", &[]);
    refused(&nothing, 401, "unauthenticated");
    assert!(
        nothing.head.contains("www-authenticate: ApiKey realm=\"partners\", header=\"x-api-key\"\r\n"),
        "{nothing:?}"
    );
    // A key that is good is enough, whatever else was sent.
    assert_eq!(told(&ask(&node, "/both", &[of("two"), format!("x-api-key: {key}")])), told_ci);
}

#[test]
fn an_issuer_that_cannot_be_reached_lets_nobody_in_and_keeps_nothing_else_from_being_served() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    drop(listener);
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder());
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, text.replace("keys = \"keys/issuer.pem\"", &format!("jwks-url = \"{url}\"")))
        .expect("written");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    let response = ask(&node, "/closed", &[bearer(&token(json!({})))]);
    refused(&response, 503, "identity-unavailable");
    assert!(response.head.to_lowercase().contains("retry-after: "), "{response:?}");
    refused(&ask(&node, "/closed", &[]), 401, "unauthenticated");
    assert_eq!(ask(&node, "/open", &[]).status, 200);
}
