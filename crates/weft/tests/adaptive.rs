//! The adaptive limit of a real node: it holds back calls that compute, sheds the unimportant, and leaves calls that wait
//! alone. What it is to be on a slow machine too: how many, and never how fast.

mod support;

use std::{
    fs,
    io::{BufReader, Write},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use support::{Node, application, connect, proxy::until, read, run};

/// About 30 ms on a core of its own.
const BURN: &str = "/work?60";
const CALLERS: u32 = 40;

fn node(data: &Path) -> (Node, tempfile::TempDir) {
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let urgent = "\n[[route]]\npath = \"/*\"\nheaders = { x-kind = \"interactive\" }\ncomponent = \"api\"\n\
                  policy = { priority = \"interactive\" }\n";
    fs::write(&manifest, text + urgent).expect("written");
    (Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data), folder)
}

fn ask(url: &str, path: &str, kind: &str) -> support::Response {
    let head = format!("GET {path} HTTP/1.1\r\nhost: t\r\nx-kind: {kind}\r\nconnection: close\r\n\r\n");
    support::request(url, &head)
}

fn reads(node: &Node, name: &str) -> f64 {
    let metrics = node.admin_get("/metrics", None).body;
    let line = metrics.lines().find(|line| line.starts_with(name) && line.as_bytes()[name.len()] == b'{');
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn calls_that_compute_are_held_near_the_cores_and_the_unimportant_are_shed() {
    let data = tempfile::tempdir().expect("folder");
    let (node, _folder) = node(data.path());
    assert_eq!(reads(&node, "weft_concurrency_limit"), 256.0, "nothing is held back");
    assert_eq!(ask(&node.url, BURN, "default").body, "done\n", "the guests are built anew: `cargo xtask guests`");
    let (over, shed, served) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let mut told = String::new();
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let answer = ask(&node.url, BURN, "default");
                    match answer.status {
                        200 => served.fetch_add(1, Relaxed),
                        503 => {
                            let head = &answer.head;
                            assert!(
                                head.contains("weft-error: overloaded") && head.contains("retry-after: "),
                                "{head}"
                            );
                            shed.fetch_add(1, Relaxed)
                        }
                        other => panic!("{other}: {answer:?}"),
                    };
                }
            });
        }
        let urgent = scope.spawn(|| {
            let mut answers = 0;
            while !over.load(Relaxed) {
                let answer = ask(&node.url, BURN, "interactive");
                assert_eq!(answer.status, 200, "an important call is never shed: {answer:?}");
                answers += 1;
            }
            answers
        });
        let places = || reads(&node, "weft_concurrency_limit");
        until("the limit holds", || places() < f64::from(CALLERS));
        until("the late are shed", || shed.load(Relaxed) > 20 && served.load(Relaxed) > 20);
        until("it is told", || {
            let (exit, out, _) = run(&["status", "--data", data.path().to_str().expect("text")]);
            told = out;
            exit == 0 && told.contains("the cores are in use")
        });
        over.store(true, Relaxed);
        assert!(urgent.join().expect("never shed") > 0);
    });
    assert!(told.contains("adaptive limit") && told.contains("shop/api"), "{told}");
    until("nothing is held back", || reads(&node, "weft_concurrency_limit") == 256.0);
    assert!(reads(&node, "weft_concurrency_adaptive_limit") >= 2.0);
}

#[test]
fn calls_that_wait_are_not_held_back_though_none_has_answered_yet() {
    let data = tempfile::tempdir().expect("folder");
    let (node, _folder) = node(data.path());
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = connect(&node.url);
            stream.write_all(b"GET /sleep?600000 HTTP/1.1\r\nhost: t\r\n\r\n").expect("sent");
            stream
        })
        .collect();
    until("all are inside", || reads(&node, "weft_invocations_active") >= 100.0);
    assert_eq!(reads(&node, "weft_queue_waiting"), 0.0);
    let mut one = connect(&node.url);
    one.write_all(b"GET /ok HTTP/1.1\r\nhost: t\r\n\r\n").expect("sent");
    assert_eq!(read(&mut BufReader::new(one)).expect("answered").status, 200);
    drop(waiting);
    until("who left gives the place on", || reads(&node, "weft_invocations_active") == 0.0);
}

#[test]
fn explain_says_that_it_adapts_and_who_said_otherwise() {
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let (exit, out, err) = run(&["explain", "GET", "/x", "--of", folder.path().to_str().expect("text")]);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("adaptive.max") && out.contains("200") && out.contains("default"), "{out}");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let said = "source = \"api.wasm\"\npolicy = { adaptive = { enabled = false } }";
    fs::write(&manifest, text.replace("source = \"api.wasm\"", said)).expect("written");
    let (exit, out, err) = run(&["explain", "GET", "/x", "--of", folder.path().to_str().expect("text")]);
    assert_eq!(exit, 0, "{out}{err}");
    let line = out.lines().find(|line| line.contains("adaptive.enabled")).expect("told");
    assert!(line.contains("false") && line.contains("component api"), "{line}");
}
