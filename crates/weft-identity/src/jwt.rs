//! Bearer tokens of one issuer (RFC 6750, RFC 7519, RFC 8725).

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use weft_types::{Name, Timestamp};

use crate::{
    cache::{self, Cache, Hash},
    denied::{Denied, challenge},
    guard::Found,
    keys::KeySet,
    token::{Bad, ClaimNames, Rules},
};

/// What tokens of an issuer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtOptions {
    /// `iss`, exactly.
    pub issuer: String,
    /// One of these is in `aud`.
    pub audience: Vec<String>,
    /// `RS256`, `ES256`, … Those that are not known are allowed to nobody.
    pub algorithms: Vec<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    pub claims: ClaimNames,
}

/// Verifies tokens, and remembers those that are good.
pub struct Jwt {
    rules: Rules,
    keys: KeySet,
    cache: Cache,
}

impl Jwt {
    pub fn new(auth: Name, options: JwtOptions, keys: KeySet) -> Self {
        let JwtOptions { issuer, audience, algorithms, leeway, claims } = options;
        let allowed = algorithms.into_iter().filter_map(|name| {
            let algorithm = name.parse().ok()?;
            Some((name, (algorithm, Rules::validation(algorithm))))
        });
        let rules = Rules { auth, issuer, audience, leeway, claims, allowed: allowed.collect() };
        Self { rules, keys, cache: Cache::new() }
    }

    pub(crate) fn check(&self, headers: &HeaderMap, now: Timestamp) -> Found {
        let token = match bearer(headers) {
            Ok(Some(token)) => token,
            Ok(None) => return Found::Absent,
            Err(denied) => return Found::Bad(denied),
        };
        let hash = cache::hash(token.as_bytes());
        match self.cache.find(&hash, now) {
            Some(identity) => Found::Good(identity),
            None => self.verify(token, hash, now),
        }
    }

    fn verify(&self, token: &str, hash: Hash, now: Timestamp) -> Found {
        match self.rules.verify(token, &self.keys, now) {
            Ok(proven) => {
                let identity = Arc::new(proven.identity);
                self.cache.keep(hash, Arc::clone(&identity), proven.until, now);
                Found::Good(identity)
            }
            Err(Bad::Denied(denied)) => Found::Bad(denied),
            Err(Bad::UnknownKey) => Found::Bad(Denied::invalid("the signature is not by a known key")),
        }
    }

    pub(crate) fn challenge(&self, denied: Option<&Denied>) -> Option<HeaderValue> {
        challenge("Bearer", self.rules.auth.as_str(), denied)
    }
}

/// The token of a request that has one. Two `Authorization` fields are one too many: others could read the other one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(Denied::invalid("there are several authorization headers"));
    }
    let Ok(text) = field.to_str() else { return Err(Denied::invalid("the authorization header is not ASCII")) };
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    match (scheme.eq_ignore_ascii_case("bearer"), rest.trim_start_matches(' ')) {
        (false, _) => Ok(None),
        (true, "") => Err(Denied::invalid("the bearer token is empty")),
        (true, token) => Ok(Some(token)),
    }
}
