//! What a store should do, said as naively as possible: lists, looked through from the front, copied for each commit.
//!
//! Shares nothing with the backends but the types, so that a mistake in one is not a mistake in both.

use bytes::Bytes;
use weft_types::Timestamp;

use crate::{
    At, Check, Commit, Delivery, Epoch, Found, Item, LogName, Message, Op, Owner, Page, Peeked, QueueName, Receipt,
    Receive, Records, Scan, Seq, Settle, StoreError, Timer, Txn, Version, Write, Wrote, bound,
};

/// One shard, in lists.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub version: Version,
    pub items: Vec<(At, Item)>,
    pub logs: Vec<ModelLog>,
    pub messages: Vec<ModelMessage>,
    pub timers: Vec<Timer>,
    pub owners: Vec<(Owner, Epoch)>,
    seen: Vec<(String, Bytes, Timestamp, Seq)>,
}

/// All that was ever appended, and how much of it has been dropped.
#[derive(Debug, Clone)]
pub struct ModelLog {
    pub name: LogName,
    pub first: usize,
    pub records: Vec<Bytes>,
}

#[derive(Debug, Clone)]
pub struct ModelMessage {
    pub queue: QueueName,
    pub seq: Seq,
    pub message: Message,
    pub sent: Timestamp,
    /// When it could be received if its group let it.
    pub ready: Timestamp,
    pub lease: Option<Version>,
    pub attempt: u32,
}

impl Model {
    pub fn commit(&mut self, txn: &Txn) -> Result<Commit, StoreError> {
        txn.measure()?;
        for (index, check) in txn.checks.iter().enumerate() {
            self.check(check, txn.now).map_err(|found| StoreError::Conflict { op: Op::Check(index), found })?;
        }
        if !txn.has_effect() {
            return Ok(Commit { version: self.version, wrote: vec![] });
        }
        let mut next = self.clone();
        next.version.0 += 1;
        let mut wrote = vec![];
        for (index, write) in txn.writes.iter().enumerate() {
            wrote.push(next.write(index, write, txn.now)?);
        }
        for check in &txn.checks {
            if let Check::First { scope, id, keep } = check {
                let until = txn.now.saturating_add(*keep);
                next.seen.push((format!("first {scope}"), id.clone(), until, Seq(0)));
            }
        }
        *self = next;
        Ok(Commit { version: self.version, wrote })
    }

    fn check(&self, check: &Check, now: Timestamp) -> Result<(), Found> {
        let (holds, found) = match check {
            Check::Version { at, is } => {
                let found = self.get(at, now).map(|item| item.version);
                (found == *is, Found::Version(found))
            }
            Check::Length { log, is } => (self.length(log) == *is, Found::Length(self.length(log))),
            Check::Epoch { owner, is } => (self.epoch(owner) == *is, Found::Epoch(self.epoch(owner))),
            Check::First { scope, id, .. } => (self.seen(&format!("first {scope}"), id, now).is_none(), Found::Seen),
            Check::Timer { timer, is } => {
                let found = self.timers.iter().find(|one| one.timer == *timer).map(|one| one.version);
                (found == *is, Found::Version(found))
            }
        };
        if holds { Ok(()) } else { Err(found) }
    }

    fn seen(&self, what: &str, id: &Bytes, now: Timestamp) -> Option<Seq> {
        let same = |entry: &&(String, Bytes, Timestamp, Seq)| entry.0 == what && entry.1 == *id && entry.2 > now;
        self.seen.iter().rev().find(same).map(|entry| entry.3)
    }

    fn write(&mut self, index: usize, write: &Write, now: Timestamp) -> Result<Wrote, StoreError> {
        let version = self.version;
        match write {
            Write::Put { at, value, expires } => {
                self.put(at, Item { value: value.clone(), version, expires: *expires });
            }
            Write::Delete { at } => self.items.retain(|(key, _)| key != at),
            Write::Add { at, by } => return self.add(index, at, *by, now),
            Write::Append { log, records } => {
                let log = self.log(log);
                let position = log.records.len();
                log.records.extend(records.iter().cloned());
                return Ok(Wrote::Position(position as u64));
            }
            Write::Trim { log, before } => {
                let log = self.log(log);
                let last = log.records.len().min(log.first + bound::TRIM_MAX as usize);
                log.first = log.first.max(last.min(usize::try_from(*before).unwrap_or(usize::MAX)));
                return Ok(Wrote::Trimmed { first: log.first as u64 });
            }
            Write::Send { queue, message } => return Ok(self.send(Seq::new(version, index), queue, message, now)),
            Write::Settle { receipt, how } => self.settle(index, receipt, *how)?,
            Write::Arm { timer, at, payload } => {
                self.timers.retain(|one| one.timer != *timer);
                self.timers.push(Timer { timer: timer.clone(), at: *at, payload: payload.clone(), version });
            }
            Write::Disarm { timer } => self.timers.retain(|one| one.timer != *timer),
            Write::Own { owner, epoch } => {
                let found = self.epoch(owner);
                if *epoch <= found {
                    return Err(StoreError::Conflict { op: Op::Write(index), found: Found::Epoch(found) });
                }
                self.owners.retain(|(one, _)| one != owner);
                self.owners.push((owner.clone(), *epoch));
            }
        }
        Ok(Wrote::Done)
    }

    fn put(&mut self, at: &At, item: Item) {
        self.items.retain(|(key, _)| key != at);
        self.items.push((at.clone(), item));
    }

    fn add(&mut self, index: usize, at: &At, by: i64, now: Timestamp) -> Result<Wrote, StoreError> {
        let held = self.get(at, now);
        let text = held.as_ref().map_or("0".into(), |item| String::from_utf8_lossy(&item.value).into_owned());
        let number: i64 = text.parse().map_err(|_| StoreError::NotANumber { write: index })?;
        let number = number.checked_add(by).ok_or(StoreError::Overflow { write: index })?;
        let expires = held.and_then(|item| item.expires);
        self.put(at, Item { value: format!("{number}").into(), version: self.version, expires });
        Ok(Wrote::Number(number))
    }

    fn log(&mut self, name: &LogName) -> &mut ModelLog {
        if !self.logs.iter().any(|log| log.name == *name) {
            self.logs.push(ModelLog { name: name.clone(), first: 0, records: vec![] });
        }
        self.logs.iter_mut().find(|log| log.name == *name).expect("pushed above")
    }

    fn send(&mut self, seq: Seq, queue: &QueueName, message: &Message, now: Timestamp) -> Wrote {
        if let Some(dedup) = &message.dedup {
            let what = format!("queue {queue}");
            if let Some(first) = self.seen(&what, &dedup.id, now) {
                return Wrote::Sent { seq: first, fresh: false };
            }
            self.seen.push((what, dedup.id.clone(), now.saturating_add(dedup.keep), seq));
        }
        self.messages.push(ModelMessage {
            queue: queue.clone(),
            seq,
            message: message.clone(),
            sent: now,
            ready: message.at.max(now),
            lease: None,
            attempt: 0,
        });
        Wrote::Sent { seq, fresh: true }
    }

    fn settle(&mut self, index: usize, receipt: &Receipt, how: Settle) -> Result<(), StoreError> {
        let held = self
            .messages
            .iter()
            .position(|one| one.queue == receipt.queue && one.seq == receipt.seq && one.lease == Some(receipt.lease));
        let Some(held) = held else {
            return Err(StoreError::Conflict { op: Op::Write(index), found: Found::NotLeased });
        };
        match how {
            Settle::Done => drop(self.messages.remove(held)),
            Settle::Retry { at } => {
                self.messages[held].ready = at;
                self.messages[held].lease = None;
            }
            Settle::Extend { until } => self.messages[held].ready = until,
        }
        Ok(())
    }

    pub fn receive(&mut self, ask: &Receive) -> Vec<Delivery> {
        let due = |one: &&ModelMessage| one.queue == ask.queue && one.ready <= ask.now && !self.waits(one);
        let mut due: Vec<(Timestamp, Seq)> = self.messages.iter().filter(due).map(|one| (one.ready, one.seq)).collect();
        due.sort_unstable();
        due.truncate(ask.max);
        if !due.is_empty() {
            self.version.0 += 1;
        }
        let lease = self.version;
        let of = |seq| self.messages.iter().position(|one| one.queue == ask.queue && one.seq == seq);
        let places: Vec<usize> = due.into_iter().filter_map(|(_, seq)| of(seq)).collect();
        places.into_iter().map(|place| self.messages[place].deliver(ask, lease)).collect()
    }

    /// Whether an older message of its group is still here.
    fn waits(&self, one: &ModelMessage) -> bool {
        let group = &one.message.group;
        let before = |other: &ModelMessage| other.message.group == *group && other.seq < one.seq;
        group.is_some() && self.messages.iter().any(|other| other.queue == one.queue && before(other))
    }

    pub fn get(&self, at: &At, now: Timestamp) -> Option<Item> {
        let item = self.items.iter().find(|(key, _)| key == at).map(|(_, item)| item.clone());
        item.filter(|item| item.expires.is_none_or(|expires| now < expires))
    }

    pub fn scan(&self, scan: &Scan, now: Timestamp) -> Page {
        let fits = |at: &At| {
            at.space == scan.space
                && at.key.starts_with(&scan.prefix)
                && scan.after.as_ref().is_none_or(|after| at.key > *after)
        };
        let mut items: Vec<(Bytes, Item)> = self
            .items
            .iter()
            .filter(|(at, item)| fits(at) && item.expires.is_none_or(|expires| now < expires))
            .map(|(at, item)| (at.key.clone(), item.clone()))
            .collect();
        items.sort_by(|one, other| one.0.cmp(&other.0));
        let more = items.len() > scan.max;
        items.truncate(scan.max);
        if !scan.values {
            items.iter_mut().for_each(|(_, item)| item.value.clear());
        }
        let next = items.last().filter(|_| more).map(|(key, _)| key.clone());
        Page { items, next }
    }

    pub fn read(&self, log: &LogName, from: u64, max: usize) -> Records {
        let Some(log) = self.logs.iter().find(|one| one.name == *log) else {
            return Records { from, ..Records::default() };
        };
        let start = from.max(log.first as u64);
        let records = log.records.iter().skip(start as usize).take(max).cloned().collect();
        Records { from: start, records, first: log.first as u64, length: log.records.len() as u64 }
    }

    pub fn length(&self, log: &LogName) -> u64 {
        self.logs.iter().find(|one| one.name == *log).map_or(0, |log| log.records.len() as u64)
    }

    pub fn epoch(&self, owner: &Owner) -> Epoch {
        self.owners.iter().find(|(one, _)| one == owner).map_or(Epoch::NONE, |(_, epoch)| *epoch)
    }

    pub fn peek(&self, queue: &QueueName) -> Vec<Peeked> {
        let mut out: Vec<Peeked> = self
            .messages
            .iter()
            .filter(|one| one.queue == *queue)
            .map(|one| Peeked {
                seq: one.seq,
                payload: one.message.payload.clone(),
                group: one.message.group.clone(),
                sent: one.sent,
                attempt: one.attempt,
                ready: (!self.waits(one)).then_some(one.ready),
            })
            .collect();
        out.sort_by_key(|one| one.seq);
        out
    }

    pub fn due(&self, now: Timestamp) -> Vec<Timer> {
        let mut due: Vec<Timer> = self.timers.iter().filter(|timer| timer.at <= now).cloned().collect();
        due.sort_by(|one, other| (one.at, &one.timer).cmp(&(other.at, &other.timer)));
        due
    }
}

impl ModelMessage {
    fn deliver(&mut self, ask: &Receive, lease: Version) -> Delivery {
        self.ready = ask.now.saturating_add(ask.lease);
        self.lease = Some(lease);
        self.attempt += 1;
        Delivery {
            receipt: Receipt { queue: self.queue.clone(), seq: self.seq, lease },
            payload: self.message.payload.clone(),
            group: self.message.group.clone(),
            sent: self.sent,
            attempt: self.attempt,
        }
    }
}
