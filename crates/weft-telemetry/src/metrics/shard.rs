//! Cells that many threads add to without sharing a cache line.
//!
//! Each thread gets a shard of its own (as far as there are enough), made on first use: a component that nobody
//! calls costs a row of empty slots, and one that a single thread called costs one shard.

use std::sync::OnceLock;

use weft_types::thread_number;

/// No machine of ours has more cores than this many shards can keep apart.
const SHARDS_MAX: usize = 64;

/// A power of two, at least the number of cores.
pub(crate) fn shards_for(cores: usize) -> usize {
    cores.clamp(1, SHARDS_MAX).next_power_of_two()
}

/// One `T` for each thread that uses it. `T` should be aligned to 128 bytes: two lines are fetched together.
#[derive(Debug)]
pub(crate) struct Sharded<T> {
    /// Its length is a power of two.
    slots: Box<[OnceLock<Box<T>>]>,
}

impl<T: Default> Sharded<T> {
    pub(crate) fn new(shards: usize) -> Self {
        assert!(shards.is_power_of_two() && shards <= SHARDS_MAX, "{shards} shards");
        Self { slots: (0..shards).map(|_| OnceLock::new()).collect() }
    }

    /// The calling thread's own shard.
    pub(crate) fn here(&self) -> &T {
        self.slots[thread_number() & (self.slots.len() - 1)].get_or_init(Box::default)
    }

    /// Every shard that a thread has used so far.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.get().map(|shard| &**shard))
    }

    pub(crate) fn sum(&self, read: impl Fn(&T) -> u64) -> u64 {
        self.all().fold(0, |sum, shard| sum.wrapping_add(read(shard)))
    }

    /// The sum of what is added on one thread and taken away on another; a torn reading never shows below zero.
    pub(crate) fn level(&self, read: impl Fn(&T) -> u64) -> u64 {
        (self.sum(read) as i64).max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    #[test]
    fn what_threads_add_apart_is_read_together() {
        let cells = Sharded::<AtomicU64>::new(4);
        assert_eq!(cells.all().count(), 0, "an unused cell holds no shard");
        std::thread::scope(|scope| {
            for _ in 0..9 {
                scope.spawn(|| (0..1000).for_each(|_| _ = cells.here().fetch_add(1, Relaxed)));
            }
        });
        assert_eq!(cells.sum(|shard| shard.load(Relaxed)), 9000);
        assert!(cells.all().count() <= 4);
    }

    #[test]
    fn a_level_never_reads_below_zero() {
        let cells = Sharded::<AtomicU64>::new(2);
        cells.here().fetch_sub(1, Relaxed);
        assert_eq!(cells.level(|shard| shard.load(Relaxed)), 0);
    }

    #[test]
    fn shards_follow_the_cores_within_bounds() {
        let cases = [(0, 1), (1, 1), (2, 2), (6, 8), (64, 64), (500, 64)];
        for (cores, shards) in cases {
            assert_eq!(shards_for(cores), shards, "{cores} cores");
        }
    }
}
