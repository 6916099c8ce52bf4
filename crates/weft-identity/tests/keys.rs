//! Files of keys: which are taken, which key of a set a token is verified by, and which keys verify nothing.

mod support;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use support::*;
use weft_identity::{Demand, KeyError, KeySet};

fn der(key: &str) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).expect("a key")
}

fn rsa_jwk() -> Value {
    let pair = rsa::KeyPair::from_pkcs8(der(RSA).secret_pkcs8_der()).expect("a key");
    let parts: rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
    json!({ "kty": "RSA", "n": encode(parts.n), "e": encode(parts.e) })
}

fn ec_jwk() -> Value {
    let random = ring::rand::SystemRandom::new();
    let key = der(EC);
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der(), &random).expect("a key");
    let point = pair.public_key().as_ref();
    json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
}

fn ed_jwk() -> Value {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der(ED).secret_pkcs8_der()).expect("a key");
    json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
}

fn with(mut jwk: Value, more: Value) -> Value {
    jwk.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    jwk
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn signed(alg: &str, key: &str, kid: Value) -> String {
    raw(&header(alg, kid), &claims(json!({})), alg, key)
}

#[test]
fn a_set_of_keys_is_chosen_from_by_kid_and_by_algorithm() {
    let guard = by(&set(&[
        with(rsa_jwk(), json!({"kid": "r", "use": "sig"})),
        with(ec_jwk(), json!({"kid": "e", "alg": "ES256", "key_ops": ["verify"]})),
        with(ed_jwk(), json!({"kid": "d"})),
    ]));
    for (alg, key, kid) in [("RS256", RSA, "r"), ("PS256", RSA, "r"), ("ES256", EC, "e"), ("EdDSA", ED, "d")] {
        assert!(bearer(&guard, &signed(alg, key, json!({"kid": kid}))).is_ok(), "{alg}");
        assert!(bearer(&guard, &signed(alg, key, json!({}))).is_ok(), "{alg}: the only key of its type");
    }
    let unknown = "credential-invalid: the signature is not by a known key";
    for kid in [json!({"kid": "x"}), json!({"kid": ""}), json!({"kid": "e"}), json!({"kid": "../../dev/null"})] {
        assert_eq!(why(&guard, &signed("RS256", RSA, kid)), unknown);
    }
    assert!(why(&guard, &signed("RS256", RSA, json!({"kid": 7}))).contains("header cannot be read"));
}

#[test]
fn a_key_that_says_its_algorithm_or_its_use_is_held_to_it() {
    let unknown = "credential-invalid: the signature is not by a known key";
    let token = signed("RS256", RSA, json!({}));
    assert_eq!(why(&by(&set(&[with(rsa_jwk(), json!({"alg": "PS256"}))])), &token), unknown);
    let good = with(ed_jwk(), json!({}));
    for other in [
        json!({"use": "enc"}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": []}),
        json!({"alg": "RSA-OAEP"}),
        json!({"alg": "ES256"}),
        json!({"alg": "HS256"}),
        json!({"use": "x"}),
    ] {
        assert_eq!(why(&by(&set(&[with(rsa_jwk(), other.clone()), good.clone()])), &token), unknown, "{other}");
    }
}

#[test]
fn keys_of_other_kinds_are_left_out_and_a_set_without_a_good_one_is_refused() {
    let odd = [
        json!({"kty": "oct", "k": encode([7; 64])}),
        json!({"kty": "EC", "crv": "P-521", "x": encode([1; 66]), "y": encode([1; 66])}),
        json!({"kty": "OKP", "crv": "X25519", "x": encode([1; 32])}),
        json!({"kty": "future", "z": 1}),
        json!({"kty": "RSA", "n": encode([0xff; 128]), "e": "AQAB"}),
        json!({"kty": "RSA", "n": encode([0xff; 1024]), "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "x": encode([1; 31]), "y": encode([1; 32])}),
        json!(7),
    ];
    let mut all = odd.to_vec();
    all.push(rsa_jwk());
    assert!(bearer(&by(&set(&all)), &token(json!({}))).is_ok());
    for one in &odd {
        assert!(KeySet::parse(&set(std::slice::from_ref(one))).is_err(), "{one}");
    }
    // Also where HMAC is allowed: a secret in a set of public keys is nobody's secret.
    let secret = "0123456789abcdef0123456789abcdef";
    let keys = KeySet::parse(&set(&[json!({"kty": "oct", "k": encode(secret)}), rsa_jwk()])).expect("one good key");
    let lax = guard(options(&["RS256", "HS256"]), keys, Demand::default());
    let forged = raw(&header("HS256", json!({})), &claims(json!({})), "HS256", secret);
    assert_eq!(why(&lax, &forged), "credential-invalid: the signature is not by a known key");
}

#[test]
fn files_that_hold_no_public_key_are_refused_for_what_they_are() {
    let told = |text: &str| KeySet::parse(text).expect_err("refused").to_string();
    assert!(told("").contains("neither PEM nor"));
    assert!(told("hello").contains("neither PEM nor"));
    assert!(told("{}").contains("neither PEM nor"));
    assert!(told("{\"keys\": 7}").contains("neither PEM nor"));
    assert!(told(&set(&[])).contains("no key in it"));
    for private in [RSA, EC, ED] {
        assert!(told(private).contains("private key"), "{}", told(private));
    }
    let private = with(rsa_jwk(), json!({"d": "AQAB"}));
    assert!(told(&set(&[private])).contains("private key"));
    assert!(told(include_str!("keys/weak.pub.pem")).contains("2048"));
    assert!(told(include_str!("keys/p521.pub.pem")).contains("P-256"), "{}", told(include_str!("keys/p521.pub.pem")));
    assert!(told(&set(&vec![rsa_jwk(); 65])).contains("more than"));
    assert!(told("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").contains("none of RSA"));
}

#[test]
fn several_keys_in_one_file_of_pem_are_tried_in_turn() {
    let guard = by(&format!("{EC_PUBLIC}\n{RSA_PUBLIC}"));
    assert!(bearer(&guard, &token(json!({}))).is_ok());
    assert!(bearer(&guard, &signed("ES256", EC, json!({"kid": "any"}))).is_ok(), "PEM has no names");
    assert!(bearer(&guard, &signed("EdDSA", ED, json!({}))).is_err());
    let many = |number: usize| KeySet::parse(&format!("{EC_PUBLIC}\n").repeat(number)).map(drop);
    assert!(many(8).is_ok());
    assert_eq!(many(9), Err(KeyError::Unnamed), "a ninth would never be tried");
    let padded = BASE64_URL_SAFE_NO_PAD.decode(rsa_jwk()["n"].as_str().expect("text")).expect("base64");
    let padded = with(rsa_jwk(), json!({"n": encode([&[0][..], &padded].concat())}));
    assert!(bearer(&by(&set(&[padded])), &token(json!({}))).is_ok(), "a zero before the modulus");
}
