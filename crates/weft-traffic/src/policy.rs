//! Policies: a [`Patch`] is what a person wrote at one level, a [`Policy`] what holds after all levels.
//!
//! One patch type at every level (application, component, route, link, consumer); the most specific wins per
//! field, and [`Resolution`] remembers where each field came from, for `explain`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units;

/// What one level of the manifest says. `None` leaves the field to the level above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patch {
    pub timeout: Option<Duration>,
    pub idle: Option<Duration>,
    pub lifetime: Option<Duration>,
    pub body_max: Option<u64>,
    pub concurrency: Option<u32>,
    pub queue: Option<u32>,
}

/// What holds for one route or call. Every field has a value: nothing is unbounded by omission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        }
    }
}

impl Policy {
    /// Folds the levels, the least specific first, over the defaults. Each level is named by where it was
    /// written, as `explain` shall show it: `application`, `component api`, `route weft.toml:31`.
    pub fn resolve(levels: &[(&str, &Patch)]) -> Resolution {
        let base = Self::default();
        let mut origins = Vec::with_capacity(6);
        let policy = Self {
            timeout: pick("timeout", levels, |p| p.timeout, base.timeout, time, &mut origins),
            idle: pick("idle-timeout", levels, |p| p.idle, base.idle, time, &mut origins),
            lifetime: pick("lifetime", levels, |p| p.lifetime, base.lifetime, time, &mut origins),
            body_max: pick("body", levels, |p| p.body_max, base.body_max, size, &mut origins),
            concurrency: pick("concurrency", levels, |p| p.concurrency, base.concurrency, count, &mut origins),
            queue: pick("queue", levels, |p| p.queue, base.queue, count, &mut origins),
        };
        Resolution { policy, origins }
    }
}

fn pick<T: Copy>(
    field: &'static str,
    levels: &[(&str, &Patch)],
    get: impl Fn(&Patch) -> Option<T>,
    default: T,
    show: impl Fn(T) -> String,
    origins: &mut Vec<(&'static str, String, String)>,
) -> T {
    let said = levels.iter().rev().find_map(|(origin, patch)| get(patch).map(|value| (value, *origin)));
    let (value, origin) = said.unwrap_or((default, "default"));
    origins.push((field, show(value), origin.to_owned()));
    value
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

/// A policy with the origin of each field, for `explain`: `(field, value as written in a manifest, origin)`.
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
    fn a_policy_is_stored_as_it_is_written() {
        let json = serde_json::to_string(&Policy::default()).expect("serialises");
        assert_eq!(
            json,
            r#"{"timeout":"15s","idle-timeout":"1m","lifetime":"1h","body":"10MiB","concurrency":256,"queue":1024}"#
        );
        assert_eq!(serde_json::from_str::<Policy>(&json).expect("reads back"), Policy::default());
    }
}
