//! The tables of a policy, each of which becomes one part of [`weft_traffic::Patch`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weft_traffic::{
    Near, Spread, gcra,
    hedge::After,
    policy::{AdaptivePatch, BreakerPatch, HedgePatch, RateLimitPatch, RetryPatch, SheddingPatch},
};
use weft_types::Priority;

use crate::values::{Frequency, Late, Share, Time};

/// How often a route may be asked. Each route counts for itself; who is over its limit is answered 429 with
/// `Retry-After`, and every answer has `RateLimit` headers. Each node counts what it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "policy.rate-limit"))]
pub struct RateLimit {
    /// Requests in a second (`s`), minute (`m`), hour (`h`) or day (`d`). Without it here, that of the level above.
    #[schemars(extend("examples" = ["100/s"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Frequency>,
    /// Requests at once after a pause. Absent: the number in `rate`.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Who shares one limit.
    #[schemars(extend("default" = "route"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<RateBy>,
}

/// Who shares one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RateBy {
    /// All requests of the route.
    Route,
    /// Each client address; of IPv6 the first 64 bits.
    Address,
    /// Each caller that `auth` has proven; whoever is nobody, each client address.
    Identity,
    /// Each tenant of those.
    Tenant,
}

/// The limit on calls at once that is found from how long calls take, below `concurrency`. A component's binds while the
/// node's cores are all in use: calls that wait are never held back by it. An upstream has one where this table is
/// said, and it always binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "policy.adaptive"))]
pub struct Adaptive {
    /// `false`: only `concurrency` holds.
    #[schemars(extend("default" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The limit is never above; never below twice the node's cores.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// Shedding of a standing queue: calls that wait longer than twice the target are shed, and the last to come is served
/// first. Without this table a queue before the `adaptive` limit is shed so, and one before `concurrency` only when it
/// is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "policy.shedding"))]
pub struct Shedding {
    /// Absent: on where `target` or `interval` is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// A queue whose oldest call is never younger than this for a whole interval stands.
    #[schemars(extend("default" = "5ms"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Time>,
    /// How long a queue may be a burst.
    #[schemars(extend("default" = "100ms"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Time>,
}

/// Tries after the first: of what did not run, and of what may be repeated where the connection was lost or an upstream
/// answered 502, 503 or 504. A body over 64 KiB gets one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "policy.retry"))]
pub struct Retry {
    /// Tries after the first.
    #[schemars(range(min = 0, max = 10), extend("default" = 2))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The longest wait before the first of them; doubled for each further one, at most ten times as long.
    #[schemars(extend("default" = "25ms"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Time>,
    /// Retries as a share of the calls of 10 s, for all callers together. Not on a route of a named upstream.
    #[schemars(extend("default" = "20%"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Share>,
    /// Retries in each second that are granted whatever the share says. Not on a route of a named upstream.
    #[schemars(range(min = 0, max = 1_000), extend("default" = 3))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<u32>,
    /// Every call may be repeated, whatever its method. Without it GET, HEAD, OPTIONS, PUT and DELETE may.
    #[schemars(extend("default" = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
}

/// A circuit breaker: what fails is not called for a while, then asked with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "policy.breaker"))]
pub struct Breaker {
    /// `false`: there is none.
    #[schemars(extend("default" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// It opens below this share of good answers over 10 s.
    #[schemars(extend("default" = "50%"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<Share>,
    /// But only after so many answers.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 20))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
    /// It opens after so many failures in a row. 0: never for that.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 7))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// How long it is open at first; doubled each time that the one call fails.
    #[schemars(extend("default" = "1s"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<Time>,
    /// The longest that it is open.
    #[schemars(extend("default" = "1m"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_max: Option<Time>,
}

/// A second try of a call beside a first that is late; the first good answer counts. Only for calls that may be repeated,
/// whose body has been sent and is not over 64 KiB; to another endpoint where there is one. Off where this is not said,
/// because each is work done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "policy.hedge"))]
pub struct Hedge {
    /// Absent: on where the table is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// When the first try is late: when so many of the calls of the last minute would have been answered, such as `p95`,
    /// once 100 were; or after a time, such as `50ms`. At least 1 ms.
    #[schemars(extend("default" = "p95", "examples" = ["50ms"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Late>,
    /// Second tries as a share of the calls of 10 s. They count as retries too, within `retry.budget`.
    #[schemars(extend("default" = "5%"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Share>,
}

/// Which endpoints of an upstream are used from here, by the `zone` and `region` in the node's labels and at endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum LocalityWord {
    /// All alike.
    Any,
    /// Those in the node's own zone, until fewer than 70% of them can be used; then those of the region join in, then all.
    PreferZone,
    PreferRegion,
    /// Those in the node's own zone, as long as one of them can be used; then all.
    RequireZone,
    RequireRegion,
    /// Those in the node's own zone, or none: for what may not leave it.
    NeverLeaveZone,
    NeverLeaveRegion,
}

impl From<LocalityWord> for Spread {
    fn from(word: LocalityWord) -> Self {
        match word {
            LocalityWord::Any => Self::Any,
            LocalityWord::PreferZone => Self::Prefer(Near::Zone),
            LocalityWord::PreferRegion => Self::Prefer(Near::Region),
            LocalityWord::RequireZone => Self::Require(Near::Zone),
            LocalityWord::RequireRegion => Self::Require(Near::Region),
            LocalityWord::NeverLeaveZone => Self::Never(Near::Zone),
            LocalityWord::NeverLeaveRegion => Self::Never(Near::Region),
        }
    }
}

/// How important calls are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum PriorityWord {
    Batch,
    Default,
    Interactive,
    Health,
}

impl From<PriorityWord> for Priority {
    fn from(word: PriorityWord) -> Self {
        match word {
            PriorityWord::Batch => Self::Batch,
            PriorityWord::Default => Self::Default,
            PriorityWord::Interactive => Self::Interactive,
            PriorityWord::Health => Self::Health,
        }
    }
}

impl From<Hedge> for HedgePatch {
    fn from(said: Hedge) -> Self {
        let (quantile, after) = match said.after.map(|late| late.0) {
            Some(After::Quantile(share)) => (Some(share), Some(None)),
            Some(After::Fixed(time)) => (None, Some(Some(time))),
            None => (None, None),
        };
        let said_some = quantile.is_some() || after.is_some() || said.budget.is_some();
        let enabled = said.enabled.or(said_some.then_some(true));
        Self { enabled, quantile, budget: said.budget.map(|share| share.0), after }
    }
}

impl From<Adaptive> for AdaptivePatch {
    fn from(Adaptive { enabled, max }: Adaptive) -> Self {
        Self { enabled, max }
    }
}

impl From<Shedding> for SheddingPatch {
    fn from(said: Shedding) -> Self {
        let (target, interval) = (said.target.map(|time| time.0), said.interval.map(|time| time.0));
        let said_some = target.is_some() || interval.is_some();
        Self { enabled: said.enabled.or(said_some.then_some(true)), target, interval }
    }
}

impl From<Retry> for RetryPatch {
    fn from(said: Retry) -> Self {
        let (base, budget) = (said.base.map(|time| time.0), said.budget.map(|share| share.0));
        let Retry { max, floor, idempotent, .. } = said;
        Self { max, base, cap_factor: None, budget, floor, idempotent }
    }
}

impl From<Breaker> for BreakerPatch {
    fn from(said: Breaker) -> Self {
        let (open, open_max) = (said.open.map(|time| time.0), said.open_max.map(|time| time.0));
        let Breaker { enabled, calls, failures, .. } = said;
        Self { enabled, success: said.success.map(|share| share.0), calls, failures, open, open_max }
    }
}

impl From<RateLimit> for RateLimitPatch {
    fn from(said: RateLimit) -> Self {
        let by = |by| match by {
            RateBy::Route => gcra::By::Route,
            RateBy::Address => gcra::By::Address,
            RateBy::Identity => gcra::By::Identity,
            RateBy::Tenant => gcra::By::Tenant,
        };
        Self { rate: said.rate.map(|rate| Some(rate.0)), burst: said.burst.map(Some), by: said.by.map(by) }
    }
}
