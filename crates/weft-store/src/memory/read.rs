//! What the ports read from one shard.

use std::ops::Bound;

use bytes::Bytes;
use weft_types::Timestamp;

use super::state::{Messages, State, Stored};
use crate::{
    At, Delivery, Epoch, Item, LogName, Owner, Page, Peeked, QueueName, Receipt, Receive, Records, Scan, Seq, Space,
    StoreError, Timer,
    bound::{LEASE_MAX, MANY_MAX, PAGE_BYTES_MAX, PAGE_MAX, RECEIVE_MAX},
};

impl State {
    pub(super) fn item(&self, at: &At, now: Timestamp) -> Option<&Item> {
        self.items.get(at).filter(|item| live(item, now))
    }

    pub(super) fn get_many(
        &self,
        space: &Space,
        keys: &[Bytes],
        now: Timestamp,
    ) -> Result<Vec<Option<Item>>, StoreError> {
        if keys.len() > MANY_MAX {
            return Err(StoreError::TooLarge {
                what: "the number of keys in one read",
                is: keys.len(),
                limit: MANY_MAX,
            });
        }
        Ok(keys.iter().map(|key| self.item(&At::new(space, key.clone()), now).cloned()).collect())
    }

    pub(super) fn scan(&self, scan: &Scan, now: Timestamp) -> Page {
        let max = scan.max.clamp(1, PAGE_MAX);
        let mut page = Page::default();
        let mut bytes = 0;
        for (at, item) in self.items.range((scan_from(scan), Bound::Unbounded)) {
            if at.space != scan.space || !at.key.starts_with(&scan.prefix) {
                break;
            }
            if !live(item, now) {
                continue;
            }
            if page.items.len() == max || (bytes > 0 && bytes + item.value.len() > PAGE_BYTES_MAX) {
                page.next = page.items.last().map(|(key, _)| key.clone()).or_else(|| scan.after.clone());
                break;
            }
            let mut item = item.clone();
            if !scan.values {
                item.value = Bytes::new();
            }
            bytes += item.value.len();
            page.items.push((at.key.clone(), item));
        }
        page
    }

    pub(super) fn read(&self, log: &LogName, from: u64, max: usize) -> Records {
        let Some(log) = self.logs.get(log) else { return Records { from, ..Records::default() } };
        let start = from.max(log.first);
        let mut out = Records { from: start, first: log.first, length: log.length(), records: Vec::new() };
        let mut bytes = 0;
        for record in log.kept.iter().skip((start - log.first) as usize).take(max.min(PAGE_MAX)) {
            bytes += record.len();
            if bytes > PAGE_BYTES_MAX && !out.records.is_empty() {
                break;
            }
            out.records.push(record.clone());
        }
        out
    }

    pub(super) fn length(&self, log: &LogName) -> u64 {
        self.logs.get(log).map_or(0, super::state::Records::length)
    }

    pub(super) fn receive(&mut self, ask: &Receive) -> Vec<Delivery> {
        let Some(messages) = self.queues.get(&ask.queue) else { return Vec::new() };
        let mut bytes = 0;
        let fits = |seq: &Seq| {
            bytes += messages.all.get(seq).map_or(0, |message| message.payload.len());
            bytes <= PAGE_BYTES_MAX
        };
        let ready = messages.ready.iter().take_while(|(ready, _)| *ready <= ask.now).map(|(_, seq)| *seq);
        let due: Vec<Seq> = ready.take(ask.max.min(RECEIVE_MAX)).take_while(fits).collect();
        if due.is_empty() {
            return Vec::new();
        }
        self.version.0 += 1;
        let until = ask.now.saturating_add(ask.lease.min(LEASE_MAX));
        due.into_iter().filter_map(|seq| self.lease(&ask.queue, seq, until)).collect()
    }

    fn lease(&mut self, queue: &QueueName, seq: Seq, until: Timestamp) -> Option<Delivery> {
        let mut stored = self.queues.get(queue)?.all.get(&seq)?.clone();
        stored.ready = Some(until);
        stored.lease = Some(self.version);
        stored.attempt = stored.attempt.saturating_add(1);
        let Stored { payload, group, sent, attempt, .. } = stored.clone();
        self.set_message(queue, seq, Some(stored));
        let receipt = Receipt { queue: queue.clone(), seq, lease: self.version };
        Some(Delivery { receipt, payload, group, sent, attempt })
    }

    pub(super) fn peek(&self, queue: &QueueName, after: Option<Seq>, max: usize) -> Vec<Peeked> {
        let Some(messages) = self.queues.get(queue) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut out = Vec::new();
        let mut bytes = 0;
        for (seq, message) in messages.all.range((from, Bound::Unbounded)).take(max.min(PAGE_MAX)) {
            bytes += message.payload.len();
            if bytes > PAGE_BYTES_MAX && !out.is_empty() {
                break;
            }
            let Stored { payload, group, sent, attempt, ready, .. } = message.clone();
            out.push(Peeked { seq: *seq, payload, group, sent, attempt, ready });
        }
        out
    }

    pub(super) fn next_ready(&self, queue: &QueueName) -> Option<Timestamp> {
        self.queues.get(queue).and_then(Messages::next_ready)
    }

    pub(super) fn due(&self, now: Timestamp, max: usize) -> Vec<Timer> {
        let mut out = Vec::new();
        let mut bytes = 0;
        for (at, timer) in self.timers_by_time.iter().take_while(|(at, _)| *at <= now).take(max.min(PAGE_MAX)) {
            let Some(armed) = self.timers.get(timer) else { continue };
            bytes += armed.payload.len();
            if bytes > PAGE_BYTES_MAX && !out.is_empty() {
                break;
            }
            out.push(Timer { timer: timer.clone(), at: *at, payload: armed.payload.clone(), version: armed.version });
        }
        out
    }

    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers_by_time.first().map(|(at, _)| *at)
    }

    pub(super) fn epoch(&self, owner: &Owner) -> Epoch {
        self.owners.get(owner).copied().unwrap_or_default()
    }
}

impl Messages {
    fn next_ready(&self) -> Option<Timestamp> {
        self.ready.first().map(|(at, _)| *at)
    }
}

fn live(item: &Item, now: Timestamp) -> bool {
    item.expires.is_none_or(|expires| expires > now)
}

/// Behind `after`, or at the prefix, whichever is later.
fn scan_from(scan: &Scan) -> Bound<At> {
    match &scan.after {
        Some(after) if *after >= scan.prefix => Bound::Excluded(At::new(&scan.space, after.clone())),
        _ => Bound::Included(At::new(&scan.space, scan.prefix.clone())),
    }
}
