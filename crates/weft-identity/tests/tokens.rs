//! Tokens of every kind: the good ones are taken, and everything else is refused for the reason that it should be.

mod support;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use support::*;
use weft_identity::{Demand, KeySet, TOKEN_BYTES_MAX};
use weft_types::{Caller, code};

#[test]
fn each_algorithm_is_verified_by_a_key_of_its_type_and_by_no_other() {
    let keys = [
        (RSA, RSA_PUBLIC, &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        (EC, EC_PUBLIC, &["ES256"]),
        (EC384, EC384_PUBLIC, &["ES384"]),
        (ED, ED_PUBLIC, &["EdDSA"]),
    ];
    for (private, public, algorithms) in keys {
        for alg in algorithms {
            let token = raw(&header(alg, json!({})), &claims(json!({})), alg, private);
            let who = bearer(&by(public), &token).expect(alg).expect("somebody");
            assert_eq!((&*who.subject, &who.caller), ("alice", &Caller::Identity("staff/alice".into())));
            for (_, other, _) in keys.iter().filter(|(_, other, _)| *other != public) {
                assert_eq!(why(&by(other), &token), "credential-invalid: the signature is not by a known key", "{alg}");
            }
            let (message, signature) = token.rsplit_once('.').expect("dots");
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
            bytes[7] ^= 1;
            let changed = format!("{message}.{}", encode(bytes));
            assert_eq!(why(&by(public), &changed), "credential-invalid: the signature is not by a known key", "{alg}");
        }
    }
}

#[test]
fn claims_must_be_there_and_right() {
    let guard = by(RSA_PUBLIC);
    let taken = |change: Value| assert!(bearer(&guard, &token(change.clone())).is_ok(), "{change}");
    let refused = |change: Value, wanted: &str| assert_eq!(why(&guard, &token(change.clone())), wanted, "{change}");
    taken(json!({ "aud": ["other", "billing"] }));
    taken(json!({ "nbf": NOW + 30, "exp": NOW - 29 }));
    taken(json!({ "exp": NOW as f64 + 0.5, "iat": NOW }));
    let expired = "credential-expired: the token has expired";
    refused(json!({ "exp": NOW - 30 }), expired);
    refused(json!({ "exp": 0 }), expired);
    refused(json!({ "exp": null }), "credential-invalid: the token says no time of expiry");
    for bad in [json!("2030-01-01"), json!((NOW + 600).to_string()), json!(true)] {
        refused(json!({ "exp": bad }), "credential-invalid: a time in the token is no number");
    }
    refused(json!({ "exp": [NOW + 600] }), "credential-invalid: the token is not well formed");
    refused(json!({ "exp": -1 }), "credential-invalid: a time in the token is no time");
    refused(json!({ "nbf": NOW + 31 }), "credential-invalid: the token is not valid yet");
    refused(json!({ "nbf": "soon" }), "credential-invalid: a time in the token is no number");
    let issuer = "credential-invalid: the token is by another issuer";
    for bad in [json!(null), json!("https://id.example/"), json!(["https://id.example"]), json!("HTTPS://id.example")] {
        refused(json!({ "iss": bad }), issuer);
    }
    let audience = "credential-invalid: the token is for another audience";
    for bad in [json!(null), json!("orders2"), json!([]), json!(["order"]), json!(["orders", 7]), json!({"orders": 1})]
    {
        refused(json!({ "aud": bad }), audience);
    }
    for bad in [json!(null), json!(7)] {
        refused(json!({ "sub": bad }), "credential-invalid: the token names nobody");
    }
    for bad in ["", " alice", "a\r\nweft-identity: root", &"a".repeat(257)] {
        let wanted = "credential-invalid: the subject is empty, too long, or holds controls or white space at an end";
        refused(json!({ "sub": bad }), wanted);
    }
}

#[test]
fn no_algorithm_and_confused_keys_are_refused() {
    let guard = by(RSA_PUBLIC);
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let message = format!("{}.{}", encode(header(alg, json!({}))), encode(claims(json!({}))));
        assert_eq!(why(&guard, &format!("{message}.")), "credential-invalid: a part of the token is empty");
        let signed = format!("{message}.{}", encode(sign("RS256", RSA, &message)));
        assert_eq!(why(&guard, &signed), "credential-invalid: the token's algorithm is not allowed");
    }
    // The public key as the secret of an HMAC, as it lies in a file and as it is in there; also where HMAC is allowed.
    let trimmed = RSA_PUBLIC.trim();
    for secret in [RSA_PUBLIC, trimmed] {
        for alg in ["HS256", "HS384", "HS512"] {
            let confused = raw(&header(alg, json!({})), &claims(json!({})), alg, secret);
            assert_eq!(why(&guard, &confused), "credential-invalid: the token's algorithm is not allowed");
            let lax =
                support::guard(options(&["RS256", alg]), KeySet::parse(RSA_PUBLIC).expect("a key"), Demand::default());
            assert_eq!(why(&lax, &confused), "credential-invalid: the signature is not by a known key");
        }
    }
    let narrow = support::guard(options(&["PS256"]), KeySet::parse(RSA_PUBLIC).expect("a key"), Demand::default());
    assert_eq!(why(&narrow, &token(json!({}))), "credential-invalid: the token's algorithm is not allowed");
}

#[test]
fn a_shared_secret_is_for_hmac_and_long_enough() {
    let secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    for alg in ["HS256", "HS384", "HS512"] {
        let keys = KeySet::secret(secret.as_bytes(), &[alg.to_owned()]).expect("long enough");
        let guard = guard(options(&[alg]), keys, Demand::default());
        assert!(bearer(&guard, &raw(&header(alg, json!({})), &claims(json!({})), alg, secret)).is_ok(), "{alg}");
        let other = raw(&header(alg, json!({})), &claims(json!({})), alg, &secret[1..]);
        assert_eq!(why(&guard, &other), "credential-invalid: the signature is not by a known key");
        let error = KeySet::secret(&secret.as_bytes()[..31], &[alg.to_owned()]).expect_err("short");
        assert!(error.to_string().contains("shorter"), "{error}");
    }
}

#[test]
fn headers_that_ask_for_more_than_a_signature_are_refused() {
    let guard = by(RSA_PUBLIC);
    let of = |more: Value| raw(&header("RS256", more), &claims(json!({})), "RS256", RSA);
    let extension = "credential-invalid: the token needs an extension that is not understood";
    for more in [
        json!({"crit": ["exp"]}),
        json!({"crit": []}),
        json!({"crit": "b64"}),
        json!({"b64": true}),
        json!({"b64": false, "crit": ["b64"]}),
        json!({"crit": ["http://example.com/unknown"]}),
    ] {
        assert_eq!(why(&guard, &of(more.clone())), extension, "{more}");
    }
    let null = raw(r#"{"alg":"RS256","crit":null}"#, &claims(json!({})), "RS256", RSA);
    assert_eq!(why(&guard, &null), extension);
    for more in [json!({"zip": "DEF"}), json!({"enc": "A128GCM"})] {
        assert_eq!(why(&guard, &of(more)), "credential-invalid: the token is encrypted or compressed");
    }
    let nested = raw(&header("RS256", json!({"cty": "JWT"})), &token(json!({})), "RS256", RSA);
    assert_eq!(why(&guard, &nested), "credential-invalid: the token holds another one");
    for typ in ["dpop+jwt", "logout+jwt", "secevent+jwt", "JWE"] {
        assert_eq!(why(&guard, &of(json!({"typ": typ}))), "credential-invalid: the token is of another type");
    }
    for typ in [json!("JWT"), json!("jwt"), json!("at+jwt"), json!("application/at+JWT"), json!(null)] {
        assert!(bearer(&guard, &of(json!({"typ": typ}))).is_ok());
    }
}

#[test]
fn what_a_token_says_of_its_own_key_is_not_followed() {
    let guard = by(EC_PUBLIC);
    let jwk: Value = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
    for own in [
        json!({"jwk": jwk}),
        json!({"jku": "http://127.0.0.1:1/keys"}),
        json!({"x5u": "http://127.0.0.1:1/"}),
        json!({"x5c": ["MIIB"]}),
    ] {
        let forged = raw(&header("ES384", own.clone()), &claims(json!({})), "ES384", EC384);
        assert_eq!(why(&guard, &forged), "credential-invalid: the signature is not by a known key", "{own}");
    }
}

#[test]
fn text_that_is_no_token_is_refused() {
    let guard = by(RSA_PUBLIC);
    let good = token(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let &[head, body, signature] = parts.as_slice() else { panic!("three parts") };
    let bad = [
        "x".to_owned(),
        "..".to_owned(),
        format!("{head}.{body}"),
        format!("{good}.{signature}"),
        format!("{good}."),
        format!(".{body}.{signature}"),
        format!("{head}..{signature}"),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}=.{signature}"),
        format!("{head}.{body}.{signature}=="),
        format!("{head}.{body}.{signature} "),
        format!("{head}.{}.{signature}", encode("[]")),
        format!("{head}+.{body}.{signature}"),
        format!("{}.{body}.{signature}", encode("{}")),
        format!("{}.{body}.{signature}", encode("null")),
        format!("{}.{body}.{signature}", encode("{\"alg\":\"RS256\"")),
        format!("{}.{body}.{signature}", encode(b"\xff\xfe{")),
        format!("{}.{body}.{signature}", encode(r#"{"alg":"none","alg":"RS256"}"#)),
        format!("{}.{body}.{signature}", encode(r#"{"alg":["RS256"]}"#)),
    ];
    for token in bad {
        assert!(why(&guard, &token).starts_with("credential-invalid: "), "{token}");
    }
    let twice = r#"{"iss":"https://id.example","aud":"orders","sub":"bob","sub":"alice","exp":1900000000}"#;
    let twice = raw(&header("RS256", json!({})), twice, "RS256", RSA);
    assert_eq!(why(&guard, &twice), "credential-invalid: the token is not well formed");
    let huge = token(json!({ "padding": "x".repeat(TOKEN_BYTES_MAX) }));
    assert_eq!(why(&guard, &huge), "credential-invalid: the token is too long");
    // The last character of base64 has bits that mean nothing: there is one way to write a token.
    let last = signature.chars().last().expect("some");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).expect("base64url");
    let other = &alphabet[at ^ 1..=at ^ 1];
    let same = format!("{head}.{body}.{}{other}", &signature[..signature.len() - 1]);
    assert!(why(&guard, &same).starts_with("credential-invalid"), "{same}");
}

#[test]
fn the_header_is_read_in_one_way() {
    let (guard, good) = (by(RSA_PUBLIC), token(json!({})));
    let one = |value: String| ask(&guard, &[&value], NOW);
    assert!(one(format!("bearer {good}")).is_ok() && one(format!("BEARER   {good}")).is_ok());
    let twice = ask(&guard, &[&format!("Bearer {good}"), &format!("Bearer {good}")], NOW).expect_err("refused");
    assert_eq!((twice.code, &*twice.why), (code::CREDENTIAL_INVALID, "there are several authorization headers"));
    for bad in ["Bearer", "Bearer ", "Bearer é", &format!("Bearer {good},Bearer {good}"), &format!("Bearer {good} x")]
    {
        assert_eq!(one(bad.to_owned()).expect_err(bad).code, code::CREDENTIAL_INVALID, "{bad}");
    }
    for none in [&["Basic YWxpY2U6eA=="][..], &["Token x"], &[]] {
        let denial = ask(&guard, none, NOW).expect_err("refused");
        assert_eq!(denial.code, code::UNAUTHENTICATED);
        assert_eq!(denial.challenges, ["Bearer realm=\"staff\""]);
    }
    let denial = one("Bearer x.y.z".to_owned()).expect_err("refused");
    assert!(denial.challenges[0].to_str().expect("ASCII").contains("error=\"invalid_token\""), "{denial:?}");
}

#[test]
fn a_known_token_is_refused_once_it_expires() {
    let guard = by(RSA_PUBLIC);
    let token = format!("Bearer {}", token(json!({ "exp": NOW + 10 })));
    for now in [NOW, NOW + 20, NOW + 39] {
        assert!(ask(&guard, &[&token], now).is_ok(), "{now}");
    }
    assert_eq!(ask(&guard, &[&token], NOW + 40).expect_err("late").code, code::CREDENTIAL_EXPIRED);
}

#[test]
fn roles_are_demanded_and_whoever_is_nobody_may_pass_where_that_is_said() {
    let keys = KeySet::parse(RSA_PUBLIC).expect("a key");
    let demand =
        |optional, roles: &[&str]| Demand { optional, roles: roles.iter().map(|role| (*role).into()).collect() };
    let of = |roles: Value| token(json!({ "realm_access": { "roles": roles } }));
    let admins = guard(options(ALL), keys.clone(), demand(false, &["admin", "ops"]));
    let who = bearer(&admins, &of(json!(["dev", "ops"]))).expect("may").expect("somebody");
    assert_eq!(who.roles.iter().map(|role| &**role).collect::<Vec<_>>(), ["dev", "ops"]);
    assert!(bearer(&admins, &of(json!("admin dev"))).is_ok(), "one string with spaces");
    for roles in [json!([]), json!(["Admin"]), json!("administrator"), json!(null)] {
        assert_eq!(bearer(&admins, &of(roles.clone())).expect_err("may not").code, code::FORBIDDEN, "{roles}");
    }
    for roles in [json!(7), json!(["admin", 7]), json!(["a,admin"]), json!(vec!["r"; 65])] {
        assert_eq!(bearer(&admins, &of(roles.clone())).expect_err("bad").code, code::CREDENTIAL_INVALID, "{roles}");
    }
    let lax = guard(options(ALL), keys, demand(true, &[]));
    assert_eq!(ask(&lax, &[], NOW), Ok(None));
    assert!(bearer(&lax, &token(json!({}))).expect("good").is_some());
    assert_eq!(bearer(&lax, "x.y.z").expect_err("not nobody").code, code::CREDENTIAL_INVALID);
}

#[test]
fn a_tenant_that_is_asked_for_must_be_named() {
    let mut options = options(ALL);
    options.claims.tenant = Some("https://example.com/org.id".to_owned());
    let guard = guard(options, KeySet::parse(RSA_PUBLIC).expect("a key"), Demand::default());
    for (named, tenant) in [(json!("acme"), "acme"), (json!(42), "42")] {
        let who =
            bearer(&guard, &token(json!({ "https://example.com/org.id": named }))).expect("good").expect("somebody");
        assert_eq!(who.tenant.0.as_deref(), Some(tenant));
    }
    for bad in [json!(null), json!(1.5), json!(["acme"]), json!({"id": "acme"})] {
        let token = token(json!({ "https://example.com/org.id": bad }));
        assert_eq!(why(&guard, &token), "credential-invalid: the token names no tenant");
    }
}
