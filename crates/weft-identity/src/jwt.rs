//! Bearer tokens of one issuer (RFC 6750, RFC 7519, RFC 8725).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, header};
use weft_types::{Name, Timestamp};

use crate::{
    cache::{self, Cache},
    denied::{Denied, challenge},
    guard::Found,
    jwks::Jwks,
    keys::KeySet,
    remote::Held,
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

/// No key that is known could have signed the token.
struct UnknownKey;

const UNKNOWN_KEY: Denied = Denied::invalid("the signature is not by a known key");

/// Verifies tokens, and remembers those that are good.
pub struct Jwt {
    rules: Rules,
    keys: Keys,
    cache: Cache,
    /// Of the keys by which what is in the cache was verified.
    generation: AtomicU64,
}

/// Where an issuer's keys are.
pub enum Keys {
    Fixed(Arc<KeySet>),
    /// Published by the issuer, and fetched.
    Remote(Arc<Jwks>),
}

impl From<KeySet> for Keys {
    fn from(keys: KeySet) -> Self {
        Self::Fixed(Arc::new(keys))
    }
}

impl From<Jwks> for Keys {
    fn from(keys: Jwks) -> Self {
        Self::Remote(Arc::new(keys))
    }
}

impl Jwt {
    pub fn new(auth: Name, options: JwtOptions, keys: impl Into<Keys>) -> Self {
        let JwtOptions { issuer, audience, algorithms, leeway, claims } = options;
        let allowed = algorithms.into_iter().filter_map(|name| {
            let algorithm = name.parse().ok()?;
            Some((name, (algorithm, Rules::validation(algorithm))))
        });
        let rules = Rules { auth, issuer, audience, leeway, claims, allowed: allowed.collect() };
        Self { rules, keys: keys.into(), cache: Cache::new(), generation: AtomicU64::new(0) }
    }

    /// Fetches what has to be fetched before the first token comes. Needs a runtime, and does nothing without one.
    pub fn warm(&self, now: Timestamp) {
        if let Keys::Remote(jwks) = &self.keys {
            drop(jwks.refresh_aside(now));
        }
    }

    pub(crate) fn check(&self, headers: &HeaderMap, now: Timestamp) -> Found {
        let token = match bearer(headers) {
            Ok(Some(token)) => token,
            Ok(None) => return Found::Absent,
            Err(denied) => return Found::Bad(denied),
        };
        match &self.keys {
            Keys::Fixed(keys) => match self.verify(token, keys, 0, now) {
                Ok(found) => found,
                Err(UnknownKey) => Found::Bad(UNKNOWN_KEY),
            },
            Keys::Remote(jwks) => self.by_remote(token, jwks, now),
        }
    }

    fn by_remote(&self, token: &str, jwks: &Arc<Jwks>, now: Timestamp) -> Found {
        let Some(Held { value: keys, generation, due }) = jwks.held(now) else {
            let unavailable = Denied::unavailable("the keys of the issuer cannot be fetched");
            return jwks.wait(now).map_or(Found::Bad(unavailable), Found::Later);
        };
        if due {
            drop(jwks.refresh_aside(now));
        }
        if self.generation.swap(generation, SeqCst) != generation {
            self.cache.clear();
        }
        match self.verify(token, &keys, generation, now) {
            Ok(found) => found,
            // Its issuer may have begun to use a new key.
            Err(UnknownKey) => jwks.wait(now).map_or(Found::Bad(UNKNOWN_KEY), Found::Later),
        }
    }

    fn verify(&self, token: &str, keys: &KeySet, generation: u64, now: Timestamp) -> Result<Found, UnknownKey> {
        let hash = cache::hash(token.as_bytes());
        if let Some(identity) = self.cache.find(&hash, now) {
            return Ok(Found::Good(identity));
        }
        match self.rules.verify(token, keys, now) {
            Ok(proven) => {
                let identity = Arc::new(proven.identity);
                self.cache.keep(hash, Arc::clone(&identity), proven.until, now);
                // Keys that changed meanwhile may be those by which this was verified.
                if self.generation.load(SeqCst) != generation {
                    self.cache.clear();
                }
                Ok(Found::Good(identity))
            }
            Err(Bad::Denied(denied)) => Ok(Found::Bad(denied)),
            Err(Bad::UnknownKey) => Err(UnknownKey),
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
