//! Experiments on a real node: what protects is seen to protect, and the same experiment fails when it is switched off.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use serde_json::Value;
use support::{
    proxy::{Proxy, until},
    run,
    service::{Service, answer},
    weft,
};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/chaos").join(name)
}

fn conduct(proxy: &Proxy, file: &Path) -> (i32, Value, String) {
    let (file, data) = (file.to_str().expect("text"), proxy.data.path().to_str().expect("text"));
    let (exit, out, err) = run(&["chaos", "run", file, "--data", data, "--format", "json"]);
    let report = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {exit} {out}{err}"));
    (exit, report, err)
}

fn nothing_is_left(proxy: &Proxy) {
    let (_, out, _) = run(&["fault", "list", "--data", proxy.data.path().to_str().expect("text")]);
    assert!(out.contains("no fault is in force"), "{out}");
}

#[test]
fn retries_protect_and_without_them_the_experiment_is_broken() {
    let service = Service::says("well");
    let proxy = Proxy::to(&service, "");
    let (exit, report, err) = conduct(&proxy, &example("retries.toml"));
    assert_eq!((exit, report["verdict"].as_str()), (0, Some("held")), "{report:#} {err}");
    let parts = report["parts"].as_array().expect("a list");
    let names: Vec<_> = parts.iter().filter_map(|part| part["name"].as_str()).collect();
    assert_eq!(names, ["steady", "fault", "recovery"]);
    assert!(parts[1]["seen"][0]["measured"].as_f64() >= Some(5.0), "{report:#}");
    nothing_is_left(&proxy);
    drop(proxy);

    let bare = Proxy::to(&service, "policy = { retry = { max = 0 } }");
    let (exit, report, err) = conduct(&bare, &example("retries.toml"));
    assert_eq!((exit, report["verdict"].as_str()), (1, Some("broken")), "{report:#}");
    let because = report["because"].to_string();
    assert!(because.contains("fault: errors<3% was ") && because.contains("weft_upstream_retries_total"), "{because}");
    assert!(err.contains("experiment-broken"), "{err}");
    nothing_is_left(&bare);
}

#[test]
fn a_breaker_is_seen_to_open_shed_and_heal_and_without_it_the_experiment_is_broken() {
    let service = Service::says("well");
    let proxy = Proxy::to(&service, "");
    let (exit, report, err) = conduct(&proxy, &example("breaker.toml"));
    assert_eq!((exit, report["verdict"].as_str()), (0, Some("held")), "{report:#} {err}");
    let parts = report["parts"].as_array().expect("a list");
    assert!(parts[1]["codes"]["breaker-open"].as_u64() >= Some(50), "{report:#}");
    assert_eq!(parts[2]["seen"][0]["measured"].as_f64(), Some(1.0), "closed at the end");
    drop(proxy);

    let bare = Proxy::to(&service, "policy = { breaker = { enabled = false } }");
    let (exit, report, _) = conduct(&bare, &example("breaker.toml"));
    assert_eq!((exit, report["verdict"].as_str()), (1, Some("broken")), "{report:#}");
    assert!(report["because"].to_string().contains("weft_breaker_opens_total"), "{report:#}");
    nothing_is_left(&bare);
}

/// The example with this in place of that.
fn changed(of: &str, pairs: &[(&str, &str)]) -> tempfile::NamedTempFile {
    let mut text = fs::read_to_string(example(of)).expect("there");
    for (this, by) in pairs {
        assert!(text.contains(this), "{this}");
        text = text.replace(this, by);
    }
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    fs::write(file.path(), text).expect("written");
    file
}

#[test]
fn it_stops_at_once_when_its_bound_is_missed_or_it_is_interrupted() {
    let service = Service::says("well");
    let proxy = Proxy::to(&service, "policy = { retry = { max = 0 }, breaker = { enabled = false } }");
    let long = ("fault = \"5s\"", "fault = \"10m\"");
    let file = changed("retries.toml", &[long, ("share = \"10%\"", "share = \"100%\"")]);
    let (exit, report, _) = conduct(&proxy, file.path());
    assert_eq!((exit, report["verdict"].as_str()), (1, Some("broken")), "{report:#}");
    assert!(report["because"].to_string().contains("stopped by its abort bound: errors<60%"), "{report:#}");
    nothing_is_left(&proxy);

    let file = changed("retries.toml", &[long]);
    let data = proxy.data.path().to_str().expect("text");
    let mut command = weft();
    command.args(["chaos", "run", file.path().to_str().expect("text"), "--data", data]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let token = support::Node::token(proxy.data.path());
    let listed = || proxy.node.admin_get("/v1/faults", Some(&token)).body;
    until("the fault is in force", || listed().contains("upstream legacy"));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    let ended = child.wait_with_output().expect("ends");
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(4), "{out}");
    assert!(out.contains("it was interrupted"), "{out}");
    nothing_is_left(&proxy);
}

#[test]
fn what_was_not_steady_before_says_nothing_and_a_wrong_file_is_told_with_its_place() {
    let ill = Arc::new(AtomicBool::new(true));
    let is_ill = Arc::clone(&ill);
    let service = Service::start(move |_, stream| match is_ill.load(SeqCst) {
        true => answer(stream, 500, "ill"),
        false => answer(stream, 200, "well"),
    });
    let proxy = Proxy::to(&service, "");
    let (exit, report, _) = conduct(&proxy, &example("retries.toml"));
    assert_eq!((exit, report["verdict"].as_str()), (4, Some("void")), "{report:#}");
    assert!(report["because"].to_string().contains("not steady before"), "{report:#}");

    for (pairs, says) in [
        (&[("errors<3%", "errors<3")][..], "is no clause"),
        (&[("abort = 503", "abrot = 503")], "did you mean `abort`"),
        (&[("abort = 503", "abort = 503\nkill = true")], "exactly one of `delay`"),
        (&[("at-least = 5", "")], "nothing is expected of it"),
        (&[("\"/orders/7\"", "\"orders\"")], "this is no path"),
        (&[("upstream = \"legacy\"\nabort", "abort")], "exactly one of `route`"),
    ] {
        let file = changed("retries.toml", pairs);
        let data = proxy.data.path().to_str().expect("text");
        let (exit, _, err) = run(&["chaos", "run", file.path().to_str().expect("text"), "--data", data]);
        assert!(exit != 0 && err.contains(says) && err.contains(".toml:"), "{pairs:?}: {exit} {err}");
    }
}
