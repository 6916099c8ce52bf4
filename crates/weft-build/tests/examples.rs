//! The examples `hello-LANGUAGE` are what `weft new` writes, and each builds to a component that a route can call.
//!
//! Building needs the toolchains: `cargo xtask test` installs what is missing before it runs this.

use std::{
    fs,
    path::{Path, PathBuf},
};

use weft_build::{Build, Language, Toolchains, build, new};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().expect("the examples")
}

/// Set to write the examples anew after a change of the templates.
const UPDATE: &str = "WEFT_UPDATE";

#[test]
fn the_examples_are_the_templates() {
    for language in Language::ALL {
        let name = format!("hello-{language}");
        let fresh = tempfile::tempdir().expect("a folder");
        for file in new(language, &name, fresh.path()).expect("a project") {
            let ours = fs::read_to_string(fresh.path().join(&file)).expect("just written");
            let kept = examples().join(&name).join(&file);
            if std::env::var_os(UPDATE).is_some() {
                fs::create_dir_all(kept.parent().expect("a parent")).expect("a folder");
                fs::write(&kept, &ours).expect("written");
            }
            let there = fs::read_to_string(&kept).unwrap_or_default();
            assert_eq!(there, ours, "{}: run with {UPDATE}=1 to write it anew", kept.display());
        }
    }
}

/// Builds a copy, since tests and people may build the example itself at the same time.
fn component_of(language: Language) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    new(language, "hello", dir.path()).expect("a project");
    let manifest: toml_edit::DocumentMut =
        fs::read_to_string(dir.path().join("weft.toml")).expect("a manifest").parse().expect("TOML");
    let app = &manifest["component"]["app"];
    let output = dir.path().join(app["source"].as_str().expect("a source"));
    let command = app["build"]["command"].as_str().expect("a command");
    let mut lines = Vec::new();
    let job = Build { command, dir: dir.path(), output: &output };
    let built = build(job, &Toolchains::around(&examples()), &mut |line| lines.push(line.to_owned()));
    match built {
        Ok(path) => fs::read(path).expect("the component"),
        Err(error) => panic!("{language}: {error}\n{}\n{}", error.hint().unwrap_or_default(), lines.join("\n")),
    }
}

/// The interfaces that a component exports.
fn exports_of(component: &[u8]) -> Vec<String> {
    let decoded = wit_component::decode(component).expect("a component");
    let resolve = decoded.resolve();
    let wit_component::DecodedWasm::Component(_, world) = decoded else { panic!("a WIT package, not a component") };
    resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect()
}

fn builds_to(language: Language, interface: &str) {
    let exports = exports_of(&component_of(language));
    assert!(exports.iter().any(|name| name.starts_with(interface)), "{language}: {exports:?}");
}

#[test]
fn rust_builds_to_a_0_3_handler() {
    builds_to(Language::Rust, "wasi:http/handler@0.3.");
}

#[test]
fn javascript_builds_to_a_handler_of_ours() {
    builds_to(Language::Js, "weft:http/handler@0.1.");
}

#[test]
fn python_builds_to_a_0_2_handler() {
    builds_to(Language::Python, "wasi:http/incoming-handler@0.2.");
}

#[test]
fn go_builds_to_a_0_2_handler() {
    builds_to(Language::Go, "wasi:http/incoming-handler@0.2.");
}

#[test]
fn c_builds_to_a_0_2_handler() {
    builds_to(Language::C, "wasi:http/incoming-handler@0.2.");
}
