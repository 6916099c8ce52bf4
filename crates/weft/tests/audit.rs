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
        let by = line["by"].as_str().unwrap_or("-");
        format!("{} {} {by} {} {} {}", line["number"], text("what"), text("request"), line["status"], text("code"))
    };
    let told: Vec<String> = lines.iter().map(short).collect();
    let wanted = [
        "1 refused - GET /v1/status 401 unauthenticated",
        "2 begun admin.json POST /v1/applications null ",
        "3 ended admin.json POST /v1/applications 200 ",
        "4 begun admin.json DELETE /v1/applications/shop null ",
        "5 ended admin.json DELETE /v1/applications/shop 200 ",
        "6 begun admin.json DELETE /v1/applications/shop null ",
        "7 ended admin.json DELETE /v1/applications/shop 404 unknown-application",
    ];
    assert_eq!(told, wanted);
    assert!(lines[2]["subject"].as_str().is_some_and(|subject| subject.starts_with("shop sha256:")), "{:?}", lines[2]);
}

/// A token for an operator with a role, and its line of node.toml.
fn operator(name: &str, role: &str) -> (String, String) {
    let (code, out, err) = run(&["key", "new", "--operator", role, name]);
    assert_eq!(code, 0, "{err}");
    let line = out.lines().find(|line| line.contains("sha256:")).expect("a line").trim().to_owned();
    assert!(line.contains(&format!("role = \"{role}\"")), "{out}");
    (out.lines().next().expect("a key").to_owned(), line)
}

#[test]
fn operators_do_what_their_role_lets_them_and_the_audit_log_says_who() {
    let data = tempfile::tempdir().expect("folder");
    let data_text = data.path().to_str().expect("text");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let [(ada, ada_line), (bob, bob_line), (eve, eve_line)] =
        [operator("ada", "admin"), operator("bob", "deployer"), operator("eve", "reader")];
    let node_toml = folder.path().join("node.toml");
    let lines = format!("node = 1\n[admin.token]\n{ada_line}\n{bob_line}\n{eve_line}\n");
    assert!(![&ada, &bob, &eve].iter().any(|token| lines.contains(*token)), "tokens are written nowhere");
    std::fs::write(&node_toml, lines).expect("written");
    let node = Node::start(&["serve", "--node", node_toml.to_str().expect("text")], data.path());
    let of = |token: &str, arguments: &[&str]| {
        let named = ["--admin-url", &*node.admin, "--token", token, "--data", data_text];
        let (code, out, err) = run(&[arguments, &named[..]].concat());
        (code, out + &err)
    };
    let apply = ["apply", folder.path().to_str().expect("text")];
    assert_eq!(of(&eve, &["status"]).0, 0);
    let (code, told) = of(&eve, &apply);
    assert!(code == 1 && told.contains("forbidden") && told.contains("deployer"), "{told}");
    assert_eq!(of(&bob, &apply).0, 0);
    let (code, told) = of(&bob, &["remove", "shop"]);
    assert!(code == 1 && told.contains("`bob` is a deployer, and this needs the role admin"), "{told}");
    assert_eq!(node.admin_get("/v1/status", Some(&format!("{ada}x"))).status, 401);
    let hash = bob_line.split('"').find(|text| text.starts_with("sha256:")).expect("a hash");
    assert_eq!(node.admin_get("/v1/status", Some(hash)).status, 401, "a hash is no token");
    assert_eq!(node.admin_get("/v1/status", Some(&Node::token(data.path()))).status, 200, "the first way still works");
    let twice = format!(
        "GET /v1/status HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {eve}\r\nauthorization: Bearer {ada}\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(support::request(&node.admin, &twice).status, 401);
    assert_eq!(of(&ada, &["remove", "shop"]).0, 0);
    drop(node);

    let (code, out, err) = run(&["audit", "--data", data_text, "--format", "json"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    let short = |line: &Value| {
        let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", text("by"), text("what"), line["status"], text("code"))
    };
    let told: Vec<String> = lines.iter().map(short).collect();
    let wanted = [
        "eve refused 403 forbidden",
        "bob begun null -",
        "bob ended 200 -",
        "bob refused 403 forbidden",
        "- refused 401 unauthenticated",
        "- refused 401 unauthenticated",
        "- refused 401 unauthenticated",
        "ada begun null -",
        "ada ended 200 -",
    ];
    assert_eq!(told, wanted);
    let (_, out, _) = run(&["audit", "--data", data_text]);
    assert!(out.contains("bob") && out.contains("DELETE /v1/applications/shop"), "{out}");
}

#[test]
fn a_change_whose_client_has_left_is_written_down_to_its_end() {
    use std::io::Write;

    let data = tempfile::tempdir().expect("folder");
    let data_text = data.path().to_str().expect("text");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let node = Node::start(&["serve"], data.path());
    let (code, out, err) = run(&["apply", folder.path().to_str().expect("text"), "--data", data_text]);
    assert_eq!(code, 0, "{out}{err}");
    let token = Node::token(data.path());
    let head = format!("DELETE /v1/applications/shop HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut client = support::connect(&node.admin);
    client.write_all(head.as_bytes()).expect("sent");
    drop(client);
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(data.path().join("audit.jsonl")).expect("there");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while lines().len() < 4 {
        assert!(std::time::Instant::now() < until, "{:?}", lines());
        std::thread::yield_now();
    }
    let last = &lines()[3];
    assert_eq!((last["what"].as_str(), last["status"].as_u64()), (Some("ended"), Some(200)), "{last}");
    assert!(last["subject"].as_str().is_some_and(|subject| subject.starts_with("shop sha256:")), "{last}");
}
