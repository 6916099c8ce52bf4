//! What a node is started with: `node.toml`, overridden by flags.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use weft_manifest::{Disk, NodeConfig, node::LogFormat};
use weft_node::Telemetry;
use weft_telemetry::logs::{Format, Level, Options};
use weft_types::code;

use crate::failure::Failure;

/// Flags of every command that starts a node.
#[derive(Args)]
pub(crate) struct Settings {
    /// Where to listen for HTTP/1.1 and HTTP/2; port 0 takes any free one. [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the admin API, health and /metrics listen. [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,
    /// The folder in which everything is kept. One process uses it at a time. [default: .weft]
    #[arg(long, value_name = "FOLDER", env = "WEFT_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// The operator's node.toml: listeners, TLS, secrets, limits.
    #[arg(long, value_name = "FILE")]
    pub(crate) node: Option<PathBuf>,
    /// How to log on standard error. [default: text on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log: Option<LogArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogArg {
    Text,
    Json,
}

impl Settings {
    /// The node's configuration and its data folder.
    pub(crate) fn config(&self) -> Result<(NodeConfig, PathBuf), Failure> {
        let mut config = match &self.node {
            Some(file) => weft_manifest::load_node(file, Disk::Check)?,
            None => NodeConfig::default(),
        };
        if let Some(listen) = self.listen {
            config.http = vec![listen];
        }
        config.admin = self.admin.unwrap_or(config.admin);
        if let Some(log) = self.log {
            config.log_format = Some(if log == LogArg::Text { LogFormat::Text } else { LogFormat::Json });
        }
        let data = self.data.clone().or_else(|| config.data.clone()).unwrap_or_else(|| ".weft".into());
        Ok((config, data))
    }
}

/// Starts the log, which holds its lines back until the node is ready.
pub(crate) fn telemetry(config: &NodeConfig) -> Result<Telemetry, Failure> {
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let format = match config.log_format {
        Some(LogFormat::Json) => Format::Json,
        Some(LogFormat::Text) => Format::text(),
        None if terminal => Format::text(),
        None => Format::Json,
    };
    let (level, filter) = match config.log_level {
        weft_manifest::node::Level::Error => (Level::ERROR, "error"),
        weft_manifest::node::Level::Warn => (Level::WARN, "warn"),
        weft_manifest::node::Level::Info => (Level::INFO, "info"),
        weft_manifest::node::Level::Debug => (Level::DEBUG, "debug"),
        weft_manifest::node::Level::Trace => (Level::TRACE, "trace"),
    };
    let filter = std::env::var("WEFT_LOG").unwrap_or_else(|_| filter.to_owned());
    let options = Options { filter, guest_level: level, ..Options::held(format) };
    Telemetry::logging(options).map_err(|error| Failure::new(code::USAGE, "log", error.to_string()))
}
