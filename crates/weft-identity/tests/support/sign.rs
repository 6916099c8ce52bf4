//! Tokens as an issuer makes them, and as an attacker does. Used by the tests of the process too.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

pub(crate) const RSA: &str = include_str!("../keys/rsa.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("../keys/rsa.pub.pem");
pub(crate) const EC: &str = include_str!("../keys/ec.pem");
pub(crate) const EC_PUBLIC: &str = include_str!("../keys/ec.pub.pem");
pub(crate) const EC384: &str = include_str!("../keys/ec384.pem");
pub(crate) const EC384_PUBLIC: &str = include_str!("../keys/ec384.pub.pem");
pub(crate) const ED: &str = include_str!("../keys/ed.pem");
pub(crate) const ED_PUBLIC: &str = include_str!("../keys/ed.pub.pem");

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs what stands before the last dot.
pub(crate) fn sign(alg: &str, key: &str, message: &str) -> Vec<u8> {
    let der = || PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let (random, message) = (SystemRandom::new(), message.as_bytes());
    let rsa = |padding: &'static dyn signature::RsaEncoding| {
        let pair = rsa::KeyPair::from_pkcs8(der().secret_pkcs8_der()).expect("a key");
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(padding, &random, message, &mut signature).expect("signed");
        signature
    };
    let ecdsa = |how: &'static signature::EcdsaSigningAlgorithm| {
        let pair = EcdsaKeyPair::from_pkcs8(how, der().secret_pkcs8_der(), &random).expect("a key");
        pair.sign(&random, message).expect("signed").as_ref().to_vec()
    };
    let hmac = |hash| hmac::sign(&hmac::Key::new(hash, key.as_bytes()), message).as_ref().to_vec();
    match alg {
        "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
        "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
        "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
        "PS256" => rsa(&signature::RSA_PSS_SHA256),
        "PS384" => rsa(&signature::RSA_PSS_SHA384),
        "PS512" => rsa(&signature::RSA_PSS_SHA512),
        "ES256" => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        "ES384" => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        "EdDSA" => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der().secret_pkcs8_der()).expect("a key");
            pair.sign(message).as_ref().to_vec()
        }
        "HS256" => hmac(hmac::HMAC_SHA256),
        "HS384" => hmac(hmac::HMAC_SHA384),
        "HS512" => hmac(hmac::HMAC_SHA512),
        other => panic!("{other}"),
    }
}

/// A token of a header and claims as they are given.
pub(crate) fn raw(header: &str, claims: &str, alg: &str, key: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    format!("{message}.{}", encode(sign(alg, key, &message)))
}

/// A header with an algorithm, and what else it has.
pub(crate) fn header(alg: &str, more: Value) -> String {
    let mut header = json!({ "alg": alg, "typ": "JWT" });
    merge(&mut header, more);
    header.to_string()
}

/// Good claims at `now`, in seconds since the epoch, changed. `null` takes one out.
pub(crate) fn claims_at(now: u64, change: Value) -> String {
    let mut claims = json!({ "iss": "https://id.example", "aud": "orders", "sub": "alice", "exp": now + 600 });
    merge(&mut claims, change);
    claims.to_string()
}

fn merge(into: &mut Value, from: Value) {
    for (name, value) in from.as_object().expect("an object") {
        match value {
            Value::Null => drop(into.as_object_mut().expect("an object").remove(name)),
            value => into[name] = value.clone(),
        }
    }
}
