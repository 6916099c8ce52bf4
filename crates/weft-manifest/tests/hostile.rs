//! Inputs made to hurt: whatever they are, an answer comes, and it is an error with a place or an application.

use std::path::Path;

use proptest::prelude::*;
use weft_manifest::{Application, Disk, Look, Report, load_node_text, load_text};

const GOOD: &str = r#"
manifest = 1
name = "shop"
[policy]
timeout = "5s"
[store]
orders = { kind = "key-value" }
[component.api]
source = "api.wasm"
build = { command = "make", dir = "api", watch = ["src/**"] }
limits = { memory = "64MiB", concurrency = 32 }
stores = { default = "orders" }
files = [{ from = "assets", to = "/assets" }]
outbound = ["https://api.payments.example"]
[[route]]
host = "shop.example"
path = "/orders/:id"
methods = ["GET", "POST"]
headers = { x-beta = "*" }
component = "api"
[[route]]
path = "/old/*"
redirect = { to = "/new/*", status = 301 }
"#;

fn parse(text: &str) -> Result<Application, Report> {
    load_text("weft.toml", text, Path::new("/nowhere"), Disk::Skip)
}

fn codes(text: &str) -> Vec<&'static str> {
    let report = parse(text).expect_err("it is bad");
    assert!(!report.problems.is_empty());
    assert!(!report.render(Look::default()).is_empty());
    report.problems.iter().map(|problem| problem.code.as_str()).collect()
}

#[test]
fn inputs_made_to_hurt() {
    let deep_list = format!("manifest = 1\nname = \"a\"\nx = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_table = format!("manifest = 1\nname = \"a\"\nx = {}1{}", "{a=".repeat(100_000), "}".repeat(100_000));
    let deep_key = format!("manifest = 1\nname = \"a\"\n{}a = 1", "a.".repeat(100_000));
    let deep_header = format!("manifest = 1\nname = \"a\"\n[{}a]\n", "a.".repeat(100_000));
    for text in [&deep_list, &deep_table, &deep_key, &deep_header] {
        assert_eq!(codes(text), ["manifest-syntax"]);
    }
    assert_eq!(codes(&format!("#{}", "x".repeat(2 << 20))), ["manifest-syntax"], "too long");
    assert_eq!(codes("manifest = 1\0"), ["manifest-syntax"]);
    assert_eq!(codes("manifest = 1\nname = \"a\"\r"), ["manifest-syntax"], "a bare carriage return");
    assert_eq!(codes("[component.api]\n[component.api]\n"), ["manifest-duplicate"]);
    assert_eq!(codes("manifest = 1\nname = \"a\"\n[a]\nb = 1\n[a.b]\n"), ["manifest-duplicate"]);
    assert_eq!(codes("manifest = 99999999999999999999"), ["manifest-syntax"]);
}

#[test]
fn many_mistakes_are_all_counted_and_some_are_shown() {
    let keys: String = (0..5000).map(|i| format!("wrong{i} = 1\n")).collect();
    let report = parse(&format!("manifest = 1\nname = \"a\"\n{keys}")).expect_err("it is bad");
    assert_eq!(report.problems.len(), 5000);
    let drawn = report.render(Look::default());
    assert!(drawn.ends_with("and 4950 more\n"));
    assert_eq!(report.to_json().as_array().map(Vec::len), Some(5000));
}

/// A piece of the good manifest replaced, removed, doubled or moved.
fn mutated() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(String::new()),
        "[\\[\\]{}=\",.\\n#' a-z0-9]{0,8}",
        prop::sample::select(vec![
            "[[route]]\n",
            "= ",
            "\"\"\"",
            "'''",
            "0x",
            "nan",
            "true",
            "1979-05-27",
            "\u{0}",
            "\u{feff}",
            "é",
            "\r\n",
            "\\u0000"
        ])
        .prop_map(str::to_owned),
    ];
    let edit = (any::<prop::sample::Index>(), 0usize..40, piece, any::<bool>());
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, length, piece, double) in edits {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            let cut: Vec<char> = text[start..end].to_vec();
            let new =
                if double { cut.iter().chain(&cut).copied().collect() } else { piece.chars().collect::<Vec<_>>() };
            text.splice(start..end, new);
        }
        text.into_iter().collect()
    })
}

/// What must hold of any answer.
fn hold<T>(text: &str, answer: Result<T, Report>) -> Result<(), TestCaseError> {
    let Err(report) = answer else { return Ok(()) };
    prop_assert!(!report.problems.is_empty());
    let lines = text.split('\n').count() as u32;
    for problem in &report.problems {
        prop_assert!(problem.line <= lines, "{problem} of {lines} lines");
        prop_assert!(problem.code.as_str().starts_with("manifest-") || problem.code.as_str() == "route-conflict");
    }
    let drawn = report.render(Look { colour: true, width: 80 });
    prop_assert!(!drawn.is_empty());
    prop_assert_eq!(report.to_json().as_array().map(Vec::len), Some(report.problems.len()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_manifest_never_panics(text in mutated()) {
        hold(&text, parse(&text))?;
        hold(&text, load_node_text("node.toml", &text, Path::new("/nowhere"), Disk::Skip))?;
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        hold(&text, parse(&text))?;
    }

    #[test]
    fn what_is_taken_can_be_stored(text in mutated()) {
        if let Ok(application) = parse(&text) {
            let stored = Application::from_json(&application.to_json()).expect("reads back");
            prop_assert_eq!(stored.to_json(), application.to_json());
        }
    }
}

#[test]
fn the_mutations_begin_from_what_is_good() {
    assert!(parse(GOOD).is_ok());
}
