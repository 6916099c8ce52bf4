//! What is done to a real node is written down, and so is who was refused.

mod support;

use serde_json::Value;
use support::{Node, application, run};

#[test]
fn changes_and_refusals_are_in_the_audit_log_and_survive_a_restart() {
    let data = tempfile::tempdir().expect("folder");
    let data_text = data.path().to_str().expect("text");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let node = Node::start(&["serve"], data.path());
    assert_eq!(node.admin_get("/v1/status", Some("wrong")).status, 401);
    assert_eq!(node.admin_get("/v1/status", Some(&Node::token(data.path()))).status, 200);
    let (code, out, err) = run(&["apply", folder.path().to_str().expect("text"), "--data", data_text]);
    assert_eq!(code, 0, "{out}{err}");
    node.stop();

    let node = Node::start(&["serve"], data.path());
    let (code, out, err) = run(&["remove", "shop", "--data", data_text]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, _, _) = run(&["remove", "shop", "--data", data_text]);
    assert_ne!(code, 0);
    drop(node);

    let (code, out, err) = run(&["audit", "--data", data_text, "--format", "json"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    let short = |line: &Value| {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {} {} {}", line["number"], text("what"), text("request"), line["status"], text("code"))
    };
    let told: Vec<String> = lines.iter().map(short).collect();
    let wanted = [
        "1 refused GET /v1/status 401 unauthenticated",
        "2 begun POST /v1/applications null ",
        "3 ended POST /v1/applications 200 ",
        "4 begun DELETE /v1/applications/shop null ",
        "5 ended DELETE /v1/applications/shop 200 ",
        "6 begun DELETE /v1/applications/shop null ",
        "7 ended DELETE /v1/applications/shop 404 unknown-application",
    ];
    assert_eq!(told, wanted);
    assert!(lines[2]["subject"].as_str().is_some_and(|subject| subject.starts_with("shop sha256:")), "{:?}", lines[2]);
}
