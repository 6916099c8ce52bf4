//! A histogram of durations: one set of bounds for everything, so that any two can be compared.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Upper bounds in nanoseconds, inclusive. OpenTelemetry's begin at 5 ms, where most of our calls have long ended.
pub(crate) const BOUNDS: [u64; 18] = [
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2_500 * MICRO,
    5 * MILLI,
    10 * MILLI,
    25 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    SECOND,
    2_500 * MILLI,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
];

/// The bounds' buckets, one more for whatever is longer, and the sum.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// A latency histogram on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct LatencyShard(pub(crate) Latency);

impl Latency {
    /// Two additions; no lock and no allocation.
    pub(crate) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Counting the bounds below is branchless and vectorised: faster here than a search.
        let bucket = BOUNDS.iter().map(|bound| usize::from(nanos > *bound)).sum::<usize>();
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }
}

/// A histogram read and summed over its shards.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading {
    /// Seconds.
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// Upper bound in seconds and the count of that bucket alone; the last bound is `f64::INFINITY`, printed `+Inf`.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Reading {
    pub(crate) fn of<'a>(shards: impl Iterator<Item = &'a Latency>) -> Self {
        let mut counts = [0u64; BOUNDS.len() + 1];
        let mut nanos = 0u64;
        for shard in shards {
            for (count, bucket) in counts.iter_mut().zip(&shard.buckets) {
                *count += bucket.load(Relaxed);
            }
            nanos = nanos.wrapping_add(shard.nanos.load(Relaxed));
        }
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / SECOND as f64).chain([f64::INFINITY]);
        Self { sum: nanos as f64 / SECOND as f64, count: counts.iter().sum(), buckets: bounds.zip(counts).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let cases = [
            (0, 0),
            (50 * MICRO, 0),
            (50 * MICRO + 1, 1),
            (MILLI, 4),
            (30 * SECOND, 17),
            (30 * SECOND + 1, 18),
            (u64::MAX, 18),
        ];
        for (nanos, bucket) in cases {
            let latency = Latency::default();
            latency.observe(Duration::from_nanos(nanos));
            let hit = latency.buckets.iter().position(|count| count.load(Relaxed) == 1);
            assert_eq!(hit, Some(bucket), "{nanos} ns");
        }
    }

    #[test]
    fn a_reading_sums_the_shards() {
        let shards = [Latency::default(), Latency::default()];
        shards[0].observe(Duration::from_millis(1));
        shards[1].observe(Duration::from_millis(1));
        shards[1].observe(Duration::from_secs(60));
        let reading = Reading::of(shards.iter());
        assert_eq!((reading.count, reading.sum), (3, 60.002));
        assert_eq!(reading.buckets[4], (0.001, 2));
        assert_eq!(reading.buckets[18], (f64::INFINITY, 1));
    }
}
