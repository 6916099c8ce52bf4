//! `weft componentize`: the last step of languages whose tools write no components.

use std::path::Path;

use clap::Args;
use weft_build::{Componentize as Job, Toolchains};
use weft_types::code;

use crate::failure::Failure;

/// Make a component of a script, a package, C sources or a core module.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft componentize js src/index.js -o dist/app.wasm --with key-value\n  weft componentize module core.wasm -o component.wasm"
)]
pub(crate) struct Componentize {
    /// KIND INPUT -o OUTPUT [--with SERVICE]…; KIND is js, python, go, c or module.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<String>,
}

impl Componentize {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let fail = |error: weft_build::BuildError| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let failure = Failure::new(error.code(), "componentize", format!("{error}{source}"));
            match error.hint() {
                Some(hint) => failure.help(hint),
                None => failure,
            }
        };
        let job = Job::parse(self.arguments.iter().map(String::as_str)).map_err(fail)?;
        let here = std::env::current_dir()
            .map_err(|error| Failure::new(code::INTERNAL, "componentize", format!("the current folder: {error}")))?;
        let tools = Toolchains::around(Path::new("."));
        weft_build::componentize(&job, &here, &tools, &mut |line| eprintln!("{line}")).map_err(fail)
    }
}
