//! The circuit breaker of one callee: stops calling what fails, and asks with one call whether it has healed.
//!
//! ```text
//!            < 50 % of ≥ 20 good, or 7 failures in a row
//!   closed ────────────────────────────────────────────► open ──(1 s, 2 s, … 60 s)──► probing
//!     ▲                                                   ▲                              │
//!     └───────────────── the probe is good ───────────────│───────── it fails ───────────┤
//!                                                         └── (twice as long) ───────────┘
//! ```
//!
//! Each change starts a new *generation*, and an answer counts only in the generation in which its call was let
//! through: what was sent before the breaker opened can neither close it nor open it for longer.

use std::{fmt, time::Duration};

use weft_types::{Class, Timestamp};

use crate::{
    Ratio, chance,
    ring::{Counts, Ring},
};

/// When one breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// It opens below this share of good answers over 10 s.
    pub success_min: Ratio,
    /// But only when there were so many answers.
    pub calls_min: u32,
    /// It opens after so many failures in a row, whatever the share. 0: never for that.
    pub failures_max: u32,
    /// How long it is open at first; doubled each time that a probe fails.
    pub open_min: Duration,
    /// The longest that it is open.
    pub open_max: Duration,
}

impl Options {
    pub const SUCCESS_MIN: Ratio = Ratio::percent(50);
    pub const CALLS_MIN: u32 = 20;
    pub const FAILURES_MAX: u32 = 7;
    pub const OPEN_MIN: Duration = Duration::from_secs(1);
    pub const OPEN_MAX: Duration = Duration::from_secs(60);
}

impl Default for Options {
    fn default() -> Self {
        Self {
            success_min: Self::SUCCESS_MIN,
            calls_min: Self::CALLS_MIN,
            failures_max: Self::FAILURES_MAX,
            open_min: Self::OPEN_MIN,
            open_max: Self::OPEN_MAX,
        }
    }
}

/// Let through. Give it back with [`Breaker::record`], or [`Breaker::cancel`] when nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pass {
    generation: u64,
    probe: bool,
}

impl Pass {
    /// This call decides whether the breaker closes: it is best not retried or hedged.
    pub fn is_probe(self) -> bool {
        self.probe
    }
}

/// Not let through. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refused {
    /// When a probe may be sent. Zero while one is under way.
    pub retry_after: Duration,
}

/// Which part of its life it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Closed,
    /// Refuses until then; the first call after it is the probe.
    Open {
        until: Timestamp,
    },
    /// One probe is under way. After `until` it is given up and another one may go.
    Probing {
        until: Timestamp,
    },
}

impl State {
    /// The word for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::Probing { .. } => "probing",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why it opened last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// So many of the answers of 10 s were good.
    Success { good: u64, of: u64 },
    /// So many failures in a row.
    Consecutive(u32),
    /// The probe failed.
    Probe,
}

/// What `explain` and the metrics show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub state: State,
    pub cause: Option<Cause>,
    /// The answers of the last 10 s.
    pub counts: Counts,
    /// Failures in a row.
    pub consecutive: u32,
    /// How often it has opened since it was last closed: the next wait is `open_min` × 2 to this, at most `open_max`.
    pub failing_opens: u32,
    /// How often it has opened since the start.
    pub opens: u64,
    /// Calls refused since the start.
    pub refused: u64,
    /// Answers that came too late to count since the start.
    pub late: u64,
}

/// The state. Constant work and no allocation after [`Breaker::new`].
#[derive(Debug, Clone)]
pub struct Breaker {
    options: Options,
    state: State,
    generation: u64,
    window: Ring,
    consecutive: u32,
    failing_opens: u32,
    cause: Option<Cause>,
    opens: u64,
    refused: u64,
    late: u64,
}

impl Breaker {
    /// Seconds of answers that are looked at, in buckets of one second.
    pub const WINDOW_S: usize = 10;
    /// A probe without an answer is given up after this, so that a lost one cannot keep the breaker from closing.
    pub const PROBE_MAX: Duration = Duration::from_secs(60);

    pub fn new(options: Options) -> Self {
        Self {
            options,
            state: State::Closed,
            generation: 0,
            window: Ring::new(Self::WINDOW_S, Duration::from_secs(1)),
            consecutive: 0,
            failing_opens: 0,
            cause: None,
            opens: 0,
            refused: 0,
            late: 0,
        }
    }

    /// A call arrives. Exactly one is let through when the time of being open is over.
    #[inline]
    pub fn enter(&mut self, now: Timestamp) -> Result<Pass, Refused> {
        match self.state {
            State::Closed => Ok(Pass { generation: self.generation, probe: false }),
            State::Open { until } | State::Probing { until } if now >= until => Ok(self.probe(now)),
            State::Open { until } => self.refuse(until.since(now)),
            State::Probing { .. } => self.refuse(Duration::ZERO),
        }
    }

    /// How the call ended. A shed says nothing about health; a caller's fault was answered well. `random` is uniform.
    pub fn record(&mut self, now: Timestamp, pass: Pass, class: Class, random: u64) {
        if pass.generation != self.generation {
            self.late += 1;
            return;
        }
        match class {
            Class::Shed => self.cancel(now, pass),
            Class::Ok | Class::CallerFault if pass.probe => self.close(),
            Class::Failure if pass.probe => self.open(now, Cause::Probe, random),
            Class::Ok | Class::CallerFault => self.good(now, random),
            Class::Failure => self.bad(now, random),
        }
    }

    /// The call ended without saying anything of the callee's health, as when the client left. The next call after
    /// a cancelled probe is the probe.
    pub fn cancel(&mut self, now: Timestamp, pass: Pass) {
        if pass.probe && pass.generation == self.generation {
            self.change(State::Open { until: now });
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn view(&mut self, now: Timestamp) -> View {
        View {
            state: self.state,
            cause: self.cause,
            counts: self.window.sum(now),
            consecutive: self.consecutive,
            failing_opens: self.failing_opens,
            opens: self.opens,
            refused: self.refused,
            late: self.late,
        }
    }

    fn refuse(&mut self, retry_after: Duration) -> Result<Pass, Refused> {
        self.refused += 1;
        Err(Refused { retry_after })
    }

    fn probe(&mut self, now: Timestamp) -> Pass {
        self.change(State::Probing { until: now.saturating_add(Self::PROBE_MAX) });
        Pass { generation: self.generation, probe: true }
    }

    fn good(&mut self, now: Timestamp, random: u64) {
        self.consecutive = 0;
        self.window.add(now, Counts { good: 1, bad: 0 });
        self.judge(now, random);
    }

    fn bad(&mut self, now: Timestamp, random: u64) {
        self.consecutive = self.consecutive.saturating_add(1);
        self.window.add(now, Counts { good: 0, bad: 1 });
        self.judge(now, random);
    }

    fn judge(&mut self, now: Timestamp, random: u64) {
        let counts = self.window.sum(now);
        let (in_a_row, most) = (self.consecutive, self.options.failures_max);
        if most > 0 && in_a_row >= most {
            self.open(now, Cause::Consecutive(in_a_row), random);
        } else if counts.total() >= u64::from(self.options.calls_min)
            && self.options.success_min.exceeds(counts.good, counts.total())
        {
            self.open(now, Cause::Success { good: counts.good, of: counts.total() }, random);
        }
    }

    /// Jittered downwards by up to a quarter, so that the bounds hold and nodes that opened together ask apart.
    fn open(&mut self, now: Timestamp, cause: Cause, random: u64) {
        let doubled = 1u32.checked_shl(self.failing_opens).unwrap_or(u32::MAX);
        let longest = self.options.open_min.saturating_mul(doubled).min(self.options.open_max);
        let wait = longest - chance::up_to(random, longest / 4);
        self.failing_opens = self.failing_opens.saturating_add(1);
        self.opens += 1;
        self.cause = Some(cause);
        self.change(State::Open { until: now.saturating_add(wait) });
    }

    fn close(&mut self) {
        self.window.clear();
        self.consecutive = 0;
        self.failing_opens = 0;
        self.change(State::Closed);
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}
