//! A revision that may become current: everything it needs is on disk, and nothing has changed yet.

use std::collections::BTreeSet;

use weft_api::{Apply, Change};
use weft_manifest::Application;
use weft_store::Version;
use weft_types::{Digest, Name};

use crate::{Artefacts, ControlError, Current, Record, folders};

/// Made by [`Control::propose`](crate::Control::propose) or [`Control::reconsider`](crate::Control::reconsider), made
/// current by [`Control::decide`](crate::Control::decide).
#[derive(Debug)]
pub struct Candidate {
    pub record: Record,
    /// The artefact that holds the record.
    pub(crate) kept: Digest,
    pub(crate) by: Change,
    /// What was current when it was made, with its version in the store.
    pub(crate) before: Option<(Current, Version)>,
}

impl Candidate {
    pub fn application(&self) -> &Name {
        &self.record.application.name
    }

    /// Whether it would change anything.
    pub fn is_current(&self) -> bool {
        self.before.is_some_and(|(current, _)| current.revision == self.record.revision)
    }
}

/// Checks an application as it was sent, and that everything it names is here.
pub(crate) fn record(artefacts: &Artefacts, apply: Apply) -> Result<Record, ControlError> {
    let Apply { manifest, sources, files, .. } = apply;
    let application: Application = serde_json::from_value(manifest).map_err(ControlError::Form)?;
    if application.application != Application::FORM {
        return Err(ControlError::OtherForm { is: application.application, reads: Application::FORM });
    }
    let there = |what: String, digest: &Digest| match artefacts.find(digest) {
        Some(_) => Ok(()),
        None => Err(ControlError::Missing { what, digest: *digest }),
    };
    for component in application.components.keys() {
        let digest = sources.get(component);
        let digest = digest.ok_or_else(|| ControlError::NoSource { component: component.clone() })?;
        there(format!("component `{component}`"), digest)?;
    }
    let places = application.components.values().flat_map(|component| &component.grants.files);
    if let Some(folder) = places.into_iter().find(|folder| !folders::is_place(&folder.to)) {
        return Err(ControlError::BadPath { path: folder.to.clone() });
    }
    for folder in application.folders() {
        let files = files.get(folder).ok_or_else(|| ControlError::NoFolder { folder: folder.to_owned() })?;
        for (path, digest) in files {
            if !folders::is_plain(path) {
                return Err(ControlError::BadPath { path: path.clone() });
            }
            there(format!("file `{folder}/{path}`"), digest)?;
        }
    }
    let wanted: BTreeSet<String> = application.folders().into_iter().map(str::to_owned).collect();
    let sources = sources.into_iter().filter(|(name, _)| application.components.contains_key(name)).collect();
    let files = files.into_iter().filter(|(folder, _)| wanted.contains(folder)).collect();
    let mut record = Record { form: Record::FORM, revision: Digest([0; 32]), application, sources, files };
    record.revision = record.application.revision(&record.sources, &record.files);
    Ok(record)
}
