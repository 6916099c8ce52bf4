//! What a component may touch and use. Nothing is granted by default.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// One component's grants, as its application's manifest resolved them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    pub env: Vec<(String, String)>,
    /// `wasi:config`, and `weft.toml`'s `config` table.
    pub config: BTreeMap<String, String>,
    /// The name that the guest opens → our store's name.
    pub stores: BTreeMap<String, String>,
    pub files: Vec<Folder>,
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
    /// Warm instances serve one call after another.
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
    /// A warm instance older than this is replaced.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 128 << 20, cpu: Duration::from_secs(10), warm: 64, reuse: 100_000, age: Duration::from_secs(3600) }
    }
}
