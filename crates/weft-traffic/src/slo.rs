//! Service levels: what is left of an error budget, and how fast it burns.
//!
//! ```text
//! burn rate = share of bad calls in a window ÷ share that the objective allows       1: spent exactly at its end
//!
//!   page    5 m and  1 h ≥ 14.4        30 m and 6 h ≥ 6         both windows: the long one says that it matters,
//!   ticket  2 h and  1 d ≥  3           6 h and 3 d ≥ 1         the short one that it has not stopped already
//! ```
//!
//! Counts are exact: each window is a ring of 60 buckets, so what it holds is right to a sixtieth of its length.

use std::{fmt, time::Duration};

use weft_types::Timestamp;

use crate::{Counts, Ratio, ring::Ring};

/// What is promised of one component or route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Objective {
    /// This share of calls is good. 100 % allows nothing and burns without end at the first bad call.
    pub target: Ratio,
    /// Over which time the budget is given.
    pub window: Duration,
    /// A good call that takes longer is bad.
    pub latency: Option<Duration>,
    /// Fewer calls than this in the short window burn nothing: one bad call of two is no news.
    pub calls_min: u32,
}

impl Objective {
    pub const WINDOW: Duration = Duration::from_secs(28 * 86_400);
    pub const CALLS_MIN: u32 = 10;

    pub fn new(target: Ratio) -> Self {
        Self { target, window: Self::WINDOW, latency: None, calls_min: Self::CALLS_MIN }
    }
}

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Look soon.
    Ticket,
    /// Wake someone.
    Page,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The seven windows of the pairs, in seconds; the objective's own is the eighth.
const WINDOWS: [u64; 7] = [5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, DAY, 3 * DAY];
const BUCKETS: usize = 60;

/// One row of the table above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub severity: Severity,
    /// Indices into the windows.
    short: usize,
    long: usize,
    /// From this burn rate in both windows on.
    pub rate: f64,
}

impl Rule {
    /// The fastest first.
    pub const ALL: [Self; 4] = [
        Self { severity: Severity::Page, short: 0, long: 2, rate: 14.4 },
        Self { severity: Severity::Page, short: 1, long: 4, rate: 6.0 },
        Self { severity: Severity::Ticket, short: 3, long: 5, rate: 3.0 },
        Self { severity: Severity::Ticket, short: 4, long: 6, rate: 1.0 },
    ];

    pub fn short(&self) -> Duration {
        Duration::from_secs(WINDOWS[self.short])
    }
    pub fn long(&self) -> Duration {
        Duration::from_secs(WINDOWS[self.long])
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = crate::units::format_duration;
        write!(f, "{} in {} and {} at {}", self.severity.as_str(), format(self.short()), format(self.long()), self.rate)
    }
}

/// What holds of one rule now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burn {
    pub rule: Rule,
    /// The burn rates of the short and the long window.
    pub short: f64,
    pub long: f64,
    pub burning: bool,
}

/// What is left of the budget of the objective's window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Remaining {
    pub counts: Counts,
    /// Bad calls that the objective allows for so many calls.
    pub allowed: u64,
    /// 1: untouched; 0: spent; below: overspent.
    pub share: f64,
}

/// The counts of one objective. About 8 KiB; a call is constant work in eight rings.
#[derive(Debug, Clone)]
pub struct Slo {
    objective: Objective,
    rings: [Ring; 7],
    whole: Ring,
}

impl Slo {
    pub fn new(objective: Objective) -> Self {
        let ring = |window: Duration| Ring::new(BUCKETS, window / BUCKETS as u32);
        let rings = WINDOWS.map(|seconds| ring(Duration::from_secs(seconds)));
        Self { objective, rings, whole: ring(objective.window) }
    }

    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// One call ended: `good` as to its class, after this time. Callers' faults are good; sheds are bad, for whoever
    /// was shed was not served.
    pub fn record(&mut self, now: Timestamp, good: bool, took: Duration) {
        let good = good && self.objective.latency.is_none_or(|most| took <= most);
        let counts = Counts { good: u64::from(good), bad: u64::from(!good) };
        self.rings.iter_mut().for_each(|ring| ring.add(now, counts));
        self.whole.add(now, counts);
    }

    /// Every rule, the fastest first.
    pub fn burns(&mut self, now: Timestamp) -> [Burn; 4] {
        Rule::ALL.map(|rule| {
            let [short, long] = [rule.short, rule.long].map(|at| self.rings[at].sum(now));
            let enough = short.total() >= u64::from(self.objective.calls_min);
            let (short, long) = (self.rate(short), self.rate(long));
            Burn { rule, short, long, burning: enough && short >= rule.rate && long >= rule.rate }
        })
    }

    /// The loudest that burns.
    pub fn severity(&mut self, now: Timestamp) -> Option<Severity> {
        self.burns(now).into_iter().filter(|burn| burn.burning).map(|burn| burn.rule.severity).max()
    }

    pub fn remaining(&mut self, now: Timestamp) -> Remaining {
        let counts = self.whole.sum(now);
        let allowed = self.objective.target.rest().of(counts.total());
        let share = if counts.total() == 0 { 1.0 } else { 1.0 - self.rate(counts) };
        Remaining { counts, allowed, share }
    }

    fn rate(&self, counts: Counts) -> f64 {
        if counts.bad == 0 {
            return 0.0;
        }
        counts.bad as f64 / counts.total() as f64 / self.objective.target.rest().as_f64()
    }
}
