//! Endpoints that are near and far, and calls that are tried twice, as a client of a real node meets them.

mod support;

use std::fs;

use support::{
    Node,
    proxy::{Proxy, code, folder, refused, until},
    run,
    service::{Service, Then},
};
use tempfile::TempDir;

/// Five services: one in the node's zone, three elsewhere in its region, one far away.
struct Near {
    node: Node,
    data: TempDir,
    services: [Service; 5],
    _folder: TempDir,
}

fn near(locality: &str) -> Near {
    let services = ["near", "region", "region", "region", "far"].map(Service::says);
    let at = |at: usize, zone: &str, region: &str| {
        format!("{{ url = \"{}\", zone = \"{zone}\", region = \"{region}\" }}", services[at].url())
    };
    let manifest = format!(
        "[upstream.legacy]\nendpoints = [{}, {}, {}, {}, {}]\nejection = {{ failures = 1, time = \"60s\" }}\n\
         policy = {{ locality = \"{locality}\", breaker = {{ enabled = false }} }}\n\
         [[route]]\npath = \"/*\"\nupstream = \"legacy\"\n",
        at(0, "eu-1a", "eu-1"),
        at(1, "eu-1b", "eu-1"),
        at(2, "eu-1b", "eu-1"),
        at(3, "eu-1c", "eu-1"),
        at(4, "us-1a", "us-1")
    );
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder(&manifest));
    let config = folder.path().join("node.toml");
    fs::write(&config, "node = 1\nlabels = { zone = \"eu-1a\", region = \"eu-1\" }\n").expect("written");
    let (application, config) = (folder.path().to_str().expect("text"), config.to_str().expect("text"));
    let node = Node::start(&["up", application, "--no-watch", "--node", config], data.path());
    Near { node, data, services, _folder: folder }
}

#[test]
fn what_is_near_is_preferred_and_left_when_it_is_gone() {
    let Near { node, data, services: [home, one, two, three, far], .. } = near("prefer-zone");
    for _ in 0..30 {
        assert_eq!(node.get("/x").body, "near");
    }
    assert_eq!([&home, &one, &two, &three, &far].map(Service::seen), [30, 0, 0, 0, 0]);
    let (exit, out, _) = run(&["status", "--data", data.path().to_str().expect("text")]);
    assert_eq!(exit, 0, "{out}");
    let lines: Vec<&str> = out.lines().filter(|line| line.contains("standby")).collect();
    assert!(lines.len() == 4 && out.contains("eu-1a, eu-1"), "{out}");
    let (_, out, _) = run(&["explain", "GET", "/x", "--data", data.path().to_str().expect("text")]);
    let told = out.lines().find(|line| line.contains("balance.locality")).expect("told");
    assert!(told.contains("prefer-zone") && told.contains("upstream legacy"), "{told}");
    drop(home);
    until("the region is next", || node.get("/x").body == "region");
    for _ in 0..20 {
        assert_eq!(node.get("/x").body, "region", "a retry finds it at worst");
    }
    assert_eq!(far.seen(), 0, "three of the region's four can carry it");
    drop((one, two, three));
    until("then whoever is left", || node.get("/x").body == "far");
}

#[test]
fn what_may_not_leave_does_not() {
    let Near { node, services: [home, others @ ..], .. } = near("never-leave-zone");
    assert_eq!(node.get("/x").body, "near");
    drop(home);
    for _ in 0..10 {
        let answer = node.get("/x");
        assert_eq!(code(&answer), "upstream-unreachable", "{answer:?}");
    }
    assert!(others.iter().all(|other| other.seen() == 0));
}

#[test]
fn a_late_call_is_tried_at_another_endpoint_and_that_is_told() {
    let slow = Service::start(|_, stream| {
        let _ = std::io::Read::read(stream, &mut [0]);
        Then::Close
    });
    let quick = Service::says("quick");
    let policy = "policy = { hedge = { after = \"20ms\", budget = \"100%\" }, retry = { budget = \"100%\" } }";
    let proxy = Proxy::start(&support::proxy::legacy(&[&slow, &quick], policy));
    let won = || {
        let metrics = proxy.node.admin_get("/metrics", None).body;
        let is = |line: &&str| line.starts_with("weft_upstream_hedges_total") && line.contains("outcome=\"won\"");
        metrics.lines().find(is).is_some_and(|line| !line.ends_with(" 0"))
    };
    until("a second try answers", || {
        assert_eq!(proxy.node.get("/x").body, "quick");
        won()
    });
    let (_, out, _) = run(&["status", "--data", proxy.data.path().to_str().expect("text")]);
    assert!(out.contains(" hedges ("), "{out}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let plain = "[upstream.legacy]\nendpoints = [\"http://10.1.0.4\"]\npolicy = { POLICY }\n\
                 [[route]]\npath = \"/*\"\nupstream = \"legacy\"\n";
    for (policy, code, says) in [
        ("locality = \"never-leave-zone\"", "manifest-missing", "no endpoint says its `zone`"),
        ("locality = \"prefer-zones\"", "manifest-type", "did you mean `prefer-zone`?"),
        ("hedge = { after = \"p20\" }", "manifest-type", "from `p50` to `p99.99`"),
        ("hedge = { max = 2 }", "manifest-unknown-key", "max"),
    ] {
        refused(&plain.replace("POLICY", policy), code, says);
    }
    let on_route = "[upstream.legacy]\nendpoints = [\"http://10.1.0.4\"]\n\
                    [[route]]\npath = \"/*\"\nupstream = \"legacy\"\npolicy = { hedge = { after = \"20ms\" } }\n";
    refused(on_route, "manifest-unsupported", "all routes of an upstream share it");
}
