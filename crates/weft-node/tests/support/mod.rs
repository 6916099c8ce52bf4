//! A store that does not always know what it did.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use weft_store::{
    Answer, At, Capabilities, Commit, Delivery, Epoch, Item, KeyValue, Lease, Log, LogName, Owner, Page, Peeked, Queue,
    QueueName, Receive, Records, Scan, Seq, Shard, Space, Store, StoreError, Timer, Timers, Txn,
};
use weft_types::Timestamp;

/// Hands everything on, but for as many commits as it is told to be unsure of.
pub(crate) struct Doubtful {
    inner: Arc<dyn Store>,
    /// Commits that are made, and answered with *unknown*.
    pub(crate) made: AtomicUsize,
    /// Commits that are not made, and answered with *unknown*.
    pub(crate) lost: AtomicUsize,
    /// Whether reads fail.
    pub(crate) deaf: AtomicBool,
    /// Whether they fail from the next commit on.
    deaf_next: AtomicBool,
}

impl Doubtful {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            made: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            deaf: AtomicBool::new(false),
            deaf_next: AtomicBool::new(false),
        })
    }

    /// Reads fail from the next commit on, until `deaf` is taken back.
    pub(crate) fn deaf_after_commit(&self) {
        self.deaf_next.store(true, SeqCst);
    }

    fn hears<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        match self.deaf.load(SeqCst) {
            true => Box::pin(async { Err(StoreError::Unavailable { source: broken() }) }),
            false => answer,
        }
    }
}

fn broken() -> weft_store::Source {
    Arc::new(std::io::Error::other("the connection broke"))
}

fn one_less(count: &AtomicUsize) -> bool {
    count.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Store for Doubtful {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn commit<'a>(&'a self, shard: &'a Shard, txn: Txn) -> Answer<'a, Commit> {
        Box::pin(async move {
            if one_less(&self.lost) {
                return Err(StoreError::Unknown { source: broken() });
            }
            let outcome = self.inner.commit(shard, txn).await;
            if self.deaf_next.swap(false, SeqCst) {
                self.deaf.store(true, SeqCst);
            }
            if outcome.is_ok() && one_less(&self.made) {
                Err(StoreError::Unknown { source: broken() })
            } else {
                outcome
            }
        })
    }
}

impl KeyValue for Doubtful {
    fn get<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, Option<Item>> {
        self.hears(self.inner.get(shard, at, now))
    }
    fn get_many<'a>(
        &'a self,
        shard: &'a Shard,
        space: &'a Space,
        keys: &'a [Bytes],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<Item>>> {
        self.hears(self.inner.get_many(shard, space, keys, now))
    }
    fn exists<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, bool> {
        self.hears(self.inner.exists(shard, at, now))
    }
    fn scan<'a>(&'a self, shard: &'a Shard, scan: &'a Scan, now: Timestamp) -> Answer<'a, Page> {
        self.hears(self.inner.scan(shard, scan, now))
    }
}

impl Log for Doubtful {
    fn read<'a>(&'a self, shard: &'a Shard, log: &'a LogName, from: u64, max: usize) -> Answer<'a, Records> {
        self.hears(self.inner.read(shard, log, from, max))
    }
    fn length<'a>(&'a self, shard: &'a Shard, log: &'a LogName) -> Answer<'a, u64> {
        self.inner.length(shard, log)
    }
}

impl Queue for Doubtful {
    fn receive<'a>(&'a self, shard: &'a Shard, receive: Receive) -> Answer<'a, Vec<Delivery>> {
        self.inner.receive(shard, receive)
    }
    fn peek<'a>(
        &'a self,
        shard: &'a Shard,
        queue: &'a QueueName,
        after: Option<Seq>,
        max: usize,
    ) -> Answer<'a, Vec<Peeked>> {
        self.inner.peek(shard, queue, after, max)
    }
    fn next_ready<'a>(&'a self, shard: &'a Shard, queue: &'a QueueName) -> Answer<'a, Option<Timestamp>> {
        self.inner.next_ready(shard, queue)
    }
}

impl Timers for Doubtful {
    fn due<'a>(&'a self, shard: &'a Shard, now: Timestamp, max: usize) -> Answer<'a, Vec<Timer>> {
        self.inner.due(shard, now, max)
    }
    fn next_timer<'a>(&'a self, shard: &'a Shard) -> Answer<'a, Option<Timestamp>> {
        self.inner.next_timer(shard)
    }
}

impl Lease for Doubtful {
    fn epoch<'a>(&'a self, shard: &'a Shard, owner: &'a Owner) -> Answer<'a, Epoch> {
        self.inner.epoch(shard, owner)
    }
}
