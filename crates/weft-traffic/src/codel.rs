//! Controlled delay: tells a burst, which a queue is for, from a standing queue, which only makes everyone late.
//!
//! ```text
//! age of the oldest in the queue, over each interval of 100 ms:  its minimum > 5 ms  ─► overloaded
//! ```
//!
//! The age of the *oldest* and not of whoever is served, because when overloaded the newest is served first and
//! would hide the queue behind it. Once overloaded it stays so until two intervals have passed in which nobody had to
//! be shed: with few calls the shedding itself empties the queue now and then, and that is no sign of health.

use std::time::Duration;

use weft_types::Timestamp;

/// What is a standing queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// A queue that is never shorter than this through an interval stands.
    pub target: Duration,
    pub interval: Duration,
}

impl Options {
    pub const TARGET: Duration = Duration::from_millis(5);
    /// A target that no queue is ever over.
    pub const NEVER: Duration = Duration::from_secs(u32::MAX as u64);
    pub const INTERVAL: Duration = Duration::from_millis(100);

    /// When overloaded, whoever waited longer is dropped: twice the target.
    pub fn patience(&self) -> Duration {
        self.target * 2
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { target: Self::TARGET, interval: Self::INTERVAL }
    }
}

/// Intervals without shedding after which an overload is over.
const CALM: u8 = 2;

/// The state of one queue. Constant work, 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Codel {
    /// The smallest age since the interval began.
    least: Duration,
    ends: Timestamp,
    /// Intervals that must pass in peace before it is overloaded no more; 0: it is not.
    left: u8,
    /// Someone was shed since the interval began.
    shed: bool,
}

impl Codel {
    /// Someone came or went, and the oldest of those who wait now has waited for `age`: zero where nobody waits.
    pub fn observe(&mut self, options: &Options, now: Timestamp, age: Duration) {
        self.least = self.least.min(age);
        if now >= self.ends {
            self.left = match self.least > options.target || (self.overloaded() && self.shed) {
                true => CALM,
                false => self.left.saturating_sub(passed(now.since(self.ends), options.interval)),
            };
            self.shed = false;
            self.least = age;
            self.ends = now.saturating_add(options.interval);
        }
    }

    /// Someone was shed because this queue is overloaded.
    pub fn shed(&mut self) {
        self.shed = true;
    }

    /// Whether there is a standing queue, or was one not long ago.
    pub fn overloaded(&self) -> bool {
        self.left > 0
    }
}

/// Whole intervals since one ended, that one included.
fn passed(since: Duration, interval: Duration) -> u8 {
    u8::try_from(since.as_nanos() / interval.as_nanos().max(1)).map_or(u8::MAX, |more| more.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(samples: &[(u64, u64)]) -> Vec<bool> {
        let mut codel = Codel::default();
        let observe = |(now, age): &(u64, u64)| {
            codel.observe(&Options::default(), Timestamp::from_millis(*now), Duration::from_millis(*age));
            codel.overloaded()
        };
        samples.iter().map(observe).collect()
    }

    #[test]
    fn a_burst_is_no_overload_and_a_standing_queue_is() {
        assert_eq!(seen(&[(0, 0), (50, 40), (99, 80), (100, 81), (150, 3), (200, 90)]), [false; 6]);
        assert_eq!(seen(&[(0, 0), (50, 6), (100, 6), (150, 6), (200, 6)]), [false, false, false, false, true]);
    }

    #[test]
    fn an_overload_is_over_after_two_quiet_intervals() {
        let calm: Vec<(u64, u64)> = (0..12).map(|n| (300 + 100 * n, 0)).collect();
        let told = seen(&[&[(0, 0), (100, 6), (200, 6)][..], &calm].concat());
        let overloaded =
            told.iter().position(|overloaded| *overloaded)..told.iter().rposition(|overloaded| *overloaded);
        assert_eq!(overloaded, Some(2)..Some(3), "{told:?}");
        let mut codel = Codel::default();
        for n in 0..50 {
            codel.observe(
                &Options::default(),
                Timestamp::from_millis(n * 100),
                Duration::from_millis(if n < 3 { 6 } else { 0 }),
            );
            codel.shed();
        }
        assert!(codel.overloaded(), "as long as someone is shed");
    }
}
