//! `weft remove`: stops serving an application.

use clap::Args;
use weft_api::{Removed, path};
use weft_types::Name;

use crate::{args::Format, client::Target, failure::Failure, output};

/// Stop serving an application. What it has begun is finished; its data stays.
#[derive(Args)]
#[command(after_help = "Example:\n  weft remove orders")]
pub(crate) struct Remove {
    #[arg(value_name = "APPLICATION")]
    application: Name,
    #[command(flatten)]
    target: Target,
}

impl Remove {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        super::block_on(async {
            let path = path::of_application(path::APPLICATION, &self.application);
            let removed: Removed = self.target.find()?.delete(&path).await?;
            output::print(format, &removed, |removed| {
                format!("{} serves no more; its data stays. It was {}", removed.application, removed.revision)
            })
        })
    }
}
