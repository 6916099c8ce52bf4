//! Everything in memory, nothing durable: for tests, simulation, and people who say so.

mod apply;
mod read;
mod state;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use state::State;
use weft_types::Timestamp;

use crate::{
    Answer, At, Capabilities, Commit, Delivery, Epoch, Item, KeyValue, Lease, Log, LogName, Owner, Page, Peeked, Queue,
    QueueName, Receive, Records, Scan, Seq, Shard, Space, Store, StoreError, Timer, Timers, Txn,
};

/// All shards behind one lock. Refuses what would make a shard larger than its limit.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Mutex<HashMap<Shard, State>>,
    /// Largest sum of keys, values, records, messages and payloads of one shard, in bytes.
    bytes_max: usize,
}

impl MemoryStore {
    /// `bytes_max` bounds each shard.
    pub fn new(bytes_max: usize) -> Self {
        Self { shards: Mutex::default(), bytes_max }
    }

    fn with<'a, T: Send + 'a>(
        &'a self,
        shard: &Shard,
        run: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Answer<'a, T> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match shards.get_mut(shard) {
            Some(state) => run(state),
            None => run(shards.entry(shard.clone()).or_default()),
        };
        drop(shards);
        Box::pin(std::future::ready(answer))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(1 << 30)
    }
}

impl KeyValue for MemoryStore {
    fn get<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, Option<Item>> {
        self.with(shard, |state| Ok(state.item(at, now).cloned()))
    }

    fn get_many<'a>(
        &'a self,
        shard: &'a Shard,
        space: &'a Space,
        keys: &'a [Bytes],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<Item>>> {
        self.with(shard, |state| state.get_many(space, keys, now))
    }

    fn exists<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, bool> {
        self.with(shard, |state| Ok(state.item(at, now).is_some()))
    }

    fn scan<'a>(&'a self, shard: &'a Shard, scan: &'a Scan, now: Timestamp) -> Answer<'a, Page> {
        self.with(shard, |state| Ok(state.scan(scan, now)))
    }
}

impl Log for MemoryStore {
    fn read<'a>(&'a self, shard: &'a Shard, log: &'a LogName, from: u64, max: usize) -> Answer<'a, Records> {
        self.with(shard, |state| Ok(state.read(log, from, max)))
    }

    fn length<'a>(&'a self, shard: &'a Shard, log: &'a LogName) -> Answer<'a, u64> {
        self.with(shard, |state| Ok(state.length(log)))
    }
}

impl Queue for MemoryStore {
    fn receive<'a>(&'a self, shard: &'a Shard, receive: Receive) -> Answer<'a, Vec<Delivery>> {
        self.with(shard, |state| Ok(state.receive(&receive)))
    }

    fn peek<'a>(
        &'a self,
        shard: &'a Shard,
        queue: &'a QueueName,
        after: Option<Seq>,
        max: usize,
    ) -> Answer<'a, Vec<Peeked>> {
        self.with(shard, |state| Ok(state.peek(queue, after, max)))
    }

    fn next_ready<'a>(&'a self, shard: &'a Shard, queue: &'a QueueName) -> Answer<'a, Option<Timestamp>> {
        self.with(shard, |state| Ok(state.next_ready(queue)))
    }
}

impl Timers for MemoryStore {
    fn due<'a>(&'a self, shard: &'a Shard, now: Timestamp, max: usize) -> Answer<'a, Vec<Timer>> {
        self.with(shard, |state| Ok(state.due(now, max)))
    }

    fn next_timer<'a>(&'a self, shard: &'a Shard) -> Answer<'a, Option<Timestamp>> {
        self.with(shard, |state| Ok(state.next_timer()))
    }
}

impl Lease for MemoryStore {
    fn epoch<'a>(&'a self, shard: &'a Shard, owner: &'a Owner) -> Answer<'a, Epoch> {
        self.with(shard, |state| Ok(state.epoch(owner)))
    }
}

impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { transactions: true, durable: false, expiry: true, groups: true }
    }

    fn commit<'a>(&'a self, shard: &'a Shard, txn: Txn) -> Answer<'a, Commit> {
        let bytes_max = self.bytes_max;
        self.with(shard, |state| state.commit(&txn, bytes_max))
    }
}
