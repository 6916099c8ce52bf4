//! The JavaScript kit against Node's own Headers, URL and text codecs. Node is there wherever JavaScript is built.

use std::{path::Path, process::Command};

#[test]
fn the_javascript_kit_does_as_node_does() {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/js");
    let ran = Command::new("node").args(["--test", "test/"]).current_dir(kit).output();
    let ran = ran.expect("node, which `cargo xtask test` asks for");
    assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
}
