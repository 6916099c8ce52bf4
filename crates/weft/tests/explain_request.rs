//! `weft explain` of a request that was sent, by the id in its answer.

mod support;

use std::fs;

use support::{
    Node, Response, application,
    proxy::{Proxy, code, legacy},
    run,
    service::{Service, reset},
};

/// The id that every error of ours has.
fn id(response: &Response) -> String {
    let line = response.head.lines().find_map(|line| line.strip_prefix("weft-request-id: "));
    line.unwrap_or_else(|| panic!("no id: {response:?}")).trim().to_owned()
}

fn explain(id: &str, data: &std::path::Path) -> (String, serde_json::Value) {
    let data = data.to_str().expect("text");
    let (exit, text, err) = run(&["explain", id, "--data", data]);
    assert_eq!(exit, 0, "{text}{err}");
    let (exit, json, _) = run(&["explain", id, "--format", "json", "--data", data]);
    assert_eq!(exit, 0);
    (text, serde_json::from_str(&json).expect("JSON"))
}

#[test]
fn a_failed_call_of_an_upstream_shows_every_try_and_the_policy() {
    let service = Service::start(|_, stream| reset(stream));
    let proxy = Proxy::start(&legacy(&[&service], "policy = { retry = { max = 1 } }"));
    let failed = proxy.ask("GET", "/", "");
    assert_eq!((failed.status, code(&failed), service.seen()), (502, "upstream-lost", 2));
    let (text, report) = explain(&id(&failed), proxy.data.path());
    assert_eq!((report["status"].as_u64(), report["code"].as_str()), (Some(502), Some("upstream-lost")), "{report}");
    let tries = report["tries"].as_array().expect("tries");
    assert_eq!(tries.len(), 2, "{report}");
    for (one, attempt) in tries.iter().zip([1, 2]) {
        assert_eq!((one["attempt"].as_u64(), one["code"].as_str()), (Some(attempt), Some("upstream-lost")));
        assert_eq!(one["endpoint"].as_str(), Some(service.url().as_str()));
    }
    assert_eq!(report["route"]["action"].as_str(), Some("upstream legacy"), "{report}");
    assert_eq!(report["upstream"]["breaker"]["state"].as_str(), Some("closed"), "{report}");
    for wanted in ["retry.max", "upstream-lost", "try 2", "in all", "route", "502, failure"] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
}

#[test]
fn refused_and_unrouted_requests_are_known_and_others_are_not() {
    let data = tempfile::tempdir().expect("folder");
    let limited = "path = \"/limited\"\npolicy = { rate-limit = { rate = \"1/h\" } }";
    let folder = application("shop", limited, "hello-p2.wasm");
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    assert_eq!(node.get("/limited").status, 200);
    let refused = node.get("/limited");
    let (text, report) = explain(&id(&refused), data.path());
    assert_eq!((report["code"].as_str(), report["class"].as_str()), (Some("rate-limited"), Some("caller-fault")));
    assert_eq!((report["limit"]["allowed"].as_bool(), report["limit"]["burst"].as_u64()), (Some(false), Some(1)));
    assert!(text.contains("refused, 0 of 1 left") && text.contains("rate-limit.rate"), "{text}");

    let nowhere = node.get("/nowhere");
    let (text, report) = explain(&id(&nowhere), data.path());
    assert!(report["route"].is_null() && text.contains("no-route"), "{text}");

    // Its routes are replaced: the table that it met is gone, and its names are not.
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, text.replace("/limited", "/other")).expect("written");
    node.says("\"swapped\"");
    let (_, report) = explain(&id(&refused), data.path());
    assert!(report["route"]["route"].as_str().is_some_and(|route| route.contains("/limited")), "{report}");

    let folder = data.path().to_str().expect("text");
    let (exit, _, err) = run(&["explain", &format!("inv_{:032x}", 7), "--data", folder]);
    assert!(exit == 1 && err.contains("not-found") && err.contains("is not kept here"), "{exit} {err}");
    let (exit, _, err) = run(&["explain", "inv_what", "--data", folder]);
    assert!(exit == 1 && err.contains("no request id"), "{exit} {err}");
    let (exit, _, err) = run(&["explain", "GET", "--data", folder]);
    assert!(exit == 2 && err.contains("URL"), "{exit} {err}");
}
