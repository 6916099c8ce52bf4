//! `weft check`: everything that is wrong with an application, at once, before anything is run.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use weft_node::{DeployError, Refusal};

use super::up;
use crate::{
    applications::{self, BareArgs},
    args::Format,
    failure::Failure,
    output,
};

/// Validate manifests, components and routes without running anything.
#[derive(Args)]
#[command(after_help = "Examples:\n  weft check\n  weft check shop orders --format json")]
pub(crate) struct Check {
    /// Folders with a weft.toml, weft.toml files, or components. [default: this folder]
    #[arg(value_name = "WHAT")]
    what: Vec<PathBuf>,
    #[command(flatten)]
    bare: BareArgs,
}

impl Check {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let found = applications::find(&self.what, &self.bare)?;
        let deployments = up::lower(&found, None)?;
        let refusals: Vec<Refusal> = weft_node::check(&deployments);
        if !refusals.is_empty() {
            return Err(up::refused(&DeployError(refusals), &found));
        }
        let applications: Vec<_> = found.iter().map(|found| &found.application).collect();
        output::print(format, &json!({ "applications": applications }), |_| {
            let line = |application: &&weft_manifest::Application| {
                let (components, routes) = (application.components.len(), application.routes.len());
                format!(
                    "{}: {components} {}, {routes} {}: good\n",
                    application.name,
                    many(components, "component"),
                    many(routes, "route")
                )
            };
            applications.iter().map(line).collect()
        })
    }
}

fn many(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}
