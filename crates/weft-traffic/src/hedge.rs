//! Hedging: where an answer is late, a second try is sent beside the first, and the first answer counts. Opt-in.
//!
//! ```text
//! start ─► wait (p95 of what such calls take, or fixed) ─► still nothing, and the budget grants ─► second try
//! ```
//!
//! Only for idempotent calls whose body is held, and only for the first try: hedges are paid for, like retries, by a
//! budget of their own, or a slow callee would be given twice the work for being slow.

use std::{fmt, time::Duration};

use weft_types::Timestamp;

use crate::{
    Ratio,
    budget::{self, Budget},
    latency::Latencies,
    retry::{self, Replay, Try},
};

/// How the calls of one callee are hedged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    pub after: After,
    /// Hedges as a share of calls over 10 s, without a floor.
    pub share: Ratio,
}

/// When the second try is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum After {
    Fixed(Duration),
    /// When this share of recent calls would have been answered; not before [`Options::SAMPLES_MIN`] are known.
    Quantile(Ratio),
}

impl Options {
    pub const SHARE: Ratio = Ratio::percent(5);
    pub const QUANTILE: Ratio = Ratio::percent(95);
    pub const SAMPLES_MIN: u32 = 100;
    /// A hedge is never sent sooner: quick answers need no help.
    pub const AFTER_MIN: Duration = Duration::from_millis(1);
    /// What times are remembered for the quantile.
    pub const WINDOW: Duration = Duration::from_secs(60);
}

impl Default for Options {
    fn default() -> Self {
        Self { after: After::Quantile(Self::QUANTILE), share: Self::SHARE }
    }
}

/// Why a call is not hedged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    NotFirst,
    NotIdempotent,
    BodyGone,
    /// Too few calls were answered to say what is late.
    Unknown,
    NoTime,
    BudgetSpent,
}

impl Stop {
    /// The word for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFirst => "not-first",
            Self::NotIdempotent => "not-idempotent",
            Self::BodyGone => "body-gone",
            Self::Unknown => "unknown",
            Self::NoTime => "no-time",
            Self::BudgetSpent => "budget-spent",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFirst => "only the first try is hedged",
            Self::NotIdempotent => "the call is not idempotent",
            Self::BodyGone => "the request's body is no longer held",
            Self::Unknown => "too few calls were answered to say what is late",
            Self::NoTime => "the deadline comes before the hedge",
            Self::BudgetSpent => "the callee's hedge budget is spent",
        })
    }
}

/// The state for one callee.
#[derive(Debug, Clone)]
pub struct Hedge {
    options: Options,
    budget: Budget,
    latencies: Latencies,
}

impl Hedge {
    pub fn new(options: Options) -> Self {
        let budget = Budget::new(budget::Options { share: options.share, floor_per_s: 0 });
        Self { options, budget, latencies: Latencies::new(Options::WINDOW) }
    }

    /// A try is sent. Answers after how long [`Hedge::fire`] is to be asked, if nothing has come by then.
    pub fn start(&mut self, now: Timestamp, tried: &Try) -> Result<Duration, Stop> {
        if tried.attempt.get() > 1 {
            return Err(Stop::NotFirst);
        }
        self.budget.deposit(now);
        if !tried.idempotent {
            return Err(Stop::NotIdempotent);
        }
        if !matches!(tried.body, Replay::Held(bytes) if bytes <= retry::Options::BODY_MAX) {
            return Err(Stop::BodyGone);
        }
        let wait = self.wait(now)?.max(Options::AFTER_MIN);
        if now.saturating_add(wait) >= tried.deadline { Err(Stop::NoTime) } else { Ok(wait) }
    }

    /// The wait is over and nothing has come: whether the second try is sent. It is paid for here.
    pub fn fire(&mut self, now: Timestamp, tried: &Try) -> Result<(), Stop> {
        if now >= tried.deadline {
            return Err(Stop::NoTime);
        }
        if self.budget.withdraw(now) { Ok(()) } else { Err(Stop::BudgetSpent) }
    }

    /// The first answer of a call came, hedged or not, this long after its first try was sent.
    pub fn answered(&mut self, now: Timestamp, took: Duration) {
        self.latencies.record(now, took);
    }

    fn wait(&mut self, now: Timestamp) -> Result<Duration, Stop> {
        match self.options.after {
            After::Fixed(wait) => Ok(wait),
            After::Quantile(share) => {
                let quantile = self.latencies.quantile(now, share);
                quantile.filter(|_| self.latencies.count() >= Options::SAMPLES_MIN).ok_or(Stop::Unknown)
            }
        }
    }
}
