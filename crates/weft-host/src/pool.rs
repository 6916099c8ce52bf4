//! Warm instances of one component: taken by one call at a time, kept within bounds of number, use and age.

use parking_lot::Mutex;
use wasmtime::Store;
use wasmtime_wasi_http::{p2::bindings::Proxy, p3::bindings::Service};
use weft_types::{Tenant, Timestamp, thread_number};

use crate::{grants::Limits, guest::Guest, http_values};

/// An instance and the store it lives in. One store for each instance, never shared between two components.
pub(crate) struct Live {
    pub(crate) store: Store<Guest>,
    pub(crate) exports: Exports,
    pub(crate) tenant: Tenant,
    pub(crate) born: Timestamp,
    pub(crate) served: u32,
}

pub(crate) enum Exports {
    Http2(Proxy),
    Http3(Service),
    Values(http_values::Service),
}

/// Threads that serve keep what they used apart: an instance's memory stays in the caches of one core.
const SHELVES: usize = 16;

/// Last in, first out: the instance whose memory is warmest serves next, and what is not needed grows old.
#[derive(Default)]
pub(crate) struct Pool([Shelf; SHELVES]);

/// Least recently used first. Each on cache lines of its own, since each is another core's.
#[derive(Default)]
#[repr(align(128))]
struct Shelf(Mutex<Vec<(Live, Timestamp)>>);

/// How many shelves there are for `warm` instances: never so many that a shelf could hold none.
fn shelves(warm: u32) -> usize {
    SHELVES.min(warm as usize).min(cores()).max(1)
}

fn cores() -> usize {
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl Pool {
    /// A warm instance that served this tenant before: state that a guest keeps must not leak between tenants.
    pub(crate) fn take(&self, tenant: &Tenant, now: Timestamp, limits: &Limits) -> Option<Live> {
        let shelves = shelves(limits.warm);
        let mine = thread_number() % shelves;
        (0..shelves).find_map(|at| self.0[(mine + at) % shelves].take(tenant, now, limits))
    }

    /// Keeps an instance that ended well for the next call, unless it is spent. Where as many are kept as may be, the
    /// one that has been idle for longest goes: tenants that have left must not keep others from being warm.
    pub(crate) fn put(&self, live: Live, now: Timestamp, limits: &Limits) {
        if live.served >= limits.reuse || now.since(live.born) >= limits.age || limits.warm == 0 {
            return;
        }
        let shelves = shelves(limits.warm);
        let (mine, max) = (thread_number() % shelves, limits.warm as usize / shelves);
        let mut kept = Some((live, now));
        for at in 0..shelves {
            self.0[(mine + at) % shelves].put(&mut kept, max);
        }
        if let Some(kept) = kept {
            let longest = (0..shelves).min_by_key(|at| self.0[*at].oldest()).unwrap_or(mine);
            self.0[longest].replace(kept, max);
        }
    }

    /// Drops instances that have not served since `before`. Returns how many are left.
    pub(crate) fn sweep(&self, before: Timestamp) -> usize {
        self.0.iter().map(|shelf| shelf.sweep(before)).sum()
    }
}

impl Shelf {
    fn take(&self, tenant: &Tenant, now: Timestamp, limits: &Limits) -> Option<Live> {
        let mut kept = self.0.lock();
        while let Some(at) = kept.iter().rposition(|(live, _)| live.tenant == *tenant) {
            let (found, _) = kept.remove(at);
            if now.since(found.born) < limits.age {
                return Some(found);
            }
        }
        None
    }

    /// Takes `live` if there is room.
    fn put(&self, live: &mut Option<(Live, Timestamp)>, max: usize) {
        if live.is_some() {
            let mut kept = self.0.lock();
            if kept.len() < max {
                kept.extend(live.take());
            }
        }
    }

    /// Since when the one that was used least recently has been idle.
    fn oldest(&self) -> Timestamp {
        self.0.lock().first().map_or(Timestamp::MAX, |(_, since)| *since)
    }

    fn replace(&self, live: (Live, Timestamp), max: usize) {
        let mut kept = self.0.lock();
        let oldest = if kept.len() >= max { Some(kept.remove(0)) } else { None };
        kept.push(live);
        drop(kept);
        // Unmapping memory takes time: not under the lock.
        drop(oldest);
    }

    fn sweep(&self, before: Timestamp) -> usize {
        let mut kept = self.0.lock();
        let old = kept.extract_if(.., |(_, used)| *used < before).collect::<Vec<_>>();
        let left = kept.len();
        drop(kept);
        drop(old);
        left
    }
}
