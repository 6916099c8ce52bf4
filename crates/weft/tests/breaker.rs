//! The breaker before a component, as a client of a real node meets it.

mod support;

use std::fs;

use support::{Node, application, run};

#[test]
fn a_component_that_traps_is_not_called_for_a_while_and_then_asked_with_one_call() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let breaker = "policy = { breaker = { failures = 3, open = \"200ms\" } }";
    let text = text.replace("source = \"api.wasm\"", &format!("source = \"api.wasm\"\n{breaker}"));
    fs::write(&manifest, &text).expect("written");
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    for _ in 0..3 {
        assert_eq!(node.get("/trap").status, 500);
    }
    let refused = node.get("/ok");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("weft-error: breaker-open") && refused.head.contains("retry-after: "), "{refused:?}");
    let (exit, out, _) = run(&["status", "--data", data.path().to_str().expect("text")]);
    assert_eq!(exit, 0, "{out}");
    assert!(out.contains("3 failures in a row"), "{out}");

    // A revision with the same breaker does not forget what failed.
    fs::write(&manifest, format!("{text}\n[[route]]\npath = \"/more\"\ncomponent = \"api\"\n")).expect("written");
    node.says("\"swapped\"");
    let (_, out, _) = run(&["status", "--data", data.path().to_str().expect("text")]);
    assert!(out.contains("opened 1 times"), "{out}");
    support::proxy::until("one good call closes it", || node.get("/ok").status == 200);
    assert_eq!(node.get("/ok").status, 200);
}

#[test]
fn a_component_that_asks_for_none_has_none() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    for _ in 0..30 {
        assert_eq!(node.get("/trap").status, 500);
    }
    assert_eq!(node.get("/ok").status, 200);
}
