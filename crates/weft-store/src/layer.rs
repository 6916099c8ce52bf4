//! A store over another: what it does differently it writes down, the rest is handed on.

use bytes::Bytes;
use weft_types::Timestamp;

use crate::{
    Answer, At, Delivery, Epoch, Item, KeyValue, Lease, Log, LogName, Owner, Page, Peeked, Queue, QueueName, Receive,
    Records, Scan, Seq, Shard, Space, Store, Timer, Timers,
};

/// Gives a store its reads: those of the store below. [`Store`] itself, which commits, is left to be written.
pub trait Layer: Send + Sync {
    type Below: Store + ?Sized;

    fn below(&self) -> &Self::Below;

    /// What comes of a read: of each, the answer of the store below passes here.
    fn heard<'a, T: Send + 'a>(&'a self, shard: &'a Shard, answer: Answer<'a, T>) -> Answer<'a, T> {
        let _ = shard;
        answer
    }
}

impl<L: Layer> KeyValue for L {
    fn get<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, Option<Item>> {
        self.heard(shard, self.below().get(shard, at, now))
    }
    fn get_many<'a>(
        &'a self,
        shard: &'a Shard,
        space: &'a Space,
        keys: &'a [Bytes],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<Item>>> {
        self.heard(shard, self.below().get_many(shard, space, keys, now))
    }
    fn exists<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, bool> {
        self.heard(shard, self.below().exists(shard, at, now))
    }
    fn scan<'a>(&'a self, shard: &'a Shard, scan: &'a Scan, now: Timestamp) -> Answer<'a, Page> {
        self.heard(shard, self.below().scan(shard, scan, now))
    }
}

impl<L: Layer> Log for L {
    fn read<'a>(&'a self, shard: &'a Shard, log: &'a LogName, from: u64, max: usize) -> Answer<'a, Records> {
        self.heard(shard, self.below().read(shard, log, from, max))
    }
    fn length<'a>(&'a self, shard: &'a Shard, log: &'a LogName) -> Answer<'a, u64> {
        self.heard(shard, self.below().length(shard, log))
    }
}

impl<L: Layer> Queue for L {
    fn receive<'a>(&'a self, shard: &'a Shard, receive: Receive) -> Answer<'a, Vec<Delivery>> {
        self.heard(shard, self.below().receive(shard, receive))
    }
    fn peek<'a>(
        &'a self,
        shard: &'a Shard,
        queue: &'a QueueName,
        after: Option<Seq>,
        max: usize,
    ) -> Answer<'a, Vec<Peeked>> {
        self.heard(shard, self.below().peek(shard, queue, after, max))
    }
    fn next_ready<'a>(&'a self, shard: &'a Shard, queue: &'a QueueName) -> Answer<'a, Option<Timestamp>> {
        self.heard(shard, self.below().next_ready(shard, queue))
    }
}

impl<L: Layer> Timers for L {
    fn due<'a>(&'a self, shard: &'a Shard, now: Timestamp, max: usize) -> Answer<'a, Vec<Timer>> {
        self.heard(shard, self.below().due(shard, now, max))
    }
    fn next_timer<'a>(&'a self, shard: &'a Shard) -> Answer<'a, Option<Timestamp>> {
        self.heard(shard, self.below().next_timer(shard))
    }
}

impl<L: Layer> Lease for L {
    fn epoch<'a>(&'a self, shard: &'a Shard, owner: &'a Owner) -> Answer<'a, Epoch> {
        self.heard(shard, self.below().epoch(shard, owner))
    }
}
