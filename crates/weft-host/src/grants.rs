//! What a component may touch and use. Nothing is granted by default.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use crate::services::{OutboundRules, Secret};

/// One component's grants, as its application's manifest resolved them.
#[derive(Clone, Default)]
pub struct Grants {
    pub env: Vec<(String, String)>,
    /// Secrets that the guest reads as variables of its environment, by their names.
    pub secret_env: BTreeMap<String, Secret>,
    /// `wasi:config`, and `weft.toml`'s `config` table.
    pub config: BTreeMap<String, String>,
    /// Secrets that the guest reads as configuration, by the key it asks for. Not part of `get-all`.
    pub secrets: BTreeMap<String, Secret>,
    /// The name that the guest opens → our store's name.
    pub stores: BTreeMap<String, String>,
    pub files: Vec<Folder>,
    /// What it may call over HTTP; `None`: nothing.
    pub outbound: Option<Arc<dyn OutboundRules>>,
}

/// Secrets by name alone.
impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("env", &self.env)
            .field("secret_env", &self.secret_env.keys())
            .field("config", &self.config)
            .field("secrets", &self.secrets.keys())
            .field("stores", &self.stores)
            .field("files", &self.files)
            .field("outbound", &self.outbound)
            .finish()
    }
}

/// A folder of the host that the guest sees at `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    pub from: PathBuf,
    pub to: String,
    pub write: bool,
}

/// Whether instances are shared between calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// A fresh instance for each call.
    #[default]
    Request,
    /// Warm instances serve one call after another; of 0.3, [`Limits::share`] calls at once.
    Instance,
}

/// What one instance or call of a component may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, all memories together, in bytes.
    pub memory: u64,
    /// CPU time of one call.
    pub cpu: Duration,
    /// Warm instances kept at most, and calls that one serves before it is replaced.
    pub warm: u32,
    pub reuse: u32,
    /// Calls that one 0.3 instance serves at once, at most, where those before wait. 1: one after another.
    pub share: u32,
    /// A warm instance older than this is replaced.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 128 << 20,
            cpu: Duration::from_secs(10),
            warm: 64,
            reuse: 100_000,
            share: 16,
            age: Duration::from_secs(3600),
        }
    }
}
