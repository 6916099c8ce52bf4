//! Tokens that others have made: the examples of RFC 7515, RFC 7520 and RFC 8037, and npm's `jose`.
//!
//! What the examples say is no identity: that a signature was found good shows in what is refused next, and that a changed one
//! is not, in being refused before.

mod support;

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use support::*;
use weft_identity::{Demand, KeySet};

/// RFC 7515, A.2 and A.3: `{"iss":"joe", "exp":1300819380, "http://example.com/is_root":true}`.
const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
/// RFC 7520, 4: "It’s a dangerous business, Frodo, going out your door. …"
const FRODO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

struct Example {
    of: &'static str,
    key: Value,
    token: String,
    /// What is wrong with it once its signature is good.
    then: &'static str,
}

fn examples() -> Vec<Example> {
    let joe = "the token is for another audience";
    let text = "the token is not well formed";
    let bilbo = json!({ "kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "e": "AQAB",
        "n": "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw" });
    let of = |of, key, head: &str, payload: &str, signature: &str, then| Example {
        of,
        key,
        token: format!("{head}.{payload}.{signature}"),
        then,
    };
    vec![
        of(
            "RFC 7515, A.2",
            json!({ "kty": "RSA", "e": "AQAB",
                "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" }),
            "eyJhbGciOiJSUzI1NiJ9",
            JOE,
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            joe,
        ),
        of(
            "RFC 7515, A.3",
            json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }),
            "eyJhbGciOiJFUzI1NiJ9",
            JOE,
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            joe,
        ),
        of(
            "RFC 7520, 4.1",
            bilbo.clone(),
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            FRODO,
            "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
            text,
        ),
        of(
            "RFC 7520, 4.2",
            bilbo,
            "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            FRODO,
            "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
            text,
        ),
        of(
            "RFC 8037, A.4",
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            "eyJhbGciOiJFZERTQSJ9",
            "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            text,
        ),
    ]
}

/// One letter of each part changed, which leaves it base64url.
fn changed(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let at = parts[part].len() / 2;
    let by = if &parts[part][at..=at] == "A" { "B" } else { "A" };
    parts[part].replace_range(at..=at, by);
    parts.join(".")
}

#[test]
fn examples_of_the_standards_are_signed_well_and_changed_ones_are_not() {
    let bad = "credential-invalid: the signature is not by a known key";
    for example in examples() {
        let mut options = options(ALL);
        options.issuer = "joe".to_owned();
        let keys = KeySet::parse(&json!({ "keys": [example.key] }).to_string()).expect("a key");
        let guard = guard(options, keys, Demand::default());
        assert_eq!(why(&guard, &example.token), format!("credential-invalid: {}", example.then), "{}", example.of);
        for part in [1, 2] {
            assert_eq!(why(&guard, &changed(&example.token, part)), bad, "{}, part {part}", example.of);
        }
    }
}

#[test]
fn the_shared_secret_of_an_example_verifies_it_and_another_does_not() {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let secret = BASE64_URL_SAFE_NO_PAD.decode("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg").expect("base64url");
    let token = format!(
        "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.{FRODO}.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"
    );
    let algorithms = ["HS256".to_owned()];
    let of = |secret: &[u8]| {
        guard(options(&["HS256"]), KeySet::secret(secret, &algorithms).expect("long enough"), Demand::default())
    };
    assert_eq!(why(&of(&secret), &token), "credential-invalid: the token is not well formed", "RFC 7520, 4.4");
    let mut other = secret;
    other[0] ^= 1;
    assert_eq!(why(&of(&other), &token), "credential-invalid: the signature is not by a known key");
}

#[test]
fn another_implementation_signs_what_we_take_and_every_trick_of_it_is_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let modules = root.join(".toolchain/npm/node_modules");
    assert!(modules.join("jose").is_dir(), "jose is missing: run `cargo xtask setup`");
    let made = Command::new("node")
        .arg(root.join("tests/idp/tokens.mjs"))
        .arg(&modules)
        .args(["https://id.example", "orders", &(NOW + 600).to_string()])
        .output()
        .expect("node starts: install Node.js 20 or later");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let guard = guard(options(ALL), KeySet::parse(&made["keys"].to_string()).expect("keys"), Demand::default());
    let all = |of: &str| made[of].as_object().expect("tokens").clone();
    for alg in ALL {
        let token = made["good"][alg].as_str().unwrap_or_else(|| panic!("no token by {alg}"));
        let who = bearer(&guard, token).unwrap_or_else(|denial| panic!("{alg}: {denial:?}"));
        assert_eq!(&*who.expect("somebody").subject, "alice", "{alg}");
        assert!(bearer(&guard, &changed(token, 2)).is_err(), "{alg}");
    }
    assert_eq!(all("bad").len(), 19);
    for (name, token) in all("bad") {
        let refused = why(&guard, token.as_str().expect("text"));
        assert!(refused.starts_with("credential-invalid: "), "{name}: {refused}");
    }
}
