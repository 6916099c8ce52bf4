//! Routes that several answer, and copies that nobody sees the answers of, as a client of a real node meets them.

mod support;

use std::{
    fs,
    io::Read,
    sync::{
        Mutex,
        mpsc::{Sender, channel},
    },
};

use support::{
    Node, Response, guest,
    proxy::{BEGIN, Proxy, until},
    replace, request, run,
    service::{Service, Then, answer},
};

/// A node with a component `api` and an upstream `legacy` that share a route.
fn shared(service: &Service, route: &str) -> (Node, tempfile::TempDir, tempfile::TempDir) {
    let (data, folder) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let manifest = format!(
        "{BEGIN}[component.api]\nsource = \"api.wasm\"\n[upstream.legacy]\nendpoints = [\"{}\"]\n\
         [[route]]\npath = \"/*\"\n{route}\n",
        service.url()
    );
    fs::write(folder.path().join("weft.toml"), manifest).expect("written");
    replace(&folder.path().join("api.wasm"), &guest("hello-p2.wasm"));
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    (node, data, folder)
}

fn ask(node: &Node, header: &str) -> Response {
    request(&node.url, &format!("GET /x HTTP/1.1\r\nhost: t\r\n{header}connection: close\r\n\r\n"))
}

/// The value of the series whose line has all of `parts`.
fn value(node: &Node, parts: &[&str]) -> u64 {
    let text = node.admin_get("/metrics", None).body;
    let line = text.lines().find(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{parts:?} in {text}"))
}

#[test]
fn a_split_is_by_weight_sticks_by_its_cookie_is_forced_by_a_header_and_read_out() {
    let service = Service::says("legacy");
    let route = "split = [{ component = \"api\", weight = 1 }, { upstream = \"legacy\", weight = 1 },\n\
                 ]\nsticky = { cookie = \"weft-arm\" }";
    let (node, data, _folder) = shared(&service, route);
    let mut asked = 0;
    let mut arms = [None, None];
    while arms.iter().any(Option::is_none) {
        let response = ask(&node, "");
        asked += 1;
        assert_eq!(response.status, 200, "{response:?}");
        let cookie = response.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        assert!(cookie.contains("; HttpOnly; SameSite=Lax") && !cookie.contains("Secure"), "{cookie}");
        let pair = cookie.split(';').next().expect("a pair").to_owned();
        arms[usize::from(response.body == "legacy")] = Some(pair);
    }
    for (arm, pair) in arms.iter().flatten().enumerate() {
        for _ in 0..10 {
            let response = ask(&node, &format!("cookie: {pair}\r\n"));
            asked += 1;
            assert_eq!(usize::from(response.body == "legacy"), arm, "{response:?}");
            assert!(!response.head.contains("set-cookie"), "{response:?}");
        }
    }
    let seen = service.seen() as u64;
    let arm = |callee: &str| value(&node, &["weft_route_arm_total", callee, "class=\"ok\"", "role=\"arm\""]);
    until("every request is counted", || arm("component api") + arm("upstream legacy") == asked);
    assert_eq!(arm("upstream legacy"), seen);

    let (exit, out, _) = run(&["status", "--data", data.path().to_str().expect("text")]);
    assert_eq!(exit, 0, "{out}");
    let line = out.lines().find(|line| line.contains("/*") && line.contains("upstream legacy")).expect("the arm");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words, ["/*", "upstream", "legacy", "1", &seen.to_string(), "0", "0"], "{out}");
    let (_, out, _) = run(&["explain", "GET", "/x", "--data", data.path().to_str().expect("text")]);
    assert!(out.contains("split component api 1, upstream legacy 1"), "{out}");
}

#[test]
fn an_arm_without_weight_is_reached_by_force_alone_and_a_header_keeps_its_owner_together() {
    let service = Service::says("legacy");
    let route = "split = [{ component = \"api\", weight = 1 },\n\
                 { upstream = \"legacy\", weight = 0, force = { x-canary = \"1\" } }]\nsticky = { header = \"x-user\" }";
    let (node, ..) = shared(&service, route);
    for n in 0..20 {
        assert_ne!(ask(&node, &format!("x-user: {n}\r\n")).body, "legacy");
        assert_ne!(ask(&node, "x-canary: 2\r\n").body, "legacy");
        assert_eq!(ask(&node, &format!("x-user: {n}\r\nx-canary: 1\r\n")).body, "legacy");
    }
    assert_eq!(service.seen(), 20);
}

/// Says what it was asked, and answers when its sender of leave is gone.
fn recording(stands: bool) -> (Service, std::sync::mpsc::Receiver<String>, Sender<()>) {
    let (tell, told) = channel();
    let (leave, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let service = Service::start(move |asked, stream| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let _ = tell.send(format!("{} {} {body}", asked.method, asked.path));
        if stands {
            // Until the test is over.
            let _ = stream.read(&mut [0]);
            let _ = wait.lock().expect("whole").try_recv();
            return Then::Close;
        }
        answer(stream, 500, "broken")
    });
    (service, told, leave)
}

fn mirrored(to: &Service, from: &Service) -> Proxy {
    Proxy::start(&format!(
        "[upstream.shadow]\nendpoints = [\"{}\"]\n[[route]]\npath = \"/*\"\nupstream = [\"{}\"]\n\
         mirror = {{ upstream = \"shadow\" }}\n",
        to.url(),
        from.url()
    ))
}

#[test]
fn a_mirror_gets_the_same_requests_and_its_failures_change_nothing() {
    let (shadow, told, _leave) = recording(false);
    let service = Service::start(|asked, stream| answer(stream, 200, &String::from_utf8_lossy(&asked.body)));
    let proxy = mirrored(&shadow, &service);
    for (method, path, body) in [("GET", "/a?b=c", ""), ("POST", "/pay", "hello"), ("PUT", "/x%20y", "again")] {
        let response = proxy.ask(method, path, body);
        assert_eq!((response.status, response.body.as_str()), (200, body), "{response:?}");
        let copy = told.recv_timeout(support::PATIENCE).expect("copied");
        assert_eq!(copy, format!("{method} {path} {body}"));
    }
    let failed = ["weft_route_arm_total", "role=\"mirror\"", "upstream shadow", "class=\"failure\""];
    // A GET and a PUT end with an answer of 500 as a POST does: what is no gateway's status is not asked again.
    until("the copies are counted", || value(&proxy.node, &failed) == 3);
    assert_eq!((service.seen(), shadow.seen()), (3, 3));
    // What is longer than a copy may be is not copied.
    let long = "x".repeat(65 << 10);
    assert_eq!(proxy.ask("POST", "/long", &long).body.len(), long.len());
    assert_eq!(proxy.ask("POST", "/short", "s").body, "s");
    assert_eq!(told.recv_timeout(support::PATIENCE).expect("copied"), "POST /short s");
}

#[test]
fn a_mirror_that_stands_still_holds_no_more_than_its_bound() {
    let (shadow, told, _leave) = recording(true);
    let service = Service::says("hello");
    let proxy = mirrored(&shadow, &service);
    for n in 0..100 {
        assert_eq!(proxy.ask("GET", &format!("/{n}"), "").body, "hello", "{n}");
    }
    for _ in 0..64 {
        told.recv_timeout(support::PATIENCE).expect("copied");
    }
    assert_eq!(service.seen(), 100);
    assert!(told.try_recv().is_err() && shadow.seen() == 64, "{}", shadow.seen());
}

#[test]
fn check_refuses_splits_and_mirrors_that_cannot_be() {
    let parts = "[component.api]\nsource = \"api.wasm\"\nbuild = { command = \"true\" }\n[[route]]\npath = \"/*\"\n";
    let cases = [
        ("split = [{ component = \"api\", weight = 0 }]", "manifest-type", "weight of 0"),
        ("split = [{ component = \"apy\", weight = 1 }]", "manifest-reference", "did you mean `api`"),
        ("split = [{ weight = 1 }]", "manifest-missing", "does not say what answers"),
        (
            "split = [{ component = \"api\", weight = 1 }, { component = \"api\", weight = 2 }]",
            "manifest-type",
            "one name",
        ),
        ("component = \"api\"\nsticky = { cookie = \"a\" }", "manifest-unsupported", "sticky"),
        ("split = [{ component = \"api\", weight = 1 }]\nsticky = {}", "manifest-type", "exactly one"),
        ("redirect = { to = \"/a\" }\nmirror = { component = \"api\" }", "manifest-unsupported", "mirror"),
        ("component = \"api\"\nmirror = { upstream = \"old\" }", "manifest-reference", "[upstream.old]"),
    ];
    for (route, code, says) in cases {
        support::proxy::refused(&format!("{parts}{route}\n"), code, says);
    }
}
