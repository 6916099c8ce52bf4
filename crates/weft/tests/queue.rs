//! Who waits for a place in a real node, who is turned away, and what the log says of a call that failed.

mod support;

use std::{
    fs,
    io::{BufReader, Write},
};

use support::{Node, application, connect, read};

/// One place and one that waits. `x-kind` says how important a request is.
fn node(data: &std::path::Path) -> (Node, tempfile::TempDir) {
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let text = text.replace("source = \"api.wasm\"", "source = \"api.wasm\"\npolicy = { concurrency = 1, queue = 1 }");
    let kind = |kind: &str| {
        format!(
            "\n[[route]]\npath = \"/*\"\nheaders = {{ x-kind = \"{kind}\" }}\ncomponent = \"api\"\n\
             policy = {{ priority = \"{kind}\" }}\n"
        )
    };
    fs::write(&manifest, text + &kind("batch") + &kind("interactive")).expect("written");
    (Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data), folder)
}

#[test]
fn a_batch_call_makes_way_for_an_interactive_one_in_a_full_queue() {
    let data = tempfile::tempdir().expect("folder");
    let (node, _folder) = node(data.path());
    let ask = |path: &str, kind: &str| {
        let mut stream = connect(&node.url);
        let head = format!("GET {path} HTTP/1.1\r\nhost: t\r\nx-kind: {kind}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        BufReader::new(stream)
    };
    let reads = |name: &str, labels: &str| {
        let metrics = node.admin_get("/metrics", None).body;
        let line = metrics.lines().find(|line| line.starts_with(name) && line.contains(labels)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
    };
    let inside = ask("/sleep?60000", "default");
    while reads("weft_invocations_active{", "") < 1.0 {}
    let mut batch = ask("/ok", "batch");
    while reads("weft_queue_waiting{", "") < 1.0 {}
    let mut interactive = ask("/ok", "interactive");
    let shed = read(&mut batch).expect("answered while the place is taken");
    assert_eq!(shed.status, 503, "{shed:?}");
    assert!(shed.head.contains("weft-error: overloaded") && shed.head.contains("retry-after: "), "{shed:?}");
    assert_eq!(reads("weft_shed_total{", "code=\"overloaded\""), 1.0);
    // Whoever left gives the place on.
    drop(inside);
    let served = read(&mut interactive).expect("answered");
    assert_eq!(served.status, 200, "{served:?}");
}

#[test]
fn the_log_names_the_request_of_a_call_that_failed() {
    let data = tempfile::tempdir().expect("folder");
    let (mut node, _folder) = node(data.path());
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let head = format!(
        "GET /trap HTTP/1.1\r\nhost: t\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\nconnection: close\r\n\r\n"
    );
    let failed = support::request(&node.url, &head);
    assert_eq!(failed.status, 500, "{failed:?}");
    let id = failed.head.lines().find_map(|line| line.strip_prefix("weft-request-id: ")).expect("an id");
    let line = node.says("a call failed");
    assert!(line.contains(id.trim()) && line.contains(trace), "{id} in {line}");
}
