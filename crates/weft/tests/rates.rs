//! Rate limits as a client of a real node meets them.

mod support;

use std::fs;

use support::{Node, application, run};

#[test]
fn a_limited_route_refuses_is_explained_counted_and_keeps_its_count_over_a_change() {
    let data = tempfile::tempdir().expect("folder");
    let limited = "path = \"/limited\"\npolicy = { rate-limit = { rate = \"2/h\" } }";
    let folder = application("shop", limited, "hello-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let text = text.replace("[component.api]", "[policy.rate-limit]\nby = \"address\"\n\n[component.api]");
    fs::write(&manifest, &text).expect("written");
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());

    let first = node.get("/limited");
    assert_eq!(first.status, 200, "{first:?}");
    assert!(first.head.contains("ratelimit-policy: \"address\";q=2;w=3600\r\n"), "{first:?}");
    assert!(first.head.contains("ratelimit: \"address\";r=1;t=1800\r\n"), "{first:?}");

    let open = "\n[[route]]\npath = \"/open\"\ncomponent = \"api\"\n";
    fs::write(&manifest, format!("{text}{open}")).expect("written");
    node.says("\"swapped\"");
    let open = node.get("/open");
    assert!(open.status == 200 && !open.head.contains("ratelimit"), "{open:?}");

    assert_eq!(node.get("/limited").status, 200);
    let refused = node.get("/limited");
    assert_eq!(refused.status, 429, "what was counted before the change counts after it: {refused:?}");
    assert!(refused.head.contains("weft-error: rate-limited\r\n"), "{refused:?}");
    assert!(refused.head.contains("retry-after: ") && refused.head.contains(";r=0;"), "{refused:?}");
    assert!(refused.body.contains("\"code\":\"rate-limited\""), "{refused:?}");

    let metrics = node.admin_get("/metrics", None).body;
    let counted =
        metrics.lines().find(|line| line.contains("weft_edge_faults_total{") && line.contains("rate-limited"));
    assert!(counted.is_some_and(|line| line.ends_with(" 1")), "{counted:?}");

    let (code, out, _) = run(&["explain", "GET", "/limited", "--data", data.path().to_str().expect("text")]);
    assert_eq!(code, 0, "{out}");
    let line =
        |field: &str| out.lines().find(|line| line.trim_start().starts_with(field)).unwrap_or_default().to_owned();
    assert!(line("rate-limit.rate").contains("2/h") && line("rate-limit.rate").contains("route "), "{out}");
    assert!(line("rate-limit.by").contains("address") && line("rate-limit.by").contains("(application)"), "{out}");
}
