//! The store as components meet it: what is harmed on purpose is late, or cannot be reached. Nothing is half done.

use std::sync::Arc;

use http::HeaderMap;
use weft_fault::{Harmed, Injector};
use weft_store::{Answer, Capabilities, Commit, Layer, Shard, Store, StoreError, Txn};
use weft_traffic::fault::To;
use weft_types::Name;

/// Hands everything on to `inner`, unless a fault is in force.
pub(crate) struct Faulty<S> {
    pub(crate) inner: Arc<S>,
    pub(crate) faults: Arc<Injector>,
}

impl<S: Store> Faulty<S> {
    fn harmed(&self, shard: &Shard) -> Option<Harmed> {
        if !self.faults.is_armed() {
            return None;
        }
        let application = Name::new(shard.as_str()).ok()?;
        self.faults.meet(&application, To::Service("store"), &HeaderMap::new())
    }
}

/// With what comes before it.
fn spoil<'a, T: Send + 'a>(harmed: Harmed, answer: Answer<'a, T>) -> Answer<'a, T> {
    Box::pin(async move {
        harmed.wait(std::time::Duration::MAX).await;
        match harmed.refusal() {
            Some(fault) => Err(StoreError::Unavailable { source: Arc::new(fault) }),
            None => answer.await,
        }
    })
}

impl<S: Store> Store for Faulty<S> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn commit<'a>(&'a self, shard: &'a Shard, txn: Txn) -> Answer<'a, Commit> {
        match self.harmed(shard) {
            None => self.inner.commit(shard, txn),
            Some(harmed) => spoil(harmed, self.inner.commit(shard, txn)),
        }
    }
}

impl<S: Store> Layer for Faulty<S> {
    type Below = S;

    fn below(&self) -> &S {
        &self.inner
    }

    fn heard<'a, T: Send + 'a>(&'a self, shard: &'a Shard, answer: Answer<'a, T>) -> Answer<'a, T> {
        match self.harmed(shard) {
            None => answer,
            Some(harmed) => spoil(harmed, answer),
        }
    }
}
