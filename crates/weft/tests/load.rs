//! `weft load` against a real node, for a second or two.

mod support;

use std::{fs, path::Path};

use serde_json::Value;
use support::{Node, application, run};

fn load(data: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let data = ["--data", data.to_str().expect("text"), "--format", "json"];
    let (code, out, said) = run(&[&["load"], arguments, &data].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), said)
}

#[test]
fn load_meets_or_misses_its_objective_and_says_what_gave_way() {
    let data = tempfile::tempdir().expect("folder");
    let limited = "path = \"/limited\"\npolicy = { rate-limit = { rate = \"20/h\" } }";
    let folder = application("shop", limited, "hello-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, format!("{text}\n[[route]]\npath = \"/open\"\ncomponent = \"api\"\n")).expect("written");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());

    let url = format!("{}/open", node.url);
    let (code, out, said) = load(data.path(), &[&url, "--rate", "100", "--for", "500ms", "--slo", "p50<30s"]);
    assert_eq!(code, 0, "{out} {said}");
    let whole = &out["whole"];
    assert_eq!((&whole["requests"], &whole["ok"], &whole["statuses"]["200"]), (&50.into(), &50.into(), &50.into()));
    assert_eq!((&out["judgement"]["met"], &out["node"]), (&true.into(), &true.into()), "{out}");

    let url = format!("{}/limited", node.url);
    let (code, out, said) = load(data.path(), &[&url, "--stages", "250ms:100,250ms:200", "--slo", "errors<1%"]);
    assert!(code == 1 && said.contains("slo-missed"), "{out} {said}");
    let whole = &out["whole"];
    assert_eq!(
        (&whole["requests"], &whole["ok"], &whole["codes"]["rate-limited"]),
        (&75.into(), &20.into(), &55.into())
    );
    assert_eq!(out["stages"][1]["requests"], 50);
    let sign = &out["signs"].as_array().expect("signs").iter().find(|sign| sign["what"] == "rate-limited");
    assert_eq!(sign.expect("it gave way")["place"], "server");

    // Of 20 an hour, nothing is left: no rate is borne.
    let arguments =
        [&url, "--find-capacity", "--slo", "errors<1%", "--rate", "2", "--for", "500ms", "--warm-up", "1ms"];
    let (code, out, said) = load(data.path(), &arguments);
    assert!(code == 1 && said.contains("slo-missed"), "{out} {said}");
    assert_eq!((&out["found"], &out["rate"]), (&"below".into(), &1.0.into()), "{out}");
    assert_eq!(out["gave-way"][0]["what"], "rate-limited", "{out}");
}

#[test]
fn the_capacity_up_to_a_bound_is_found_with_requests_from_files() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    let requests = folder.path().join("requests");
    fs::create_dir(&requests).expect("made");
    for (name, text) in [
        ("01-ok.http", "GET /ok\n"),
        ("02-sink.http", "POST /sink\n\nhello\n"),
        ("02-sink.expected", "200\n\n{{length}}\n"),
        ("03-sink.http", "POST /sink\n\n{{length}}\n"),
        ("03-sink.expected", "200\n\n1\n"),
    ] {
        fs::write(requests.join(name), text).expect("written");
    }
    let requests = requests.to_str().expect("text");
    let arguments = [
        requests,
        "--find-capacity",
        "--slo",
        "p50<30s,errors<1%",
        "--rate",
        "30",
        "--max-rate",
        "60",
        "--for",
        "500ms",
    ];
    let (code, out, said) = load(data.path(), &arguments);
    assert_eq!(code, 0, "{out} {said}");
    assert_eq!((&out["found"], &out["rate"]), (&"at-least".into(), &60.0.into()), "{out}");
    assert_eq!((&out["requests"], &out["url"]), (&3.into(), &format!("{}/", node.url).into()), "{out}");
    let probes = out["probes"].as_array().expect("probes");
    assert_eq!(probes.iter().map(|probe| probe["rate"].as_f64()).collect::<Vec<_>>(), [Some(30.0), Some(60.0)]);
    assert!(probes.iter().all(|probe| probe["requests"] == probe["ok"]), "{out}");

    let alone = folder.path().join("requests/03-sink.http");
    let (code, _, said) = load(data.path(), &[alone.to_str().expect("text")]);
    assert!(code == 2 && said.contains("no answer before it teaches"), "{said}");
}

#[test]
fn what_is_not_there_is_said_before_anything_is_sent() {
    let data = tempfile::tempdir().expect("folder");
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        format!("http://{}/", listener.local_addr().expect("bound"))
    };
    let (code, _, said) = load(data.path(), &[&gone]);
    assert!(code == 3 && said.contains("node-unreachable"), "{said}");
    for wrong in [["--rate", "0"], ["--stages", "10s"], ["--slo", "p99"], ["--find-capacity", "--poisson"]] {
        let (code, _, said) = load(data.path(), &[&[gone.as_str()], &wrong[..]].concat());
        assert_eq!(code, 2, "{wrong:?}: {said}");
    }
}
