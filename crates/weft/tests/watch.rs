//! `weft up` with a build command: a change of a source is built and swapped in, and what does not build is not.

mod support;

use std::fs;

use support::{Node, guest, replace, run};

/// An application whose build copies what its source names.
fn built() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    fs::create_dir(folder.path().join("src")).expect("made");
    let manifest = "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"out/api.wasm\"\n\
        build = { command = \"mkdir -p out && echo copying && cp $(cat src/which) out/api.wasm\", watch = [\"src/**\"] }\n\
        [[route]]\npath = \"/*\"\ncomponent = \"api\"\n";
    fs::write(folder.path().join("weft.toml"), manifest).expect("written");
    folder
}

fn write(folder: &tempfile::TempDir, which: &str) {
    let aside = folder.path().join("which.aside");
    fs::write(&aside, guest(which).to_str().expect("text")).expect("written");
    fs::rename(aside, folder.path().join("src/which")).expect("renamed");
}

#[test]
fn a_changed_source_is_built_and_swapped_in() {
    let (data, folder) = (tempfile::tempdir().expect("folder"), built());
    write(&folder, "hello-p2.wasm");
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    assert!(folder.path().join("out/api.wasm").is_file(), "it was built before it was served");
    assert!(node.get("/").body.to_lowercase().contains("hello"));

    write(&folder, "faults-p2.wasm");
    node.says("building api");
    node.says("\"swapped\"");
    assert_eq!(node.get("/ok").body, "ok\n");

    // A build that fails is told with what it said, and changes nothing.
    fs::write(folder.path().join("src/which"), "no/such/file").expect("written");
    node.says("no/such/file");
    node.says("the revision before goes on");
    assert_eq!(node.get("/ok").body, "ok\n");

    // So does one whose output cannot be run.
    let text = folder.path().join("src/text");
    fs::write(&text, "not a component").expect("written");
    fs::write(folder.path().join("src/which"), "src/text").expect("written");
    node.says("is not WebAssembly");
    assert_eq!(node.get("/ok").body, "ok\n");

    write(&folder, "hello-p3.wasm");
    node.says("\"swapped\"");
    assert!(node.get("/").body.to_lowercase().contains("hello"));
}

#[test]
fn what_needs_more_memory_at_start_than_its_limit_is_told_by_check() {
    let folder = support::application("shop", "path = \"/*\"", "hello-p2.wasm");
    let path = folder.path().to_str().expect("text");
    assert_eq!(run(&["check", path]).0, 0);
    let manifest = fs::read_to_string(folder.path().join("weft.toml")).expect("there");
    let small = "source = \"api.wasm\"\nlimits = { memory = \"64KiB\" }";
    fs::write(folder.path().join("weft.toml"), manifest.replace("source = \"api.wasm\"", small)).expect("written");
    let (code, out, said) = run(&["check", path]);
    assert_eq!(code, 1, "{out}");
    for told in ["unsupported-component", "64KiB", "1088KiB", "`limits.memory`", "limits = { memory = \"2MiB\" }"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    replace(&folder.path().join("api.wasm"), &guest("hello-p3.wasm"));
    assert_eq!(run(&["check", path]).0, 1);
}
