//! Recent times in a bounded histogram, for a quantile that follows what is now and forgets what was.

use std::time::Duration;

use weft_types::Timestamp;

/// Eight steps to each doubling: a quantile is at most an eighth too high. From 1 µs to over an hour.
const STEPS: u32 = 8;
const BUCKETS: usize = 264;

/// Two halves: one being filled, one full; a question is asked of both.
#[derive(Debug, Clone)]
pub struct Latencies {
    half_ns: u64,
    /// The number of the half being filled since the epoch.
    newest: u64,
    now: Box<[u32; BUCKETS]>,
    before: Box<[u32; BUCKETS]>,
    counts: [u32; 2],
}

impl Latencies {
    /// Remembers between half of `window` and all of it.
    pub fn new(window: Duration) -> Self {
        let empty = || Box::new([0; BUCKETS]);
        let half_ns = u64::try_from(window.as_nanos() / 2).unwrap_or(u64::MAX).max(1);
        Self { half_ns, newest: 0, now: empty(), before: empty(), counts: [0; 2] }
    }

    pub fn record(&mut self, now: Timestamp, took: Duration) {
        self.turn(now);
        let bucket = &mut self.now[bucket(took)];
        *bucket = bucket.saturating_add(1);
        self.counts[0] = self.counts[0].saturating_add(1);
    }

    /// How many times are remembered.
    pub fn count(&self) -> u32 {
        self.counts[0].saturating_add(self.counts[1])
    }

    /// The time that this share of calls did not exceed, rounded up to a bucket's end; `None`: nothing is remembered.
    /// Walks 264 buckets.
    pub fn quantile(&mut self, now: Timestamp, share: crate::Ratio) -> Option<Duration> {
        self.turn(now);
        let count = u64::from(self.count());
        let rank = (u64::from(share.as_millionths()) * count).div_ceil(1_000_000).max(1);
        let mut seen = 0;
        let at = (0..BUCKETS).find(|at| {
            seen += u64::from(self.now[*at]) + u64::from(self.before[*at]);
            seen >= rank
        });
        at.filter(|_| count > 0).map(end)
    }

    fn turn(&mut self, now: Timestamp) {
        let newest = now.as_nanos() / self.half_ns;
        if newest <= self.newest {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        self.counts = [0, self.counts[0]];
        self.now.fill(0);
        if newest > self.newest + 1 {
            self.before.fill(0);
            self.counts = [0; 2];
        }
        self.newest = newest;
    }
}

/// Microseconds below 8 have a bucket each; above, the three bits after the leading one choose the step.
fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if micros < u64::from(STEPS) {
        return micros as usize;
    }
    let doublings = micros.ilog2();
    let step = (micros >> (doublings - 3)) & u64::from(STEPS - 1);
    (((doublings - 2) * STEPS) as usize + step as usize).min(BUCKETS - 1)
}

/// Where a bucket ends, which the times in it are below.
fn end(at: usize) -> Duration {
    let (octave, step) = (at as u32 / STEPS, at as u64 % u64::from(STEPS));
    let micros = match octave {
        0 => step + 1,
        octave => (u64::from(STEPS) + step + 1) << (octave - 1),
    };
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Ratio;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_quantile_is_at_most_an_eighth_too_high(
            mut micros in prop::collection::vec(0u64..4_000_000_000, 1..200), percent in 1u32..=100,
        ) {
            let mut latencies = Latencies::new(Duration::from_secs(60));
            micros.iter().for_each(|us| latencies.record(Timestamp::ZERO, Duration::from_micros(*us)));
            micros.sort_unstable();
            let rank = (micros.len() * percent as usize).div_ceil(100).max(1);
            let exact = micros[rank - 1];
            let said = latencies.quantile(Timestamp::ZERO, Ratio::percent(percent)).expect("some").as_micros() as u64;
            prop_assert!(said > exact && said <= exact + exact / 8 + 1, "{exact} said {said}");
        }
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let at = |s: u64| Timestamp::from_millis(s * 1_000);
        let mut latencies = Latencies::new(Duration::from_secs(60));
        let p50 = |latencies: &mut Latencies, s| latencies.quantile(at(s), Ratio::percent(50));
        assert_eq!(p50(&mut latencies, 100), None);
        latencies.record(at(100), Duration::from_millis(5));
        assert!(p50(&mut latencies, 129).is_some() && p50(&mut latencies, 149).is_some());
        assert_eq!(p50(&mut latencies, 150), None);
        latencies.record(at(160), Duration::from_millis(5));
        assert_eq!((p50(&mut latencies, 1_000), latencies.count()), (None, 0));
    }
}
