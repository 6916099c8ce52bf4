//! `weft build`: runs build commands.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::{
    applications::{self, BareArgs},
    args::Format,
    builds,
    failure::{Failure, Gathered},
    output,
};

/// Build every component that has a build command.
#[derive(Args)]
#[command(after_help = "Examples:\n  weft build\n  weft build shop --install     gets missing toolchains first")]
pub(crate) struct Build {
    /// Folders with a weft.toml, or weft.toml files. [default: this folder]
    #[arg(value_name = "WHAT")]
    what: Vec<PathBuf>,
    /// Install the toolchains that are missing, into .toolchain in the application's folder.
    #[arg(long)]
    install: bool,
}

impl Build {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let found = applications::find(&self.what, &BareArgs::default())?;
        let mut wrong = Gathered::default();
        let mut built = Vec::new();
        for found in &found {
            for (name, component) in &found.application.components {
                if self.install
                    && let Err(report) = builds::install(found, component, &mut |line| eprintln!("{line}"))
                {
                    wrong.add(report);
                    continue;
                }
                match builds::build_one(found, name, component, &mut |line| eprintln!("{line}")) {
                    Ok(()) => built.push(found.application.locate(&component.source)),
                    Err(report) => wrong.add(report),
                }
            }
        }
        wrong.done()?;
        output::print(format, &json!({ "built": built }), |_| {
            built.iter().map(|path| format!("{}\n", path.display())).collect()
        })
    }
}
