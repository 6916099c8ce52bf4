//! What the simulations share: seeded randomness, and events in the order of virtual time.

use std::{cmp::Reverse, collections::BinaryHeap};

/// splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// The pause to the next of arrivals that come independently, so many a second. Nanoseconds.
    pub(crate) fn pause(&mut self, per_s: f64) -> u64 {
        (-(1.0 - self.unit()).ln() / per_s * 1e9) as u64
    }
}

/// Events by time, and those of one moment in the order in which they were planned.
pub(crate) struct Events<E> {
    heap: BinaryHeap<Reverse<(u64, u64, E)>>,
    planned: u64,
}

impl<E: Ord> Events<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0 }
    }
    pub(crate) fn at(&mut self, ns: u64, event: E) {
        self.planned += 1;
        self.heap.push(Reverse((ns, self.planned, event)));
    }
    pub(crate) fn next(&mut self) -> Option<(u64, E)> {
        self.heap.pop().map(|Reverse((ns, _, event))| (ns, event))
    }
}
