//! The shards that are open: each when first used, and no more than needed for long.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;
use weft_store::{At, Item, Shard, StoreError};
use weft_types::Timestamp;

use crate::{
    Options,
    cache::{Cache, Found, Ticket},
    fail,
    folder::Folder,
    read::Readers,
    writer::{Job, Place, Writer},
};

#[derive(Debug)]
pub(crate) struct Shards {
    folder: Folder,
    options: Options,
    open: RwLock<HashMap<Shard, Arc<Open>>>,
    /// Counts uses: what was used last has the greatest number.
    uses: AtomicU64,
}

/// One shard, open. The readers go before the writer, whose connection then is the last and folds the log away.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) readers: Readers,
    cache: Arc<Cache>,
    shard: Shard,
    place: Place,
    writer: Mutex<Option<Writer>>,
    used: AtomicU64,
}

impl Shards {
    pub(crate) fn new(folder: Folder, options: Options) -> Self {
        Self { folder, options, open: RwLock::default(), uses: AtomicU64::new(0) }
    }

    /// A shard that is open.
    pub(crate) fn known(&self, shard: &Shard) -> Option<Arc<Open>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner).get(shard).cloned()?;
        open.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(open)
    }

    /// Blocks on the disk where another shard must be closed first.
    pub(crate) fn open(&self, shard: &Shard) -> Arc<Open> {
        self.known(shard).unwrap_or_else(|| {
            let open = self.open_new(shard);
            open.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            open
        })
    }

    fn open_new(&self, shard: &Shard) -> Arc<Open> {
        let mut all = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get(shard) {
            return Arc::clone(open);
        }
        if all.len() >= self.options.open_max {
            // Closed under the lock, so that a shard is never opened before it is closed.
            drop(idle(&all).and_then(|shard| all.remove(&shard)));
        }
        let path = self.folder.file(shard);
        let Options { sync, checkpoint_pages, cache_bytes, .. } = self.options;
        let cache = Arc::new(Cache::new(cache_bytes));
        let open = Arc::new(Open {
            readers: Readers::new(path.clone()),
            cache: Arc::clone(&cache),
            shard: shard.clone(),
            place: Place { path, sync, checkpoint_pages, lock: self.folder.lock().to_owned(), cache },
            writer: Mutex::default(),
            used: AtomicU64::new(0),
        });
        all.insert(shard.clone(), Arc::clone(&open));
        open
    }
}

/// Of the shards that nobody uses now, the one whose last use is longest ago.
fn idle(all: &HashMap<Shard, Arc<Open>>) -> Option<Shard> {
    let unused = all.iter().filter(|(_, open)| Arc::strong_count(open) == 1);
    unused.min_by_key(|(_, open)| open.used.load(Ordering::Relaxed)).map(|(shard, _)| shard.clone())
}

impl Open {
    /// From memory alone. `Err` holds what a read of the file must show to be kept.
    pub(crate) fn peek(&self, at: &At, now: Timestamp) -> Result<Option<Item>, Ticket> {
        match self.cache.get(at) {
            Found::Hit(item) => Ok(fresh(item, now)),
            Found::Miss(ticket) => Err(ticket),
        }
    }

    /// From the file, and kept in memory. Blocks on the disk.
    pub(crate) fn fetch(&self, at: &At, now: Timestamp, ticket: &Ticket) -> Result<Option<Item>, StoreError> {
        let item = self.readers.get(at, now)?;
        self.cache.put(at, item.as_ref(), ticket);
        Ok(fresh(item, now))
    }

    /// Where to hand jobs to the writer, which is started for the first.
    pub(crate) fn jobs(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = writer.as_ref().and_then(Writer::jobs).filter(|jobs| !jobs.is_closed()) {
            return Ok(jobs);
        }
        let started = Writer::start(self.shard.as_str(), self.place.clone()).map_err(fail::starting)?;
        let jobs = started.jobs().ok_or_else(fail::gone);
        *writer = Some(started);
        jobs
    }
}

fn fresh(item: Option<Item>, now: Timestamp) -> Option<Item> {
    item.filter(|item| item.expires.is_none_or(|expires| expires > now))
}
