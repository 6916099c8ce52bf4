//! Policies: a [`Patch`] is what a person wrote at one level, a [`Policy`] what holds after all levels.
//!
//! One patch type at every level (application, component, route, link, consumer); the most specific wins per
//! field, and [`Resolution`] remembers where each field came from, for `explain`.

use std::time::Duration;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Bounds the Head. `timeout`, default 15 s.
    pub timeout: Duration,
    /// Longest pause between two frames of a body, either way. `idle-timeout`, default 60 s.
    pub idle: Duration,
    /// Bounds the End, from the start of the call. `lifetime`, default 1 h.
    pub lifetime: Duration,
    /// Largest request body in bytes. `body`, default 10 MiB.
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

/// A policy with the origin of each field, for `explain`: `(field, value as written in a manifest, origin)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    pub policy: Policy,
    pub origins: Vec<(&'static str, String, String)>,
}
