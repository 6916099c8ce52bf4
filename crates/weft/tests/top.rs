//! `weft top` as a program and a pipe read it.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use support::{
    connect,
    proxy::{Proxy, message},
    read, run,
    service::Service,
};

/// Asks until it is told to stop.
fn keep_asking(url: &str, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let (url, stop) = (url.to_owned(), Arc::clone(stop));
    std::thread::spawn(move || {
        while !stop.load(SeqCst) {
            let mut stream = std::io::BufReader::new(connect(&url));
            std::io::Write::write_all(stream.get_mut(), message("GET", "/x", "").as_bytes()).expect("sent");
            assert!(read(&mut stream).is_some());
        }
    })
}

#[test]
fn one_look_shows_what_routes_and_upstreams_do() {
    let service = Service::says("well");
    let proxy = Proxy::to(&service, "");
    let stop = Arc::new(AtomicBool::new(false));
    let asker = keep_asking(&proxy.node.url, &stop);
    let data = proxy.data.path().to_str().expect("text");
    let (exit, text, err) = run(&["top", "--once", "--every", "1", "--data", data]);
    assert_eq!((exit, err.as_str()), (0, ""), "{text}");
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("shop /* ").contains("/s") && line("shop /* ").contains(" 0.0% "), "{text}");
    assert!(line("shop/legacy ").contains(" closed ") && line("shop/legacy ").ends_with("1/1"), "{text}");
    assert!(!text.contains('\x1b'), "a pipe is no terminal: {text:?}");

    let (exit, json, _) = run(&["top", "--format", "json", "--every", "1", "--data", data, "shop"]);
    stop.store(true, SeqCst);
    asker.join().expect("every request was answered");
    let look: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let route = &look["routes"][0];
    assert_eq!((exit, route["name"].as_str()), (0, Some("shop /*")), "{json}");
    assert!(route["rate"].as_f64().is_some_and(|rate| rate > 0.0) && route["p99"].as_f64().is_some(), "{json}");
    assert_eq!(look["upstreams"][0]["breaker"].as_str(), Some("closed"), "{json}");

    let (exit, other, _) = run(&["top", "--once", "--every", "1", "--data", data, "nobody"]);
    assert_eq!((exit, other.contains("shop")), (0, false), "{other}");
}

#[test]
fn without_a_node_it_says_so() {
    let data = tempfile::tempdir().expect("folder");
    let (exit, out, err) = run(&["top", "--once", "--data", data.path().to_str().expect("text")]);
    assert_eq!((exit, out.as_str()), (3, ""), "{err}");
    assert!(err.contains("node-unreachable"), "{err}");
}
