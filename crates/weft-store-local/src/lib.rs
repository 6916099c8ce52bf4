//! The embedded store: one SQLite file a shard, group commit, synced before it is acknowledged.
//!
//! ```text
//! commit ──▶ bounded channel ──▶ writer thread: one SQL transaction, one sync ──▶ answers
//! get ─────▶ items read before, else a read connection, on the caller's thread
//! ```
//! Invariants: one process a folder (a lock holds that); one writer a shard; an acknowledged commit is on disk, and
//! seen by every read that begins after.

mod apply;
mod cache;
mod encode;
mod fail;
mod folder;
mod read;
mod schema;
mod shards;
mod statements;
mod writer;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use shards::{Open, Shards};
use tokio::sync::oneshot;
use weft_store::{
    Answer, At, Capabilities, Commit, Delivery, Epoch, Item, KeyValue, Lease, Log, LogName, Owner, Page, Peeked, Queue,
    QueueName, Receive, Records, Scan, Seq, Shard, Space, Store, StoreError, Timer, Timers, Txn,
};
use weft_types::Timestamp;
use writer::Job;

pub use folder::OpenError;
pub use schema::{FileError, Sync};

/// A data folder, open. Dropping it finishes what was handed over, and gives the folder back.
#[derive(Debug)]
pub struct LocalStore {
    shards: Shards,
}

/// How to open a data folder.
#[derive(Debug, Clone)]
pub struct Options {
    pub sync: Sync,
    /// Shards kept open. One more closes the one that has been idle for longest; shards in use are never closed.
    pub open_max: usize,
    /// Bytes of items that each open shard keeps in memory for the next read.
    pub cache_bytes: usize,
    /// Pages of 4 KiB in a shard's log before its writer copies them back into the file.
    pub checkpoint_pages: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: Sync::Full, open_max: 256, cache_bytes: 4 << 20, checkpoint_pages: 4_096 }
    }
}

impl LocalStore {
    /// Opens `folder`, making it if need be, and locks it against other processes.
    ///
    /// Shards are opened when first used, so this takes no longer when there are many.
    pub fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        Ok(Self { shards: Shards::new(folder::Folder::open(folder)?, options) })
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        shard: &Shard,
        read: impl FnOnce(&Open) -> Result<T, StoreError>,
    ) -> Answer<'a, T> {
        Box::pin(std::future::ready(read(&self.shards.open(shard))))
    }
}

/// Hands a job over and waits for its answer.
async fn ask<T>(
    open: Arc<Open>,
    job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
) -> Result<T, StoreError> {
    let (reply, answer) = oneshot::channel();
    open.jobs()?.send(job(reply)).await.map_err(|_| fail::gone())?;
    // The writer answers every job that it has taken, unless it dies of a bug.
    answer.await.unwrap_or_else(|_| Err(fail::lost()))
}

impl KeyValue for LocalStore {
    fn get<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, Option<Item>> {
        self.read(shard, |open| open.get(at, now))
    }

    fn get_many<'a>(
        &'a self,
        shard: &'a Shard,
        space: &'a Space,
        keys: &'a [Bytes],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<Item>>> {
        self.read(shard, |open| open.readers.get_many(space, keys, now))
    }

    fn exists<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, bool> {
        self.read(shard, |open| Ok(open.get(at, now)?.is_some()))
    }

    fn scan<'a>(&'a self, shard: &'a Shard, scan: &'a Scan, now: Timestamp) -> Answer<'a, Page> {
        self.read(shard, |open| open.readers.scan(scan, now))
    }
}

impl Log for LocalStore {
    fn read<'a>(&'a self, shard: &'a Shard, log: &'a LogName, from: u64, max: usize) -> Answer<'a, Records> {
        self.read(shard, |open| open.readers.read(log, from, max))
    }

    fn length<'a>(&'a self, shard: &'a Shard, log: &'a LogName) -> Answer<'a, u64> {
        self.read(shard, |open| open.readers.length(log))
    }
}

impl Queue for LocalStore {
    fn receive<'a>(&'a self, shard: &'a Shard, receive: Receive) -> Answer<'a, Vec<Delivery>> {
        let open = self.shards.open(shard);
        Box::pin(ask(open, |reply| Job::Receive { ask: receive, reply }))
    }

    fn peek<'a>(
        &'a self,
        shard: &'a Shard,
        queue: &'a QueueName,
        after: Option<Seq>,
        max: usize,
    ) -> Answer<'a, Vec<Peeked>> {
        self.read(shard, |open| open.readers.peek(queue, after, max))
    }

    fn next_ready<'a>(&'a self, shard: &'a Shard, queue: &'a QueueName) -> Answer<'a, Option<Timestamp>> {
        self.read(shard, |open| open.readers.next_ready(queue))
    }
}

impl Timers for LocalStore {
    fn due<'a>(&'a self, shard: &'a Shard, now: Timestamp, max: usize) -> Answer<'a, Vec<Timer>> {
        self.read(shard, |open| open.readers.due(now, max))
    }

    fn next_timer<'a>(&'a self, shard: &'a Shard) -> Answer<'a, Option<Timestamp>> {
        self.read(shard, |open| open.readers.next_timer())
    }
}

impl Lease for LocalStore {
    fn epoch<'a>(&'a self, shard: &'a Shard, owner: &'a Owner) -> Answer<'a, Epoch> {
        self.read(shard, |open| open.readers.epoch(owner))
    }
}

impl Store for LocalStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { transactions: true, durable: true, expiry: true, groups: true }
    }

    fn commit<'a>(&'a self, shard: &'a Shard, txn: Txn) -> Answer<'a, Commit> {
        let bytes = match txn.measure() {
            Ok(bytes) => bytes,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let open = self.shards.open(shard);
        Box::pin(ask(open, move |reply| Job::Commit { txn, bytes, reply }))
    }
}
