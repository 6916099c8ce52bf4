//! Faults that are put in on purpose, as an operator and a client of a real node meet them.

mod support;

use std::{
    fs,
    io::{BufReader, Write},
    path::Path,
    time::{Duration, Instant},
};

use support::{
    Node, Response, application, connect,
    proxy::{Proxy, code, message, until},
    read, run,
    service::Service,
};

fn fault(data: &Path, rest: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["fault"];
    arguments.extend(rest);
    arguments.extend(["--data", data.to_str().expect("text")]);
    run(&arguments)
}

/// Puts one in; its id.
fn put(data: &Path, rest: &[&str]) -> String {
    let mut arguments = vec!["put", "shop"];
    arguments.extend(rest);
    if !rest.contains(&"--for") {
        arguments.extend(["--for", "10m"]);
    }
    let (exit, out, err) = fault(data, &arguments);
    assert_eq!(exit, 0, "{rest:?}: {err}");
    out.lines().nth(1).and_then(|line| line.split(' ').next()).expect("an id").to_owned()
}

fn take_out(data: &Path, id: &str) {
    let (exit, out, err) = fault(data, &["remove", id]);
    assert_eq!(exit, 0, "{out}{err}");
}

fn done_to(response: &Response) -> Option<&str> {
    response.head.lines().find_map(|line| line.strip_prefix("weft-fault: ")).map(str::trim)
}

#[test]
fn a_route_is_aborted_delayed_and_cut_and_every_answer_says_so() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    let fine = node.get("/ok");
    assert_eq!((fine.status, done_to(&fine)), (200, None));

    let id = put(data.path(), &["--route", "/*", "--abort", "429", "--header", "x-chaos: yes"]);
    assert_eq!(node.get("/ok").status, 200, "only calls with the header");
    let text = "GET /ok HTTP/1.1\r\nhost: test\r\nx-chaos: yes\r\nconnection: close\r\n\r\n";
    let aborted = support::request(&node.url, text);
    assert_eq!((aborted.status, code(&aborted), done_to(&aborted)), (429, "fault-injected", Some("abort")));
    assert!(aborted.body.contains("\"code\":\"fault-injected\""), "{aborted:?}");
    take_out(data.path(), &id);
    assert_eq!(support::request(&node.url, text).status, 200);

    let id = put(data.path(), &["--route", "/*", "--delay", "300ms", "--calls", "1"]);
    let began = Instant::now();
    let late = node.get("/ok");
    assert!(late.status == 200 && began.elapsed() >= Duration::from_millis(300), "{late:?}");
    assert_eq!(done_to(&late), Some("delay"));
    assert_eq!(done_to(&node.get("/ok")), None, "one call and no more");
    take_out(data.path(), &id);

    let id = put(data.path(), &["--route", "/*", "--corrupt", "100%"]);
    let wrong = node.get("/ok");
    assert!(wrong.status == 200 && wrong.body != fine.body, "{wrong:?}");
    take_out(data.path(), &id);

    let id = put(data.path(), &["--route", "/*", "--reset", "0B"]);
    let mut stream = connect(&node.url);
    stream.write_all(b"GET /ok HTTP/1.1\r\nhost: test\r\n\r\n").expect("sent");
    assert!(read(&mut BufReader::new(stream)).is_none(), "no whole answer comes");
    take_out(data.path(), &id);

    let metrics = node.admin_get("/metrics", None).body;
    for harm in ["abort", "delay", "corrupt", "reset"] {
        let line = format!("weft_faults_injected_total{{application=\"shop\",at=\"route /*\",harm=\"{harm}\"}} 1");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(metrics.contains("weft_faults_standing 0"), "{metrics}");
    let (exit, out, err) = run(&["audit", "--data", data.path().to_str().expect("text")]);
    assert!(exit == 0 && out.contains("POST /v1/faults") && out.contains("shop route /*: abort 429"), "{out}{err}");
}

#[test]
fn an_instance_is_killed_and_another_serves() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    assert_eq!(node.get("/ok").status, 200);
    let id = put(data.path(), &["--component", "api", "--kill", "--calls", "1"]);
    let killed = node.get("/ok");
    assert_eq!((killed.status, code(&killed), done_to(&killed)), (503, "fault-injected", Some("kill")));
    assert_eq!(node.get("/ok").status, 200, "another instance serves");
    take_out(data.path(), &id);
}

#[test]
fn a_breaker_sees_what_is_done_to_its_component_and_a_fault_ends_by_itself() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let breaker = "policy = { breaker = { failures = 3, open = \"200ms\" } }";
    let text = text.replace("source = \"api.wasm\"", &format!("source = \"api.wasm\"\n{breaker}"));
    fs::write(&manifest, &text).expect("written");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    put(data.path(), &["--component", "api", "--abort", "502", "--for", "2s"]);
    for _ in 0..3 {
        let aborted = node.get("/ok");
        assert_eq!((aborted.status, code(&aborted)), (502, "fault-injected"));
    }
    let refused = node.get("/ok");
    assert_eq!((refused.status, code(&refused)), (503, "breaker-open"));
    until("it has ended and the breaker is closed", || node.get("/ok").status == 200);
    let (exit, out, _) = fault(data.path(), &["list"]);
    assert!(exit == 0 && out.contains("no fault is in force"), "{out}");
}

#[test]
fn tries_of_an_upstream_are_harmed_one_by_one_so_that_retries_protect() {
    let service = Service::says("well");
    let proxy = Proxy::to(&service, "");
    let at = proxy.data.path();
    let id = put(at, &["--upstream", "legacy", "--abort", "503", "--calls", "1"]);
    let saved = proxy.ask("GET", "/", "");
    assert_eq!((saved.status, saved.body.as_str(), done_to(&saved)), (200, "well", None));
    take_out(at, &id);
    let id = put(at, &["--upstream", "legacy", "--abort", "503", "--calls", "1"]);
    let lost = proxy.ask("POST", "/", "pay");
    assert_eq!((lost.status, code(&lost), service.seen()), (503, "fault-injected", 1), "a POST is sent once");
    take_out(at, &id);

    let id = put(at, &["--upstream", "legacy", "--reset", "2B"]);
    let mut stream = connect(&proxy.node.url);
    stream.write_all(message("POST", "/", "x").as_bytes()).expect("sent");
    assert!(read(&mut BufReader::new(stream)).is_none(), "the answer breaks off");
    take_out(at, &id);

    let id = put(at, &["--upstream", "legacy", "--bandwidth", "8B"]);
    let began = Instant::now();
    let slow = proxy.ask("GET", "/", "");
    assert_eq!((slow.body.as_str(), done_to(&slow)), ("well", Some("bandwidth")));
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    take_out(at, &id);
}

#[test]
fn what_cannot_be_harmed_is_refused_with_its_reason() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let _node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    for (rest, exits, says) in [
        (&["put", "shop", "--component", "apu", "--kill", "--for", "1s"][..], 1, "did you mean `api`"),
        (&["put", "shp", "--component", "api", "--kill", "--for", "1s"], 1, "no application `shp`"),
        (&["put", "shop", "--route", "/*", "--kill", "--for", "1s"], 1, "of a `component`"),
        (&["put", "shop", "--route", "/*", "--abort", "503", "--for", "25h"], 1, "86400 s"),
        (&["put", "shop", "--route", "/*", "--for", "1s"], 2, "--delay"),
        (&["put", "shop", "--route", "/*", "--abort", "503"], 2, "--for"),
        (&["remove", "7"], 1, "there is no fault 7"),
    ] {
        let (exit, out, err) = fault(data.path(), rest);
        assert!(exit == exits && err.contains(says), "{rest:?}: {exit} {out}{err}");
    }
}

#[test]
fn an_applications_store_is_out_of_reach_for_a_while_and_nothing_is_half_done() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "services-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let stored = "[store]\nkept = { kind = \"key-value\" }\n[component.api]\nstores = { default = \"kept\" }";
    fs::write(&manifest, text.replace("[component.api]", stored)).expect("written");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    let set = |value: &str| node.get(&format!("/kv/set?store=default&key=k&value={value}"));
    assert_eq!(set("before").body, "set\n");
    let id = put(data.path(), &["--service", "store", "--abort", "503"]);
    assert_eq!(set("lost").status, 500);
    take_out(data.path(), &id);
    assert_eq!(node.get("/kv/get?store=default&key=k").body, "before\n");
}
