//! Every error code has a page that answers what, why and what to do; no page is left of a code that is gone.

use std::fs;

use weft_types::CODES;

use crate::sh::{Done, root};

/// The questions that each page answers, as its headings.
const HEADINGS: &[&str] = &["## What it says", "## Why it happens", "## What to do"];

pub(super) fn check() -> Done<Vec<String>> {
    let folder = root().join("docs/errors");
    let mut found = Vec::new();
    for info in CODES {
        match fs::read_to_string(folder.join(format!("{}.md", info.name))) {
            Ok(page) => found.extend(faults_of(info.name, info.title, &page)),
            Err(_) => found.push(format!("docs/errors/{}.md is missing: its code is in weft_types::CODES", info.name)),
        }
    }
    for entry in fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let name = entry.map_err(|e| e.to_string())?.file_name().to_string_lossy().into_owned();
        let code = name.trim_end_matches(".md");
        if code != "README" && !CODES.iter().any(|info| info.name == code) {
            found.push(format!("docs/errors/{name} is about no code"));
        }
    }
    Ok(found)
}

fn faults_of(code: &str, title: &str, page: &str) -> Vec<String> {
    let mut found = Vec::new();
    if page.lines().next() != Some(&format!("# {code}")) {
        found.push(format!("docs/errors/{code}.md does not begin with `# {code}`"));
    }
    if !page.lines().any(|line| line == title) {
        found.push(format!("docs/errors/{code}.md does not say what the code says: {title}"));
    }
    let missing = HEADINGS.iter().filter(|heading| !page.lines().any(|line| line == **heading));
    found.extend(missing.map(|heading| format!("docs/errors/{code}.md lacks `{heading}`")));
    found
}
