//! What is kept, and who is asking for what is not.
//!
//! Bounded three times: all that is kept by the node's bytes, each route by its own, each address by its variants. Where
//! it is full, of the route that has most, what was not read for longest goes.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use tokio::sync::watch;
use weft_traffic::cache::{Stored, part};
use weft_types::{Tenant, Timestamp};

/// Variants of one address.
const VARIANTS_MAX: usize = 64;
/// What an entry costs beside its bytes.
const OVERHEAD: u64 = 512;
/// Waiters for one answer. One more asks for itself.
const WAITERS_MAX: usize = 1024;
/// Addresses whose answers are known not to be kept, for how long, and how many.
const PASSES: Duration = Duration::from_secs(10);
const PASSES_MAX: usize = 4096;

/// By what answers are kept. With the values of its parts it names one answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// See [`super::address`].
    pub(crate) uri: Arc<str>,
    /// As it was sent, capitals too: whoever answers is shown it so.
    pub(crate) authority: Arc<str>,
    pub(crate) partition: Arc<str>,
    pub(crate) secure: bool,
    pub(crate) tenant: Tenant,
}

/// Values that headers of a request must have.
pub(super) type Values = Vec<(HeaderName, Option<Box<[u8]>>)>;

/// An answer that is kept.
#[derive(Debug)]
pub(crate) struct Entry {
    id: u64,
    key: Key,
    values: Values,
    pub(super) stored: Stored,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Entry {
    /// Copies what it keeps: both come as slices of larger buffers, which would be held for as long as it is.
    pub(super) fn new(
        key: Key,
        values: Values,
        stored: Stored,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        let (headers, body) = (owned(headers), Bytes::copy_from_slice(&body));
        Self { id: 0, key, values, stored, status, headers, body }
    }

    /// The same with what it has been found to be now.
    pub(super) fn renewed(&self, stored: Stored, headers: HeaderMap) -> Self {
        let (key, values, body) = (self.key.clone(), self.values.clone(), self.body.clone());
        Self { id: 0, key, values, stored, status: self.status, headers: owned(headers), body }
    }

    fn bytes(&self) -> u64 {
        let of_headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 8).sum();
        let of_values: usize =
            self.values.iter().map(|(_, value)| value.as_ref().map_or(0, |value| value.len()) + 32).sum();
        self.body.len() as u64 + (of_headers + of_values + self.key.uri.len()) as u64 + OVERHEAD
    }

    fn answers(&self, key: &Key, request: &HeaderMap) -> bool {
        self.key == *key && self.values.iter().all(|(name, value)| part(request, name) == *value)
    }
}

/// The same headers, in memory of their own.
fn owned(mut headers: HeaderMap) -> HeaderMap {
    for value in headers.values_mut() {
        if let Ok(mut own) = HeaderValue::from_bytes(value.as_bytes()) {
            own.set_sensitive(value.is_sensitive());
            *value = own;
        }
    }
    headers
}

pub(super) struct Store {
    bytes_max: u64,
    hash: RandomState,
    inner: Mutex<Inner>,
    /// Something is, or soon will be, kept: until then nobody needs to be told of changes.
    used: AtomicBool,
}

#[derive(Default)]
struct Inner {
    /// By [`Key::uri`], the newest last.
    entries: HashMap<Arc<str>, Vec<Arc<Entry>>>,
    partitions: HashMap<Arc<str>, Partition>,
    bytes: u64,
    /// The next id, and the next reading's.
    tick: u64,
    asking: HashMap<(Key, Values), Asking>,
    /// By a hash, since there may be many and their names are clients'.
    passes: HashMap<u64, Timestamp>,
}

#[derive(Default)]
struct Partition {
    bytes: u64,
    /// By when it was last read: `(uri, id)`.
    order: BTreeMap<u64, (Arc<str>, u64)>,
    /// When each was.
    read: HashMap<u64, u64>,
}

struct Asking {
    done: watch::Sender<()>,
    /// The thing has been changed since it was asked for.
    spoiled: Arc<AtomicBool>,
}

/// Who asks for an answer.
pub(super) enum Turn {
    /// Whoever has this; all others wait until it is dropped.
    Mine(Guard),
    /// Somebody else does. The channel closes when it has ended.
    Wait(watch::Receiver<()>),
    /// Everybody for itself.
    Each,
}

/// The right to ask for an answer that others wait for.
pub(super) struct Guard {
    cache: Arc<super::Cache>,
    what: Option<(Key, Values)>,
    spoiled: Arc<AtomicBool>,
}

impl Guard {
    /// Whether what was asked for may no longer be what there is.
    pub(super) fn is_spoiled(&self) -> bool {
        self.spoiled.load(Relaxed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(what) = self.what.take() {
            self.cache.store.inner.lock().asking.remove(&what);
        }
    }
}

impl Store {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, hash: RandomState::new(), inner: Mutex::default(), used: AtomicBool::new(false) }
    }

    pub(super) fn is_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// The newest that is kept for a request with these headers.
    pub(super) fn find(&self, key: &Key, request: &HeaderMap) -> Option<Arc<Entry>> {
        let mut inner = self.inner.lock();
        let variants = inner.entries.get(&key.uri)?;
        let found = variants.iter().rev().find(|entry| entry.answers(key, request)).cloned()?;
        inner.touch(&found);
        Some(found)
    }

    /// What answers of this address vary by.
    pub(super) fn learned(&self, key: &Key) -> Vec<HeaderName> {
        let inner = self.inner.lock();
        let mut names: Vec<HeaderName> = Vec::new();
        for entry in inner.entries.get(&key.uri).into_iter().flatten().filter(|entry| entry.key == *key) {
            for (name, _) in &entry.values {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        names
    }

    /// Keeps an answer, in place of what would have answered the same request. `partition_max`: the route's bytes.
    pub(super) fn put(&self, mut entry: Entry, request: &HeaderMap, partition_max: u64) -> Arc<Entry> {
        let bytes = entry.bytes();
        let mut inner = self.inner.lock();
        entry.id = inner.next();
        let entry = Arc::new(entry);
        for personal in [false, true] {
            inner.passes.remove(&self.hash.hash_one((&entry.key, personal)));
        }
        let old = inner.entries.get(&entry.key.uri).into_iter().flatten();
        let old: Vec<Arc<Entry>> = old.filter(|old| old.answers(&entry.key, request)).cloned().collect();
        old.iter().for_each(|old| inner.remove(old));
        if bytes > self.bytes_max.min(partition_max) {
            return entry;
        }
        let variants = inner.entries.entry(Arc::clone(&entry.key.uri)).or_default();
        let crowded = (variants.len() >= VARIANTS_MAX).then(|| Arc::clone(&variants[0]));
        variants.push(Arc::clone(&entry));
        crowded.iter().for_each(|old| inner.remove(old));
        inner.bytes += bytes;
        inner.partitions.entry(Arc::clone(&entry.key.partition)).or_default().bytes += bytes;
        inner.touch(&entry);
        while inner.partitions.get(&entry.key.partition).is_some_and(|partition| partition.bytes > partition_max) {
            inner.evict(&Arc::clone(&entry.key.partition));
        }
        while inner.bytes > self.bytes_max {
            let most = inner.partitions.iter().max_by_key(|(_, partition)| partition.bytes);
            let Some(most) = most.map(|(name, _)| Arc::clone(name)) else { break };
            inner.evict(&most);
        }
        entry
    }

    pub(super) fn remove(&self, entry: &Entry) {
        self.inner.lock().remove(entry);
    }

    /// Forgets everything about an address: for every route, tenant and variant of its application.
    pub(super) fn forget(&self, uri: &str) {
        let mut inner = self.inner.lock();
        for entry in inner.entries.get(uri).cloned().unwrap_or_default() {
            inner.remove(&entry);
        }
        for ((key, _), asking) in &inner.asking {
            if *key.uri == *uri {
                asking.spoiled.store(true, Relaxed);
            }
        }
    }

    /// What is asked for here is not kept: for a while nobody waits for another. `personal`: by those who say who they
    /// are, which says nothing of all others.
    pub(super) fn pass(&self, key: &Key, personal: bool, now: Timestamp) {
        let mut inner = self.inner.lock();
        if inner.passes.len() >= PASSES_MAX {
            inner.passes.retain(|_, until| *until > now);
        }
        // Too many at once: what is forgotten here is found out again by one who asks.
        if inner.passes.len() >= PASSES_MAX {
            inner.passes.clear();
        }
        inner.passes.insert(self.hash.hash_one((key, personal)), now.saturating_add(PASSES));
    }

    #[cfg(test)]
    fn bytes(&self) -> u64 {
        self.inner.lock().bytes
    }
}

impl super::Cache {
    /// Whose turn it is to ask. `values`: of all that whoever answers is shown.
    pub(super) fn turn(self: &Arc<Self>, key: &Key, personal: bool, values: Values, now: Timestamp) -> Turn {
        self.store.used.store(true, Relaxed);
        let mut inner = self.store.inner.lock();
        if inner.passes.get(&self.store.hash.hash_one((key, personal))).is_some_and(|until| *until > now) {
            return Turn::Each;
        }
        let what = (key.clone(), values);
        if let Some(asking) = inner.asking.get(&what) {
            return match asking.done.receiver_count() < WAITERS_MAX {
                true => Turn::Wait(asking.done.subscribe()),
                false => Turn::Each,
            };
        }
        let spoiled = Arc::new(AtomicBool::new(false));
        inner.asking.insert(what.clone(), Asking { done: watch::Sender::new(()), spoiled: Arc::clone(&spoiled) });
        Turn::Mine(Guard { cache: Arc::clone(self), what: Some(what), spoiled })
    }
}

impl Inner {
    fn next(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    fn touch(&mut self, entry: &Entry) {
        let now = self.next();
        let partition = self.partitions.entry(Arc::clone(&entry.key.partition)).or_default();
        if let Some(before) = partition.read.insert(entry.id, now) {
            partition.order.remove(&before);
        }
        partition.order.insert(now, (Arc::clone(&entry.key.uri), entry.id));
    }

    fn evict(&mut self, partition: &Arc<str>) {
        let oldest = self.partitions.get(partition).and_then(|partition| partition.order.values().next().cloned());
        let entry = oldest.and_then(|(uri, id)| self.entries.get(&uri)?.iter().find(|entry| entry.id == id).cloned());
        match entry {
            Some(entry) => self.remove(&entry),
            None => drop(self.partitions.remove(partition)),
        }
    }

    fn remove(&mut self, entry: &Entry) {
        let Some(variants) = self.entries.get_mut(&entry.key.uri) else { return };
        let Some(at) = variants.iter().position(|other| other.id == entry.id) else { return };
        variants.remove(at);
        if variants.is_empty() {
            self.entries.remove(&entry.key.uri);
        }
        let bytes = entry.bytes();
        self.bytes -= bytes;
        let Some(partition) = self.partitions.get_mut(&entry.key.partition) else { return };
        partition.bytes -= bytes;
        if let Some(read) = partition.read.remove(&entry.id) {
            partition.order.remove(&read);
        }
        if partition.read.is_empty() {
            self.partitions.remove(&entry.key.partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, header};
    use weft_traffic::cache::{Asked, Meets, Options};

    use super::*;

    fn options() -> Options {
        Options {
            partition: "p".into(),
            ttl: Some(Duration::from_secs(60)),
            key: Vec::new(),
            forward: Vec::new(),
            ignore_cookies: false,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            body_max: 1 << 20,
            bytes_max: 1 << 20,
        }
    }

    fn key(uri: &str, partition: &str) -> Key {
        Key {
            uri: uri.into(),
            authority: "shop".into(),
            partition: partition.into(),
            secure: false,
            tenant: Tenant::default(),
        }
    }

    fn entry(uri: &str, partition: &str, accept: Option<&str>, bytes: usize) -> (Entry, HeaderMap) {
        let (options, now) = (options(), Timestamp::from_millis(1_700_000_000_000));
        let mut request = HeaderMap::new();
        if let Some(accept) = accept {
            request.insert(header::ACCEPT, HeaderValue::from_str(accept).expect("a value"));
        }
        let Meets::Asks(asked) = options.ask(&Method::GET, &request, false, false) else { panic!("a plain request") };
        let stored = options.keep(&asked, StatusCode::OK, &HeaderMap::new(), now, now).expect("kept");
        assert_eq!(asked, Asked::default());
        let values = vec![(header::ACCEPT, part(&request, &header::ACCEPT))];
        let body = Bytes::from(vec![b'x'; bytes]);
        (Entry::new(key(uri, partition), values, stored, StatusCode::OK, HeaderMap::new(), body), request)
    }

    fn put(store: &Store, uri: &str, partition: &str, bytes: usize, max: u64) {
        let (entry, request) = entry(uri, partition, None, bytes);
        store.put(entry, &request, max);
    }

    fn has(store: &Store, uri: &str, partition: &str) -> bool {
        store.find(&key(uri, partition), &HeaderMap::new()).is_some()
    }

    #[test]
    fn what_is_kept_holds_no_more_than_itself() {
        let (block, now) = (Bytes::from(vec![b'x'; 64 << 10]), Timestamp::from_millis(1_700_000_000_000));
        let headers = || {
            let value = HeaderValue::from_maybe_shared(block.slice(20..30)).expect("a value");
            HeaderMap::from_iter([(header::ETAG, value)])
        };
        let asked = Asked::default();
        let stored = options().keep(&asked, StatusCode::OK, &HeaderMap::new(), now, now).expect("kept");
        let again = stored.clone();
        let entry = Entry::new(key("/a", "p"), Vec::new(), stored, StatusCode::OK, headers(), block.slice(..10));
        let renewed = entry.renewed(again, headers());
        assert!(block.is_unique(), "a buffer is held by {entry:?} or {renewed:?}");
        assert_eq!(renewed.body, "xxxxxxxxxx");
        assert_eq!(renewed.headers[header::ETAG], "xxxxxxxxxx");
    }

    #[test]
    fn what_was_not_read_for_longest_goes_first_of_the_route_that_has_most() {
        let store = Store::new(10_000);
        for uri in ["/a", "/b", "/c"] {
            put(&store, uri, "p", 2000, 1 << 20);
        }
        put(&store, "/d", "q", 100, 1 << 20);
        assert!(has(&store, "/a", "p"), "read again");
        put(&store, "/e", "q", 1500, 1 << 20);
        assert_eq!([has(&store, "/a", "p"), has(&store, "/b", "p"), has(&store, "/c", "p")], [true, false, true]);
        assert!(has(&store, "/d", "q") && has(&store, "/e", "q"));
        assert!(store.bytes() <= 10_000);
    }

    #[test]
    fn a_route_has_its_own_bound_and_too_large_is_never_kept() {
        let store = Store::new(100_000);
        put(&store, "/a", "p", 3000, 5000);
        put(&store, "/b", "p", 3000, 5000);
        assert!(!has(&store, "/a", "p") && has(&store, "/b", "p"));
        put(&store, "/b", "p", 6000, 5000);
        assert!(!has(&store, "/b", "p"), "neither the old one");
        assert_eq!(store.bytes(), 0);
        assert!(store.inner.lock().partitions.is_empty());
    }

    #[test]
    fn one_answer_for_each_variant_and_a_bound_on_variants() {
        let store = Store::new(1 << 30);
        for round in 0..3 {
            for accept in 0..100 {
                let (entry, request) = entry("/a", "p", Some(&format!("text/{accept}")), 10);
                let entry = store.put(entry, &request, 1 << 20);
                let found = store.find(&key("/a", "p"), &request).expect("there");
                assert_eq!(found.id, entry.id, "round {round}");
            }
        }
        assert_eq!(store.inner.lock().entries["/a"].len(), VARIANTS_MAX);
        assert_eq!(store.learned(&key("/a", "p")), [header::ACCEPT]);
        assert!(store.learned(&key("/a", "q")).is_empty());
        store.forget("/a");
        assert_eq!(store.bytes(), 0);
        assert!(store.inner.lock().entries.is_empty());
    }

    #[test]
    fn one_asks_and_the_others_wait_until_it_is_done() {
        let cache = Arc::new(super::super::Cache::new(1000));
        let now = Timestamp::from_millis(1);
        let Turn::Mine(guard) = cache.turn(&key("/a", "p"), false, Vec::new(), now) else { panic!("the first") };
        let Turn::Wait(mut waiting) = cache.turn(&key("/a", "p"), false, Vec::new(), now) else { panic!("the second") };
        assert!(matches!(cache.turn(&key("/b", "p"), false, Vec::new(), now), Turn::Mine(_)));
        assert!(waiting.has_changed().is_ok());
        cache.store.forget("/a");
        assert!(guard.is_spoiled());
        drop(guard);
        assert!(waiting.has_changed().is_err());
        assert!(futures_util::FutureExt::now_or_never(waiting.changed()).is_some_and(|closed| closed.is_err()));
        assert!(matches!(cache.turn(&key("/a", "p"), false, Vec::new(), now), Turn::Mine(_)));
        cache.store.pass(&key("/a", "p"), false, now);
        assert!(matches!(cache.turn(&key("/a", "p"), false, Vec::new(), now), Turn::Each));
        let later = now.saturating_add(PASSES);
        assert!(matches!(cache.turn(&key("/a", "p"), false, Vec::new(), later), Turn::Mine(_)));
    }
}
