//! What each tenant of a component uses, within a bound: who comes after the first few is counted together.
//!
//! Each thread counts in a map of its own, under a lock that nobody else takes but the scrape.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use weft_types::Usage;

/// Tenants of one component with series of their own; the rest share [`OTHERS`].
pub const TENANTS_MAX: usize = 200;
/// The label of all tenants beyond the bound.
pub const OTHERS: &str = "_others";

/// What one tenant has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Used {
    pub(crate) calls: u64,
    pub(crate) cpu_nanos: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Of the largest instance.
    pub(crate) memory_peak: u64,
}

impl Used {
    pub(crate) fn add(&mut self, usage: &Usage) {
        self.merge(&Self {
            calls: 1,
            cpu_nanos: u64::try_from(usage.cpu.as_nanos()).unwrap_or(u64::MAX),
            bytes_in: usage.bytes_in,
            bytes_out: usage.bytes_out,
            memory_peak: usage.memory_peak,
        });
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.calls = self.calls.wrapping_add(other.calls);
        self.cpu_nanos = self.cpu_nanos.wrapping_add(other.cpu_nanos);
        self.bytes_in = self.bytes_in.wrapping_add(other.bytes_in);
        self.bytes_out = self.bytes_out.wrapping_add(other.bytes_out);
        self.memory_peak = self.memory_peak.max(other.memory_peak);
    }
}

/// One thread's share of the tenants.
#[derive(Debug, Default)]
pub(crate) struct Tenants(Mutex<HashMap<Arc<str>, Used>>);

/// Which tenants of a component have series of their own.
#[derive(Debug, Default)]
pub(crate) struct Known(RwLock<HashSet<Arc<str>>>);

impl Tenants {
    pub(crate) fn add(&self, tenant: &Arc<str>, known: &Known, usage: &Usage) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = all.get_mut(tenant) {
            return used.add(usage);
        }
        let label = if known.admit(tenant) { Arc::clone(tenant) } else { Arc::from(OTHERS) };
        all.entry(label).or_default().add(usage);
    }

    pub(crate) fn read(&self, into: &mut BTreeMap<Arc<str>, Used>) {
        for (tenant, used) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            into.entry(Arc::clone(tenant)).or_default().merge(used);
        }
    }
}

impl Known {
    fn admit(&self, tenant: &Arc<str>) -> bool {
        let (known, full) = {
            let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
            (all.contains(tenant), all.len() >= TENANTS_MAX)
        };
        if known || full {
            return known;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.contains(tenant) || (all.len() < TENANTS_MAX && all.insert(Arc::clone(tenant)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tenants_beyond_the_bound_are_counted_together() {
        let (known, shards) = (Known::default(), [Tenants::default(), Tenants::default()]);
        let usage = Usage { cpu: Duration::from_nanos(3), memory_peak: 7, bytes_in: 1, bytes_out: 2 };
        for number in 0..3 * TENANTS_MAX {
            for shard in &shards {
                shard.add(&Arc::from(format!("t{number}")), &known, &usage);
            }
        }
        let mut all = BTreeMap::new();
        shards.iter().for_each(|shard| shard.read(&mut all));
        assert_eq!(all.len(), TENANTS_MAX + 1);
        assert_eq!(all["t0"], Used { calls: 2, cpu_nanos: 6, bytes_in: 2, bytes_out: 4, memory_peak: 7 });
        let others = u64::try_from(2 * 2 * TENANTS_MAX).unwrap();
        assert_eq!((all[OTHERS].calls, all[OTHERS].memory_peak), (others, 7));
    }
}
