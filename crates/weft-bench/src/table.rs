//! What is printed, and the page that keeps it.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::turns::Row;

/// What Weft promises of each row.
const PROMISED: &[(&str, f64)] = &[
    ("fresh/wasmtime-serve", 2.0),
    ("fresh/wasmtime-serve-tuned", 1.0),
    ("reuse/wasmtime-serve-reuse", 1.0),
    ("reuse/hyper", 0.55),
    ("js/workerd", 0.7),
    ("proxy/envoy", 1.0),
    ("proxy/nginx", 0.7),
    ("overload/computing", 0.9),
    ("overload/waiting", 0.9),
    ("overload/envoy", 1.0),
];

/// A list of `{name, ours, peer, ratio, spread}`.
pub(crate) fn json(rows: &[Row]) -> Vec<Value> {
    let row = |r: &Row| json!({"name": r.name, "ours": r.ours, "peer": r.peer, "ratio": r.ratio, "spread": r.spread});
    rows.iter().map(row).collect()
}

pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| Row | Ratio | Promised | Ours, 1/s | Peer, 1/s | CPU a request, µs: ours / peer | System calls a request: ours / peer |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for r in rows {
        let promised = PROMISED.iter().find(|(name, _)| *name == r.name);
        let promised = promised.map_or(String::new(), |(_, least)| format!("≥ {least}"));
        let calls = |n: Option<f64>| n.map_or("–".into(), |n| format!("{n:.1}"));
        let _ = writeln!(
            text,
            "| `{}` | **{:.2}** ± {:.2} | {promised} | {:.0} | {:.0} | {:.1} / {:.1} | {} / {} |",
            r.name,
            r.ratio,
            r.spread,
            r.ours,
            r.peer,
            r.ours_cpu,
            r.peer_cpu,
            calls(r.ours_syscalls),
            calls(r.peer_syscalls),
        );
    }
    text
}

/// Replaces one section of the page, between its two marks; the rest is written by people.
pub(crate) fn keep(page: &Path, section: &str, table: &str) -> Result<(), String> {
    let text = fs::read_to_string(page).map_err(|e| format!("{}: {e}", page.display()))?;
    let (open, close) = (format!("<!-- {section} -->\n"), format!("<!-- /{section} -->"));
    let parts = text.split_once(&open).and_then(|(head, rest)| Some((head, rest.split_once(&close)?.1)));
    let (head, tail) = parts.ok_or(format!("{} has no section {section}", page.display()))?;
    let body = format!("{head}{open}{}\n\n{table}{close}{tail}", machine(section));
    fs::write(page, body).map_err(|e| format!("{}: {e}", page.display()))
}

/// What was measured on, when and by which command.
fn machine(section: &str) -> String {
    let said = |program: &str, args: &[&str]| {
        let out = Command::new(program).args(args).output().ok()?;
        Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("model name"))?;
        Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
    });
    // What else runs makes ratios noisy; whoever reads the table shall know.
    let load = fs::read_to_string("/proc/loadavg").ok().and_then(|text| Some(text.split(' ').next()?.to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "`cargo xtask bench {section}`, {}, {cores} cores of {}, Linux {}; load average at the end {}.",
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default(),
        cpu.unwrap_or_else(|| "an unknown processor".into()),
        said("uname", &["-r"]).unwrap_or_default(),
        load.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            name: "reuse/hyper".into(),
            ours: 90_000.0,
            peer: 150_000.0,
            ratio: 0.6,
            spread: 0.02,
            ours_cpu: 12.0,
            peer_cpu: 7.0,
            ours_syscalls: Some(2.1),
            peer_syscalls: None,
        }
    }

    #[test]
    fn json_has_the_five_fields() {
        let expected =
            json!([{"name": "reuse/hyper", "ours": 90000.0, "peer": 150000.0, "ratio": 0.6, "spread": 0.02}]);
        assert_eq!(Value::from(json(&[row()])), expected);
    }

    #[test]
    fn the_table_says_what_was_promised() {
        let last = markdown(&[row()]).lines().last().map(str::to_owned);
        let expected = "| `reuse/hyper` | **0.60** ± 0.02 | ≥ 0.55 | 90000 | 150000 | 12.0 / 7.0 | 2.1 / – |";
        assert_eq!(last.as_deref(), Some(expected));
    }

    #[test]
    fn only_its_section_of_the_page_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.md");
        fs::write(&page, "# A\n<!-- http -->\nold\n<!-- /http -->\n## B\n").unwrap();
        keep(&page, "http", "new\n").unwrap();
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.starts_with("# A\n<!-- http -->\n`cargo xtask bench http`"), "{text}");
        assert!(text.ends_with("\n\nnew\n<!-- /http -->\n## B\n"), "{text}");
        assert!(keep(&page, "cold", "").unwrap_err().ends_with("has no section cold"));
    }
}
