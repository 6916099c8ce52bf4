//! The pointers, and how they are swapped.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use weft_api::{Applied, Apply, Change, Removed, Revision};
use weft_manifest::Application;
use weft_store::{At, LogName, Scan, Shard, Space, Store, StoreError, Version, bound::PAGE_MAX};
use weft_types::{Clock, Digest, Name};

use crate::{Artefacts, Candidate, ControlError, Current, Desired, Entry, Record, candidate, folders, off::off};

/// Changes of an application that are kept; older ones are forgotten with the revisions that only they led to.
pub(crate) const HISTORY_MAX: u64 = 50;

/// What a node shall run. Its data lies in the platform's own shard and beside it.
pub struct Control {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    data: PathBuf,
    artefacts: Arc<Artefacts>,
    pub(crate) shard: Shard,
    pub(crate) current: Space,
    pub(crate) plans: LogName,
}

impl Control {
    /// `data` is the node's data folder.
    pub fn open(store: Arc<dyn Store>, data: &Path, clock: Arc<dyn Clock>) -> Result<Self, ControlError> {
        let artefacts = Arc::new(Artefacts::open(data)?);
        let (current, plans) = (Space::new("current")?, LogName::new("plans")?);
        Ok(Self { store, clock, data: data.to_owned(), artefacts, shard: Shard::platform(), current, plans })
    }

    pub fn artefacts(&self) -> &Arc<Artefacts> {
        &self.artefacts
    }

    /// The number of the plan that holds: how many changes there have been.
    pub async fn plan(&self) -> Result<u64, ControlError> {
        Ok(self.store.length(&self.shard, &self.plans).await?)
    }

    /// Every application with its current pointer, by name.
    pub async fn list(&self) -> Result<Vec<(Name, Current)>, ControlError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let scan = Scan { space: self.current.clone(), prefix: Bytes::new(), after, max: PAGE_MAX, values: true };
            let page = self.store.scan(&self.shard, &scan, self.clock.now()).await?;
            for (key, item) in page.items {
                let name = std::str::from_utf8(&key).ok().and_then(|key| Name::new(key).ok());
                let name =
                    name.ok_or_else(|| StoreError::Corrupt { detail: "a key of `current`".into(), source: None })?;
                let current = parse(&name, &item.value)?;
                all.push((name, current));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Everything that shall run. What cannot be read is told, and does not keep the others from running.
    pub async fn desired(&self) -> Result<(Vec<Desired>, Vec<ControlError>), ControlError> {
        let (mut desired, mut errors) = (Vec::new(), Vec::new());
        for (name, current) in self.list().await? {
            match self.record(&name, current.record).await {
                Ok(record) => desired.push(Desired { current, record }),
                Err(error) => errors.push(error),
            }
        }
        Ok((desired, errors))
    }

    /// One application as it runs.
    pub async fn find(&self, name: &Name) -> Result<Desired, ControlError> {
        let (current, _) = self.pointer(name).await?.ok_or_else(|| ControlError::UnknownApplication(name.clone()))?;
        Ok(Desired { current, record: self.record(name, current.record).await? })
    }

    /// The application of a revision, with its folders laid out under the data folder.
    pub async fn lay_out(&self, record: &Record) -> Result<Application, ControlError> {
        let (data, artefacts, record) = (self.data.clone(), Arc::clone(&self.artefacts), record.clone());
        off(move || folders::lay_out(&data, &artefacts, &record)).await
    }

    /// Checks an application and keeps its record. Nothing serves it yet.
    pub async fn propose(&self, apply: Apply) -> Result<Candidate, ControlError> {
        let expected = apply.if_revision;
        let artefacts = Arc::clone(&self.artefacts);
        let record = off(move || candidate::record(&artefacts, apply)).await?;
        let before = self.pointer(&record.application.name).await?;
        let is = before.map(|(current, _)| current.revision);
        if expected.is_some() && expected != is {
            return Err(ControlError::NotCurrent { is });
        }
        let text = serde_json::to_vec(&record).map_err(ControlError::Form)?;
        let artefacts = Arc::clone(&self.artefacts);
        let kept = off(move || Ok(artefacts.keep(&text)?)).await?;
        Ok(Candidate { record, kept, by: Change::Apply, before })
    }

    /// A kept revision as a candidate: the one before the current, or the one that is named.
    pub async fn reconsider(&self, name: &Name, to: Option<Digest>) -> Result<Candidate, ControlError> {
        let before = self.pointer(name).await?.ok_or_else(|| ControlError::UnknownApplication(name.clone()))?;
        let history = self.history(name).await?;
        let wanted = |entry: &Entry| match (entry.revision, to) {
            (Some(revision), Some(to)) => revision == to,
            (revision, None) => revision.is_some_and(|revision| revision != before.0.revision),
            (None, _) => false,
        };
        // What a removal led to be forgotten is in the history, and can no longer be run.
        let kept: Vec<_> =
            history.iter().filter(|(_, entry)| wanted(entry)).filter_map(|(_, entry)| entry.record).collect();
        let (artefacts, application) = (Arc::clone(&self.artefacts), name.clone());
        let found = off(move || {
            let whole = |digest| Some((digest, read(&artefacts, &application, &digest).ok()?));
            let there = |record: &Record| record.artefacts().all(|digest| artefacts.find(digest).is_some());
            Ok(kept.into_iter().filter_map(whole).find(|(_, record)| there(record)))
        });
        let (kept, record) = found.await?.ok_or_else(|| match to {
            Some(revision) => ControlError::UnknownRevision { application: name.clone(), revision },
            None => ControlError::NothingBefore(name.clone()),
        })?;
        Ok(Candidate { record, kept, by: Change::Rollback, before: Some(before) })
    }

    /// Makes a candidate current. Durable when it returns; refused if another change came first.
    pub async fn decide(&self, candidate: &Candidate) -> Result<Applied, ControlError> {
        let Candidate { record, kept, by, before } = candidate;
        let application = record.application.name.clone();
        let previous = before.map(|(current, _)| current.revision);
        if let Some((current, _)) = before.filter(|(current, _)| current.revision == record.revision) {
            let (revision, number) = (current.revision, current.number);
            return Ok(Applied { application, revision, number, previous, changed: false, warnings: Vec::new() });
        }
        let entry = Entry {
            form: Record::FORM,
            revision: Some(record.revision),
            record: Some(*kept),
            applied_ms: self.clock.now().as_millis(),
            by: *by,
        };
        let number = self.swap(&application, before.map(|(_, version)| version), entry).await?;
        let revision = record.revision;
        Ok(Applied { application, revision, number, previous, changed: true, warnings: Vec::new() })
    }

    /// Says that an application shall run no longer. Its data and its history stay.
    pub async fn remove(&self, name: &Name) -> Result<Removed, ControlError> {
        let found = self.pointer(name).await?;
        let (current, version) = found.ok_or_else(|| ControlError::UnknownApplication(name.clone()))?;
        let applied_ms = self.clock.now().as_millis();
        let entry = Entry { form: Record::FORM, revision: None, record: None, applied_ms, by: Change::Apply };
        self.swap(name, Some(version), entry).await?;
        Ok(Removed { application: name.clone(), revision: current.revision })
    }

    /// The kept changes of an application that made a revision serve, the newest first.
    pub async fn revisions(&self, name: &Name) -> Result<Vec<Revision>, ControlError> {
        let current = self.pointer(name).await?.map(|(current, _)| current.number);
        let history = self.history(name).await?;
        if current.is_none() && history.is_empty() {
            return Err(ControlError::UnknownApplication(name.clone()));
        }
        let revision = |(number, entry): (u64, Entry)| {
            let (applied_ms, by, current) = (entry.applied_ms, entry.by, current == Some(number));
            Some(Revision { number, revision: entry.revision?, applied_ms, by, current })
        };
        Ok(history.into_iter().filter_map(revision).collect())
    }

    /// Deletes what no kept revision needs: for the start of a node, when nothing is being sent. Answers how many
    /// artefacts went.
    pub async fn tidy(&self) -> Result<usize, ControlError> {
        let (mut kept, mut revisions) = (HashSet::new(), HashSet::new());
        for (name, current) in self.list().await? {
            let history = self.history(&name).await?;
            let records = history.iter().filter_map(|(_, entry)| entry.record).chain([current.record]);
            for digest in records {
                if kept.insert(digest) {
                    let record = self.record(&name, digest).await?;
                    revisions.insert(record.revision.hex());
                    kept.extend(record.artefacts());
                }
            }
        }
        let (artefacts, laid_out) = (Arc::clone(&self.artefacts), self.data.join("revisions"));
        off(move || {
            folders::keep_only(&laid_out, &revisions)?;
            Ok(artefacts.sweep(|digest| kept.contains(digest))?)
        })
        .await
    }

    async fn pointer(&self, name: &Name) -> Result<Option<(Current, Version)>, ControlError> {
        let at = At::new(&self.current, name.as_str().to_owned());
        match self.store.get(&self.shard, &at, self.clock.now()).await? {
            Some(item) => Ok(Some((parse(name, &item.value)?, item.version))),
            None => Ok(None),
        }
    }

    /// The kept entries with their numbers, the newest first.
    async fn history(&self, name: &Name) -> Result<Vec<(u64, Entry)>, ControlError> {
        let log = history_of(name)?;
        let length = self.store.length(&self.shard, &log).await?;
        let from = length.saturating_sub(HISTORY_MAX);
        let found = self.store.read(&self.shard, &log, from, HISTORY_MAX as usize).await?;
        let entry = |(at, record): (usize, &Bytes)| Ok((found.from + at as u64 + 1, parse(name, record)?));
        let mut history = found.records.iter().enumerate().map(entry).collect::<Result<Vec<_>, ControlError>>()?;
        history.reverse();
        Ok(history)
    }

    async fn record(&self, name: &Name, digest: Digest) -> Result<Record, ControlError> {
        let (artefacts, name) = (Arc::clone(&self.artefacts), name.clone());
        off(move || read(&artefacts, &name, &digest)).await
    }
}

fn read(artefacts: &Artefacts, name: &Name, digest: &Digest) -> Result<Record, ControlError> {
    let damaged = |reason| ControlError::Damaged { application: name.clone(), reason };
    let text = artefacts.read(digest).map_err(|error| damaged(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
}

pub(crate) fn history_of(name: &Name) -> Result<LogName, ControlError> {
    Ok(LogName::new(format!("history/{name}"))?)
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<Bytes, ControlError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(ControlError::Form)
}

fn parse<T: serde::de::DeserializeOwned>(name: &Name, text: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(text)
        .map_err(|error| ControlError::Damaged { application: name.clone(), reason: error.to_string() })
}
