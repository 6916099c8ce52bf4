//! `weft new`: a new project.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use weft_build::Language;

use crate::{args::Format, failure::Failure, output};

/// Write a small project that builds and serves.
#[derive(Args)]
#[command(after_help = "Examples:\n  weft new -l rust hello\n  weft new -l python shop --dir services/shop")]
pub(crate) struct New {
    /// rust, js, python, go or c.
    #[arg(short, long, value_name = "LANGUAGE")]
    language: Language,
    /// The application's name: lower-case letters, digits and `-`.
    #[arg(value_name = "NAME")]
    name: String,
    /// Where to write it. [default: a folder of that name]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let dir = self.dir.clone().unwrap_or_else(|| PathBuf::from(&self.name));
        let files = weft_build::new(self.language, &self.name, &dir).map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            Failure::new(error.code(), dir.display().to_string(), format!("{error}{source}"))
        })?;
        output::print(format, &json!({ "folder": dir, "files": files }), |_| {
            let dir = dir.display();
            let files: String = files.iter().map(|file| format!("  {dir}/{}\n", file.display())).collect();
            format!("{files}\nnext: cd {dir} && weft up\n")
        })
    }
}
