//! A commit on one shard: checks, then writes, each noting how to take it back.

use bytes::Bytes;
use weft_types::Timestamp;

use super::state::{Armed, Records, Seen, SeenKey, State, Stored};
use crate::{
    At, Check, Commit, Epoch, Found, Item, LogName, Message, Op, Owner, QueueName, Receipt, Seq, Settle, StoreError,
    TimerName, Txn, Version, Write, Wrote, bound::TRIM_MAX,
};

/// Expired things dropped with one commit.
const SWEEP_MAX: usize = 128;

/// How to take one change back.
enum Undo {
    Item(At, Option<Item>),
    Append(LogName, usize),
    Trim(LogName, Vec<Bytes>),
    Message(QueueName, Seq, Option<Stored>),
    Timer(TimerName, Option<Armed>),
    Owner(Owner, Epoch),
    Seen(SeenKey, Option<Seen>),
}

impl State {
    pub(super) fn commit(&mut self, txn: &Txn, bytes_max: usize) -> Result<Commit, StoreError> {
        let size = txn.measure()?;
        if !txn.writes.is_empty() && adds(txn) && self.bytes + size > bytes_max {
            let limit = std::io::Error::other(format!("a shard in memory holds at most {bytes_max} bytes"));
            return Err(StoreError::Full { source: std::sync::Arc::new(limit) });
        }
        for (index, check) in txn.checks.iter().enumerate() {
            self.check(check, txn.now).map_err(|found| StoreError::Conflict { op: Op::Check(index), found })?;
        }
        if !txn.has_effect() {
            return Ok(Commit { version: self.version, wrote: Vec::new() });
        }
        let version = Version(self.version.0 + 1);
        let mut undo = Vec::with_capacity(txn.writes.len());
        match self.writes(txn, version, &mut undo) {
            Ok(wrote) => {
                self.remember(txn);
                self.version = version;
                self.sweep(txn.now, SWEEP_MAX);
                Ok(Commit { version, wrote })
            }
            Err(error) => {
                undo.into_iter().rev().for_each(|undo| self.undo(undo));
                Err(error)
            }
        }
    }

    fn check(&self, check: &Check, now: Timestamp) -> Result<(), Found> {
        let hold = |holds, found| if holds { Ok(()) } else { Err(found) };
        match check {
            Check::Version { at, is } => {
                let found = self.item(at, now).map(|item| item.version);
                hold(found == *is, Found::Version(found))
            }
            Check::Length { log, is } => {
                let length = self.length(log);
                hold(length == *is, Found::Length(length))
            }
            Check::Epoch { owner, is } => {
                let epoch = self.epoch(owner);
                hold(epoch == *is, Found::Epoch(epoch))
            }
            Check::First { scope, id, .. } => {
                hold(self.seen(&SeenKey::First(scope.clone(), id.clone()), now).is_none(), Found::Seen)
            }
            Check::Timer { timer, is } => {
                let found = self.timers.get(timer).map(|armed| armed.version);
                hold(found == *is, Found::Version(found))
            }
        }
    }

    fn seen(&self, key: &SeenKey, now: Timestamp) -> Option<&Seen> {
        self.seen.get(key).filter(|seen| seen.until > now)
    }

    fn remember(&mut self, txn: &Txn) {
        for check in &txn.checks {
            if let Check::First { scope, id, keep } = check {
                let seen = Seen { until: txn.now.saturating_add(*keep), seq: None };
                self.set_seen(&SeenKey::First(scope.clone(), id.clone()), Some(seen));
            }
        }
    }

    fn writes(&mut self, txn: &Txn, version: Version, undo: &mut Vec<Undo>) -> Result<Vec<Wrote>, StoreError> {
        let mut run = Run { state: self, now: txn.now, version, undo };
        txn.writes.iter().enumerate().map(|(index, write)| run.write(index, write)).collect()
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Item(at, before) => drop(self.set_item(&at, before)),
            Undo::Append(log, count) => {
                for _ in 0..count {
                    let record = self.logs.get_mut(&log).and_then(|log| log.kept.pop_back());
                    self.bytes -= record.map_or(0, |record| record.len());
                }
            }
            Undo::Trim(log, records) => {
                self.bytes += records.iter().map(Bytes::len).sum::<usize>();
                let log = self.logs.entry(log).or_default();
                log.first -= records.len() as u64;
                records.into_iter().rev().for_each(|record| log.kept.push_front(record));
            }
            Undo::Message(queue, seq, before) => drop(self.set_message(&queue, seq, before)),
            Undo::Timer(timer, before) => drop(self.set_timer(&timer, before)),
            Undo::Owner(owner, epoch) => drop(self.owners.insert(owner, epoch)),
            Undo::Seen(key, before) => drop(self.set_seen(&key, before)),
        }
    }
}

/// Whether a transaction can make the shard larger; one that cannot is let through when it is full.
fn adds(txn: &Txn) -> bool {
    let frees = |write: &Write| {
        matches!(write, Write::Delete { .. } | Write::Trim { .. } | Write::Settle { .. } | Write::Disarm { .. })
    };
    !txn.writes.iter().all(frees)
}

struct Run<'a> {
    state: &'a mut State,
    now: Timestamp,
    version: Version,
    undo: &'a mut Vec<Undo>,
}

impl Run<'_> {
    fn write(&mut self, index: usize, write: &Write) -> Result<Wrote, StoreError> {
        match write {
            Write::Put { at, value, expires } => {
                self.item(at, Some(Item { value: value.clone(), version: self.version, expires: *expires }));
            }
            Write::Delete { at } => self.item(at, None),
            Write::Add { at, by } => return self.add(index, at, *by),
            Write::Append { log, records } => return Ok(self.append(log, records)),
            Write::Trim { log, before } => return Ok(self.trim(log, *before)),
            Write::Send { queue, message } => return Ok(self.send(index, queue, message)),
            Write::Settle { receipt, how } => self.settle(index, receipt, *how)?,
            Write::Arm { timer, at, payload } => {
                let armed = Armed { at: *at, payload: payload.clone(), version: self.version };
                self.timer(timer, Some(armed));
            }
            Write::Disarm { timer } => self.timer(timer, None),
            Write::Own { owner, epoch } => self.own(index, owner, *epoch)?,
        }
        Ok(Wrote::Done)
    }

    fn item(&mut self, at: &At, item: Option<Item>) {
        let before = self.state.set_item(at, item);
        self.undo.push(Undo::Item(at.clone(), before));
    }

    fn message(&mut self, queue: &QueueName, seq: Seq, message: Option<Stored>) {
        let before = self.state.set_message(queue, seq, message);
        self.undo.push(Undo::Message(queue.clone(), seq, before));
    }

    fn timer(&mut self, timer: &TimerName, armed: Option<Armed>) {
        let before = self.state.set_timer(timer, armed);
        self.undo.push(Undo::Timer(timer.clone(), before));
    }

    fn add(&mut self, index: usize, at: &At, by: i64) -> Result<Wrote, StoreError> {
        let held = self.state.item(at, self.now);
        let (number, expires) = match held {
            None => (0, None),
            Some(item) => (crate::number::parse(&item.value, index)?, item.expires),
        };
        let number = crate::number::add(number, by, index)?;
        self.item(at, Some(Item { value: number.to_string().into(), version: self.version, expires }));
        Ok(Wrote::Number(number))
    }

    fn append(&mut self, log: &LogName, records: &[Bytes]) -> Wrote {
        self.state.bytes += records.iter().map(Bytes::len).sum::<usize>();
        let kept: &mut Records = self.state.logs.entry(log.clone()).or_default();
        let position = kept.length();
        kept.kept.extend(records.iter().cloned());
        self.undo.push(Undo::Append(log.clone(), records.len()));
        Wrote::Position(position)
    }

    fn trim(&mut self, log: &LogName, before: u64) -> Wrote {
        let Some(records) = self.state.logs.get_mut(log) else { return Wrote::Trimmed { first: 0 } };
        let count = before.min(records.length()).saturating_sub(records.first).min(TRIM_MAX);
        let dropped: Vec<Bytes> = records.kept.drain(..count as usize).collect();
        records.first += count;
        let first = records.first;
        self.state.bytes -= dropped.iter().map(Bytes::len).sum::<usize>();
        self.undo.push(Undo::Trim(log.clone(), dropped));
        Wrote::Trimmed { first }
    }

    fn send(&mut self, index: usize, queue: &QueueName, message: &Message) -> Wrote {
        let seq = Seq::new(self.version, index);
        if let Some(dedup) = &message.dedup {
            let key = SeenKey::Dedup(queue.clone(), dedup.id.clone());
            if let Some(Seen { seq: Some(first), .. }) = self.state.seen(&key, self.now) {
                return Wrote::Sent { seq: *first, fresh: false };
            }
            let seen = Seen { until: self.now.saturating_add(dedup.keep), seq: Some(seq) };
            let before = self.state.set_seen(&key, Some(seen));
            self.undo.push(Undo::Seen(key, before));
        }
        let at = message.at.max(self.now);
        let behind = message.group.as_ref().is_some_and(|group| self.oldest(queue, group).is_some());
        let stored = Stored {
            payload: message.payload.clone(),
            group: message.group.clone(),
            sent: self.now,
            at,
            ready: (!behind).then_some(at),
            lease: None,
            attempt: 0,
        };
        self.message(queue, seq, Some(stored));
        Wrote::Sent { seq, fresh: true }
    }

    fn oldest(&self, queue: &QueueName, group: &crate::Group) -> Option<Seq> {
        self.state.queues.get(queue)?.groups.get(group)?.first().copied()
    }

    fn settle(&mut self, index: usize, receipt: &Receipt, how: Settle) -> Result<(), StoreError> {
        let queue = &receipt.queue;
        let held = self.state.queues.get(queue).and_then(|messages| messages.all.get(&receipt.seq)).cloned();
        let Some(mut held) = held.filter(|held| held.lease == Some(receipt.lease)) else {
            return Err(StoreError::Conflict { op: Op::Write(index), found: Found::NotLeased });
        };
        match how {
            Settle::Done => {
                self.message(queue, receipt.seq, None);
                self.promote(queue, held.group.as_ref());
                return Ok(());
            }
            Settle::Retry { at } => (held.ready, held.lease) = (Some(at), None),
            Settle::Extend { until } => held.ready = Some(until),
        }
        self.message(queue, receipt.seq, Some(held));
        Ok(())
    }

    /// Lets the next message of a group be received.
    fn promote(&mut self, queue: &QueueName, group: Option<&crate::Group>) {
        let Some(next) = group.and_then(|group| self.oldest(queue, group)) else { return };
        let held = self.state.queues.get(queue).and_then(|messages| messages.all.get(&next)).cloned();
        if let Some(held) = held {
            let ready = Some(held.at);
            self.message(queue, next, Some(Stored { ready, ..held }));
        }
    }

    fn own(&mut self, index: usize, owner: &Owner, epoch: Epoch) -> Result<(), StoreError> {
        let before = self.state.epoch(owner);
        if epoch <= before {
            return Err(StoreError::Conflict { op: Op::Write(index), found: Found::Epoch(before) });
        }
        self.state.owners.insert(owner.clone(), epoch);
        self.undo.push(Undo::Owner(owner.clone(), before));
        Ok(())
    }
}
