//! What a browser keeps for us and may neither read nor change: sealed with AES-256-GCM.
//!
//! ```text
//! base64url( nonce (12 bytes) │ ciphertext │ tag (16 bytes) )        key = HKDF-SHA256(node's key, what it is for)
//! ```
//!
//! The first of the node's keys seals, every one opens: a new one is put first, and the old one taken away once what it has
//! sealed has expired.

use ::ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::keys::KeyError;

const KEY_BYTES: usize = 32;
/// Keys that open. More would be tried in vain for each bad cookie.
const KEYS_MAX: usize = 4;

/// Random bytes as text, for what nobody may guess.
pub(crate) fn random() -> Result<String, KeyError> {
    let mut bits = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut bits).map_err(|_| KeyError::Random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bits))
}

/// The keys of a node by which sessions are sealed. Never printed.
#[derive(Clone)]
pub struct SessionKeys(Vec<[u8; KEY_BYTES]>);

impl SessionKeys {
    /// One key a line, each 32 bytes in base64url. Empty lines and those with `#` at their beginning are left out.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = |line: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(line.trim_end_matches('=')).ok()?;
            <[u8; KEY_BYTES]>::try_from(bytes).ok()
        };
        let keys: Option<Vec<_>> = lines.map(key).collect();
        match keys.filter(|keys| (1..=KEYS_MAX).contains(&keys.len())) {
            Some(keys) => Ok(Self(keys)),
            None => Err(KeyError::Sessions("it is not one to four lines of 32 bytes in base64url".to_owned())),
        }
    }

    /// The text of a file with one new key.
    pub fn generate() -> Result<String, KeyError> {
        random().map(|key| key + "\n")
    }

    pub(crate) fn sealer(&self, purpose: &[&str]) -> Result<Sealer, KeyError> {
        // Lengths, so that two purposes never run together.
        let info: Vec<u8> =
            purpose.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat()).collect();
        let derive = |key: &[u8; KEY_BYTES]| {
            let extracted = Salt::new(HKDF_SHA256, b"weft session 1").extract(key);
            let mut derived = [0; KEY_BYTES];
            extracted.expand(&[&info], &AES_256_GCM).ok()?.fill_to(&mut derived)?;
            Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived).ok()?))
        };
        self.0.iter().map(derive).collect::<Option<_>>().map(Sealer).ok_or(KeyError::Random)
    }
}

/// An expansion's bytes, out of what ring makes of it.
trait FillTo {
    fn fill_to(self, into: &mut [u8; KEY_BYTES]) -> Option<()>;
}

impl FillTo for ::ring::hkdf::Okm<'_, &'static ::ring::aead::Algorithm> {
    fn fill_to(self, into: &mut [u8; KEY_BYTES]) -> Option<()> {
        self.fill(into).ok()
    }
}

/// Seals and opens for one purpose.
pub(crate) struct Sealer(Vec<LessSafeKey>);

impl Sealer {
    /// `kind` has to be said again to open it.
    pub(crate) fn seal(&self, kind: &str, text: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = text.to_vec();
        let (key, aad) = (self.0.first()?, Aad::from(kind.as_bytes()));
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some(BASE64_URL_SAFE_NO_PAD.encode([&nonce, sealed.as_slice()].concat()))
    }

    /// `None`: it is not by us, not of this kind, or was changed.
    pub(crate) fn open(&self, kind: &str, text: &str) -> Option<Vec<u8>> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = <[u8; NONCE_LEN]>::try_from(nonce).ok()?;
        self.0.iter().find_map(|key| {
            let mut opened = sealed.to_vec();
            let length = {
                let aad = Aad::from(kind.as_bytes());
                key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut opened).ok()?.len()
            };
            opened.truncate(length);
            Some(opened)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> SessionKeys {
        SessionKeys::parse(&SessionKeys::generate().expect("random")).expect("a key")
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_same_key_for_the_same_purpose_alone() {
        let keys = keys();
        let sealer = keys.sealer(&["shop", "staff"]).expect("a sealer");
        let sealed = sealer.seal("session", b"alice").expect("sealed");
        assert_ne!(sealed, sealer.seal("session", b"alice").expect("sealed"), "nothing is told by what is the same");
        assert_eq!(sealer.open("session", &sealed).as_deref(), Some(&b"alice"[..]));
        assert_eq!(sealer.open("login", &sealed), None, "of another kind");
        for other in [&["shop", "other"], &["shops", "taff"]] {
            assert_eq!(keys.sealer(other).expect("a sealer").open("session", &sealed), None, "{other:?}");
        }
        let other = super::tests::keys().sealer(&["shop", "staff"]).expect("a sealer");
        assert_eq!(other.open("session", &sealed), None, "another node");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(sealer.open("session", &changed), None, "byte {at}");
        }
        for bad in ["", "AAAA", &sealed[..20], &"A".repeat(5000)] {
            assert_eq!(sealer.open("session", bad), None);
        }
    }

    #[test]
    fn a_new_key_seals_and_the_old_one_still_opens() {
        let (old, new) = (SessionKeys::generate().expect("random"), SessionKeys::generate().expect("random"));
        let of = |text: &str| SessionKeys::parse(text).expect("keys").sealer(&["a"]).expect("a sealer");
        let before = of(&old).seal("s", b"x").expect("sealed");
        let both = of(&format!("# newest first\n{new}\n{old}"));
        assert!(both.open("s", &before).is_some());
        let after = both.seal("s", b"x").expect("sealed");
        assert!(of(&new).open("s", &after).is_some() && of(&old).open("s", &after).is_none());
        for bad in ["", "# none", "short", &new.repeat(5), "nöt base64"] {
            assert!(SessionKeys::parse(bad).is_err(), "{bad}");
        }
    }
}
