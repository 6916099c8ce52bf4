//! Service levels of a real node: what burns, where it is told, and that a new revision does not begin anew.

mod support;

use std::fs;

use support::{Node, application, run};

#[test]
fn an_objective_is_counted_told_and_outlives_a_revision() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let promised = "slo = { availability = \"99%\", latency = { p99 = \"30s\" }, window = \"1d\" }";
    let text = text.replace("[component.api]", &format!("[component.api]\n{promised}"));
    fs::write(&manifest, &text).expect("written");
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    for _ in 0..15 {
        assert_eq!(node.get("/ok").status, 200);
    }
    for _ in 0..5 {
        assert_eq!(node.get("/trap").status, 500);
        assert_eq!(node.get("/status?404").status, 404);
    }
    // Twenty are good, since what a caller got wrong is; five of twenty-five are twenty times as many as may be.
    let metrics = node.admin_get("/metrics", None).body;
    let series = |name: &str, label: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name) && line.contains(label) && !line.contains("p99"));
        line.unwrap_or_else(|| panic!("{name} {label}: {metrics}")).rsplit(' ').next().expect("a value").to_owned()
    };
    assert_eq!(series("weft_slo_burn_rate{", "window=\"5m\"").parse::<f64>().expect("a number").round(), 20.0);
    assert_eq!(series("weft_slo_burning{", "severity=\"page\""), "1.0");
    let remaining = series("weft_slo_budget_remaining_ratio{", "objective=\"availability\"");
    assert_eq!(remaining.parse::<f64>().expect("a number").round(), -19.0);

    fs::write(&manifest, format!("{text}\n[[route]]\npath = \"/more\"\ncomponent = \"api\"\n")).expect("written");
    node.says("\"swapped\"");
    let at = data.path().to_str().expect("text");
    let (code, out, err) = run(&["status", "--data", at]);
    assert_eq!(code, 0, "{err}");
    let line = out.lines().find(|line| line.contains("availability")).unwrap_or_else(|| panic!("{out}"));
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[..2], ["shop/api", "availability"]);
    assert!(line.contains("99% in 1d") && line.contains(" 20 ") && line.contains(" 5 "), "{line}");
    assert!(line.contains("-1900.0%") && line.contains("burning: page"), "{line}");
    assert!(out.contains("latency-p99") && out.contains("99% within 30s in 1d"), "{out}");
}

#[test]
fn what_promises_nothing_or_too_much_is_refused_where_it_is_written() {
    for (slo, told) in [
        ("slo = {}", "it promises nothing"),
        ("slo = { availability = \"100%\" }", "less than 100%"),
        ("slo = { availability = \"99.9%\", window = \"1s\" }", "from 1h to 90d"),
        ("slo = { latency = { p42 = \"1s\" } }", "p42"),
        ("slo = { avilability = \"99%\" }", "did you mean `availability`"),
    ] {
        let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
        let manifest = folder.path().join("weft.toml");
        let text = fs::read_to_string(&manifest).expect("there");
        fs::write(&manifest, text.replace("[component.api]", &format!("[component.api]\n{slo}"))).expect("written");
        let (code, _, err) = run(&["check", folder.path().to_str().expect("text")]);
        assert!(code == 1 && err.contains(told), "{slo}: {err}");
        assert!(err.contains("weft.toml:5"), "{slo}: {err}");
    }
}
