//! `weft key`: keys that callers send in a header, and tokens of operators.

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
#[command(
    after_help = "Examples:\n  weft key new acme-ci\n  weft key new acme-ci --format json\n  weft key new --operator deployer alice"
)]
struct New {
    /// Who will have it: the caller's identity.
    #[arg(value_name = "WHO")]
    who: String,
    /// For the admin API of nodes: what its holder may do there.
    #[arg(long, value_name = "ROLE", value_enum)]
    operator: Option<OperatorRole>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum OperatorRole {
    /// Look: status, routes, explanations, logs.
    Reader,
    /// Apply applications and roll them back, too.
    Deployer,
    /// Everything.
    Admin,
}

impl OperatorRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        }
    }
}

impl Key {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let What::New(New { who, operator }) = self.what;
        let made = weft_node::new_api_key();
        let (key, hash) = made.map_err(|error| Failure::new(code::INTERNAL, "weft key", error.to_string()))?;
        output::print(format, &json!({ "who": who, "key": key, "hash": hash }), |_| {
            let (file, table, role) = match operator {
                Some(role) => ("node.toml", "admin.token", format!(", role = \"{}\"", role.as_str())),
                None => ("weft.toml", "auth.NAME.api-key.keys", String::new()),
            };
            format!(
                "{key}\n\nGive it to {who}; it cannot be shown again. Declare it in {file} by its hash:\n\n  \
                 [{table}]\n  {who:?} = {{ hash = \"{hash}\"{role} }}\n"
            )
        })
    }
}
