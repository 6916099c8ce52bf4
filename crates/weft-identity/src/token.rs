//! One token: its header checked, its signature verified, its claims held against what is wanted.
//!
//! ```text
//! size ─► three parts ─► header: alg allowed, nothing critical ─► keys of its kid and alg ─► signature ─► claims
//! ```
//!
//! What a token says of its own key (`jwk`, `jku`, `x5u`, `x5c`) is not looked at.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use weft_types::{Identity, Name, Timestamp};

use crate::{
    denied::Denied,
    keys::{KeySet, TRIES_MAX},
    person,
};

/// Longer tokens are refused unread.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Claims that say who is calling. Each is a claim's name, else a path of names with dots between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    pub identity: String,
    /// A token without it is refused.
    pub tenant: Option<String>,
    /// A list of strings, or one string with spaces between them.
    pub roles: Option<String>,
}

/// What every token of an issuer must be.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) auth: Name,
    pub(crate) issuer: String,
    pub(crate) audience: Vec<String>,
    pub(crate) leeway: Duration,
    pub(crate) claims: ClaimNames,
    /// One for each algorithm that is allowed.
    pub(crate) allowed: HashMap<String, (Algorithm, Validation)>,
}

/// A good token.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) identity: Identity,
    /// When it is good no more.
    pub(crate) until: Timestamp,
}

/// A bad one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    Denied(Denied),
    /// Its key is not among ours: newer ones may have it.
    UnknownKey,
}

impl From<Denied> for Bad {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl Rules {
    /// How a signature by `algorithm` is verified: by that one alone. Claims are checked here, by our own clock.
    pub(crate) fn validation(algorithm: Algorithm) -> Validation {
        crate::ring::install();
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation
    }

    pub(crate) fn verify(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<Proven, Bad> {
        self.verify_and(token, keys, now, |_| Ok(()))
    }

    /// With something else that its claims have to say.
    pub(crate) fn verify_and(
        &self,
        token: &str,
        keys: &KeySet,
        now: Timestamp,
        also: impl Fn(&Map<String, Value>) -> Result<(), Denied>,
    ) -> Result<Proven, Bad> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Denied::invalid("the token is too long").into());
        }
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let &[header, payload, signature] = parts.as_slice() else {
            return Err(Denied::invalid("the token has not three parts").into());
        };
        if [header, payload, signature].contains(&"") {
            return Err(Denied::invalid("a part of the token is empty").into());
        }
        let header = Header::read(header)?;
        let Some((algorithm, validation)) = self.allowed.get(&header.alg) else {
            return Err(Denied::invalid("the token's algorithm is not allowed").into());
        };
        let kid = header.kid.as_deref();
        for key in keys.candidates(kid, *algorithm).take(TRIES_MAX) {
            match jsonwebtoken::decode::<Claims>(token, &key.decoding, validation) {
                Ok(data) => {
                    let proven = self.proven(&data.claims.0, now)?;
                    also(&data.claims.0)?;
                    return Ok(proven);
                }
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(_) => return Err(Denied::invalid("the token is not well formed").into()),
            }
        }
        match keys.knows(kid) {
            true => Err(Denied::invalid("the signature is not by a known key").into()),
            false => Err(Bad::UnknownKey),
        }
    }

    fn proven(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Proven, Denied> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(Denied::invalid("the token is by another issuer"));
        }
        if !self.is_for_us(claims.get("aud")) {
            return Err(Denied::invalid("the token is for another audience"));
        }
        let exp = seconds(claims, "exp")?.ok_or(Denied::invalid("the token says no time of expiry"))?;
        let now = now.as_nanos() as f64 / 1e9;
        let leeway = self.leeway.as_secs_f64();
        if now >= exp + leeway {
            return Err(Denied::expired("the token has expired"));
        }
        if seconds(claims, "nbf")?.is_some_and(|nbf| now + leeway < nbf) {
            return Err(Denied::invalid("the token is not valid yet"));
        }
        let identity = self.identity(claims)?;
        // Saturates: a token for ever is good until the end of time.
        Ok(Proven { identity, until: Timestamp::from_nanos(((exp + leeway) * 1e9) as u64) })
    }

    fn is_for_us(&self, audience: Option<&Value>) -> bool {
        let ours = |value: &Value| value.as_str().is_some_and(|one| self.audience.iter().any(|ours| ours == one));
        match audience {
            Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }

    fn identity(&self, claims: &Map<String, Value>) -> Result<Identity, Denied> {
        let subject = find(claims, &self.claims.identity).and_then(Value::as_str);
        let subject = subject.ok_or(Denied::invalid("the token names nobody"))?;
        let tenant = match &self.claims.tenant {
            None => None,
            Some(claim) => match find(claims, claim) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Number(number)) if !number.is_f64() => Some(number.to_string()),
                _ => return Err(Denied::invalid("the token names no tenant")),
            },
        };
        let roles = self.claims.roles.as_ref().and_then(|claim| find(claims, claim));
        let roles: Vec<Arc<str>> = match roles {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => text.split_ascii_whitespace().map(Arc::from).collect(),
            Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
                all.iter().filter_map(Value::as_str).map(Arc::from).collect()
            }
            Some(_) => return Err(Denied::invalid("the token's roles are no list of strings")),
        };
        person::identity(&self.auth, subject, tenant.as_deref(), roles)
    }
}

/// A `NumericDate`: a number, which may have a fraction. Anything else is no time.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Denied> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_f64().filter(|time| time.is_finite() && *time >= 0.0) {
            Some(time) => Ok(Some(time)),
            None => Err(Denied::invalid("a time in the token is no time")),
        },
        Some(_) => Err(Denied::invalid("a time in the token is no number")),
    }
}

/// A claim by its name, which may hold dots itself; else by a path.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut steps = name.split('.');
    let first = claims.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}

/// What of a token's header decides. A field that is there twice is an error of serde's.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    cty: Option<String>,
    #[serde(default, deserialize_with = "there")]
    crit: bool,
    #[serde(default, deserialize_with = "there")]
    b64: bool,
    #[serde(default, deserialize_with = "there")]
    zip: bool,
    #[serde(default, deserialize_with = "there")]
    enc: bool,
}

/// A field that is there, whatever it holds: `null` too.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(from).map(|_| true)
}

impl Header {
    fn read(part: &str) -> Result<Self, Denied> {
        let malformed = Denied::invalid("the token's header cannot be read");
        let json = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed)?;
        let header: Self = serde_json::from_slice(&json).map_err(|_| malformed)?;
        // There is no extension that we understand (RFC 7515, 4.1.11), and an unencoded payload is one (RFC 7797).
        if header.crit || header.b64 {
            return Err(Denied::invalid("the token needs an extension that is not understood"));
        }
        if header.zip || header.enc {
            return Err(Denied::invalid("the token is encrypted or compressed"));
        }
        if header.cty.is_some() {
            return Err(Denied::invalid("the token holds another one"));
        }
        let known = |typ: &str| ["jwt", "at+jwt", "application/at+jwt"].contains(&typ.to_ascii_lowercase().as_str());
        match header.typ.as_deref().is_none_or(known) {
            true => Ok(header),
            false => Err(Denied::invalid("the token is of another type")),
        }
    }
}

/// The claims, each there once: of two, two readers could take different ones.
#[derive(Debug)]
struct Claims(Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Claims;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim is there twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }
        from.deserialize_map(Once)
    }
}
