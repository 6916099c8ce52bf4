//! The command line as it is written.

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands::up;

/// Write handlers; `weft` brings the server.
#[derive(Parser)]
#[command(name = "weft", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// How to answer: for people, or as JSON for programs.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
}
