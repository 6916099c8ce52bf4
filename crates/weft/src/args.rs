//! The command line as it is written.

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands::{
    apply, audit, build, chaos, check, componentize, explain, export, fault, key, load, logs, new, remove, rollback,
    secrets, serve, status, top, up,
};

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
    New(new::New),
    Build(build::Build),
    Check(check::Check),
    Up(up::Up),
    Explain(explain::Explain),
    Serve(serve::Serve),
    Apply(apply::Apply),
    Status(status::Status),
    Top(top::Top),
    Load(load::Load),
    Logs(logs::Logs),
    Fault(fault::Fault),
    Export(export::Export),
    Chaos(chaos::Chaos),
    Rollback(rollback::Rollback),
    Remove(remove::Remove),
    Secrets(secrets::Secrets),
    Key(key::Key),
    Audit(audit::Audit),
    Componentize(componentize::Componentize),
}
