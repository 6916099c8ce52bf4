//! `bench traffic`: what the gateway costs, beside the proxies that people use, and under more load than it can bear.

mod open;
mod overload;
mod proxies;
mod proxy;
mod routes;
mod stack;

use crate::{args::Args, figure::Figure, turns::Row};

/// What was measured, and why the rest could not be.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) failed: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Found {
    type Part = fn(&Args, &mut Found) -> Result<(), String>;
    let parts: [(&str, Part); 4] =
        [("stack", stack::run), ("proxy", proxy::run), ("routes", routes::run), ("overload", overload::run)];
    let mut found = Found::default();
    for (name, part) in parts {
        // `--only proxy/envoy` names a row of the part, `--only proxy` the part.
        if args.only.as_deref().is_some_and(|only| !only.starts_with(name)) {
            continue;
        }
        if let Err(reason) = part(args, &mut found) {
            found.failed.push(format!("{name}: {reason}"));
        }
    }
    found
}
