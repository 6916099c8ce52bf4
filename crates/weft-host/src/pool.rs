//! Warm instances of one component: taken by one call at a time, kept within bounds of number, use and age.

use parking_lot::Mutex;
use wasmtime::Store;
use wasmtime_wasi_http::{p2::bindings::Proxy, p3::bindings::Service};
use weft_types::{Tenant, Timestamp};

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

/// Last in, first out: the instance whose memory is warmest serves next, and what is not needed grows old.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<(Live, Timestamp)>>);

impl Pool {
    /// A warm instance that served this tenant before: state that a guest keeps must not leak between tenants.
    pub(crate) fn take(&self, tenant: &Tenant, now: Timestamp, limits: &Limits) -> Option<Live> {
        let mut live = self.0.lock();
        while let Some(at) = live.iter().rposition(|(live, _)| live.tenant == *tenant) {
            let (found, _) = live.swap_remove(at);
            if now.since(found.born) < limits.age {
                return Some(found);
            }
        }
        None
    }

    /// Keeps an instance that ended well for the next call, unless it is spent. Where as many are kept as may be, the
    /// one that has been idle for longest goes: tenants that have left must not keep others from being warm.
    pub(crate) fn put(&self, live: Live, now: Timestamp, limits: &Limits) {
        if live.served >= limits.reuse || now.since(live.born) >= limits.age {
            return;
        }
        let max = limits.warm as usize;
        if max == 0 {
            return;
        }
        let mut kept = self.0.lock();
        let oldest = (0..kept.len()).filter(|_| kept.len() >= max).min_by_key(|at| kept[*at].1);
        let gone = oldest.map(|at| kept.swap_remove(at));
        kept.push((live, now));
        drop(kept);
        // Unmapping memory takes time: not under the lock.
        drop(gone);
    }

    /// Drops instances that have not served since `before`. Returns how many are left.
    pub(crate) fn sweep(&self, before: Timestamp) -> usize {
        let mut kept = self.0.lock();
        let old = kept.extract_if(.., |(_, used)| *used < before).collect::<Vec<_>>();
        let left = kept.len();
        drop(kept);
        drop(old);
        left
    }
}
