//! Keys that are sent in a header: 256 random bits, of which only the SHA-256 is kept.
//!
//! A key that is random needs no slow hash: there is nothing to guess. It is found by its hash, so that no comparison
//! tells how much of it was right.

use std::{collections::HashMap, sync::Arc};

use ::ring::rand::{SecureRandom, SystemRandom};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};
use weft_types::{Identity, Name};

use crate::{
    cache::{self, Hash},
    denied::{Denied, challenge},
    guard::Found,
    keys::KeyError,
    person,
};

/// What begins every key, so that one in the wrong place is recognised.
const PREFIX: &str = "wk_";
/// Longer values are refused unread.
const BYTES_MAX: usize = 512;

/// One key, by what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Who it is: what the caller is known by.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub hash: String,
    pub tenant: Option<String>,
    pub roles: Vec<String>,
}

/// The keys of one declaration.
pub struct ApiKeys {
    auth: Name,
    header: HeaderName,
    known: HashMap<Hash, Arc<Identity>>,
}

impl ApiKeys {
    pub fn new(auth: Name, header: HeaderName, keys: &[ApiKey]) -> Result<Self, KeyError> {
        let wrong = |key: &ApiKey, why: &str| KeyError::ApiKey { name: key.name.clone(), why: why.to_owned() };
        let mut known = HashMap::new();
        for key in keys {
            let hash =
                read(&key.hash).ok_or_else(|| wrong(key, "its hash is not `sha256:` and 64 hexadecimal digits"))?;
            let roles = key.roles.iter().map(|role| Arc::from(role.as_str())).collect();
            let identity = person::identity(&auth, &key.name, key.tenant.as_deref(), roles);
            let identity = identity.map_err(|denied| wrong(key, denied.why))?;
            if known.insert(hash, Arc::new(identity)).is_some() {
                return Err(wrong(key, "another one has the same hash"));
            }
        }
        Ok(Self { auth, header, known })
    }

    pub(crate) fn check(&self, headers: &HeaderMap) -> Found {
        let mut fields = headers.get_all(&self.header).iter();
        let Some(field) = fields.next() else { return Found::Absent };
        if fields.next().is_some() {
            return Found::Bad(Denied::invalid("the key was sent several times"));
        }
        if field.len() > BYTES_MAX {
            return Found::Bad(Denied::invalid("the key is too long"));
        }
        match self.known.get(&cache::hash(field.as_bytes())) {
            Some(identity) => Found::Good(Arc::clone(identity)),
            None => Found::Bad(Denied::invalid("the key is not known")),
        }
    }

    pub(crate) fn challenge(&self, denied: Option<&Denied>) -> Option<HeaderValue> {
        let told = challenge("ApiKey", self.auth.as_str(), denied)?;
        HeaderValue::try_from(format!("{}, header=\"{}\"", told.to_str().ok()?, self.header)).ok()
    }
}

/// A new key, and the hash by which it is declared. The key is nowhere else.
pub fn new_api_key() -> Result<(String, String), KeyError> {
    let mut bits = [0; 32];
    SystemRandom::new().fill(&mut bits).map_err(|_| KeyError::Random)?;
    let key = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bits));
    let hash = cache::hash(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok((key, format!("sha256:{hash}")))
}

fn read(text: &str) -> Option<Hash> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64 && digits.is_ascii())?;
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        let pair = &digits[2 * at..2 * at + 2];
        *byte = u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'))?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(all: &[(&str, &str)]) -> Result<ApiKeys, KeyError> {
        let of = |(name, hash): &(&str, &str)| ApiKey {
            name: (*name).to_owned(),
            hash: (*hash).to_owned(),
            tenant: Some("acme".to_owned()),
            roles: vec!["read".to_owned()],
        };
        let all: Vec<ApiKey> = all.iter().map(of).collect();
        ApiKeys::new(Name::new("partners").expect("a name"), HeaderName::from_static("x-api-key"), &all)
    }

    fn sent(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|value| {
            headers.append("x-api-key", HeaderValue::try_from(*value).expect("a value"));
        });
        headers
    }

    #[test]
    fn a_key_is_known_by_its_hash_and_by_nothing_else() {
        let (key, hash) = new_api_key().expect("random");
        let (other, _) = new_api_key().expect("random");
        assert!(key.len() == 46 && key.starts_with("wk_") && key != other, "{key}");
        let known = keys(&[("ci", &hash)]).expect("good");
        let Found::Good(ci) = known.check(&sent(&[&key])) else { panic!("it is known") };
        assert_eq!((&*ci.subject, ci.tenant.0.as_deref(), &*ci.roles[0]), ("ci", Some("acme"), "read"));
        for bad in [&other[..], "", &hash, &key[..45], &format!("{key} "), &"x".repeat(600)] {
            assert!(matches!(known.check(&sent(&[bad])), Found::Bad(_)), "{bad}");
        }
        assert!(matches!(known.check(&sent(&[&key, &key])), Found::Bad(_)), "twice");
        assert!(matches!(known.check(&sent(&[])), Found::Absent));
        let told = known.challenge(None).expect("a challenge");
        assert_eq!(told, "ApiKey realm=\"partners\", header=\"x-api-key\"");
    }

    #[test]
    fn hashes_that_are_none_or_that_are_there_twice_are_refused() {
        let (_, hash) = new_api_key().expect("random");
        assert!(keys(&[("a", &hash), ("b", &hash)]).is_err());
        for bad in [
            "",
            "sha256:",
            &hash[7..],
            &format!("{hash}0"),
            &hash.replace("sha256", "sha1"),
            &format!("sha256:{}", "+f".repeat(32)),
            &format!("sha256:{}", "é".repeat(32)),
        ] {
            assert!(keys(&[("a", bad)]).is_err(), "{bad}");
        }
        assert!(keys(&[("a\n", &hash)]).is_err());
    }
}
