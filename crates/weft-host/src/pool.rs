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

    /// Keeps an instance that ended well for the next call, or drops it where a bound is reached.
    pub(crate) fn put(&self, live: Live, now: Timestamp, limits: &Limits) {
        if live.served >= limits.reuse || now.since(live.born) >= limits.age {
            return;
        }
        let mut kept = self.0.lock();
        if kept.len() < limits.warm as usize {
            kept.push((live, now));
        }
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
