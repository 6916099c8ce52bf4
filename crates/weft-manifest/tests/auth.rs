//! `[auth]` and what names it: what is taken, and every way to get it wrong.

use std::{fs, path::Path};

use weft_manifest::{Application, Auth, Disk, Keys, Look, load, load_text};
use weft_types::Digest;

const BEGIN: &str = "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"api.wasm\"\n";
const STAFF: &str = "[auth.staff.jwt]\nissuer = \"https://id.example\"\naudience = [\"orders\"]\nalgorithms = [\"RS256\"]\nkeys = \"k.pem\"\n";

fn load_skip(text: &str) -> Result<Application, String> {
    load_text("weft.toml", text, Path::new("/nowhere"), Disk::Skip).map_err(|report| report.render(Look::default()))
}

/// The report of a manifest that is wrong, in short: `line:column code message`.
fn bad(text: &str) -> Vec<String> {
    let report = load_text("weft.toml", text, Path::new("/nowhere"), Disk::Skip).expect_err(text);
    let short = |p: &weft_manifest::Problem| format!("{}:{} {} {}", p.line, p.column, p.code, p.message);
    report.problems.iter().map(short).collect()
}

fn route(policy: &str) -> String {
    format!("{BEGIN}{STAFF}[[route]]\npath = \"/a\"\ncomponent = \"api\"\npolicy = {{ {policy} }}\n")
}

#[test]
fn a_declaration_is_resolved_with_its_defaults_and_its_keys_are_part_of_the_revision() {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("api.wasm"), b"").expect("written");
    fs::write(folder.path().join("k.pem"), "one").expect("written");
    fs::write(folder.path().join("weft.toml"), route("auth = \"staff\"")).expect("written");
    let one = load(folder.path()).expect("good");
    let Auth::Jwt(jwt) = &one.auth["staff"] else { panic!("a jwt") };
    assert_eq!((jwt.leeway.as_secs(), &*jwt.identity, &jwt.tenant), (30, "sub", &None));
    assert_eq!(jwt.keys, Keys::Text("one".to_owned()));
    assert_eq!(Application::from_json(&one.to_json()).expect("reads").auth, one.auth);
    fs::write(folder.path().join("k.pem"), "two").expect("written");
    let two = load(folder.path()).expect("good");
    let revision = |app: &Application| app.revision(&Default::default(), &Default::default());
    assert_ne!(revision(&one), revision(&two), "other keys are another revision");
}

#[test]
fn a_policy_names_one_several_or_none_and_the_nearest_level_wins() {
    let says = |policy: &str| {
        let application = load_skip(&route(policy)).unwrap_or_else(|report| panic!("{report}"));
        let again = Application::from_json(&application.to_json()).expect("reads");
        assert_eq!(again.lower(Digest([0; 32]))[0].policy, application.lower(Digest([0; 32]))[0].policy);
        application.lower(Digest([0; 32]))[0].policy.auth.clone()
    };
    for policy in ["auth = \"staff\"", "auth = [\"staff\"]", "auth = { any = [\"staff\"] }"] {
        let auth = says(policy);
        assert_eq!((auth.any, auth.optional, auth.roles), (vec!["staff".into()], false, Vec::new()), "{policy}");
    }
    let auth = says("auth = { any = [\"staff\"], optional = true, roles = [\"a\", \"b\"] }");
    assert_eq!((auth.optional, auth.roles), (true, vec!["a".into(), "b".into()]));
    assert!(!says("auth = \"none\"").asks() && !says("auth = []").asks());
    let text = route("auth = \"none\"").replace("[component.api]", "[policy]\nauth = \"staff\"\n[component.api]");
    assert!(!load_skip(&text).expect("good").lower(Digest([0; 32]))[0].policy.auth.asks());
    let text = text.replace("auth = \"none\"", "timeout = \"1s\"");
    assert!(load_skip(&text).expect("good").lower(Digest([0; 32]))[0].policy.auth.asks());
}

#[test]
fn a_name_that_is_not_declared_is_told_where_it_stands() {
    let wrong = |at: &str, name: &str| vec![format!("{at} manifest-reference there is no auth `{name}`")];
    assert_eq!(bad(&route("auth = \"staf\"")), wrong("13:19", "staf"));
    assert_eq!(bad(&route("auth = [\"staff\", \"guests\"]")), wrong("13:29", "guests"));
    assert_eq!(bad(&route("auth = { any = [\"guests\"] }")), wrong("13:28", "guests"));
    let text = route("timeout = \"1s\"").replace("[component.api]", "[policy]\nauth = [\"x\"]\n[component.api]");
    assert_eq!(bad(&text), wrong("4:9", "x"));
    assert_eq!(
        bad(&route("auth = { any = [], roles = [\"admin\"] }"))[0],
        "13:27 manifest-missing `auth` names no declaration that could prove who is calling"
    );
    assert_eq!(
        bad(&route("auth = true"))[0],
        "13:19 manifest-type `route.policy.auth` must be a string, not a boolean"
    );
    assert_eq!(
        bad(&route("auth = { any = [\"staff\"], role = [\"a\"] }"))[0],
        "13:38 manifest-unknown-key unknown key `role` in `route.policy.auth`"
    );
}

#[test]
fn a_declaration_that_could_prove_nothing_or_too_much_is_refused() {
    let with = |from: &str, to: &str| bad(&route("auth = \"staff\"").replace(from, to));
    assert_eq!(
        with("audience = [\"orders\"]", "audience = []"),
        ["7:12 manifest-type `audience` is empty: no token could be good"]
    );
    assert_eq!(with("[\"RS256\"]", "[]"), ["8:14 manifest-type `algorithms` is empty: no token could be good"]);
    assert_eq!(with("[\"RS256\"]", "[\"none\"]"), ["8:15 manifest-type `auth.staff.jwt.algorithms` cannot be `none`"]);
    let confused = "8:24 manifest-type `HS256` needs a secret that both sides know, and public keys are none";
    assert_eq!(with("[\"RS256\"]", "[\"RS256\", \"HS256\"]"), [confused]);
    let confused = "8:15 manifest-type `RS256` needs a public key, and `secret` is none";
    assert_eq!(with("keys = \"k.pem\"", "secret = \"s\""), [confused]);
    assert_eq!(
        with("keys = \"k.pem\"\n", ""),
        ["5:13 manifest-missing `auth.staff.jwt` does not say where the keys are"]
    );
    assert_eq!(
        with("keys = \"k.pem\"", "keys = \"k\"\nsecret = \"s\"").last().expect("some"),
        "10:1 manifest-duplicate `keys` and `secret` exclude each other"
    );
    assert_eq!(with("keys = \"k.pem\"", "keys = \"k\"\nleeway = \"6m\""), ["10:10 manifest-type `leeway` is too long"]);
    let nothing = format!("{BEGIN}[auth.staff]\n");
    assert_eq!(bad(&nothing), ["5:7 manifest-missing `auth.staff` does not say what proves who is calling"]);
    let none = format!("{BEGIN}{}", STAFF.replace("staff", "none"));
    assert_eq!(bad(&none), ["5:7 manifest-type `none` cannot be the name of a declaration"]);
}

#[test]
fn a_limit_by_caller_needs_to_know_the_caller() {
    let limit = |by: &str, auth: &str| route(&format!("rate-limit = {{ rate = \"1/s\", by = \"{by}\" }}{auth}"));
    for by in ["identity", "tenant"] {
        assert!(load_skip(&limit(by, ", auth = \"staff\"")).is_ok());
        let wanted =
            format!("10:1 manifest-missing `rate-limit` counts by `{by}`, and this route does not ask who is calling");
        assert_eq!(bad(&limit(by, "")), [wanted]);
    }
}

#[test]
fn published_keys_come_by_tls_and_are_not_thrown_away_at_once() {
    let with = |to: &str| route("auth = \"staff\"").replace("keys = \"k.pem\"", to);
    for good in ["https://id.example/keys", "http://127.0.0.1:8080/keys", "http://localhost/keys"] {
        let application =
            load_skip(&with(&format!("jwks-url = \"{good}\""))).unwrap_or_else(|report| panic!("{report}"));
        let Auth::Jwt(jwt) = &application.auth["staff"] else { panic!("a jwt") };
        let Keys::Url(published) = &jwt.keys else { panic!("a URL") };
        assert_eq!((&*published.url, published.max_age.as_secs()), (good, 3600));
        assert_eq!(Application::from_json(&application.to_json()).expect("reads").auth, application.auth);
    }
    let open =
        "9:12 manifest-type `http://id.example/keys` is not secured: whoever is on the way could give keys of his own";
    assert_eq!(bad(&with("jwks-url = \"http://id.example/keys\"")), [open]);
    let short = bad(&with("jwks-url = \"https://id.example/keys\"\nkeys-max-age = \"59s\""));
    assert_eq!(short, ["10:16 manifest-type `keys-max-age` is too short"]);
    let idle = bad(&with("keys = \"k\"\nkeys-max-age = \"2h\""));
    assert_eq!(idle, ["10:1 manifest-type `keys-max-age` has no effect: nothing is fetched"]);
}

#[test]
fn keys_are_declared_by_their_hashes() {
    let hash = format!("sha256:{}", "0f".repeat(32));
    let text = |header: &str, hash: &str| {
        format!(
            "{BEGIN}[auth.partners.api-key]\nheader = \"{header}\"\nkeys.ci = {{ hash = \"{hash}\", tenant = \"acme\", roles = [\"read\"] }}\n"
        )
    };
    let application = load_skip(&text("x-key", &hash)).unwrap_or_else(|report| panic!("{report}"));
    let Auth::ApiKey(keys) = &application.auth["partners"] else { panic!("keys") };
    assert_eq!(
        (&*keys.header, &*keys.keys["ci"].hash, keys.keys["ci"].tenant.as_deref()),
        ("x-key", &*hash, Some("acme"))
    );
    assert_eq!(Application::from_json(&application.to_json()).expect("reads").auth, application.auth);
    let wrong = "7:20 manifest-type the hash of key `ci` is not `sha256:` and 64 hexadecimal digits";
    for key in ["wk_abc", "sha256:", &hash[..70], &hash.replace('0', "g")] {
        assert_eq!(bad(&text("x-key", key)), [wrong], "{key}");
    }
    assert_eq!(
        bad(&text("authorization", &hash)),
        ["6:10 manifest-type `authorization` cannot hold a key: it means something else"]
    );
    assert!(bad(&text("X-Key", &hash))[0].contains("cannot be `X-Key`"));
}
