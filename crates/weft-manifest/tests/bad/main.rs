//! What people are told about bad manifests: the whole text, so that a change of one word is seen.

mod form;
mod meaning;
mod node;
mod routes;

use std::{fs, path::Path};

use expect_test::{Expect, expect};
use weft_manifest::{Disk, Look, load_node_text, load_text};

/// A folder with what the manifests below name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("api.wasm"), b"\0asm").expect("written");
    fs::create_dir(folder.path().join("public")).expect("made");
    folder
}

fn check(text: &str, wanted: Expect) {
    let folder = folder();
    let report = load_text("weft.toml", text, folder.path(), Disk::Check).expect_err("it is bad");
    wanted.assert_eq(&report.render(Look::default()));
}

fn check_node(text: &str, wanted: Expect) {
    let report = load_node_text("node.toml", text, Path::new("/nowhere"), Disk::Check).expect_err("it is bad");
    wanted.assert_eq(&report.render(Look::default()));
}
