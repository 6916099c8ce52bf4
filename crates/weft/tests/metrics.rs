//! What a running node counts, as a scrape sees it.

mod support;

use std::{fs, io::Write};

use support::{Node, application, connect, guest, run};

/// The value of the one series whose name and labels hold all of `parts`.
fn value(text: &str, parts: &[&str]) -> f64 {
    let found: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("#") && parts.iter().all(|part| line.contains(part))).collect();
    let [line] = found[..] else { panic!("{parts:?}: {found:#?} in\n{text}") };
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn instances_traps_code_and_tenants_are_counted() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let manifest = fs::read_to_string(folder.path().join("weft.toml")).expect("there");
    let warm = "source = \"api.wasm\"\nisolation = \"instance\"\nlimits = { concurrency = 1, cpu = \"200ms\" }";
    fs::write(folder.path().join("weft.toml"), manifest.replace("source = \"api.wasm\"", warm)).expect("written");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    for _ in 0..3 {
        assert_eq!(node.get("/ok").status, 200);
    }
    let sent = support::request(
        &node.url,
        "POST /sink HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
    );
    assert_eq!(sent.body, "5\n");
    assert_eq!(node.get("/trap").status, 500);
    assert_eq!(node.get("/loop").status, 500);
    assert_eq!(node.get("/ok").status, 200);
    let scrape = || node.admin_get("/metrics", None).body;
    let api = "component=\"api\"";
    let text = scrape();
    let is = |parts: &[&str], wanted: f64| assert_eq!(value(&text, parts), wanted, "{parts:?}");
    is(&["weft_invocations_total{", api, "class=\"ok\""], 5.0);
    is(&["weft_invocations_total{", "code=\"guest-trap\""], 1.0);
    is(&["weft_invocations_total{", "code=\"cpu-limit\""], 1.0);
    // One made at first; the trap and the loop each cost one.
    is(&["weft_instances_created_total{", api], 3.0);
    is(&["weft_instances_lost_total{", api], 2.0);
    is(&["weft_instances_reused_total{", api], 4.0);
    is(&["weft_instances_live{", api], 1.0);
    is(&["weft_code_loaded "], 1.0);
    is(&["weft_compile_seconds_count{", "from=\"compiler\""], 1.0);
    is(&["weft_tenant_invocations_total{", api, "tenant=\"\""], 7.0);
    is(&["weft_tenant_bytes_in_total{", "tenant=\"\""], 5.0);
    is(&["weft_bytes_in_total{", api], 5.0);
    let (cpu, of_tenant) =
        (value(&text, &["weft_guest_cpu_seconds_total{"]), value(&text, &["weft_tenant_guest_cpu_seconds_total{"]));
    assert!(cpu >= 0.2 && cpu == of_tenant, "the loop was stopped at its limit: {cpu} and {of_tenant}");
    assert!(value(&text, &["weft_guest_memory_peak_bytes{", api]) >= 65536.0);

    // One place: the second call waits, and is seen to.
    let ask = |path: &str| {
        let mut stream = connect(&node.url);
        write!(stream, "GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").expect("sent");
        stream
    };
    let reads = |name: &str| value(&scrape(), &[name, api]);
    let _inside = ask("/sleep?60000");
    while reads("weft_invocations_active{") < 1.0 {}
    let _waits = ask("/ok");
    while reads("weft_queue_waiting{") < 1.0 {}
    assert_eq!(reads("weft_invocations_active{"), 1.0);
    let (code, out, _) = run(&["status", "--data", data.path().to_str().expect("text")]);
    assert!(code == 0 && out.contains("shop"), "{out}");
}

#[test]
fn code_that_was_compiled_before_comes_from_the_cache() {
    let data = tempfile::tempdir().expect("folder");
    let hello = guest("hello-p2.wasm");
    for from in ["compiler", "cache"] {
        let node = Node::start(&["up", hello.to_str().expect("text"), "--no-watch"], data.path());
        assert_eq!(node.get("/").status, 200);
        let text = node.admin_get("/metrics", None).body;
        let count = format!("from=\"{from}\"");
        assert_eq!(value(&text, &["weft_compile_seconds_count{", &count]), 1.0);
        assert_eq!(text.matches("weft_compile_seconds_count{").count(), 1, "{text}");
    }
}

#[test]
fn code_beyond_the_nodes_bound_leaves_memory_and_comes_back() {
    let (data, operator) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let node_toml = operator.path().join("node.toml");
    fs::write(&node_toml, "node = 1\n[limits]\ncode = \"1KiB\"\ninstance-idle = \"100ms\"\n").expect("written");
    let hello = guest("hello-p2.wasm");
    let (hello, node_toml) = (hello.to_str().expect("text"), node_toml.to_str().expect("text"));
    let node = Node::start(&["up", hello, "--isolation", "instance", "--no-watch", "--node", node_toml], data.path());
    for turn in 1..=2 {
        assert_eq!(node.get("/").status, 200);
        let evicted = || value(&node.admin_get("/metrics", None).body, &["weft_code_evicted_total"]);
        while evicted() < f64::from(turn) {}
    }
    let text = node.admin_get("/metrics", None).body;
    assert_eq!(value(&text, &["weft_code_loaded "]), 0.0);
    assert_eq!(value(&text, &["weft_instances_live{"]), 0.0, "its warm instance went with it");
    assert!(value(&text, &["weft_compile_seconds_count{", "from=\"cache\""]) >= 1.0);
    assert_eq!(value(&text, &["weft_invocations_total{", "class=\"ok\""]), 2.0);
}
