//! Controlled delay: tells a burst, which a queue is for, from a standing queue, which only makes everyone late.
//!
//! ```text
//! age of the oldest in the queue, over each interval of 100 ms:  its minimum > 5 ms  ─► overloaded
//! ```
//!
//! The age of the *oldest* and not of whoever is served, because when overloaded the newest is served first and
//! would hide the queue behind it.

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

/// The state of one queue. Constant work, 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Codel {
    /// The smallest age since the interval began.
    least: Duration,
    ends: Timestamp,
    overloaded: bool,
}

impl Codel {
    /// Someone came or went, and the oldest of those who wait now has waited for `age`: zero where nobody waits.
    pub fn observe(&mut self, options: &Options, now: Timestamp, age: Duration) {
        self.least = self.least.min(age);
        if now >= self.ends {
            self.overloaded = self.least > options.target;
            self.least = age;
            self.ends = now.saturating_add(options.interval);
        }
    }

    /// Whether the last whole interval had a standing queue.
    pub fn overloaded(&self) -> bool {
        self.overloaded
    }
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
        assert_eq!(
            seen(&[(0, 0), (100, 6), (200, 6), (250, 0), (300, 9), (400, 9)]),
            [false, false, true, true, false, true]
        );
    }

    #[test]
    fn a_queue_that_was_empty_and_idle_is_not_overloaded_when_someone_comes() {
        assert_eq!(seen(&[(0, 0), (100, 9), (200, 9), (201, 0), (60_000, 0)]).last(), Some(&false));
    }
}
