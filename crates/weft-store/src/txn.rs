//! A transaction as a value: what must hold, and what then changes, together or not at all.
//!
//! Cores emit it as an effect; only [`Store::commit`](crate::Store::commit) performs it. All checks look at the state
//! before the first write. Writes happen in their order, each seeing those before it.

use std::time::Duration;

use bytes::Bytes;
use weft_types::Timestamp;

use crate::{
    Epoch, Group, LogName, Owner, QueueName, Scope, Seq, Space, StoreError, TimerName, Version,
    bound::{KEY_MAX, OP_BYTES, OPS_MAX, TXN_BYTES_MAX, VALUE_MAX},
};

/// Checks and writes at one moment. `now` decides what has expired; a store reads no clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    pub now: Timestamp,
    pub checks: Vec<Check>,
    pub writes: Vec<Write>,
}

/// The address of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct At {
    pub space: Space,
    /// Up to [`KEY_MAX`] bytes, ordered bytewise.
    pub key: Bytes,
}

impl At {
    pub fn new(space: &Space, key: impl Into<Bytes>) -> Self {
        Self { space: space.clone(), key: key.into() }
    }
}

/// What must hold for any write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The item was last written by this commit; `None`: there is no such item.
    Version { at: At, is: Option<Version> },
    /// The log has had this many records appended.
    Length { log: LogName, is: u64 },
    /// The owner still has this epoch: the fence.
    Epoch { owner: Owner, is: Epoch },
    /// No commit within the last `keep` named this id: the inbox. Remembered from this commit on.
    First { scope: Scope, id: Bytes, keep: Duration },
    /// The timer was last armed by this commit; `None`: it is not armed. Guards a firing against arming anew.
    Timer { timer: TimerName, is: Option<Version> },
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// From `expires` on, the item is as good as deleted.
    Put {
        at: At,
        value: Bytes,
        expires: Option<Timestamp>,
    },
    /// Deleting what is not there is no error.
    Delete {
        at: At,
    },
    /// Adds to a number written in decimal text; an absent item counts as 0. Keeps the expiry.
    Add {
        at: At,
        by: i64,
    },
    /// Appends at the end, in order.
    Append {
        log: LogName,
        records: Vec<Bytes>,
    },
    /// Drops records with a position below `before`, the oldest first, at most [`TRIM_MAX`](crate::bound::TRIM_MAX).
    /// Positions of the others, and the length, stay.
    Trim {
        log: LogName,
        before: u64,
    },
    Send {
        queue: QueueName,
        message: Message,
    },
    /// Decides what becomes of a message that this receipt still leases.
    Settle {
        receipt: Receipt,
        how: Settle,
    },
    /// Replaces what was armed under this name.
    Arm {
        timer: TimerName,
        at: Timestamp,
        payload: Bytes,
    },
    /// Disarming what is not armed is no error.
    Disarm {
        timer: TimerName,
    },
    /// Takes ownership: `epoch` must be greater than the owner's current one.
    Own {
        owner: Owner,
        epoch: Epoch,
    },
}

/// What is sent to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub payload: Bytes,
    /// Not delivered before this; [`Timestamp::ZERO`] for at once.
    pub at: Timestamp,
    pub group: Option<Group>,
    pub dedup: Option<Dedup>,
}

impl Message {
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), at: Timestamp::ZERO, group: None, dedup: None }
    }
}

/// A second message with the same id is dropped for as long as the first is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedup {
    /// Unique in its queue; up to [`KEY_MAX`] bytes.
    pub id: Bytes,
    pub keep: Duration,
}

/// Proves that a message was received and not since by another. Each receive gives a new one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt {
    pub queue: QueueName,
    pub seq: Seq,
    /// The commit that leased it.
    pub lease: Version,
}

/// What becomes of a leased message. To dead-letter it, settle it as done and send it elsewhere in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    Done,
    /// Give it back; delivered again not before `at`.
    Retry {
        at: Timestamp,
    },
    /// Keep the lease until then.
    Extend {
        until: Timestamp,
    },
}

/// That a transaction happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The version of all that it wrote. Of a transaction without effect, the shard's last version.
    pub version: Version,
    /// One for each write, in their order.
    pub wrote: Vec<Wrote>,
}

/// What a write answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    Done,
    /// The number after an [`Write::Add`].
    Number(i64),
    /// The position of the first appended record; the length of the log before the append.
    Position(u64),
    /// The position of the oldest record left; the length of the log when none is.
    Trimmed {
        first: u64,
    },
    /// The message's number. `fresh` is false for a duplicate, which has the number of the first.
    Sent {
        seq: Seq,
        fresh: bool,
    },
}

impl Txn {
    pub fn new(now: Timestamp) -> Self {
        Self { now, checks: Vec::new(), writes: Vec::new() }
    }

    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Its size in bytes, or which bound it breaks. Every backend asks before it does anything.
    pub fn measure(&self) -> Result<usize, StoreError> {
        let mut size = Size::default();
        for check in &self.checks {
            size.op(1);
            size.check(check)?;
        }
        for write in &self.writes {
            size.op(1);
            size.write(write)?;
        }
        limit("the number of operations in a transaction", size.ops, OPS_MAX)?;
        limit("a transaction", size.bytes, TXN_BYTES_MAX)?;
        Ok(size.bytes)
    }

    /// Whether committing it can change anything.
    pub fn has_effect(&self) -> bool {
        !self.writes.is_empty() || self.checks.iter().any(|check| matches!(check, Check::First { .. }))
    }
}

#[derive(Default)]
struct Size {
    ops: usize,
    bytes: usize,
}

impl Size {
    fn op(&mut self, count: usize) {
        self.ops += count;
        self.bytes += count * OP_BYTES;
    }

    fn at(&mut self, at: &At) -> Result<(), StoreError> {
        self.bytes += at.space.as_str().len() + at.key.len();
        limit("a key", at.key.len(), KEY_MAX)
    }

    fn id(&mut self, id: &Bytes) -> Result<(), StoreError> {
        self.bytes += id.len();
        limit("an id", id.len(), KEY_MAX)
    }

    fn value(&mut self, what: &'static str, value: &Bytes) -> Result<(), StoreError> {
        self.bytes += value.len();
        limit(what, value.len(), VALUE_MAX)
    }

    fn check(&mut self, check: &Check) -> Result<(), StoreError> {
        match check {
            Check::Version { at, .. } => self.at(at),
            Check::First { id, .. } => self.id(id),
            Check::Length { .. } | Check::Epoch { .. } | Check::Timer { .. } => Ok(()),
        }
    }

    fn write(&mut self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Put { at, value, .. } => self.at(at).and_then(|()| self.value("a value", value)),
            Write::Delete { at } | Write::Add { at, .. } => self.at(at),
            Write::Append { records, .. } => {
                self.op(records.len());
                records.iter().try_for_each(|record| self.value("a record", record))
            }
            Write::Send { message, .. } => {
                message.dedup.iter().try_for_each(|dedup| self.id(&dedup.id))?;
                self.value("a message", &message.payload)
            }
            Write::Arm { payload, .. } => self.value("a timer's payload", payload),
            Write::Own { epoch, .. } => limit("an epoch", epoch.0 as usize, i64::MAX as usize),
            Write::Trim { .. } | Write::Settle { .. } | Write::Disarm { .. } => Ok(()),
        }
    }
}

fn limit(what: &'static str, is: usize, limit: usize) -> Result<(), StoreError> {
    if is > limit { Err(StoreError::TooLarge { what, is, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: usize, value: usize) -> Write {
        let at = At::new(&Space::new("s").unwrap(), vec![0; key]);
        Write::Put { at, value: vec![0; value].into(), expires: None }
    }

    #[track_caller]
    fn refused(txn: &Txn, limit: usize) {
        let got = txn.measure();
        assert!(matches!(got, Err(StoreError::TooLarge { limit: is, .. }) if is == limit), "{got:?}");
    }

    #[test]
    fn each_bound_holds_to_the_byte() {
        let txn = Txn::new(Timestamp::ZERO);
        assert!(txn.clone().write(put(KEY_MAX, VALUE_MAX)).measure().is_ok());
        refused(&txn.clone().write(put(KEY_MAX + 1, 0)), KEY_MAX);
        refused(&txn.clone().write(put(0, VALUE_MAX + 1)), VALUE_MAX);
        let records = |count| Write::Append { log: LogName::new("l").unwrap(), records: vec![Bytes::new(); count] };
        assert!(txn.clone().write(records(OPS_MAX - 1)).measure().is_ok());
        refused(&txn.clone().write(records(OPS_MAX)), OPS_MAX);
        let mut large = txn;
        large.writes = vec![put(1, VALUE_MAX); 16];
        refused(&large, TXN_BYTES_MAX);
    }
}
