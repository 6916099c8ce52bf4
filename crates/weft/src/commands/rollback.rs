//! `weft rollback`: returns to a kept revision.

use clap::Args;
use weft_api::{Applied, Rollback as Request, path};
use weft_types::{Digest, Name};

use super::apply;
use crate::{args::Format, client::Target, failure::Failure, output};

/// Serve the revision before the current one again, or another that is kept.
#[derive(Args)]
#[command(after_help = "Examples:\n  weft rollback orders\n  weft rollback orders --to sha256:4f0c…")]
pub(crate) struct Rollback {
    #[arg(value_name = "APPLICATION")]
    application: Name,
    /// A revision that `weft status APPLICATION` lists.
    #[arg(long, value_name = "REVISION")]
    to: Option<Digest>,
    #[command(flatten)]
    target: Target,
}

impl Rollback {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        super::block_on(async {
            let path = path::of_application(path::ROLLBACK, &self.application);
            let applied: Applied = self.target.find()?.post(&path, &Request { to: self.to }).await?;
            output::print(format, &applied, apply::told)
        })
    }
}
