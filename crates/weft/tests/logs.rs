//! `weft logs` against a real node.

mod support;

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use support::{Node, application, run, weft};

#[test]
fn lines_are_found_by_component_level_and_request_and_followed() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    let at = data.path().to_str().expect("text");

    assert_eq!(node.get("/print?first").status, 200);
    let failed = node.get("/trap");
    assert_eq!(failed.status, 500);
    let problem: serde_json::Value = serde_json::from_str(&failed.body).expect("problem details");
    let id = problem["request-id"].as_str().expect("the request's id").to_owned();

    let (code, out, err) = run(&["logs", "shop/api", "--data", at]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("shop/api first on stdout") && out.contains("first on stderr"), "{out}");
    let (_, out, _) = run(&["logs", "--request", &id, "--data", at]);
    assert!(out.contains("guest-trap") && !out.contains("first on stdout"), "{out}");
    let (_, out, _) = run(&["logs", "--level", "error", "--format", "json", "--data", at]);
    for line in out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        assert_eq!(line["level"], "error", "{line}");
    }
    let (_, out, _) = run(&["logs", "nobody", "--data", at]);
    assert_eq!(out, "");
    let (code, _, err) = run(&["logs", "--level", "loud", "--data", at]);
    assert!(code == 2 && err.contains("loud"), "{err}");

    let mut follows = weft();
    let follows = follows.args(["logs", "shop", "-f", "-n", "1", "--data", at]).stdout(Stdio::piped());
    let mut follows = follows.spawn().expect("starts");
    let mut lines = BufReader::new(follows.stdout.take().expect("piped")).lines();
    assert!(lines.next().expect("the last line").is_ok());
    assert_eq!(node.get("/print?second").status, 200);
    let second = lines.next().expect("a line").expect("text");
    assert!(second.contains("second on stdout"), "{second}");
    // A reader that waits does not hold the node's end up.
    node.stop();
    let end = follows.wait().expect("ends");
    assert!(!end.success(), "the node is gone, and it says so");
}
