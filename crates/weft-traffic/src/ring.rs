//! Exact counts over a moving window: a ring of buckets, each for one stretch of time.
//!
//! ```text
//! now ──► bucket = now / width          window = the bucket of now and the N-1 before it
//! ```
//!
//! No averages: what left the window is gone at once, and a burst inside is never smoothed away.

use std::time::Duration;

use weft_types::Timestamp;

/// What one bucket, and the whole window, holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub good: u64,
    pub bad: u64,
}

impl Counts {
    pub fn total(self) -> u64 {
        self.good + self.bad
    }
    fn add(&mut self, other: Self) {
        self.good += other.good;
        self.bad += other.bad;
    }
    fn take(&mut self, other: Self) {
        self.good -= other.good;
        self.bad -= other.bad;
    }
}

/// The ring. Advancing costs at most its length, whatever time has passed; reading is constant.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    width_ns: u64,
    /// The number of the newest bucket since the epoch: it lies at `newest % buckets.len()`.
    newest: u64,
    buckets: Box<[Counts]>,
    sum: Counts,
}

impl Ring {
    /// `buckets` of `width` each; both at least one, a width at least a nanosecond.
    pub(crate) fn new(buckets: usize, width: Duration) -> Self {
        let width_ns = u64::try_from(width.as_nanos()).unwrap_or(u64::MAX).max(1);
        let buckets = vec![Counts::default(); buckets.max(1)].into_boxed_slice();
        Self { width_ns, newest: 0, buckets, sum: Counts::default() }
    }

    /// Adds to the bucket of `now`. A time before the newest bucket's counts as the newest.
    pub(crate) fn add(&mut self, now: Timestamp, counts: Counts) {
        self.advance(now);
        let at = (self.newest % self.buckets.len() as u64) as usize;
        self.buckets[at].add(counts);
        self.sum.add(counts);
    }

    /// What the window that ends at `now` holds.
    pub(crate) fn sum(&mut self, now: Timestamp) -> Counts {
        self.advance(now);
        self.sum
    }

    /// What the bucket of `now` alone holds.
    pub(crate) fn newest(&mut self, now: Timestamp) -> Counts {
        self.advance(now);
        self.buckets[(self.newest % self.buckets.len() as u64) as usize]
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.fill(Counts::default());
        self.sum = Counts::default();
    }

    fn advance(&mut self, now: Timestamp) {
        let newest = now.as_nanos() / self.width_ns;
        if newest <= self.newest {
            return;
        }
        let length = self.buckets.len() as u64;
        if newest - self.newest >= length {
            self.clear();
        } else {
            for number in self.newest + 1..=newest {
                let old = std::mem::take(&mut self.buckets[(number % length) as usize]);
                self.sum.take(old);
            }
        }
        self.newest = newest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: Counts = Counts { good: 1, bad: 0 };

    #[test]
    fn a_bucket_leaves_the_window_whole() {
        let mut ring = Ring::new(3, Duration::from_secs(1));
        let at = |ms: u64| Timestamp::from_millis(ms);
        ring.add(at(1_000), GOOD);
        ring.add(at(1_999), GOOD);
        ring.add(at(2_000), GOOD);
        assert_eq!(ring.sum(at(3_999)).good, 3);
        assert_eq!(ring.sum(at(4_000)).good, 1);
        assert_eq!(ring.sum(at(1_000)).good, 1, "time does not go back");
        assert_eq!(ring.sum(at(9_000_000)).good, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_sum_is_that_of_a_list(adds in prop::collection::vec((0u64..5_000, any::<bool>()), 0..60)) {
            let mut ring = Ring::new(10, Duration::from_millis(700));
            let (mut list, mut now) = (Vec::new(), 0);
            for (step, good) in adds {
                now += step;
                let counts = Counts { good: u64::from(good), bad: u64::from(!good) };
                ring.add(Timestamp::from_millis(now), counts);
                list.push((now / 700, counts));
                let mut sum = Counts::default();
                list.iter().filter(|(bucket, _)| bucket + 10 > now / 700).for_each(|(_, counts)| sum.add(*counts));
                prop_assert_eq!(ring.sum(Timestamp::from_millis(now)), sum);
            }
        }
    }
}
