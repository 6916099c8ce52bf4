//! The features of routes: what people are told of mistakes, and what the gateway is given.

mod addresses;
mod bodies;
mod cors;
mod heads;

use std::path::Path;

use expect_test::{Expect, expect};
use weft_manifest::{Application, Disk, Look, Report, load_node_text, load_text};
use weft_traffic::{RouteSpec, forwarded::Words};
use weft_types::Digest;

/// One component with one route, of which this is the rest.
fn load(route: &str) -> Result<Application, Report> {
    let text = format!("manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"a.wasm\"\n[[route]]\n{route}\n");
    load_text("weft.toml", &text, Path::new("/srv"), Disk::Skip)
}

fn good(route: &str) -> RouteSpec {
    let application = load(route).unwrap_or_else(|report| panic!("{}", report.render(Look::default())));
    let again = Application::from_json(&application.to_json()).expect("reads back");
    assert_eq!(again.to_json(), application.to_json());
    application.lower(Digest([0; 32])).remove(0)
}

fn bad(route: &str, wanted: Expect) {
    wanted.assert_eq(&load(route).expect_err("it is bad").render(Look::default()));
}

/// The rows of `weft explain` that are not of the policy.
fn explained(spec: &RouteSpec) -> String {
    let rows = spec
        .origins
        .iter()
        .filter(|(field, ..)| weft_traffic::Policy::resolve(&[]).origins.iter().all(|(f, ..)| f != field));
    rows.map(|(field, value, origin)| format!("{field} = {value} ({origin})\n")).collect()
}
