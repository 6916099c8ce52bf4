//! The store with its meter: how long commits take, and whether the engine takes any.

use std::sync::Arc;

use parking_lot::Mutex;
use weft_store::{Answer, Capabilities, Commit, Layer, Shard, Store, StoreError, Txn};
use weft_telemetry::metrics::StoreMeter;
use weft_types::{Clock, Timestamp};

/// Hands everything on to `inner`; looks at what comes of commits.
pub(crate) struct Metered<S> {
    pub(crate) inner: S,
    pub(crate) meter: Arc<StoreMeter>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Why the last commit that was tried found no room or a store that can only be read; `None` once one is taken.
    pub(crate) refuses: Arc<Mutex<Option<String>>>,
}

impl<S> Metered<S> {
    fn note(&self, began: Timestamp, outcome: &Result<Commit, StoreError>) {
        match outcome {
            Ok(_) => {
                self.meter.committed(self.clock.now().since(began));
                let mut refuses = self.refuses.lock();
                if refuses.take().is_some() {
                    tracing::info!("the store takes writes again");
                }
            }
            Err(StoreError::Conflict { .. }) => self.meter.conflicts.add(1),
            Err(error @ (StoreError::Full { .. } | StoreError::ReadOnly { .. } | StoreError::Unknown { .. })) => {
                self.meter.failures.add(1);
                let first = self.refuses.lock().replace(error.to_string()).is_none();
                if first {
                    tracing::error!(code = %error.code(), %error, "the store refuses writes; reads go on");
                }
            }
            Err(_) => self.meter.failures.add(1),
        }
    }
}

impl<S: Store> Store for Metered<S> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn commit<'a>(&'a self, shard: &'a Shard, txn: Txn) -> Answer<'a, Commit> {
        Box::pin(async move {
            let began = self.clock.now();
            let outcome = self.inner.commit(shard, txn).await;
            self.note(began, &outcome);
            outcome
        })
    }
}

impl<S: Store> Layer for Metered<S> {
    type Below = S;

    fn below(&self) -> &S {
        &self.inner
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use weft_store::{At, Check, MemoryStore, Space, Version, Write};
    use weft_types::{Name, SystemClock};

    use super::*;

    #[tokio::test]
    async fn a_store_that_refuses_says_so_until_it_takes_a_write() {
        let telemetry = crate::Telemetry::quiet();
        let refuses = Arc::new(Mutex::new(None));
        let store = Metered {
            inner: MemoryStore::new(4096),
            meter: telemetry.metrics.store("test"),
            clock: Arc::new(SystemClock::new()),
            refuses: Arc::clone(&refuses),
        };
        let shard = Shard::of(&Name::new("shop").expect("a name"));
        let space = Space::new("s").expect("a name");
        let at = At::new(&space, "k");
        let put = |bytes: usize| {
            let value = Bytes::from(vec![0; bytes]);
            Txn::new(Timestamp::from_millis(1)).write(Write::Put { at: at.clone(), value, expires: None })
        };
        let full = store.commit(&shard, put(100_000)).await;
        assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
        assert!(refuses.lock().is_some());
        store.commit(&shard, put(10)).await.expect("there is room for this");
        assert!(refuses.lock().is_none());
        let stale = put(10).check(Check::Version { at: at.clone(), is: Some(Version(999)) });
        assert!(store.commit(&shard, stale).await.is_err());
        assert_eq!((store.meter.conflicts.get(), store.meter.failures.get()), (1, 1));
    }
}
