//! The committed document is the one that the types make, and holds together.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value;
use weft_api::openapi;

fn kept() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

/// `UPDATE_EXPECT=1 cargo test -p weft-api` writes it anew.
#[test]
fn docs_openapi_json_is_current() {
    let made = openapi::text();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(kept(), &made).unwrap();
    }
    let committed = std::fs::read_to_string(kept()).unwrap_or_default();
    assert!(committed == made, "docs/openapi.json is not current: UPDATE_EXPECT=1 cargo test -p weft-api");
}

fn walk(value: &Value, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            see(key, value);
            walk(value, see);
        }),
        Value::Array(all) => all.iter().for_each(|value| walk(value, see)),
        _ => {}
    }
}

#[test]
fn every_reference_is_kept_and_every_schema_is_used() {
    let document: Value = serde_json::from_str(&openapi::text()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut used = BTreeSet::new();
    walk(&document, &mut |key, value| {
        if let ("$ref", Some(to)) = (key, value.as_str()) {
            used.insert(to.strip_prefix("#/components/schemas/").unwrap().to_owned());
        }
    });
    let kept: BTreeSet<_> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, kept);
}

#[test]
fn every_operation_has_a_name_of_its_own_and_its_parameters() {
    let document: Value = serde_json::from_str(&openapi::text()).unwrap();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(operation["responses"]["401"].is_object(), "{method} {path} needs a token");
            let in_path = path.matches('{').count();
            let parameters = operation["parameters"].as_array().map_or(&[][..], |all| all);
            assert_eq!(parameters.iter().filter(|p| p["in"] == "path").count(), in_path, "{method} {path}");
        }
    }
    assert_eq!(names.len(), 16);
}
