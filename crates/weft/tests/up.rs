//! `weft up` as a process: announced, asked, changed under load, stopped.

mod support;

use std::{
    fs,
    io::{BufReader, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use support::{Node, application, connect, guest, read, replace, run};

#[test]
fn the_first_lines_are_the_addresses_and_both_answer() {
    let data = tempfile::tempdir().expect("folder");
    let node = Node::start(&["up", guest("hello-p2.wasm").to_str().expect("text")], data.path());
    let hello = node.get("/anything");
    assert_eq!(hello.status, 200, "{hello:?}");
    assert!(hello.body.to_lowercase().contains("hello"), "{hello:?}");

    assert_eq!(node.admin_get("/healthz/live", None).status, 200);
    assert_eq!(node.admin_get("/healthz/ready", None).body, "ready\n");
    let metrics = node.admin_get("/metrics", None);
    assert!(metrics.body.contains("hello-p2"), "{}", metrics.body);

    let refused = node.admin_get("/v1/status", None);
    assert_eq!(refused.status, 401);
    assert!(refused.head.contains("weft-error: unauthenticated"), "{refused:?}");
    assert_eq!(node.admin_get("/v1/status", Some("wrong")).status, 401);
    let token = Node::token(data.path());
    let status = node.admin_get("/v1/status", Some(&token));
    assert!(status.body.contains("\"name\":\"hello-p2\""), "{status:?}");

    let admin = ["--data", data.path().to_str().expect("text")];
    let (code, out, _) = run(&[&["status"], &admin[..]].concat());
    assert!(code == 0 && out.contains("hello-p2"), "{out}");
    let (code, out, _) = run(&[&["explain", "GET", "/a/b"], &admin[..]].concat());
    assert!(code == 0 && out.contains("component hello-p2"), "{out}");
    let (code, _, said) = run(&[&["remove", "hello-p2"], &admin[..]].concat());
    assert!(code == 1 && said.contains("weft serve"), "{said}");
}

#[test]
fn several_applications_stand_behind_one_listener() {
    let data = tempfile::tempdir().expect("folder");
    let a = application("a", "path = \"/a/*\"", "hello-p2.wasm");
    let b = application("b", "path = \"/b/*\"\nmethods = [\"GET\"]", "hello-p3.wasm");
    let text = |folder: &tempfile::TempDir| folder.path().display().to_string();
    let node = Node::start(&["up", &text(&a), &text(&b)], data.path());
    assert_eq!(node.get("/a/1").status, 200);
    assert_eq!(node.get("/b/1").status, 200);
    let missed = node.get("/c");
    assert_eq!(missed.status, 404);
    assert!(missed.head.contains("weft-error: no-route"), "{missed:?}");
}

#[test]
fn a_change_is_swapped_in_without_a_failed_request() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    let (stop, sent, failed) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (url, stop, sent, failed) =
                (node.url.clone(), Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&failed));
            thread::spawn(move || {
                // One connection for its whole life: keep-alive must survive the swap too.
                let mut out = connect(&url);
                let mut back = BufReader::new(out.try_clone().expect("clones"));
                while !stop.load(SeqCst) {
                    out.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").expect("sent");
                    let good = read(&mut back).is_some_and(|answer| answer.status == 200);
                    sent.fetch_add(1, SeqCst);
                    failed.fetch_add(u64::from(!good), SeqCst);
                    if !good {
                        return;
                    }
                }
            })
        })
        .collect();
    let file = folder.path().join("api.wasm");
    for guest_name in ["hello-p3.wasm", "hello-p2.wasm", "hello-p3.wasm"] {
        let before = sent.load(SeqCst);
        replace(&file, &guest(guest_name));
        node.says("\"swapped\"");
        // Requests were answered by the old revision, and are by the new one.
        while sent.load(SeqCst) < before + 20 && failed.load(SeqCst) == 0 {
            thread::yield_now();
        }
    }
    stop.store(true, SeqCst);
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    assert_eq!(failed.load(SeqCst), 0, "of {}", sent.load(SeqCst));
}

#[test]
fn what_cannot_be_loaded_leaves_the_old_revision_serving() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "hello-p2.wasm");
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    fs::write(folder.path().join("api.wasm"), "not wasm").expect("written");
    node.says("it is not WebAssembly");
    assert_eq!(node.get("/").status, 200);
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, text.replace("path =", "pth =")).expect("written");
    node.says("unknown key `pth`");
    assert_eq!(node.get("/").status, 200);
    replace(&folder.path().join("api.wasm"), &guest("hello-p3.wasm"));
    fs::write(&manifest, text.replace("/*", "/new/*")).expect("written");
    node.says("\"swapped\"");
    assert_eq!(node.get("/new/x").status, 200);
    assert_eq!(node.get("/").status, 404);
}

#[test]
fn a_signal_lets_an_open_stream_end() {
    let data = tempfile::tempdir().expect("folder");
    let node = Node::start(&["up", guest("echo-p2.wasm").to_str().expect("text")], data.path());
    let mut out = connect(&node.url);
    let head = "POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    out.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).expect("sent");
    // The guest has begun to answer: from here on the stream is open both ways.
    let mut back = BufReader::new(out.try_clone().expect("clones"));
    let mut begun = [0; 12];
    std::io::Read::read_exact(&mut back, &mut begun).expect("the answer begins");
    assert_eq!(&begun, b"HTTP/1.1 200");
    node.signal("TERM");
    while std::net::TcpStream::connect(node.url.trim_start_matches("http://")).is_ok() {
        thread::yield_now();
    }
    out.write_all(b"6\r\nsecond\r\n0\r\n\r\n").expect("sent");
    let answer = read(&mut BufReader::new(std::io::Cursor::new(begun).chain(back))).expect("complete");
    assert!(answer.body.contains("first") && answer.body.contains("second"), "{answer:?}");
    drop(out);
    assert_eq!(node.wait(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait_for_what_is_in_flight() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let data = tempfile::tempdir().expect("folder");
        let mut node = Node::start(&["up", guest("faults-p2.wasm").to_str().expect("text")], data.path());
        let mut waits = connect(&node.url);
        waits.write_all(b"GET /sleep?600000 HTTP/1.1\r\nhost: t\r\n\r\n").expect("sent");
        while !node
            .admin_get("/metrics", None)
            .body
            .contains("weft_instances_live{application=\"faults-p2\",component=\"faults-p2\"} 1")
        {}
        node.signal(first);
        node.says("draining");
        assert!(node.runs(), "{first}: what is in flight is waited for");
        node.signal(second);
        node.says("not waiting");
        assert_eq!(node.wait(), Some(0), "{first}, then {second}");
        assert!(read(&mut BufReader::new(waits)).is_none(), "the call was cut");
    }
}

use std::io::Read as _;

#[test]
fn what_is_in_the_way_is_named() {
    let (data, taken) = (tempfile::tempdir().expect("folder"), TcpListener::bind("127.0.0.1:0").expect("bound"));
    let address = taken.local_addr().expect("address").to_string();
    let hello = guest("hello-p2.wasm");
    let (hello, folder) = (hello.to_str().expect("text"), data.path().to_str().expect("text"));
    let (code, _, said) = run(&["up", hello, "--listen", &address, "--data", folder]);
    assert!(code == 1 && said.contains("port-taken") && said.contains(&address), "{said}");

    let node = Node::start(&["up", hello], data.path());
    let (code, _, said) = run(&["up", hello, "--listen", "127.0.0.1:0", "--data", folder]);
    assert!(code == 1 && said.contains("data-locked") && said.contains(folder), "{said}");
    drop(node);

    let file = data.path().join("file");
    fs::write(&file, "").expect("written");
    let (code, _, said) = run(&["up", hello, "--listen", "127.0.0.1:0", "--data", file.to_str().expect("text")]);
    assert!(code == 1 && said.contains("data-unusable"), "{said}");

    let (code, _, said) = run(&["status", "--data", file.to_str().expect("text")]);
    assert!(code == 3 && said.contains("node-unreachable"), "{said}");
}
