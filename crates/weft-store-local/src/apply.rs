//! One transaction, or one receive, inside the writer's open SQL transaction.

use std::collections::HashMap;

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};
use weft_store::{
    At, Check, Commit, Dedup, Delivery, Epoch, Found, Group, LogName, Message, Op, Owner, QueueName, Receipt, Receive,
    Seq, Settle, StoreError, Txn, Version, Write, Wrote,
    bound::{LEASE_MAX, PAGE_BYTES_MAX, RECEIVE_MAX, TRIM_MAX},
    number,
};
use weft_types::Timestamp;

use crate::{
    encode::{number as int, number_back, time, time_back},
    schema::{SEEN_DEDUP, SEEN_FIRST},
    statements::Statements,
};

/// Why an operation was not done.
pub(crate) enum Stop {
    /// It does not hold: its neighbours in the batch go on.
    No(StoreError),
    /// The engine failed: the whole batch is taken back.
    Engine(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::No(error)
    }
}

/// A log as its row has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    id: i64,
    first: u64,
    length: u64,
}

/// The logs that were last written to: a journal's next step finds its head without asking. Only the writer changes
/// them, so they are true until something is taken back; then all are forgotten.
pub(crate) type Heads = HashMap<LogName, Head>;

/// Most heads kept; beyond that all are forgotten and asked for again.
const HEADS_MAX: usize = 4_096;

/// The writer's hands during one batch.
pub(crate) struct Run<'a, 'db> {
    pub(crate) sql: &'a mut Statements<'db>,
    pub(crate) heads: &'a mut Heads,
    /// Of the last operation that had an effect.
    pub(crate) version: Version,
}

impl Run<'_, '_> {
    /// On `Stop::No` nothing has changed.
    pub(crate) fn commit(&mut self, txn: &Txn) -> Result<Commit, Stop> {
        for (index, check) in txn.checks.iter().enumerate() {
            if let Some(found) = self.check(check, txn.now)? {
                return Err(StoreError::Conflict { op: Op::Check(index), found }.into());
            }
        }
        if !txn.has_effect() {
            return Ok(Commit { version: self.version, wrote: Vec::new() });
        }
        let version = Version(self.version.0 + 1);
        let wrote = if can_refuse(txn) { self.guarded(txn, version)? } else { self.writes(txn, version)? };
        self.remember(txn)?;
        self.version = version;
        Ok(Commit { version, wrote })
    }

    /// What failed here, and what was found instead.
    fn check(&mut self, check: &Check, now: Timestamp) -> rusqlite::Result<Option<Found>> {
        Ok(match check {
            Check::Version { at, is } => {
                let row = params![at.space.as_str(), &at.key[..], time(now)];
                let found = self.sql.item_version.query_row(row, version).optional()?;
                (found != *is).then_some(Found::Version(found))
            }
            Check::Length { log, is } => {
                let length = self.head(log)?.map_or(0, |head| head.length);
                (length != *is).then_some(Found::Length(length))
            }
            Check::Epoch { owner, is } => {
                let epoch = self.epoch(owner)?;
                (epoch != *is).then_some(Found::Epoch(epoch))
            }
            Check::First { scope, id, .. } => {
                let seen = self.seen(SEEN_FIRST, scope.as_str(), id, now)?;
                seen.is_some().then_some(Found::Seen)
            }
            Check::Timer { timer, is } => {
                let found = self.sql.timer_version.query_row([timer.as_str()], version).optional()?;
                (found != *is).then_some(Found::Version(found))
            }
        })
    }

    fn remember(&mut self, txn: &Txn) -> rusqlite::Result<()> {
        for check in &txn.checks {
            if let Check::First { scope, id, keep } = check {
                let until = time(txn.now.saturating_add(*keep));
                self.sql.seen_set.execute(params![SEEN_FIRST, scope.as_str(), &id[..], until, None::<i64>])?;
            }
        }
        Ok(())
    }

    fn guarded(&mut self, txn: &Txn, version: Version) -> Result<Vec<Wrote>, Stop> {
        self.sql.savepoint.execute([])?;
        let wrote = self.writes(txn, version);
        if matches!(wrote, Err(Stop::No(_))) {
            self.heads.clear();
            self.sql.rollback_to.execute([])?;
        }
        if !matches!(wrote, Err(Stop::Engine(_))) {
            self.sql.release.execute([])?;
        }
        wrote
    }

    fn writes(&mut self, txn: &Txn, version: Version) -> Result<Vec<Wrote>, Stop> {
        let mut wrote = Vec::with_capacity(txn.writes.len());
        for (index, write) in txn.writes.iter().enumerate() {
            wrote.push(self.write(index, write, txn.now, version)?);
        }
        Ok(wrote)
    }

    fn write(&mut self, index: usize, write: &Write, now: Timestamp, version: Version) -> Result<Wrote, Stop> {
        match write {
            Write::Put { at, value, expires } => self.put(at, value, *expires, version)?,
            Write::Delete { at } => {
                self.sql.item_delete.execute(params![at.space.as_str(), &at.key[..]])?;
            }
            Write::Add { at, by } => return self.add(index, at, *by, now, version),
            Write::Append { log, records } => return Ok(self.append(log, records)?),
            Write::Trim { log, before } => return Ok(self.trim(log, *before)?),
            Write::Send { queue, message } => return Ok(self.send(Seq::new(version, index), queue, message, now)?),
            Write::Settle { receipt, how } => self.settle(index, receipt, *how)?,
            Write::Arm { timer, at, payload } => {
                let row = params![timer.as_str(), time(*at), int(version.0), &payload[..]];
                self.sql.timer_arm.execute(row)?;
            }
            Write::Disarm { timer } => {
                self.sql.timer_disarm.execute([timer.as_str()])?;
            }
            Write::Own { owner, epoch } => self.own(index, owner, *epoch)?,
        }
        Ok(Wrote::Done)
    }

    fn put(&mut self, at: &At, value: &[u8], expires: Option<Timestamp>, version: Version) -> rusqlite::Result<()> {
        let row = params![at.space.as_str(), &at.key[..], int(version.0), expires.map(time), value];
        self.sql.item_put.execute(row).map(drop)
    }

    fn add(&mut self, index: usize, at: &At, by: i64, now: Timestamp, version: Version) -> Result<Wrote, Stop> {
        let row = params![at.space.as_str(), &at.key[..], time(now)];
        let held = self.sql.item_get.query_row(row, |row| {
            let value = number::parse(row.get_ref(0)?.as_blob()?, index);
            Ok((value, row.get::<_, Option<i64>>(1)?.map(time_back)))
        });
        let (number, expires) = match held.optional()? {
            None => (0, None),
            Some((number, expires)) => (number?, expires),
        };
        let number = number::add(number, by, index)?;
        self.put(at, number.to_string().as_bytes(), expires, version)?;
        Ok(Wrote::Number(number))
    }

    fn head(&mut self, log: &LogName) -> rusqlite::Result<Option<Head>> {
        if let Some(head) = self.heads.get(log) {
            return Ok(Some(*head));
        }
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Head { id: row.get(0)?, first: number_back(row.get(1)?), length: number_back(row.get(2)?) })
        };
        let head = self.sql.log_get.query_row([log.as_str()], row).optional()?;
        if let Some(head) = head {
            self.keep(log, head);
        }
        Ok(head)
    }

    fn keep(&mut self, log: &LogName, head: Head) {
        if let Some(kept) = self.heads.get_mut(log) {
            *kept = head;
            return;
        }
        if self.heads.len() >= HEADS_MAX {
            self.heads.clear();
        }
        self.heads.insert(log.clone(), head);
    }

    fn append(&mut self, log: &LogName, records: &[Bytes]) -> rusqlite::Result<Wrote> {
        let count = records.len() as u64;
        let head = match self.head(log)? {
            Some(head) => {
                self.sql.log_length.execute(params![head.id, int(head.length + count)])?;
                head
            }
            None => Head { id: self.sql.log_add.insert(params![log.as_str(), int(count)])?, first: 0, length: 0 },
        };
        for (position, record) in (head.length..).zip(records) {
            self.sql.record_add.execute(params![head.id, int(position), &record[..]])?;
        }
        self.keep(log, Head { length: head.length + count, ..head });
        Ok(Wrote::Position(head.length))
    }

    fn trim(&mut self, log: &LogName, before: u64) -> rusqlite::Result<Wrote> {
        let Some(head) = self.head(log)? else { return Ok(Wrote::Trimmed { first: 0 }) };
        let first = before.min(head.length).min(head.first + TRIM_MAX).max(head.first);
        if first > head.first {
            self.sql.record_trim.execute(params![head.id, int(first)])?;
            self.sql.log_first.execute(params![head.id, int(first)])?;
            self.keep(log, Head { first, ..head });
        }
        Ok(Wrote::Trimmed { first })
    }

    fn send(&mut self, seq: Seq, queue: &QueueName, message: &Message, now: Timestamp) -> rusqlite::Result<Wrote> {
        if let Some(Dedup { id, keep }) = &message.dedup {
            if let Some(first) = self.seen(SEEN_DEDUP, queue.as_str(), id, now)? {
                return Ok(Wrote::Sent { seq: Seq(first), fresh: false });
            }
            let until = time(now.saturating_add(*keep));
            self.sql.seen_set.execute(params![SEEN_DEDUP, queue.as_str(), &id[..], until, int(seq.0)])?;
        }
        let group = message.group.as_ref().map(Group::as_str);
        let behind = match group {
            Some(group) => self.sql.message_grouped.exists([queue.as_str(), group])?,
            None => false,
        };
        let at = time(message.at.max(now));
        let ready = (!behind).then_some(at);
        let row = params![queue.as_str(), int(seq.0), time(now), at, ready, group, &message.payload[..]];
        self.sql.message_add.execute(row)?;
        Ok(Wrote::Sent { seq, fresh: true })
    }

    /// The number kept beside an id that is still remembered; 0 where none is.
    fn seen(&mut self, kind: i64, scope: &str, id: &[u8], now: Timestamp) -> rusqlite::Result<Option<u64>> {
        let seq = |row: &rusqlite::Row<'_>| Ok(row.get::<_, Option<i64>>(0)?.map_or(0, number_back));
        self.sql.seen_get.query_row(params![kind, scope, id, time(now)], seq).optional()
    }

    fn settle(&mut self, index: usize, receipt: &Receipt, how: Settle) -> Result<(), Stop> {
        let (queue, seq, lease) = (receipt.queue.as_str(), int(receipt.seq.0), int(receipt.lease.0));
        let group = |row: &rusqlite::Row<'_>| row.get::<_, Option<String>>(0);
        let held = match lease {
            0 => None,
            lease => self.sql.message_held.query_row(params![queue, seq, lease], group).optional()?,
        };
        let Some(group) = held else {
            return Err(StoreError::Conflict { op: Op::Write(index), found: Found::NotLeased }.into());
        };
        match how {
            Settle::Done => {
                self.sql.message_delete.execute(params![queue, seq])?;
                if let Some(group) = group {
                    self.sql.message_promote.execute(params![queue, group])?;
                }
            }
            Settle::Retry { at } => {
                self.sql.message_ready.execute(params![queue, seq, time(at), 0])?;
            }
            Settle::Extend { until } => {
                self.sql.message_ready.execute(params![queue, seq, time(until), lease])?;
            }
        }
        Ok(())
    }

    fn epoch(&mut self, owner: &Owner) -> rusqlite::Result<Epoch> {
        let epoch = |row: &rusqlite::Row<'_>| row.get(0).map(|epoch| Epoch(number_back(epoch)));
        Ok(self.sql.owner_get.query_row([owner.as_str()], epoch).optional()?.unwrap_or_default())
    }

    fn own(&mut self, index: usize, owner: &Owner, epoch: Epoch) -> Result<(), Stop> {
        let before = self.epoch(owner)?;
        if epoch <= before {
            return Err(StoreError::Conflict { op: Op::Write(index), found: Found::Epoch(before) }.into());
        }
        self.sql.owner_set.execute(params![owner.as_str(), int(epoch.0)])?;
        Ok(())
    }

    pub(crate) fn receive(&mut self, ask: &Receive) -> rusqlite::Result<Vec<Delivery>> {
        let lease = Version(self.version.0 + 1);
        let mut out = Vec::new();
        let mut bytes = 0;
        let most = int(ask.max.min(RECEIVE_MAX) as u64);
        let mut rows = self.sql.message_due.query(params![ask.queue.as_str(), time(ask.now), most])?;
        while let Some(row) = rows.next()? {
            let payload = row.get_ref(4)?.as_blob()?;
            bytes += payload.len();
            if bytes > PAGE_BYTES_MAX {
                break;
            }
            out.push(Delivery {
                receipt: Receipt { queue: ask.queue.clone(), seq: Seq(number_back(row.get(0)?)), lease },
                payload: Bytes::copy_from_slice(payload),
                group: group_back(row.get_ref(3)?)?,
                sent: time_back(row.get(1)?),
                attempt: row.get::<_, u32>(2)?.saturating_add(1),
            });
        }
        drop(rows);
        let until = time(ask.now.saturating_add(ask.lease.min(LEASE_MAX)));
        for delivery in &out {
            let (seq, attempt) = (int(delivery.receipt.seq.0), delivery.attempt);
            self.sql.message_lease.execute(params![ask.queue.as_str(), seq, until, int(lease.0), attempt])?;
        }
        if !out.is_empty() {
            self.version = lease;
        }
        Ok(out)
    }
}

/// Whether a write of it can be refused after another has been done.
fn can_refuse(txn: &Txn) -> bool {
    let refusable = |write: &Write| matches!(write, Write::Add { .. } | Write::Settle { .. } | Write::Own { .. });
    txn.writes.iter().skip(1).any(refusable)
}

fn version(row: &rusqlite::Row<'_>) -> rusqlite::Result<Version> {
    row.get(0).map(|version| Version(number_back(version)))
}

pub(crate) fn group_back(group: rusqlite::types::ValueRef<'_>) -> rusqlite::Result<Option<Group>> {
    let damaged =
        |error: StoreError| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error));
    group.as_str_or_null()?.map(|group| Group::new(group).map_err(damaged)).transpose()
}
