//! What is kept: the record of a revision, the pointer to the current one, and the entries of its history.
//!
//! All are JSON with a form number, since a later version must read what this one wrote.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weft_api::{Change, Folder};
use weft_manifest::Application;
use weft_types::{Digest, Name};

/// A revision: everything that it takes to run it. Kept as an artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Record {
    pub form: u32,
    pub revision: Digest,
    pub application: Application,
    pub sources: BTreeMap<Name, Digest>,
    /// By the folder as the manifest names it.
    pub files: BTreeMap<String, Folder>,
}

impl Record {
    pub const FORM: u32 = 1;

    /// Every artefact that this revision needs.
    pub fn artefacts(&self) -> impl Iterator<Item = &Digest> {
        self.sources.values().chain(self.files.values().flat_map(BTreeMap::values))
    }
}

/// Which revision of an application serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Current {
    pub form: u32,
    pub revision: Digest,
    /// The artefact that holds the [`Record`].
    pub record: Digest,
    /// The number of the change, from 1.
    pub number: u64,
    /// Milliseconds since the Unix epoch.
    pub applied_ms: u64,
    pub by: Change,
}

/// One change in an application's history, at position `number - 1` of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    pub form: u32,
    /// `None`: it was removed.
    pub revision: Option<Digest>,
    pub record: Option<Digest>,
    pub applied_ms: u64,
    pub by: Change,
}

/// One step from one plan to the next, at position `plan - 1` of the log of plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) form: u32,
    pub(crate) application: Name,
    /// `None`: run it no longer.
    pub(crate) revision: Option<Digest>,
    pub(crate) at_ms: u64,
}

/// An application as it shall run.
#[derive(Debug, Clone)]
pub struct Desired {
    pub current: Current,
    pub record: Record,
}
