//! A guard that is asked, and tokens for it.

#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

mod sign;

use http::{HeaderMap, HeaderValue, Method, Uri, header as field};
use serde_json::{Value, json};
pub(crate) use sign::*;
use weft_identity::{ClaimNames, Demand, Jwt, JwtOptions, KeySet, Provider, RouteGuard};
use weft_types::{Checked, Denial, Guard, Identity, Name, Presented, Timestamp};

/// Seconds since the epoch at which all is tried.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

pub(crate) fn claims(change: Value) -> String {
    claims_at(NOW, change)
}

/// A good token but for its claims.
pub(crate) fn token(change: Value) -> String {
    raw(&header("RS256", json!({})), &claims(change), "RS256", RSA)
}

pub(crate) fn options(algorithms: &[&str]) -> JwtOptions {
    JwtOptions {
        issuer: "https://id.example".to_owned(),
        audience: vec!["orders".to_owned(), "billing".to_owned()],
        algorithms: algorithms.iter().map(|name| (*name).to_owned()).collect(),
        leeway: std::time::Duration::from_secs(30),
        claims: ClaimNames { identity: "sub".to_owned(), tenant: None, roles: Some("realm_access.roles".to_owned()) },
    }
}

pub(crate) const ALL: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

pub(crate) fn guard(options: JwtOptions, keys: KeySet, demand: Demand) -> RouteGuard {
    let auth = Name::new("staff").expect("a name");
    RouteGuard::new(vec![Provider::Jwt(Jwt::new(auth, options, keys)).into()], demand)
}

/// Verifies by every algorithm but the shared ones.
pub(crate) fn by(public: &str) -> RouteGuard {
    guard(options(ALL), KeySet::parse(public).expect("keys"), Demand::default())
}

/// What a guard makes of the values of `Authorization`.
pub(crate) fn ask(guard: &RouteGuard, authorization: &[&str], now: u64) -> Result<Option<Identity>, Box<Denial>> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(field::AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
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
    match guard.check(&presented, at(now)) {
        Checked::Passed(identity) => Ok(identity.map(|identity| (*identity).clone())),
        Checked::Refused(denial) => Err(denial),
        Checked::Later(_) | Checked::Answered(_) => panic!("nobody is to be asked"),
    }
}

pub(crate) fn bearer(guard: &RouteGuard, token: &str) -> Result<Option<Identity>, Box<Denial>> {
    ask(guard, &[&format!("Bearer {token}")], NOW)
}

/// Why a token is refused: the code, and what was wrong.
pub(crate) fn why(guard: &RouteGuard, token: &str) -> String {
    let denial = bearer(guard, token).expect_err("refused");
    assert!(!denial.challenges.is_empty(), "{denial:?}");
    format!("{}: {}", denial.code, denial.why)
}
