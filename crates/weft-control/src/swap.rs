//! The one commit by which a pointer is swapped, made certain: a store may answer that it does not know.

use bytes::Bytes;
use weft_store::{At, Check, LogName, StoreError, Txn, Version, Write, Wrote};
use weft_types::Name;

use crate::{
    Control, ControlError, Current, Entry,
    control::{HISTORY_MAX, history_of, json},
    record::Step,
};

/// Forgetting a step costs as much as making one, so it is done for many at once.
const TRIM_EVERY: u64 = 16;
/// Steps of the log of plans that are kept, for those who ask what happened.
const PLANS_MAX: u64 = 10_000;
/// How often a commit is tried that may or may not last. Its checks let it be made only once.
const TRIES_MAX: usize = 3;

impl Control {
    /// Swaps a pointer, and writes the history and the next plan in the same commit. Answers the change's number.
    /// [`ControlError::Unsettled`] where neither the commit's answer nor the store's data tells whether it was made.
    pub(crate) async fn swap(&self, name: &Name, before: Option<Version>, entry: Entry) -> Result<u64, ControlError> {
        let log = history_of(name)?;
        let number = self.store.length(&self.shard, &log).await? + 1;
        let wrote = json(&entry)?;
        let txn = self.step(name, before, &entry, &log, number).await?;
        let mut unknown = None;
        for _ in 0..TRIES_MAX {
            let error = match self.store.commit(&self.shard, txn.clone()).await {
                Ok(commit) => {
                    debug_assert!(matches!(commit.wrote.get(1), Some(Wrote::Position(at)) if at + 1 == number));
                    return Ok(number);
                }
                Err(error) => error,
            };
            // A refusal means what it says, unless an earlier try of the same may be what it met.
            if unknown.is_none() && !matches!(error, StoreError::Unknown { .. }) {
                return Err(error.into());
            }
            match self.at(&log, number).await {
                Ok(Some(at)) if at == wrote => return Ok(number),
                // Somebody else's change has this number: ours can never be made.
                Ok(Some(_)) => return Err(error.into()),
                Ok(None) => unknown = Some(error),
                Err(_) => return Err(ControlError::Unsettled(error)),
            }
        }
        Err(ControlError::Unsettled(unknown.unwrap_or_else(|| unreachable!("at least one try was made"))))
    }

    async fn step(
        &self,
        name: &Name,
        before: Option<Version>,
        entry: &Entry,
        log: &LogName,
        number: u64,
    ) -> Result<Txn, ControlError> {
        let at = At::new(&self.current, name.as_str().to_owned());
        let plan = self.plan().await? + 1;
        let pointer = match (entry.revision, entry.record) {
            (Some(revision), Some(record)) => {
                let Entry { form, applied_ms, by, .. } = *entry;
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
            .write(Write::Append { log: log.clone(), records: vec![json(entry)?] })
            .write(Write::Append { log: self.plans.clone(), records: vec![json(&step)?] });
        if number > HISTORY_MAX && number.is_multiple_of(TRIM_EVERY) {
            txn = txn.write(Write::Trim { log: log.clone(), before: number - HISTORY_MAX });
        }
        if plan > PLANS_MAX && plan.is_multiple_of(TRIM_EVERY) {
            txn = txn.write(Write::Trim { log: self.plans.clone(), before: plan - PLANS_MAX });
        }
        Ok(txn)
    }

    /// The change of a number, as it is kept.
    async fn at(&self, log: &LogName, number: u64) -> Result<Option<Bytes>, StoreError> {
        let found = self.store.read(&self.shard, log, number - 1, 1).await?;
        Ok(found.records.into_iter().next().filter(|_| found.from + 1 == number))
    }
}
