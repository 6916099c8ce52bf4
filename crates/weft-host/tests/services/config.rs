use std::path::PathBuf;

use weft_host::{Folder, Grants, Isolation, Secret};
use weft_types::code;

use crate::bench::Bench;

fn secret(value: &str) -> Secret {
    Secret::new(value.to_owned().into())
}

fn grants() -> Grants {
    let mut grants = Grants::default();
    grants.config.insert("currency".into(), "EUR".into());
    grants.config.insert("empty".into(), String::new());
    grants.secrets.insert("payment-key".into(), secret("sk_live_1234"));
    grants.secret_env.insert("STRIPE".into(), secret("sk_env_5678"));
    grants.env.push(("MODE".into(), "test".into()));
    grants
}

#[tokio::test]
async fn configuration_and_secrets_are_read_by_key_and_secrets_are_never_listed() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", grants());
    let get = |path: &'static str| bench.text(&guest, path);
    assert_eq!(get("/config?key=currency").await, "EUR");
    assert_eq!(get("/config?key=payment-key").await, "sk_live_1234");
    assert_eq!(get("/config?key=other").await, "unset");
    assert_eq!(get("/config").await, "currency=EUR\nempty=");
    assert_eq!(get("/secret?name=STRIPE").await, "sk_env_5678");
    assert_eq!(get("/secret?name=MODE").await, "test");
    assert_eq!(get("/secret?name=PATH").await, "unset");
    let mut told = bench.lines.secrets.lock().clone();
    told.sort();
    assert_eq!(told, ["sk_env_5678", "sk_live_1234"], "the log must know what to mask");
}

#[test]
fn grants_show_their_secrets_by_name_alone() {
    let shown = format!("{:?}", grants());
    assert!(shown.contains("payment-key") && shown.contains("STRIPE"), "{shown}");
    assert!(!shown.contains("sk_"), "{shown}");
}

#[test]
fn grants_that_cannot_be_kept_refuse_the_deploy() {
    let bench = Bench::new();
    let refused = |grants: Grants| match bench.try_load("services-p2", Isolation::Request, grants) {
        Ok(_) => panic!("deployed"),
        Err(error) => (error.code(), error.to_string()),
    };
    let folder = |from: &str, to: &str| Folder { from: PathBuf::from(from), to: to.into(), write: false };

    let (code, text) = refused(Grants { files: vec![folder("/no/such/folder", "/a")], ..Grants::default() });
    assert_eq!(code, code::FILE_MISSING);
    assert!(text.contains("/no/such/folder cannot be opened"), "{text}");
    let (code, text) = refused(Grants { files: vec![folder("/etc/passwd", "/a")], ..Grants::default() });
    assert!(code == code::FILE_MISSING && text.contains("not a folder"), "{text}");
    let (code, text) = refused(Grants { files: vec![folder("/tmp", "/a"), folder("/etc", "/a")], ..Grants::default() });
    assert!(code == code::MANIFEST_DUPLICATE && text.contains("`/a`"), "{text}");

    let mut twice = grants();
    twice.config.insert("payment-key".into(), "x".into());
    let (code, text) = refused(twice);
    assert!(code == code::MANIFEST_DUPLICATE && text.contains("payment-key") && !text.contains("sk_"), "{text}");
    let mut twice = grants();
    twice.env.push(("STRIPE".into(), "x".into()));
    assert_eq!(refused(twice).0, code::MANIFEST_DUPLICATE);
}

#[test]
fn a_store_without_an_engine_refuses_the_deploy() {
    let bench = Bench::with(|services| services.stores = weft_host::Services::default().stores);
    let error = match bench.try_load("services-p2", Isolation::Request, crate::bench::stored()) {
        Ok(_) => panic!("deployed"),
        Err(error) => error,
    };
    assert_eq!(error.code(), code::MANIFEST_REFERENCE);
    assert!(error.to_string().contains("store `orders`"), "{error}");
}
