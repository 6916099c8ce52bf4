//! Whether a try that ended is made again, when, and why not.
//!
//! ```text
//! succeeded ─ caller's fault ─ shed ─ tries spent ─ not safe to repeat ─ body gone ─ no time ─ no budget ─► again
//!                              each a reason to stop, asked in this order; the budget last, so that only a
//!                              retry that will be made is paid for
//! ```
//!
//! Safe to repeat is what provably did not run, for any method; and for idempotent calls also a connection or
//! instance lost before the answer's head, and 502, 503 and 504 from an upstream. What a component itself
//! answered, trapped on or was too slow for is its answer.

use std::{fmt, num::NonZeroU32, time::Duration};

use http::{Method, StatusCode};
use weft_types::{Class, Fault, Outcome, Ran, Retry, Timestamp, code};

use crate::{budget::Budget, chance};

/// How one callee is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// Tries after the first. `retry.max`, default 2.
    pub max: u32,
    /// The longest wait before the first retry; doubled for each further one. `retry.base`, default 25 ms.
    pub base: Duration,
    /// The longest wait before any, but for one that the callee asked for. `retry.cap`, default 10 × base.
    pub cap: Duration,
}

impl Options {
    pub const MAX: u32 = 2;
    pub const BASE: Duration = Duration::from_millis(25);
    /// The cap as a multiple of the base, where none is given.
    pub const CAP_FACTOR: u32 = 10;
    /// A `Retry-After` beyond this is taken for this.
    pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
    /// A longer request body gets one try, because a copy of it would have to be held. Bytes.
    pub const BODY_MAX: u64 = 64 << 10;

    /// With the cap that belongs to this base.
    pub fn with_base(max: u32, base: Duration) -> Self {
        Self { max, base, cap: base.saturating_mul(Self::CAP_FACTOR) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::with_base(Self::MAX, Self::BASE)
    }
}

/// How a try ended, as far as retrying asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Ok, or a mistake of the caller's that would be the same again.
    Answered,
    /// Refused to protect something: trying again is what it must be protected from.
    Shed,
    /// It failed, and no code ran.
    NotRun(Retry),
    /// The connection or the instance was lost before the head; the code may have run.
    Lost(Retry),
    /// An upstream, not a component, answered with this status and perhaps `Retry-After`.
    Upstream(StatusCode, Option<Duration>),
    /// A failure that the code itself answered with, or one that is certain to come again.
    Final,
}

impl Ended {
    /// Reads an outcome. `upstream`: the status and `Retry-After` where the callee is not a component.
    pub fn of(outcome: &Outcome, upstream: Option<(StatusCode, Option<Duration>)>) -> Self {
        match (outcome.class, &outcome.reply, upstream) {
            (Class::Shed, ..) => Self::Shed,
            (_, Err(fault), _) => Self::of_fault(fault),
            (Class::Failure, Ok(_), Some((status, after))) => Self::Upstream(status, after),
            (Class::Failure, Ok(_), None) => Self::Final,
            (Class::Ok | Class::CallerFault, Ok(_), _) => Self::Answered,
        }
    }

    fn of_fault(fault: &Fault) -> Self {
        match (fault.ran, fault.retry) {
            // Its code says `Retry::No` because the caller cannot know; here idempotence is known.
            (Ran::Maybe, _) if fault.code == code::UNKNOWN_OUTCOME => Self::Lost(Retry::Now),
            // The call's time is over, or that of its body: there is nothing to send again.
            _ if matches!(fault.code, code::DEADLINE_EXCEEDED | code::REQUEST_TIMEOUT) => Self::Final,
            (_, Retry::No) | (Ran::Yes, _) => Self::Final,
            (Ran::No, retry) => Self::NotRun(retry),
            (Ran::Maybe, retry) => Self::Lost(retry),
        }
    }
}

/// The request's body, as to whether it can be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Replay {
    /// Held whole, this many bytes; 0 for none.
    Held(u64),
    /// A stream of which some was read.
    Gone,
}

/// One try that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Try {
    /// 1 for the first.
    pub attempt: NonZeroU32,
    /// By its method, or declared so, or by an idempotency key that the callee honours: see [`idempotent`].
    pub idempotent: bool,
    pub body: Replay,
    /// A target is left that was not tried: its turn comes first, and what one target asked for does not hold for it.
    pub other_target: bool,
    /// Bounds the Head of all tries together.
    pub deadline: Timestamp,
}

/// Methods whose repetition has the effect of one (RFC 9110, 9.2.2).
pub fn idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Try again after this wait, which ends before the deadline. The budget has been charged.
    Again { wait: Duration, because: Because },
    /// The answer stands.
    Stop(Stop),
}

/// Why a try is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Because {
    NotRun,
    Lost,
    Upstream(StatusCode),
}

/// Why none is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    Answered,
    Shed,
    Final,
    TriesSpent,
    NotIdempotent,
    BodyGone,
    NoTime,
    BudgetSpent,
}

impl Stop {
    /// The word for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Shed => "shed",
            Self::Final => "final",
            Self::TriesSpent => "tries-spent",
            Self::NotIdempotent => "not-idempotent",
            Self::BodyGone => "body-gone",
            Self::NoTime => "no-time",
            Self::BudgetSpent => "budget-spent",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered => "it was answered",
            Self::Shed => "what is shed is never tried again",
            Self::Final => "the same would come again",
            Self::TriesSpent => "as many tries were made as the policy allows",
            Self::NotIdempotent => "it may have run, and the call is not idempotent",
            Self::BodyGone => "the request's body is no longer held",
            Self::NoTime => "the deadline comes before the next try",
            Self::BudgetSpent => "the callee's retry budget is spent",
        })
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRun => f.write_str("it did not run"),
            Self::Lost => f.write_str("the connection or instance was lost, and the call is idempotent"),
            Self::Upstream(status) => {
                write!(f, "the upstream answered {}, and the call is idempotent", status.as_u16())
            }
        }
    }
}

impl Options {
    /// Decides, and charges `budget` if it says [`Decision::Again`]. `random` is uniform.
    pub fn decide(&self, now: Timestamp, tried: Try, ended: Ended, random: u64, budget: &mut Budget) -> Decision {
        let (because, asked) = match self.may(tried, ended) {
            Ok(reason) => reason,
            Err(stop) => return Decision::Stop(stop),
        };
        let wait = self.backoff(tried.attempt, random).max(asked);
        if now.saturating_add(wait) >= tried.deadline {
            return Decision::Stop(Stop::NoTime);
        }
        if !budget.withdraw(now) {
            return Decision::Stop(Stop::BudgetSpent);
        }
        Decision::Again { wait, because }
    }

    /// Full jitter before the retry that follows try `attempt`: zero to `base` × 2^(attempt - 1), at most `cap`.
    pub fn backoff(&self, attempt: NonZeroU32, random: u64) -> Duration {
        let doubled = 1u32.checked_shl(attempt.get() - 1).unwrap_or(u32::MAX);
        chance::up_to(random, self.base.saturating_mul(doubled).min(self.cap))
    }

    fn may(&self, tried: Try, ended: Ended) -> Result<(Because, Duration), Stop> {
        let (because, asked) = match ended {
            Ended::Answered => return Err(Stop::Answered),
            Ended::Shed => return Err(Stop::Shed),
            Ended::Final => return Err(Stop::Final),
            Ended::NotRun(retry) => (Because::NotRun, asked_by(retry, tried)),
            Ended::Lost(retry) => (Because::Lost, asked_by(retry, tried)),
            // An upstream speaks for all of its endpoints, so another one does not make its wait void.
            Ended::Upstream(status, after) if (502..=504).contains(&status.as_u16()) => {
                (Because::Upstream(status), after.unwrap_or_default())
            }
            Ended::Upstream(..) => return Err(Stop::Final),
        };
        if tried.attempt.get() > self.max {
            return Err(Stop::TriesSpent);
        }
        if because != Because::NotRun && !tried.idempotent {
            return Err(Stop::NotIdempotent);
        }
        match tried.body {
            Replay::Held(bytes) if bytes <= Self::BODY_MAX => Ok((because, asked.min(Self::RETRY_AFTER_MAX))),
            _ => Err(Stop::BodyGone),
        }
    }
}

fn asked_by(retry: Retry, tried: Try) -> Duration {
    match retry {
        Retry::After(wait) if !tried.other_target => wait,
        _ => Duration::ZERO,
    }
}
