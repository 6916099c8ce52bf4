//! The embedded store: one SQLite file a shard, group commit, synced before it is acknowledged.
//!
//! ```text
//! commit ──▶ bounded channel ──▶ writer thread: one SQL transaction, one sync ──▶ answers
//! get ─────▶ items read before, on the caller's thread; else a bounded line ──▶ reading threads: a connection each
//! ```
//! Invariants: one process a folder (a lock holds that); one writer a shard; an acknowledged commit is on disk, and
//! seen by every read that begins after.

mod apply;
mod cache;
mod encode;
mod fail;
mod folder;
mod read;
mod reading;
mod schema;
mod shards;
mod statements;
mod writer;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use reading::Reading;
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
    /// Goes first: its threads hold shards.
    reading: Reading,
    shards: Arc<Shards>,
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
        Ok(Self { reading: Reading::new(), shards: Arc::new(Shards::new(folder::Folder::open(folder)?, options)) })
    }

    /// The shard, opened off the caller's thread where it is not open.
    async fn opened(&self, shard: &Shard) -> Result<Arc<Open>, StoreError> {
        match self.shards.known(shard) {
            Some(open) => Ok(open),
            None => {
                let (shards, shard) = (Arc::clone(&self.shards), shard.clone());
                self.reading.run(move || Ok(shards.open(&shard))).await
            }
        }
    }

    /// Reads from disk, off the caller's thread.
    fn read<'a, T: Send + 'static>(
        &'a self,
        shard: &Shard,
        read: impl FnOnce(&Open) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'a, T> {
        let (shards, shard) = (Arc::clone(&self.shards), shard.clone());
        Box::pin(self.reading.run(move || read(&shards.open(&shard))))
    }

    /// An item that was read before, at once; any other from disk.
    fn item<'a, T: Send + 'static>(
        &'a self,
        shard: &'a Shard,
        at: &'a At,
        now: Timestamp,
        then: fn(Option<Item>) -> T,
    ) -> Answer<'a, T> {
        let found = self.shards.known(shard).map(|open| open.peek(at, now).map_err(|ticket| (open, ticket)));
        let missed = match found {
            Some(Ok(item)) => return Box::pin(std::future::ready(Ok(then(item)))),
            Some(Err((open, ticket))) => Some((open, ticket)),
            None => None,
        };
        let (shards, shard, at) = (Arc::clone(&self.shards), shard.clone(), at.clone());
        Box::pin(self.reading.run(move || {
            let item = match missed {
                Some((open, ticket)) => open.fetch(&at, now, &ticket),
                None => {
                    let open = shards.open(&shard);
                    open.peek(&at, now).or_else(|ticket| open.fetch(&at, now, &ticket))
                }
            };
            item.map(then)
        }))
    }

    /// Hands a job over to the writer of a shard and waits for its answer.
    async fn ask<T>(
        &self,
        shard: &Shard,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.opened(shard).await?.jobs()?;
        jobs.send(job(reply)).await.map_err(|_| fail::gone())?;
        // The writer answers every job that it has taken, unless it dies of a bug.
        answer.await.unwrap_or_else(|_| Err(fail::lost()))
    }
}

impl KeyValue for LocalStore {
    fn get<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, Option<Item>> {
        self.item(shard, at, now, |item| item)
    }

    fn get_many<'a>(
        &'a self,
        shard: &'a Shard,
        space: &'a Space,
        keys: &'a [Bytes],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<Item>>> {
        let (space, keys) = (space.clone(), keys.to_vec());
        self.read(shard, move |open| open.readers.get_many(&space, &keys, now))
    }

    fn exists<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, bool> {
        self.item(shard, at, now, |item| item.is_some())
    }

    fn scan<'a>(&'a self, shard: &'a Shard, scan: &'a Scan, now: Timestamp) -> Answer<'a, Page> {
        let scan = scan.clone();
        self.read(shard, move |open| open.readers.scan(&scan, now))
    }
}

impl Log for LocalStore {
    fn read<'a>(&'a self, shard: &'a Shard, log: &'a LogName, from: u64, max: usize) -> Answer<'a, Records> {
        let log = log.clone();
        self.read(shard, move |open| open.readers.read(&log, from, max))
    }

    fn length<'a>(&'a self, shard: &'a Shard, log: &'a LogName) -> Answer<'a, u64> {
        let log = log.clone();
        self.read(shard, move |open| open.readers.length(&log))
    }
}

impl Queue for LocalStore {
    fn receive<'a>(&'a self, shard: &'a Shard, receive: Receive) -> Answer<'a, Vec<Delivery>> {
        Box::pin(self.ask(shard, |reply| Job::Receive { ask: receive, reply }))
    }

    fn peek<'a>(
        &'a self,
        shard: &'a Shard,
        queue: &'a QueueName,
        after: Option<Seq>,
        max: usize,
    ) -> Answer<'a, Vec<Peeked>> {
        let queue = queue.clone();
        self.read(shard, move |open| open.readers.peek(&queue, after, max))
    }

    fn next_ready<'a>(&'a self, shard: &'a Shard, queue: &'a QueueName) -> Answer<'a, Option<Timestamp>> {
        let queue = queue.clone();
        self.read(shard, move |open| open.readers.next_ready(&queue))
    }
}

impl Timers for LocalStore {
    fn due<'a>(&'a self, shard: &'a Shard, now: Timestamp, max: usize) -> Answer<'a, Vec<Timer>> {
        self.read(shard, move |open| open.readers.due(now, max))
    }

    fn next_timer<'a>(&'a self, shard: &'a Shard) -> Answer<'a, Option<Timestamp>> {
        self.read(shard, |open| open.readers.next_timer())
    }
}

impl Lease for LocalStore {
    fn epoch<'a>(&'a self, shard: &'a Shard, owner: &'a Owner) -> Answer<'a, Epoch> {
        let owner = owner.clone();
        self.read(shard, move |open| open.readers.epoch(&owner))
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
        Box::pin(self.ask(shard, move |reply| Job::Commit { txn, bytes, reply }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::{FutureExt as _, future::join_all};
    use weft_store::{Write, suite::wait};
    use weft_types::Name;

    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn only_what_is_in_memory_is_answered_on_the_callers_thread() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path(), Options::default()).unwrap();
        let (shard, space) = (Shard::of(&Name::new("orders").unwrap()), Space::new("orders").unwrap());
        let (hot, cold, log) = (At::new(&space, "7"), At::new(&space, "8"), LogName::new("placed").unwrap());
        let put = |at: &At| Write::Put { at: at.clone(), value: "soup".into(), expires: None };
        wait(store.commit(&shard, Txn::new(T0).write(put(&hot)).write(put(&cold)))).unwrap();
        assert_eq!(wait(store.get(&shard, &hot, T0)).unwrap().unwrap().value, "soup");

        // Every reading thread is held: what can still be answered needs none.
        let (released, held): (Vec<_>, Vec<_>) = (0..reading::THREADS_MAX)
            .map(|_| {
                let (release, wait_for) = mpsc::channel::<()>();
                (release, store.reading.run(move || Ok(wait_for.recv().is_err())))
            })
            .unzip();
        let mut held = Box::pin(join_all(held));
        assert!(held.as_mut().now_or_never().is_none());
        assert!(store.get(&shard, &hot, T0).now_or_never().is_some());
        assert!(store.exists(&shard, &hot, T0).now_or_never().is_some());
        assert!(store.get(&shard, &cold, T0).now_or_never().is_none(), "it has not been read before");
        assert!(store.length(&shard, &log).now_or_never().is_none());
        assert!(store.get_many(&shard, &space, &["7".into()], T0).now_or_never().is_none());
        wait(store.commit(&shard, Txn::new(T0).write(put(&hot)))).expect("writes do not wait for reads");

        drop(released);
        assert!(wait(held).into_iter().all(|held| held.unwrap()));
        assert_eq!(wait(store.get(&shard, &cold, T0)).unwrap().unwrap().value, "soup");
        assert!(store.get(&shard, &cold, T0).now_or_never().is_some(), "it is in memory now");
    }
}
