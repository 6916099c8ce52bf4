//! What `weft export` writes, held against the real Prometheus and against what a real node counts.

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{Node, application, run};
use tempfile::TempDir;

fn promised() -> TempDir {
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let slo = "slo = { availability = \"99%\", latency = { p99 = \"30s\" }, window = \"1d\" }";
    fs::write(&manifest, text.replace("[component.api]", &format!("[component.api]\n{slo}"))).expect("written");
    folder
}

fn exported(what: &str, folder: &Path) -> String {
    let (exit, out, err) = run(&["export", what, folder.to_str().expect("text")]);
    assert_eq!(exit, 0, "{err}");
    out
}

fn promtool(arguments: &[&str], folder: &Path) -> String {
    let done = Command::new("promtool").args(arguments).current_dir(folder).output();
    let done = done.expect("promtool is missing: run `cargo xtask setup`, which installs Debian's prometheus");
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{text}");
    text
}

fn rules() -> (TempDir, PathBuf) {
    let folder = promised();
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, exported("prometheus", folder.path())).expect("written");
    (folder, rules)
}

#[test]
fn prometheus_takes_the_rules_and_wakes_somebody_when_a_budget_burns() {
    let (folder, rules) = rules();
    let checked = promtool(&["check", "rules", "rules.yml"], folder.path());
    // Seven windows and two severities, of two objectives.
    assert!(checked.contains("18 rules found"), "{checked}");
    let series = |class: &str, each: u32| {
        format!(
            "  - series: 'weft_invocations_total{{application=\"shop\",component=\"api\",class=\"{class}\",code=\"\"}}'\n    \
             values: '0+{each}x120'\n"
        )
    };
    let summary = "shop/api spends its availability budget too fast (page)";
    let fires = format!(
        "    exp_alerts:\n    - exp_labels:\n        application: shop\n        component: api\n        \
         objective: availability\n        severity: page\n      exp_annotations:\n        summary: '{summary}'\n"
    );
    // The first alert under a name of its own, so that it can be asked for alone.
    let text = fs::read_to_string(&rules).expect("there");
    fs::write(&rules, text.replacen("alert: WeftServiceLevelBurns", "alert: Loud", 1)).expect("written");
    // A fifth fails where a hundredth may: twenty times too fast, for more than an hour.
    for (ok, failed, alerts) in [(80, 20, fires.as_str()), (100, 0, "    exp_alerts: []\n")] {
        let test = format!(
            "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n{}{}  \
             alert_rule_test:\n  - eval_time: 90m\n    alertname: Loud\n{alerts}",
            series("ok", ok),
            series("failure", failed),
        );
        fs::write(folder.path().join("test.yml"), test).expect("written");
        promtool(&["test", "rules", "test.yml"], folder.path());
    }
}

/// The names of metrics in a text, without what a histogram adds.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let ours = words.filter(|word| word.starts_with("weft_") || word.starts_with("http_server_"));
    let bare = |word: &str| {
        let cut = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| word.strip_suffix(suffix));
        cut.unwrap_or(word).to_owned()
    };
    ours.map(bare).collect()
}

#[test]
fn every_metric_that_is_named_is_one_that_a_node_has_and_the_pages_tell_of() {
    let (folder, rules) = rules();
    let data = tempfile::tempdir().expect("folder");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    assert_eq!(node.get("/ok").status, 200);
    assert_eq!(node.get("/trap").status, 500);
    let metrics = node.admin_get("/metrics", None).body;
    let (has, wanted) = (names(&metrics), names(&fs::read_to_string(rules).expect("there")));
    assert!(wanted.len() >= 2 && wanted.is_subset(&has), "{wanted:?}");
    assert!(metrics.contains("class=\"failure\"") && metrics.contains("window=\"5m\""), "{metrics}");

    let dashboard = exported("grafana", folder.path());
    let read: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    assert!(read["panels"].as_array().is_some_and(|panels| panels.len() == 10), "{dashboard}");
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let told = names(&fs::read_to_string(pages).expect("there"));
    let wanted = names(&dashboard);
    let missing: Vec<_> = wanted.difference(&told).collect();
    assert!(wanted.len() > 8 && missing.is_empty(), "{missing:?}");
}

#[test]
fn what_promises_nothing_has_nothing_to_export() {
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let (exit, _, err) = run(&["export", "prometheus", folder.path().to_str().expect("text")]);
    assert!(exit == 2 && err.contains("slo = "), "{exit} {err}");
}
