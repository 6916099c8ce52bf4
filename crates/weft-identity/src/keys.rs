//! Keys that tokens are verified by, each pinned to the algorithms that belong to its type.
//!
//! What decides how a signature is verified is the key and never the token: a public key verifies no HMAC, a key that
//! says its `alg` verifies nothing else, one for encryption nothing at all.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde_json::Value;

/// Keys of one set; a larger one is refused.
pub(crate) const KEYS_MAX: usize = 64;
/// Signatures that are verified for one token, where it does not say whose it is.
pub(crate) const TRIES_MAX: usize = 8;
/// Bytes of a modulus: RFC 7518 asks for 2048 bits, and more than 4096 cost too much.
const MODULUS_MIN: usize = 256;
const MODULUS_MAX: usize = 512;
/// An HMAC secret is at least as long as the shortest hash.
const SECRET_MIN: usize = 32;

const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// Why keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it is neither PEM nor a JSON Web Key Set")]
    Unreadable,
    #[error("it holds a private key: keep that with the issuer, and give the public one")]
    Private,
    #[error("no key in it can verify a token ({0})")]
    NoKey(String),
    #[error("it holds more than {KEYS_MAX} keys")]
    TooMany,
    #[error(
        "more than {TRIES_MAX} keys in it without a `kid` fit one algorithm: no token would be tried by all of them"
    )]
    Unnamed,
    #[error(transparent)]
    Url(#[from] crate::UrlError),
    #[error(transparent)]
    Name(#[from] crate::PatternError),
    #[error("the key `{name}` cannot be used: {why}")]
    ApiKey { name: String, why: String },
    #[error("the keys of sessions cannot be used: {0}")]
    Sessions(String),
    #[error("the system gives no randomness")]
    Random,
    #[error("the secret is shorter than the {0} bytes that its algorithms need")]
    ShortSecret(usize),
}

/// Keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    kid: Option<String>,
    /// What it may verify. Never empty.
    algorithms: Vec<Algorithm>,
    pub(crate) decoding: DecodingKey,
}

impl KeySet {
    /// From the text of a file: PEM (public keys or certificates), or a JSON Web Key Set.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let set = match text.trim_start().starts_with('{') {
            true => Self::jwks(text.as_bytes()),
            false => Self::pem(text),
        }?;
        let unnamed = |algorithm: &Algorithm| {
            set.keys.iter().filter(|key| key.kid.is_none() && key.algorithms.contains(algorithm)).count()
        };
        match set.keys.iter().flat_map(|key| &key.algorithms).any(|algorithm| unnamed(algorithm) > TRIES_MAX) {
            true => Err(KeyError::Unnamed),
            false => Ok(set),
        }
    }

    /// From a JSON Web Key Set. Keys of kinds that we do not know are left out (RFC 7517, 5), and so are those that
    /// are not for signatures, that are weak, and that should be nobody's to see; one good key must be there.
    pub fn jwks(bytes: &[u8]) -> Result<Self, KeyError> {
        let set: Value = serde_json::from_slice(bytes).map_err(|_| KeyError::Unreadable)?;
        let rows = set.get("keys").and_then(Value::as_array).ok_or(KeyError::Unreadable)?;
        if rows.len() > KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        let (mut keys, mut why) = (Vec::new(), Vec::new());
        for row in rows {
            match Key::jwk(row) {
                Ok(key) => keys.push(key),
                Err(reason) => why.push(reason),
            }
        }
        match (keys.is_empty(), why.contains(&PRIVATE)) {
            (false, _) => Ok(Self { keys }),
            (true, true) => Err(KeyError::Private),
            (true, false) => {
                Err(KeyError::NoKey(if why.is_empty() { "there is none".to_owned() } else { why.join("; ") }))
            }
        }
    }

    fn pem(text: &str) -> Result<Self, KeyError> {
        let blocks: Vec<&str> = blocks(text).collect();
        match blocks.len() {
            0 => return Err(KeyError::Unreadable),
            number if number > KEYS_MAX => return Err(KeyError::TooMany),
            _ => {}
        }
        let keys = blocks.into_iter().map(Key::pem).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// A secret that is shared with the issuer: for HMAC, and for nothing else.
    pub fn secret(secret: &[u8], algorithms: &[String]) -> Result<Self, KeyError> {
        let needed = match algorithms.iter().map(String::as_str).max() {
            Some("HS512") => 64,
            Some("HS384") => 48,
            _ => SECRET_MIN,
        };
        if secret.len() < needed {
            return Err(KeyError::ShortSecret(needed));
        }
        let algorithms = vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        let decoding = DecodingKey::from_secret(secret);
        Ok(Self { keys: vec![Key { kid: None, algorithms, decoding }] })
    }

    /// The keys that may have made a signature by `algorithm`: those of this `kid`; without one in the token all, and
    /// where no key has one all too, since files of PEM have none.
    pub(crate) fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        let fits = move |key: &&Key| key.algorithms.contains(&algorithm);
        let named = move |key: &&Key| kid.is_none() || key.kid.is_none() || key.kid.as_deref() == kid;
        self.keys.iter().filter(named).filter(fits)
    }

    /// Whether a key has this `kid`, or might have made any token.
    pub(crate) fn knows(&self, kid: Option<&str>) -> bool {
        kid.is_none() || self.keys.iter().any(|key| key.kid.is_none() || key.kid.as_deref() == kid)
    }
}

const PRIVATE: &str = "a private key";

impl Key {
    fn jwk(row: &Value) -> Result<Self, &'static str> {
        if ["d", "p", "q", "k"].iter().any(|part| row.get(part).is_some()) {
            return Err(PRIVATE);
        }
        let jwk = Jwk::deserialize_from(row)?;
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return Err("a key for encryption");
        }
        if common.key_operations.as_ref().is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return Err("a key that may not verify");
        }
        let mut algorithms = by_type(&jwk.algorithm)?;
        if let Some(only) = common.key_algorithm {
            let only = Algorithm::try_from(only).map_err(|_| "a key with an algorithm that we do not know")?;
            algorithms.retain(|algorithm| *algorithm == only);
            if algorithms.is_empty() {
                return Err("a key whose `alg` does not belong to its type");
            }
        }
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| "a key that is not well formed")?;
        Ok(Self { kid: common.key_id.clone(), algorithms, decoding })
    }

    fn pem(block: &str) -> Result<Self, KeyError> {
        if block.lines().next().is_some_and(|first| first.contains("PRIVATE")) {
            return Err(KeyError::Private);
        }
        let bytes = block.as_bytes();
        let none = |why: &str| KeyError::NoKey(why.to_owned());
        let (decoding, algorithms) = if let Ok(key) = DecodingKey::from_rsa_pem(bytes) {
            let strong = key.try_get_as_bytes().is_ok_and(strong);
            (
                strong.then_some(key).ok_or_else(|| none("an RSA key of less than 2048 or more than 4096 bits"))?,
                RSA.to_vec(),
            )
        } else if let Ok(key) = DecodingKey::from_ec_pem(bytes) {
            // An uncompressed point: its length tells the curve.
            let algorithm = match key.try_get_as_bytes().map(<[u8]>::len) {
                Ok(65) => Algorithm::ES256,
                Ok(97) => Algorithm::ES384,
                _ => return Err(none("a curve other than P-256 and P-384")),
            };
            (key, vec![algorithm])
        } else if let Ok(key) = DecodingKey::from_ed_pem(bytes) {
            if !key.try_get_as_bytes().is_ok_and(|point| point.len() == 32) {
                return Err(none("a curve other than Ed25519"));
            }
            (key, vec![Algorithm::EdDSA])
        } else {
            return Err(none("it is none of RSA, P-256, P-384 and Ed25519"));
        };
        Ok(Self { kid: None, algorithms, decoding })
    }
}

/// What a key's type can verify, where it is strong enough to.
fn by_type(parameters: &AlgorithmParameters) -> Result<Vec<Algorithm>, &'static str> {
    match parameters {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = BASE64_URL_SAFE_NO_PAD.decode(&rsa.n).map_err(|_| "a modulus that is not base64url")?;
            let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
            let high = modulus.iter().find(|byte| **byte != 0).is_some_and(|byte| byte & 0x80 != 0);
            match significant {
                MODULUS_MIN if !high => Err("an RSA key of less than 2048 bits"),
                MODULUS_MIN..=MODULUS_MAX => Ok(RSA.to_vec()),
                0..MODULUS_MIN => Err("an RSA key of less than 2048 bits"),
                _ => Err("an RSA key of more than 4096 bits"),
            }
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 if are(32, &[&key.x, &key.y]) => Ok(vec![Algorithm::ES256]),
            EllipticCurve::P384 if are(48, &[&key.x, &key.y]) => Ok(vec![Algorithm::ES384]),
            EllipticCurve::P256 | EllipticCurve::P384 => Err("a point that is not as long as its curve says"),
            _ => Err("a curve other than P-256 and P-384"),
        },
        AlgorithmParameters::OctetKeyPair(key) => match key.curve {
            EllipticCurve::Ed25519 if are(32, &[&key.x]) => Ok(vec![Algorithm::EdDSA]),
            _ => Err("a curve other than Ed25519"),
        },
        _ => Err("a kind of key that we do not know"),
    }
}

/// Whether each is so many bytes in base64url.
fn are(bytes: usize, texts: &[&str]) -> bool {
    texts.iter().all(|text| BASE64_URL_SAFE_NO_PAD.decode(text).is_ok_and(|all| all.len() == bytes))
}

/// Whether a PKCS#1 key's modulus has 2048 to 4096 bits: `SEQUENCE { INTEGER n, … }`, and n begins with a zero byte.
fn strong(der: &[u8]) -> bool {
    let length = |at: usize| usize::from(der[at]) << 8 | usize::from(der[at + 1]);
    let shaped = der.len() > 8 && der[..2] == [0x30, 0x82] && der[4..6] == [0x02, 0x82];
    // As long as the longest with its zero byte, but without one, it has more bits.
    shaped && length(6) > MODULUS_MIN && length(6) <= MODULUS_MAX + usize::from(der[8] == 0)
}

/// The blocks of a PEM file, each with its own first and last line.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("-----BEGIN ").map(|(at, _)| at);
    starts.map(|at| {
        let rest = &text[at..];
        let end = rest.find("-----END ").map(|end| end + rest[end..].find('\n').unwrap_or(rest.len() - end));
        &rest[..end.unwrap_or(rest.len())]
    })
}

trait FromRow: Sized {
    fn deserialize_from(row: &Value) -> Result<Self, &'static str>;
}

impl FromRow for Jwk {
    fn deserialize_from(row: &Value) -> Result<Self, &'static str> {
        serde_json::from_value(row.clone()).map_err(|_| "a key that is not well formed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modulus_is_neither_short_nor_long() {
        let key = |length: usize, first: u8| {
            let [high, low] = (length as u16).to_be_bytes();
            let mut der = vec![0x30, 0x82, 0x10, 0x00, 0x02, 0x82, high, low, first];
            der.resize(9 + length, 0x81);
            strong(&der)
        };
        assert!(key(257, 0) && key(513, 0));
        assert!(!key(256, 0x7f) && !key(513, 0x01) && !key(514, 0) && !key(1025, 0));
    }
}
