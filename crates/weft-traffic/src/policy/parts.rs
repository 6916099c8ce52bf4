//! The parts of a policy: what holds, and the patch that one level of a manifest may say of it.
//!
//! Each part is written once here, as `key: type = default`, and becomes two structs and a fold, so that a field
//! can be missing neither in a patch nor in what `explain` shows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weft_types::{Name, Priority};

use super::{Levels, Patch};
use crate::{
    Rate, Ratio, Spread, balance, breaker, budget, codel, gcra, gradient, hedge, outlier, retry,
    units::{self, format_duration},
};

/// How a value is written, for `explain`.
pub(crate) trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown {
    ($($type:ty: $value:ident => $text:expr;)*) => {
        $(impl Shown for $type {
            fn shown(&self) -> String {
                let $value = self;
                $text
            }
        })*
    };
}

shown! {
    Duration: value => format_duration(*value);
    u32: value => value.to_string();
    bool: value => value.to_string();
    Ratio: value => value.to_string();
    Rate: value => value.to_string();
    Spread: value => value.to_string();
    gcra::By: value => value.as_str().to_owned();
    Priority: value => priority::word(*value).to_owned();
    Fallback: value => value.to_string();
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), Shown::shown)
    }
}

macro_rules! part {
    ($(#[$about:meta])* $part:ident, $patch:ident, $get:ident, $prefix:literal {
        $($(#[$note:meta])* $field:ident $key:literal: $type:ty = $default:expr;)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct $part {
            $($(#[$note])* pub $field: $type,)*
        }

        impl Default for $part {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        #[doc = concat!("What one level says of [`", stringify!($part), "`]. `None` leaves the field to the level above.")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $patch {
            $(pub $field: Option<$type>,)*
        }

        impl $part {
            pub(super) fn fold(levels: &mut Levels<'_>) -> Self {
                let base = Self::default();
                Self { $($field: levels.said(concat!($prefix, ".", $key), |p: &Patch| p.$get.$field, base.$field),)* }
            }

            /// Every field and its value, as a manifest would have it.
            pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
                vec![$((concat!($prefix, ".", $key), self.$field.shown()),)*]
            }
        }
    };
}

part! {
    /// Retries, and the budget that bounds them. On by default.
    Retry, RetryPatch, retry, "retry" {
        /// Tries after the first. 0: none. At most 10.
        max "max": u32 = retry::Options::MAX;
        /// The longest wait before the first retry; doubled each time.
        #[serde(with = "units::duration")]
        base "base": Duration = retry::Options::BASE;
        /// The longest wait before any as a multiple of the base.
        cap_factor "cap-factor": u32 = retry::Options::CAP_FACTOR;
        /// Retries as a share of calls over 10 s.
        budget "budget": Ratio = budget::Options::SHARE;
        /// Retries in each second that are granted whatever the share says.
        floor "floor": u32 = budget::Options::FLOOR_PER_S;
        /// Every call may be repeated, whatever its method.
        idempotent "idempotent": bool = false;
    }
}

part! {
    /// The circuit breaker. On by default.
    Breaker, BreakerPatch, breaker, "breaker" {
        enabled "enabled": bool = true;
        /// Opens below this share of good answers over 10 s.
        success "success": Ratio = breaker::Options::SUCCESS_MIN;
        /// But only after so many answers.
        calls "calls": u32 = breaker::Options::CALLS_MIN;
        /// Opens after so many failures in a row. 0: never for that.
        failures "failures": u32 = breaker::Options::FAILURES_MAX;
        /// How long it is open at first.
        #[serde(with = "units::duration")]
        open "open": Duration = breaker::Options::OPEN_MIN;
        /// The longest that it is open.
        #[serde(with = "units::duration")]
        open_max "open-max": Duration = breaker::Options::OPEN_MAX;
    }
}

part! {
    /// A rate limit. Without a rate there is none.
    RateLimit, RateLimitPatch, rate_limit, "rate-limit" {
        rate "rate": Option<Rate> = None;
        /// Calls at once after a pause; without it the rate's count.
        burst "burst": Option<u32> = None;
        by "by": gcra::By = gcra::By::Route;
    }
}

part! {
    /// The adaptive limit on calls at once, below `concurrency`. On by default.
    Adaptive, AdaptivePatch, adaptive, "adaptive" {
        enabled "enabled": bool = true;
        /// The limit is never above.
        max "max": u32 = gradient::Options::MAX;
    }
}

part! {
    /// Shedding of a standing queue, and what counts as one. Off by default where the number of places is fixed: then
    /// a queue is what its author asked for, and where calls take long it stands without anything being wrong. Where
    /// the adaptive limit makes calls wait it is on unless somebody says otherwise.
    Shedding, SheddingPatch, shedding, "shedding" {
        enabled "enabled": bool = false;
        #[serde(with = "units::duration")]
        target "target": Duration = codel::Options::TARGET;
        #[serde(with = "units::duration")]
        interval "interval": Duration = codel::Options::INTERVAL;
    }
}

part! {
    /// Hedged calls. Off by default, because each is work done twice.
    Hedge, HedgePatch, hedge, "hedge" {
        enabled "enabled": bool = false;
        /// The second try is sent when this share of recent calls would have been answered.
        quantile "quantile": Ratio = hedge::Options::QUANTILE;
        /// Hedges as a share of calls over 10 s.
        budget "budget": Ratio = hedge::Options::SHARE;
        /// Or after this time, whatever calls take.
        #[serde(with = "units::optional_duration")]
        after "after": Option<Duration> = None;
    }
}

part! {
    /// How a target with several endpoints is balanced.
    Balance, BalancePatch, balance, "balance" {
        locality "locality": Spread = Spread::Any;
        #[serde(with = "units::duration")]
        slow_start "slow-start": Duration = balance::Options::SLOW_START;
        /// Whether endpoints that fail where others do not are left out.
        ejection "ejection": bool = true;
        /// Below this share of good answers.
        success "success": Ratio = outlier::Options::SUCCESS_MIN;
        /// But only after so many answers between two looks.
        calls "calls": u32 = outlier::Options::CALLS_MIN;
        /// Or after so many failures in a row. 0: never for that.
        failures "failures": u32 = outlier::Options::FAILURES_MAX;
        /// The time between two looks.
        #[serde(with = "units::duration")]
        sweep "sweep": Duration = outlier::Options::SWEEP;
        /// How long one is left out, multiplied by how often it was, at most ten times.
        #[serde(with = "units::duration")]
        out "out": Duration = outlier::Options::EJECTION;
    }
}

impl Retry {
    pub const MAX_MAX: u32 = 10;

    pub fn options(&self) -> retry::Options {
        let cap = self.base.saturating_mul(self.cap_factor.max(1));
        retry::Options { max: self.max.min(Self::MAX_MAX), base: self.base, cap }
    }
    pub fn budget(&self) -> budget::Options {
        budget::Options { share: self.budget, floor_per_s: self.floor }
    }
}

impl Breaker {
    /// `None`: there is none.
    pub fn options(&self) -> Option<breaker::Options> {
        self.enabled.then_some(breaker::Options {
            success_min: self.success,
            calls_min: self.calls,
            failures_max: self.failures,
            open_min: self.open,
            open_max: self.open_max.max(self.open),
        })
    }
}

impl RateLimit {
    /// `None`: there is none.
    pub fn options(&self) -> Option<gcra::Options> {
        let rate = self.rate?;
        let options = gcra::Options::new(rate, self.by);
        Some(gcra::Options { burst: self.burst.unwrap_or(options.burst).max(1), ..options })
    }
}

impl Adaptive {
    /// `None`: the limit is fixed.
    pub fn options(&self, cores: u32) -> Option<gradient::Options> {
        let options = gradient::Options::for_cores(cores);
        self.enabled.then_some(gradient::Options { max: self.max.max(options.min), ..options })
    }
}

impl Shedding {
    pub fn options(&self) -> codel::Options {
        let target = if self.enabled { self.target } else { codel::Options::NEVER };
        codel::Options { target, interval: self.interval }
    }
}

impl Hedge {
    /// `None`: nothing is hedged.
    pub fn options(&self) -> Option<hedge::Options> {
        let after = self.after.map_or(hedge::After::Quantile(self.quantile), hedge::After::Fixed);
        self.enabled.then_some(hedge::Options { after, share: self.budget })
    }
}

impl Balance {
    pub fn options(&self) -> balance::Options {
        let none = if self.ejection { outlier::Options::EJECTED_MAX } else { Ratio::ZERO };
        let outlier = outlier::Options {
            success_min: self.success,
            calls_min: self.calls,
            failures_max: self.failures,
            sweep: self.sweep,
            ejection: self.out,
            ejection_max: self.out.saturating_mul(10),
            ejected_max: none,
        };
        let (slow_start, spread) = (self.slow_start, self.locality);
        balance::Options { slow_start, spread, outlier, ..balance::Options::default() }
    }
}

/// What is answered where the target cannot: it failed, is shed, or its breaker is open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fallback {
    /// The error itself.
    #[default]
    None,
    /// This status, and this text as the body.
    Answer { status: u16, body: String },
    /// Another component of the same application, once.
    Component(Name),
    /// The last good answer from the cache, if it is not older.
    Stale(#[serde(with = "units::duration")] Duration),
}

impl std::fmt::Display for Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Answer { status, body } => write!(f, "answer {status}, {} bytes", body.len()),
            Self::Component(name) => write!(f, "component {name}"),
            Self::Stale(age) => write!(f, "stale up to {}", format_duration(*age)),
        }
    }
}

/// `#[serde(with = "priority")]`: as its word.
pub mod priority {
    use super::*;

    const WORDS: [(&str, Priority); 4] = [
        ("batch", Priority::Batch),
        ("default", Priority::Default),
        ("interactive", Priority::Interactive),
        ("health", Priority::Health),
    ];

    pub fn word(priority: Priority) -> &'static str {
        WORDS[priority as usize].0
    }
    /// What [`word`] writes.
    pub fn parse(text: &str) -> Option<Priority> {
        WORDS.iter().find(|(word, _)| *word == text).map(|(_, priority)| *priority)
    }
    pub fn serialize<S: serde::Serializer>(value: &Priority, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(word(*value))
    }
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Priority, D::Error> {
        let text = <String as Deserialize>::deserialize(from)?;
        let wrong = || serde::de::Error::custom("a priority is `health`, `interactive`, `default` or `batch`");
        parse(&text).ok_or_else(wrong)
    }
}
