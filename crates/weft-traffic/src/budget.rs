//! The retry budget of one callee: tries beyond the first are a share of the calls, so retries cannot become a storm.
//!
//! ```text
//! deposit: a first try          window of 10 s:  retries < 20 % of calls        ─► granted
//! withdraw: may I try again?    else this second: retries < 3                   ─► granted (the floor)
//! ```
//!
//! The floor does not add to the share: it is what a callee with little traffic gets instead of it. One budget is
//! shared by all callers of a callee in the process, because three callers with a floor each are three floors.

use std::time::Duration;

use weft_types::Timestamp;

use crate::{
    Ratio,
    ring::{Counts, Ring},
};

/// The bounds of one [`Budget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// Retries in the window, as a share of first tries in it.
    pub share: Ratio,
    /// Retries that are granted in each second whatever the share says.
    pub floor_per_s: u32,
}

impl Options {
    pub const SHARE: Ratio = Ratio::percent(20);
    pub const FLOOR_PER_S: u32 = 3;
}

impl Default for Options {
    fn default() -> Self {
        Self { share: Self::SHARE, floor_per_s: Self::FLOOR_PER_S }
    }
}

/// The state. Constant work and no allocation after [`Budget::new`].
#[derive(Debug, Clone)]
pub struct Budget {
    options: Options,
    /// `good` first tries, `bad` retries.
    window: Ring,
    denied: u64,
}

impl Budget {
    /// Seconds over which calls earn retries.
    pub const WINDOW_S: usize = 10;

    pub fn new(options: Options) -> Self {
        Self { options, window: Ring::new(Self::WINDOW_S, Duration::from_secs(1)), denied: 0 }
    }

    /// A first try is made. Retries and hedges earn nothing, or they would pay for each other.
    pub fn deposit(&mut self, now: Timestamp) {
        self.window.add(now, Counts { good: 1, bad: 0 });
    }

    /// Takes one retry out. `false`: the budget is spent, and the first answer stands.
    #[must_use = "without a grant nothing may be sent again"]
    pub fn withdraw(&mut self, now: Timestamp) -> bool {
        let granted = self.balance(now) > 0;
        match granted {
            true => self.window.add(now, Counts { good: 0, bad: 1 }),
            false => self.denied += 1,
        }
        granted
    }

    /// Retries that would be granted now, one after another.
    pub fn balance(&mut self, now: Timestamp) -> u64 {
        let Counts { good: calls, bad: retries } = self.window.sum(now);
        let earned = self.options.share.of(calls).saturating_sub(retries);
        let floor = u64::from(self.options.floor_per_s).saturating_sub(self.window.newest(now).bad);
        earned.max(floor)
    }

    /// Retries that were refused since the start.
    pub fn denied(&self) -> u64 {
        self.denied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn drain(budget: &mut Budget, now: Timestamp) -> usize {
        std::iter::repeat_with(|| budget.withdraw(now)).take_while(|granted| *granted).count()
    }

    #[test]
    fn a_fifth_of_the_calls_may_be_tried_again() {
        let mut budget = Budget::new(Options::default());
        (0..100).for_each(|_| budget.deposit(at(500)));
        assert_eq!(drain(&mut budget, at(900)), 20);
        assert_eq!(budget.denied(), 1);
        assert_eq!(drain(&mut budget, at(1_000)), 3, "a new second, its floor");
        assert_eq!(drain(&mut budget, at(9_999)), 3);
        (0..100).for_each(|_| budget.deposit(at(10_000)));
        assert_eq!(drain(&mut budget, at(10_000)), 14, "the first second left the window with its calls and retries");
    }

    #[test]
    fn a_callee_that_nobody_called_has_the_floor_each_second() {
        let mut budget = Budget::new(Options::default());
        for second in 0..5 {
            assert_eq!(budget.balance(at(second * 1_000)), 3);
            assert_eq!(drain(&mut budget, at(second * 1_000 + 999)), 3);
        }
        let none = Options { share: Ratio::ZERO, floor_per_s: 0 };
        assert!(!Budget::new(none).withdraw(at(0)));
    }
}
