//! Sources that stay readable, tests that do not wait for clocks and are never skipped.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::sh::{Done, root};

/// A file holds one idea: past this many lines it holds two.
const LINES_MAX: usize = 600;
/// Tables of cases, which nobody reads from end to end.
const CASES_MAX: usize = 1500;

pub(super) fn check() -> Done<Vec<String>> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        rust_files(&root().join(folder), &mut files)?;
    }
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let shown = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        found.extend(faults_of(&shown, &text));
    }
    Ok(found)
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Done {
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn faults_of(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    let most = if file.contains("/tests/") { CASES_MAX } else { LINES_MAX };
    if lines > most {
        found.push(format!("{file}: {lines} lines, more than {most}"));
    }
    let generated = file.contains("/templates/");
    let (code, tests) = if file.contains("/tests/") { ("", text) } else { split(text) };
    // Written apart, so that this file does not find itself.
    if text.lines().any(|line| line.trim_start().starts_with(concat!("#[", "ignore"))) {
        found.push(format!("{file}: a test that is skipped shows nothing"));
    }
    let waits = [concat!("thread::", "sleep"), concat!("time::", "sleep")];
    if waits.iter().any(|wait| tests.contains(wait)) && !tests.contains("start_paused") {
        found.push(format!("{file}: a test sleeps: wait for what it waits for"));
    }
    let core = ["crates/weft-traffic/src/", "crates/weft-types/src/"].iter().any(|folder| file.starts_with(folder));
    for clock in ["Instant::now", "SystemTime::now", "std::fs", "std::net", "std::thread", ".await"] {
        // The one clock that the process starts with is defined beside its type.
        if core && code.contains(clock) && !(clock.ends_with("::now") && file.ends_with("weft-types/src/time.rs")) {
            found.push(format!("{file}: `{clock}` in a core"));
        }
    }
    let may_listen = ["crates/weft-gateway/", "crates/weft-bench/", "xtask/"].iter().any(|f| file.starts_with(f));
    if code.contains(concat!("Tcp", "Listener")) && !may_listen && !generated {
        found.push(format!("{file}: accept loops live in weft-gateway"));
    }
    found
}

/// The code, and the tests below it.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find("#[cfg(test)]\nmod ").unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_found_where_it_is_one() {
        let test = |body: &str| format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{ {body} }}\n");
        assert!(faults_of("crates/weft-host/src/a.rs", &test("")).is_empty());
        let wait = concat!("std::thread::", "sleep(x)");
        assert_eq!(faults_of("crates/weft-host/src/a.rs", &test(wait)).len(), 1);
        assert_eq!(faults_of("crates/weft-host/src/a.rs", &test(concat!("\n#[", "ignore]\n"))).len(), 1);
        assert!(faults_of("crates/weft-host/src/a.rs", wait).is_empty());
        assert_eq!(faults_of("crates/weft-traffic/src/a.rs", "Instant::now()").len(), 1);
        assert_eq!(faults_of("crates/weft-host/src/a.rs", "TcpListener::bind").len(), 1);
        assert!(faults_of("crates/weft-gateway/src/a.rs", "TcpListener::bind").is_empty());
        assert_eq!(faults_of("crates/weft-host/src/a.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
    }
}
