//! Policies: a [`Patch`] is what a person wrote at one level, a [`Policy`] what holds after all levels.
//!
//! One patch type at every level (application, component, route, link, consumer); the most specific wins per
//! field, and [`Resolution`] remembers where each field came from, for `explain`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use weft_types::Priority;

use crate::units;

mod auth;
mod parts;

pub use auth::Auth;
use parts::Shown;
pub use parts::{
    Adaptive, AdaptivePatch, Balance, BalancePatch, Breaker, BreakerPatch, Fallback, Hedge, HedgePatch, RateLimit,
    RateLimitPatch, Retry, RetryPatch, Shedding, SheddingPatch, priority,
};

/// What one level of the manifest says. `None` leaves the field to the level above.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    pub timeout: Option<Duration>,
    pub idle: Option<Duration>,
    pub lifetime: Option<Duration>,
    pub body_max: Option<u64>,
    pub concurrency: Option<u32>,
    pub queue: Option<u32>,
    pub sockets: Option<u32>,
    pub priority: Option<Priority>,
    pub retry: RetryPatch,
    pub breaker: BreakerPatch,
    pub rate_limit: RateLimitPatch,
    pub adaptive: AdaptivePatch,
    pub shedding: SheddingPatch,
    pub hedge: HedgePatch,
    pub balance: BalancePatch,
    pub fallback: Option<Fallback>,
    pub auth: Option<Auth>,
}

/// What holds for one route or call. Every field has a value: nothing is unbounded by omission.
///
/// Stored and read back with the parts that differ from the default, so that what an older version stored is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// Bounds the Head. `timeout`, default 15 s.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// Longest pause between two frames of a body, either way. `idle-timeout`, default 60 s.
    #[serde(rename = "idle-timeout", with = "units::duration")]
    pub idle: Duration,
    /// Bounds the End, from the start of the call. `lifetime`, default 1 h.
    #[serde(with = "units::duration")]
    pub lifetime: Duration,
    /// Largest request body in bytes. `body`, default 10 MiB.
    #[serde(rename = "body", with = "units::bytes")]
    pub body_max: u64,
    /// Calls in progress at once per component. `concurrency`, default 256.
    pub concurrency: u32,
    /// Calls that may wait for a place. `queue`, default 1024.
    pub queue: u32,
    /// WebSockets open at once, for each route. `sockets`, default 1024.
    #[serde(default = "sockets", skip_serializing_if = "is_usual")]
    pub sockets: u32,
    /// Who waits and is shed last. `priority`, default `default`.
    #[serde(with = "priority", default, skip_serializing_if = "is_default")]
    pub priority: Priority,
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    #[serde(default, skip_serializing_if = "is_default")]
    pub breaker: Breaker,
    #[serde(default, skip_serializing_if = "is_default")]
    pub rate_limit: RateLimit,
    #[serde(default, skip_serializing_if = "is_default")]
    pub adaptive: Adaptive,
    #[serde(default, skip_serializing_if = "is_default")]
    pub shedding: Shedding,
    #[serde(default, skip_serializing_if = "is_default")]
    pub hedge: Hedge,
    #[serde(default, skip_serializing_if = "is_default")]
    pub balance: Balance,
    /// What is answered where the target cannot. `fallback`, default the error.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fallback: Fallback,
    /// Who may call. `auth`, default anybody.
    #[serde(default, skip_serializing_if = "is_default")]
    pub auth: Auth,
}

fn sockets() -> u32 {
    1024
}

fn is_usual(value: &u32) -> bool {
    *value == sockets()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            lifetime: Duration::from_secs(3600),
            body_max: 10 << 20,
            concurrency: 256,
            queue: 1024,
            sockets: sockets(),
            priority: Priority::default(),
            retry: Retry::default(),
            breaker: Breaker::default(),
            rate_limit: RateLimit::default(),
            adaptive: Adaptive::default(),
            shedding: Shedding::default(),
            hedge: Hedge::default(),
            balance: Balance::default(),
            fallback: Fallback::default(),
            auth: Auth::default(),
        }
    }
}

impl Policy {
    /// Folds the levels, the least specific first, over the defaults. Each level is named by where it was
    /// written, as `explain` shall show it: `application`, `component api`, `route weft.toml:31`.
    pub fn resolve(levels: &[(&str, &Patch)]) -> Resolution {
        let base = Self::default();
        let levels = &mut Levels { levels, origins: Vec::with_capacity(8) };
        let policy = Self {
            timeout: levels.always("timeout", |p| p.timeout, base.timeout, time),
            idle: levels.always("idle-timeout", |p| p.idle, base.idle, time),
            lifetime: levels.always("lifetime", |p| p.lifetime, base.lifetime, time),
            body_max: levels.always("body", |p| p.body_max, base.body_max, size),
            concurrency: levels.always("concurrency", |p| p.concurrency, base.concurrency, count),
            queue: levels.always("queue", |p| p.queue, base.queue, count),
            sockets: levels.said("sockets", |p| p.sockets, base.sockets),
            priority: levels.said("priority", |p| p.priority, base.priority),
            retry: Retry::fold(levels),
            breaker: Breaker::fold(levels),
            rate_limit: RateLimit::fold(levels),
            adaptive: Adaptive::fold(levels),
            shedding: Shedding::fold(levels),
            hedge: Hedge::fold(levels),
            balance: Balance::fold(levels),
            fallback: levels.said("fallback", |p| p.fallback.clone(), base.fallback),
            auth: levels.said("auth", |p| p.auth.clone(), base.auth),
        };
        Resolution { policy, origins: std::mem::take(&mut levels.origins) }
    }

    /// What holds though nobody said it: every field of `parts`, such as `breaker`, that `origins` lacks, each with the
    /// origin `default`.
    pub fn unsaid(&self, parts: &[&str], origins: &[Told]) -> Vec<Told> {
        let all = [
            self.retry.shown(),
            self.breaker.shown(),
            self.rate_limit.shown(),
            self.adaptive.shown(),
            self.shedding.shown(),
            self.hedge.shown(),
            self.balance.shown(),
        ];
        let wanted = |field: &str| field.split_once('.').is_some_and(|(part, _)| parts.contains(&part));
        let unsaid = |field: &str| origins.iter().all(|(said, ..)| *said != field);
        let fields = all.into_iter().flatten().filter(|(field, _)| wanted(field) && unsaid(field));
        fields.map(|(field, value)| (field, value, "default".to_owned())).collect()
    }
}

/// One field: its name, its value as a manifest would have it, and where it was said.
pub type Told = (&'static str, String, String);

impl Resolution {
    /// Whether some level said anything of this part, such as `breaker`.
    pub fn says(&self, part: &str) -> bool {
        self.origins.iter().any(|(field, ..)| field.split('.').next() == Some(part) && field.len() > part.len())
    }
}

/// The levels being folded, and what has been learnt of origins.
struct Levels<'a> {
    levels: &'a [(&'a str, &'a Patch)],
    origins: Vec<(&'static str, String, String)>,
}

impl<'a> Levels<'a> {
    /// A bound that holds for every call: shown where it is the default too.
    fn always<T: Copy>(
        &mut self,
        field: &'static str,
        get: impl Fn(&Patch) -> Option<T>,
        default: T,
        show: impl Fn(T) -> String,
    ) -> T {
        let (value, origin) = self.find(get).unwrap_or((default, "default"));
        self.origins.push((field, show(value), origin.to_owned()));
        value
    }

    /// One of the many: shown where somebody said it.
    fn said<T: Shown>(&mut self, field: &'static str, get: impl Fn(&Patch) -> Option<T>, default: T) -> T {
        let Some((value, origin)) = self.find(get) else { return default };
        self.origins.push((field, value.shown(), origin.to_owned()));
        value
    }

    fn find<T>(&self, get: impl Fn(&Patch) -> Option<T>) -> Option<(T, &'a str)> {
        self.levels.iter().rev().find_map(|(origin, patch)| get(patch).map(|value| (value, *origin)))
    }
}

fn time(value: Duration) -> String {
    units::format_duration(value)
}
fn size(value: u64) -> String {
    units::format_bytes(value)
}
fn count(value: u32) -> String {
    value.to_string()
}

/// A policy with the origin of each field, for `explain`: `(field, value as written in a manifest, origin)`. The six
/// bounds are always listed; of the rest what some level said, since what nobody said is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    pub policy: Policy,
    pub origins: Vec<(&'static str, String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_level_wins_per_field_and_is_named() {
        let application = Patch { timeout: Some(Duration::from_secs(5)), queue: Some(7), ..Patch::default() };
        let route = Patch { timeout: Some(Duration::from_millis(200)), body_max: Some(1 << 20), ..Patch::default() };
        let levels =
            [("application", &application), ("component api", &Patch::default()), ("route weft.toml:31", &route)];
        let Resolution { policy, origins } = Policy::resolve(&levels);
        let wanted = Policy { timeout: Duration::from_millis(200), body_max: 1 << 20, queue: 7, ..Policy::default() };
        assert_eq!(policy, wanted);
        let told: Vec<String> = origins.iter().map(|(field, value, from)| format!("{field} {value} {from}")).collect();
        assert_eq!(
            told,
            [
                "timeout 200ms route weft.toml:31",
                "idle-timeout 1m default",
                "lifetime 1h default",
                "body 1MiB route weft.toml:31",
                "concurrency 256 default",
                "queue 7 application",
            ]
        );
    }

    #[test]
    fn every_part_is_patched_field_by_field() {
        let application = Patch {
            retry: RetryPatch { max: Some(5), budget: Some(crate::Ratio::percent(10)), ..RetryPatch::default() },
            priority: Some(Priority::Batch),
            ..Patch::default()
        };
        let route = Patch {
            retry: RetryPatch { max: Some(1), ..RetryPatch::default() },
            breaker: BreakerPatch { enabled: Some(false), ..BreakerPatch::default() },
            rate_limit: RateLimitPatch {
                rate: Some(Some("100/s".parse().expect("a rate"))),
                ..RateLimitPatch::default()
            },
            hedge: HedgePatch { after: Some(Some(Duration::from_millis(30))), ..HedgePatch::default() },
            fallback: Some(Fallback::Stale(Duration::from_secs(60))),
            ..Patch::default()
        };
        let Resolution { policy, origins } = Policy::resolve(&[("application", &application), ("route", &route)]);
        let budget = policy.retry.budget();
        assert_eq!((policy.retry.options().max, budget.share, budget.floor_per_s), (1, crate::Ratio::percent(10), 3));
        assert_eq!(policy.breaker.options(), None);
        assert_eq!(policy.rate_limit.options().map(|limit| limit.burst), Some(100));
        let told: Vec<String> =
            origins[6..].iter().map(|(field, value, from)| format!("{field} {value} {from}")).collect();
        assert_eq!(
            told,
            [
                "priority batch application",
                "retry.max 1 route",
                "retry.budget 10% application",
                "breaker.enabled false route",
                "rate-limit.rate 100/s route",
                "hedge.after 30ms route",
                "fallback stale up to 1m route",
            ]
        );
        let json = serde_json::to_string(&policy).expect("serialises");
        assert_eq!(serde_json::from_str::<Policy>(&json).expect("reads back"), policy);
        assert!(serde_json::from_str::<Policy>(&json.replace("cap-factor", "cap-faktor")).is_err());
    }

    #[test]
    fn the_defaults_are_those_of_the_cores() {
        use crate::{balance, breaker, budget, codel, gradient, retry};
        let policy = Policy::default();
        assert_eq!(policy.retry.options(), retry::Options::default());
        assert_eq!(policy.retry.budget(), budget::Options::default());
        assert_eq!(policy.breaker.options(), Some(breaker::Options::default()));
        assert_eq!(policy.adaptive.options(4), Some(gradient::Options::for_cores(4)));
        assert_eq!(policy.shedding.options().target, codel::Options::NEVER);
        assert_eq!(Shedding { enabled: true, ..Shedding::default() }.options(), codel::Options::default());
        assert_eq!(policy.balance.options(), balance::Options::default());
        assert_eq!((policy.hedge.options(), policy.rate_limit.options()), (None, None));
        assert_eq!(Hedge { enabled: true, ..Hedge::default() }.options(), Some(crate::hedge::Options::default()));
    }

    #[test]
    fn a_policy_is_stored_as_it_is_written() {
        let json = serde_json::to_string(&Policy::default()).expect("serialises");
        assert_eq!(
            json,
            r#"{"timeout":"15s","idle-timeout":"1m","lifetime":"1h","body":"10MiB","concurrency":256,"queue":1024}"#
        );
        assert_eq!(serde_json::from_str::<Policy>(&json).expect("reads back"), Policy::default());
    }
}
