//! `weft serve` as a process: what was applied survives, can be rolled back, and cannot be contradicted.

mod support;

use std::{fs, path::Path};

use support::{Node, application, guest, replace, run};

fn cli(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    run(&[arguments, &["--data", data.to_str().expect("text")]].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn what_was_applied_survives_a_kill_and_can_be_rolled_back() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let node = Node::start(&["serve"], data.path());
    assert_eq!(node.get("/").status, 404);

    let (code, out, said) = cli(data.path(), &["apply", text(folder.path())]);
    assert!(code == 0 && out.contains("shop serves"), "{out}{said}");
    let first = node.get("/");
    assert_eq!(first.status, 200);
    let (code, out, _) = cli(data.path(), &["apply", text(folder.path())]);
    assert!(code == 0 && out.contains("already"), "the same again is no change: {out}");

    replace(&folder.path().join("api.wasm"), &guest("echo-p2.wasm"));
    let (code, out, said) = cli(data.path(), &["apply", text(folder.path())]);
    assert!(code == 0 && out.contains("before"), "{out}{said}");
    let second = node.get("/");
    assert_ne!(first.body, second.body);

    node.signal("KILL");
    assert_eq!(node.wait(), None);
    let node = Node::start(&["serve"], data.path());
    assert_eq!(node.get("/").body, second.body, "acknowledged, and so there");

    let (code, out, said) = cli(data.path(), &["rollback", "shop"]);
    assert!(code == 0, "{out}{said}");
    assert_eq!(node.get("/").body, first.body);
    let (_, out, _) = cli(data.path(), &["status", "shop"]);
    assert!(out.contains("rollback") && out.lines().count() == 4, "{out}");

    node.signal("KILL");
    drop(node);
    let node = Node::start(&["serve"], data.path());
    assert_eq!(node.get("/").body, first.body);

    let (code, _, said) = cli(data.path(), &["remove", "shop"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(node.get("/").status, 404);
    let (code, _, said) = cli(data.path(), &["remove", "shop"]);
    assert!(code == 1 && said.contains("unknown-application"), "{said}");
    node.signal("KILL");
    drop(node);
    let node = Node::start(&["serve"], data.path());
    assert_eq!(node.get("/").status, 404);
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
}

#[test]
fn a_conflict_shows_both_places_and_the_last_good_one_stays() {
    let data = tempfile::tempdir().expect("folder");
    let shop = application("shop", "path = \"/same/:id\"", "hello-p2.wasm");
    let other = application("other", "path = \"/same/:number\"", "hello-p3.wasm");
    let node = Node::start(&["serve"], data.path());
    assert_eq!(cli(data.path(), &["apply", text(shop.path())]).0, 0);
    let (code, _, said) = cli(data.path(), &["apply", text(other.path())]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("route-conflict") && said.contains("shop/weft.toml:7") && said.contains("other/weft.toml:7"),
        "{said}"
    );
    assert_eq!(node.get("/same/7").status, 200);

    fs::write(other.path().join("api.wasm"), "no").expect("written");
    let manifest = fs::read_to_string(other.path().join("weft.toml")).expect("there");
    fs::write(other.path().join("weft.toml"), manifest.replace("/same/", "/other/")).expect("written");
    let (code, _, said) = cli(data.path(), &["apply", text(other.path()), "--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, said["problems"][0]["code"].as_str()), (1, Some("not-wasm")), "{said}");
    assert_eq!(node.get("/same/7").status, 200);
    let (_, out, _) = cli(data.path(), &["status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(status["applications"].as_array().map(Vec::len), Some(1), "{status}");
}

#[test]
fn files_travel_with_their_application() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    fs::create_dir_all(folder.path().join("public/deep")).expect("made");
    fs::write(folder.path().join("public/deep/a.txt"), "a file").expect("written");
    let manifest = fs::read_to_string(folder.path().join("weft.toml")).expect("there");
    let files = "\n[[route]]\npath = \"/static/*\"\nfiles = { from = \"public\" }\n";
    fs::write(folder.path().join("weft.toml"), manifest + files).expect("written");
    let node = Node::start(&["serve"], data.path());
    let (code, _, said) = cli(data.path(), &["apply", text(folder.path())]);
    assert_eq!(code, 0, "{said}");
    drop((folder, node));
    let node = Node::start(&["serve"], data.path());
    assert_eq!(node.get("/").status, 200);
    let revisions = fs::read_dir(data.path().join("revisions")).expect("there");
    let laid_out: Vec<_> = revisions.map(|folder| folder.expect("entry").path().join("0/deep/a.txt")).collect();
    assert_eq!(laid_out.len(), 1, "one revision");
    assert_eq!(fs::read_to_string(&laid_out[0]).expect("laid out"), "a file");
    assert!(fs::metadata(&laid_out[0]).expect("there").permissions().readonly(), "a revision never changes");
}

#[test]
fn if_revision_guards_against_a_change_in_between() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let _node = Node::start(&["serve"], data.path());
    let other = format!("sha256:{}", "0".repeat(64));
    let (code, _, said) = cli(data.path(), &["apply", text(folder.path()), "--if-revision", &other]);
    assert!(code == 1 && said.contains("store-conflict"), "{said}");
}
