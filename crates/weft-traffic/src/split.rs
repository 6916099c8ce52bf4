//! A split of one route's traffic between arms, by weight, and sticky for whoever should stay with one arm.
//!
//! ```text
//! forced by a header ─► that arm
//! else key (identity, tenant, header, cookie) or a random number ─► the arm with the best draw, weighted
//! ```
//!
//! Each arm draws from a hash of key and arm (weighted rendezvous), so when weights move only as many keys move as
//! must, and only to arms that gained. A cookie holds a random key, not an arm: its owner cannot choose an arm with
//! it, and it follows the weights, down to zero for an arm that was rolled back.

use std::{
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use http::HeaderName;
use weft_types::Class;

use crate::{HeaderMatch, chance};

/// One of the ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// What it is told apart by, in keys too: renaming an arm moves its keys.
    pub name: Arc<str>,
    /// Beside the others'. 0: only by force.
    pub weight: u32,
    /// A request with this header takes this arm, whatever its key; the first arm that matches.
    pub force: Option<HeaderMatch>,
}

/// Whose requests stay together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Sticky {
    /// Nobody's: each is drawn afresh.
    #[default]
    No,
    Identity,
    Tenant,
    Header(HeaderName),
    /// A cookie of ours with this name, 16 hexadecimal digits, given to whoever brings none.
    Cookie(Arc<str>),
}

/// Where one request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Index of the arm.
    pub arm: usize,
    pub because: Because,
}

/// Why it goes there, for `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    Forced,
    /// Its key decided.
    Sticky,
    /// It had no key and was drawn. `Some`: the value of the cookie to set, by which it will stay with this arm.
    Drawn {
        cookie: Option<u64>,
    },
}

/// How one arm's calls ended since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    pub ok: u64,
    pub caller_fault: u64,
    pub failure: u64,
    pub shed: u64,
}

impl Outcomes {
    pub fn count(&mut self, class: Class) {
        match class {
            Class::Ok => self.ok += 1,
            Class::CallerFault => self.caller_fault += 1,
            Class::Failure => self.failure += 1,
            Class::Shed => self.shed += 1,
        }
    }
    pub fn total(&self) -> u64 {
        self.ok + self.caller_fault + self.failure + self.shed
    }
}

/// The arms of one route. Immutable: new weights are a new split with the same names and seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    arms: Vec<Arm>,
    pub sticky: Sticky,
    seed: u64,
}

/// Why arms are no split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    #[error("a split has 1 to {} arms", Split::ARMS_MAX)]
    Count,
    #[error("two arms have one name")]
    Duplicate,
    #[error("every arm has a weight of 0")]
    NoWeight,
}

impl Split {
    pub const ARMS_MAX: usize = 16;

    /// `seed`: of the route, the same on every node and in every revision, so that a key stays where it is; different
    /// between routes, so that not the same people are the canaries everywhere.
    pub fn new(arms: Vec<Arm>, sticky: Sticky, seed: u64) -> Result<Self, SplitError> {
        if arms.is_empty() || arms.len() > Self::ARMS_MAX {
            return Err(SplitError::Count);
        }
        if arms.iter().enumerate().any(|(at, arm)| arms[..at].iter().any(|other| other.name == arm.name)) {
            return Err(SplitError::Duplicate);
        }
        if arms.iter().all(|arm| arm.weight == 0) {
            return Err(SplitError::NoWeight);
        }
        Ok(Self { arms, sticky, seed })
    }

    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// The arm of one request. `key`: what [`Split::sticky`] asks for, where the request has it; of a cookie its
    /// value, see [`parse_cookie`]. `random` is uniform. At most 16 hashes, no allocation.
    pub fn choose(&self, headers: &http::HeaderMap, key: Option<&[u8]>, random: u64) -> Choice {
        if let Some(arm) = self.arms.iter().position(|arm| arm.force.as_ref().is_some_and(|force| has(headers, force)))
        {
            return Choice { arm, because: Because::Forced };
        }
        match (&self.sticky, key) {
            (Sticky::No, _) => Choice { arm: self.draw(random), because: Because::Drawn { cookie: None } },
            (_, Some(key)) => Choice { arm: self.of_key(key), because: Because::Sticky },
            (Sticky::Cookie(_), None) => {
                let arm = self.of_key(&random.to_be_bytes());
                Choice { arm, because: Because::Drawn { cookie: Some(random) } }
            }
            (_, None) => Choice { arm: self.draw(random), because: Because::Drawn { cookie: None } },
        }
    }

    fn draw(&self, random: u64) -> usize {
        let total = self.arms.iter().map(|arm| u64::from(arm.weight)).sum();
        let mut point = chance::below(random, total);
        let takes = |arm: &Arm| {
            let weight = u64::from(arm.weight);
            let taken = point < weight;
            point = point.saturating_sub(weight);
            taken
        };
        self.arms.iter().position(takes).unwrap_or_default()
    }

    /// The greatest of `ln(u) / weight` with u uniform for each key and arm: wins with probability by weight.
    fn of_key(&self, key: &[u8]) -> usize {
        let score = |arm: &Arm| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(self.seed);
            hasher.write(arm.name.as_bytes());
            hasher.write_u8(0xff);
            hasher.write(key);
            let uniform = chance::unit(hasher.finish()).max(f64::MIN_POSITIVE);
            uniform.ln() / f64::from(arm.weight)
        };
        let weighted = self.arms.iter().enumerate().filter(|(_, arm)| arm.weight > 0);
        let best = weighted.map(|(at, arm)| (at, score(arm))).max_by(|(_, a), (_, b)| a.total_cmp(b));
        best.map_or(0, |(at, _)| at)
    }
}

pub(crate) fn has(headers: &http::HeaderMap, wanted: &HeaderMatch) -> bool {
    let values = || headers.get_all(&wanted.name).iter();
    match &wanted.value {
        None => values().next().is_some(),
        Some(value) => values().any(|got| got.as_bytes() == value.as_bytes()),
    }
}

/// The key in a cookie of ours: exactly 16 hexadecimal digits. Others are as good as none.
pub fn parse_cookie(value: &str) -> Option<[u8; 8]> {
    let hex = value.len() == 16 && value.bytes().all(|b| b.is_ascii_hexdigit());
    let key = hex.then(|| u64::from_str_radix(value, 16).ok()).flatten();
    key.map(u64::to_be_bytes)
}

/// What [`parse_cookie`] reads back.
pub fn format_cookie(key: u64) -> String {
    format!("{key:016x}")
}
