//! What no compiler holds: the floors of ARCHITECTURE.md, a page for every error code, plain sources.

mod floors;
mod pages;
mod sources;

use crate::sh::Done;

fn offences() -> Done<Vec<String>> {
    let mut found = floors::check(&floors::Graph::read()?);
    found.extend(pages::check()?);
    found.extend(sources::check()?);
    Ok(found)
}

#[test]
fn the_repository_is_tidy() {
    let found = offences().expect("the checks run");
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
