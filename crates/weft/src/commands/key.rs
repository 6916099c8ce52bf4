//! `weft key`: keys that callers send in a header.

use clap::{Args, Subcommand};
use serde_json::json;
use weft_types::code;

use crate::{args::Format, failure::Failure, output};

/// Make API keys.
#[derive(Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    New(New),
}

/// Print a new key, once, and the line that declares it.
#[derive(Args)]
#[command(after_help = "Examples:\n  weft key new acme-ci\n  weft key new acme-ci --format json")]
struct New {
    /// Who will have it: the caller's identity.
    #[arg(value_name = "WHO")]
    who: String,
}

impl Key {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let What::New(New { who }) = self.what;
        let made = weft_node::new_api_key();
        let (key, hash) = made.map_err(|error| Failure::new(code::INTERNAL, "weft key", error.to_string()))?;
        output::print(format, &json!({ "who": who, "key": key, "hash": hash }), |_| {
            format!(
                "{key}\n\nGive it to {who}; it cannot be shown again. Declare it in weft.toml by its hash:\n\n  \
                 [auth.NAME.api-key.keys]\n  {who:?} = {{ hash = \"{hash}\" }}\n"
            )
        })
    }
}
