//! A store that does not always know what it did.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use weft_store::{Answer, Capabilities, Commit, Layer, Shard, Store, StoreError, Txn};

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

impl Layer for Doubtful {
    type Below = dyn Store;

    fn below(&self) -> &(dyn Store + 'static) {
        &*self.inner
    }
    fn heard<'a, T: Send + 'a>(&'a self, _: &'a Shard, answer: Answer<'a, T>) -> Answer<'a, T> {
        match self.deaf.load(SeqCst) {
            true => Box::pin(async { Err(StoreError::Unavailable { source: broken() }) }),
            false => answer,
        }
    }
}
