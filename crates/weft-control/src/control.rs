//! The pointers, and how they are swapped.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use weft_api::{Applied, Apply, Change, Removed, Revision};
use weft_manifest::Application;
use weft_store::{
    At, Check, LogName, Scan, Shard, Space, Store, StoreError, Txn, Version, Write, Wrote, bound::PAGE_MAX,
};
use weft_types::{Clock, Digest, Name};

use crate::{Artefacts, Candidate, ControlError, Current, Desired, Entry, Record, candidate, folders, record::Step};

/// Changes of an application that are kept; older ones are forgotten with the revisions that only they led to.
const HISTORY_MAX: u64 = 50;
/// Forgetting a step costs as much as making one, so it is done for many at once.
const TRIM_EVERY: u64 = 16;
/// Steps of the log of plans that are kept, for those who ask what happened.
const PLANS_MAX: u64 = 10_000;

/// What a node shall run. Its data lies in the platform's own shard and beside it.
pub struct Control {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    data: PathBuf,
    artefacts: Artefacts,
    shard: Shard,
    current: Space,
    plans: LogName,
}

impl Control {
    /// `data` is the node's data folder.
    pub fn open(store: Arc<dyn Store>, data: &Path, clock: Arc<dyn Clock>) -> Result<Self, ControlError> {
        let artefacts = Artefacts::open(data)?;
        let (current, plans) = (Space::new("current")?, LogName::new("plans")?);
        Ok(Self { store, clock, data: data.to_owned(), artefacts, shard: Shard::platform(), current, plans })
    }

    pub fn artefacts(&self) -> &Artefacts {
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
            match self.record(&name, &current.record) {
                Ok(record) => desired.push(Desired { current, record }),
                Err(error) => errors.push(error),
            }
        }
        Ok((desired, errors))
    }

    /// One application as it runs.
    pub async fn find(&self, name: &Name) -> Result<Desired, ControlError> {
        let (current, _) = self.pointer(name).await?.ok_or_else(|| ControlError::UnknownApplication(name.clone()))?;
        Ok(Desired { current, record: self.record(name, &current.record)? })
    }

    /// The application of a revision, with its folders laid out under the data folder. Blocks on the disk.
    pub fn lay_out(&self, record: &Record) -> Result<Application, ControlError> {
        folders::lay_out(&self.data, &self.artefacts, record)
    }

    /// Checks an application and keeps its record. Nothing serves it yet.
    pub async fn propose(&self, apply: Apply) -> Result<Candidate, ControlError> {
        let expected = apply.if_revision;
        let record = candidate::record(&self.artefacts, apply)?;
        let before = self.pointer(&record.application.name).await?;
        let is = before.map(|(current, _)| current.revision);
        if expected.is_some() && expected != is {
            return Err(ControlError::NotCurrent { is });
        }
        let text = serde_json::to_vec(&record).map_err(ControlError::Form)?;
        let kept = self.artefacts.keep(&text)?;
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
        let mut kept = history.iter().filter(|(_, entry)| wanted(entry)).filter_map(|(_, entry)| entry.record);
        let found = kept.find(|record| self.is_whole(name, record));
        let kept = found.ok_or_else(|| match to {
            Some(revision) => ControlError::UnknownRevision { application: name.clone(), revision },
            None => ControlError::NothingBefore(name.clone()),
        })?;
        let record = self.record(name, &kept)?;
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
                    let record = self.record(&name, &digest)?;
                    revisions.insert(record.revision.hex());
                    kept.extend(record.artefacts());
                }
            }
        }
        let laid_out = self.data.join("revisions");
        if laid_out.is_dir() {
            for folder in std::fs::read_dir(&laid_out)? {
                let folder = folder?;
                if !folder.file_name().to_str().is_some_and(|name| revisions.contains(name)) {
                    std::fs::remove_dir_all(folder.path())?;
                }
            }
        }
        Ok(self.artefacts.sweep(|digest| kept.contains(digest))?)
    }

    /// Swaps a pointer, and writes the history and the next plan in the same commit. Answers the change's number.
    async fn swap(&self, name: &Name, before: Option<Version>, entry: Entry) -> Result<u64, ControlError> {
        let (log, at) = (history_of(name)?, At::new(&self.current, name.as_str().to_owned()));
        let number = self.store.length(&self.shard, &log).await? + 1;
        let plan = self.plan().await? + 1;
        let pointer = match (entry.revision, entry.record) {
            (Some(revision), Some(record)) => {
                let Entry { form, applied_ms, by, .. } = entry;
                let current = Current { form, revision, record, number, applied_ms, by };
                Write::Put { at: at.clone(), value: json(&current)?, expires: None }
            }
            _ => Write::Delete { at: at.clone() },
        };
        let step = Step { form: 1, application: name.clone(), revision: entry.revision, at_ms: entry.applied_ms };
        let mut txn = Txn::new(self.clock.now())
            .check(Check::Version { at, is: before })
            .check(Check::Length { log: log.clone(), is: number - 1 })
            .write(pointer)
            .write(Write::Append { log: log.clone(), records: vec![json(&entry)?] })
            .write(Write::Append { log: self.plans.clone(), records: vec![json(&step)?] });
        if number > HISTORY_MAX && number.is_multiple_of(TRIM_EVERY) {
            txn = txn.write(Write::Trim { log, before: number - HISTORY_MAX });
        }
        if plan > PLANS_MAX && plan.is_multiple_of(TRIM_EVERY) {
            txn = txn.write(Write::Trim { log: self.plans.clone(), before: plan - PLANS_MAX });
        }
        let commit = self.store.commit(&self.shard, txn).await?;
        debug_assert!(matches!(commit.wrote.get(1), Some(Wrote::Position(at)) if at + 1 == number));
        Ok(number)
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

    /// Whether everything that a revision needs is still here.
    fn is_whole(&self, name: &Name, record: &Digest) -> bool {
        let there = |record: Record| record.artefacts().all(|digest| self.artefacts.find(digest).is_some());
        self.record(name, record).is_ok_and(there)
    }

    fn record(&self, name: &Name, digest: &Digest) -> Result<Record, ControlError> {
        let damaged = |reason| ControlError::Damaged { application: name.clone(), reason };
        let text = self.artefacts.read(digest).map_err(|error| damaged(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
    }
}

fn history_of(name: &Name) -> Result<LogName, ControlError> {
    Ok(LogName::new(format!("history/{name}"))?)
}

fn json(value: &impl serde::Serialize) -> Result<Bytes, ControlError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(ControlError::Form)
}

fn parse<T: serde::de::DeserializeOwned>(name: &Name, text: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(text)
        .map_err(|error| ControlError::Damaged { application: name.clone(), reason: error.to_string() })
}
