//! Rate limits by the generic cell rate algorithm: one number a key says when the next call is due.
//!
//! ```text
//!            ┌── burst × spacing ──┐
//!   ──now────┼─────────────────────┼──►      due (TAT): each call moves it on by the spacing;
//!            └─ due at most here ──┘         a call that would move it beyond the burst is denied
//! ```
//!
//! # The table of keys, and why it cannot be abused
//!
//! Keys are chosen by callers, so the table is bounded and a flood of fresh keys must push others out. Forgetting a
//! key whose `due` is past changes nothing: it has its whole burst again anyway. Forgetting one that is still in debt
//! would forgive the debt. So each set of [`WAYS`] entries keeps a *floor*: the latest `due` that it ever pushed
//! out (always the earliest of the set), and a key that is not in the set starts at the floor. A key that was pushed
//! out and comes back therefore never finds a smaller debt than it left; the price of a flood is that strangers
//! begin with less than a whole burst, which costs the flooder as much as anyone. Sets are found by a keyed hash,
//! so nobody can aim at one. The table grows by doubling, floors inherited, up to its bound.

use std::{
    hash::{DefaultHasher, Hasher},
    net::IpAddr,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use weft_types::Timestamp;

use crate::Rate;

/// Entries that share one place of the table: a lookup reads so many and no more.
pub const WAYS: usize = 8;

/// One rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    pub rate: Rate,
    /// Calls at once after a pause. Default: the rate's count, so that `100/s` grants 100 at once.
    pub burst: u32,
    pub by: By,
    /// Keys that are known at once. 16 bytes each.
    pub keys_max: u32,
}

impl Options {
    pub const KEYS_MAX: u32 = 1 << 16;

    /// With the burst and bound that belong to this rate.
    pub fn new(rate: Rate, by: By) -> Self {
        Self { rate, burst: rate.count().get(), by, keys_max: Self::KEYS_MAX }
    }
}

/// Who shares one limit. Each limiter belongs to one route or callee, so that is part of every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// All calls together.
    #[default]
    Route,
    /// Each tenant.
    Tenant,
    /// Each proven identity of each tenant; without one, the address, so that one stranger cannot spend for all.
    Identity,
    /// Each address; of IPv6 the first 64 bits, since a household has all of the rest.
    Address,
}

impl By {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Tenant => "tenant",
            Self::Identity => "identity",
            Self::Address => "address",
        }
    }
}

/// Who is calling. Tenant and identity as proven, never as claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subject<'a> {
    pub tenant: Option<&'a str>,
    pub identity: Option<&'a str>,
    pub address: Option<IpAddr>,
}

/// What a call is told: allowed or denied, and the three numbers of the `RateLimit` header fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// `Err`: answer 429; so long until such a call would be allowed, if no other comes.
    pub allowed: Result<(), Denied>,
    /// The burst.
    pub limit: u32,
    /// Calls that would be allowed at once after this one.
    pub remaining: u32,
    /// Until `remaining` is `limit` again.
    pub reset: Duration,
}

/// Over the limit. Nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    pub retry_after: Duration,
}

impl Denied {
    /// For the header `Retry-After`: whole seconds, at least 1.
    pub fn retry_after_s(&self) -> u64 {
        self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0 || self.retry_after.is_zero())
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    hash: u64,
    /// Nanoseconds since the epoch; 0 for an entry never used.
    due: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Set {
    entries: [Entry; WAYS],
    floor: u64,
}

/// The limit and its keys. A call is constant work; only a doubling of the table allocates.
#[derive(Debug, Clone)]
pub struct Limiter {
    options: Options,
    seed: u64,
    spacing: u64,
    /// `burst × spacing`: how far beyond now a due may lie.
    span: u64,
    sets: Vec<Set>,
    sets_max: usize,
    denied: u64,
}

impl Limiter {
    /// `seed`: random, so that nobody can choose keys that fall into one set.
    pub fn new(options: Options, seed: u64) -> Self {
        let spacing = options.rate.spacing().as_nanos() as u64;
        let sets_max = (options.keys_max as usize).div_ceil(WAYS).next_power_of_two();
        let sets = if options.by == By::Route { 1 } else { sets_max.min(8) };
        Self {
            options,
            seed,
            spacing,
            span: spacing.saturating_mul(u64::from(options.burst.max(1))),
            sets: vec![Set::default(); sets],
            sets_max,
            denied: 0,
        }
    }

    pub fn options(&self) -> Options {
        self.options
    }
    /// Calls denied since the start.
    pub fn denied(&self) -> u64 {
        self.denied
    }
    /// Keys for which there is room now.
    pub fn room(&self) -> usize {
        self.sets.len() * WAYS
    }

    /// Counts one call.
    pub fn check(&mut self, now: Timestamp, subject: &Subject<'_>) -> Verdict {
        self.check_cost(now, subject, 1)
    }

    /// Counts a call that is worth `cost` calls. More than the burst is never allowed.
    pub fn check_cost(&mut self, now: Timestamp, subject: &Subject<'_>, cost: u32) -> Verdict {
        let (now, hash) = (now.as_nanos(), self.hash(subject));
        let due = self.due(hash).max(now);
        let next = due.saturating_add(self.spacing.saturating_mul(u64::from(cost)));
        let latest = now.saturating_add(self.span);
        if next > latest {
            self.denied += 1;
            let denied = Denied { retry_after: Duration::from_nanos(next - latest) };
            return self.verdict(Err(denied), due - now);
        }
        self.set_due(hash, next, now);
        self.verdict(Ok(()), next - now)
    }

    fn verdict(&self, allowed: Result<(), Denied>, debt: u64) -> Verdict {
        let left = self.span.saturating_sub(debt) / self.spacing;
        Verdict {
            allowed,
            limit: self.options.burst.max(1),
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset: Duration::from_nanos(debt),
        }
    }

    fn due(&self, hash: u64) -> u64 {
        let set = &self.sets[self.place(hash)];
        let known = set.entries.iter().find(|entry| entry.hash == hash && entry.due > 0);
        known.map_or(set.floor, |entry| entry.due)
    }

    fn set_due(&mut self, hash: u64, due: u64, now: u64) {
        let mut set = self.place(hash);
        while self.sets[set].full_of_others(hash, now) && self.sets.len() < self.sets_max {
            self.double();
            set = self.place(hash);
        }
        self.sets[set].put(Entry { hash, due });
    }

    fn place(&self, hash: u64) -> usize {
        hash as usize & (self.sets.len() - 1)
    }

    /// Each set is split in two by the next bit of the hash.
    fn double(&mut self) {
        let old = self.sets.len();
        self.sets.extend_from_within(..);
        for (at, set) in self.sets.iter_mut().enumerate() {
            for entry in &mut set.entries {
                if entry.hash as usize & old != at & old {
                    *entry = Entry::default();
                }
            }
        }
    }

    /// The seed first: without it nobody can say which keys meet. Two keys with one hash share a limit; at 2^-64.
    fn hash(&self, subject: &Subject<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        match (self.options.by, subject.identity) {
            (By::Route, _) => {}
            (By::Tenant, _) => text(&mut hasher, 1, subject.tenant),
            (By::Identity, Some(identity)) => {
                text(&mut hasher, 1, subject.tenant);
                text(&mut hasher, 2, Some(identity));
            }
            (By::Identity, None) => {
                text(&mut hasher, 1, subject.tenant);
                address(&mut hasher, subject.address);
            }
            (By::Address, _) => address(&mut hasher, subject.address),
        }
        hasher.finish()
    }
}

impl Set {
    fn full_of_others(&self, hash: u64, now: u64) -> bool {
        self.entries.iter().all(|entry| entry.due > now && entry.hash != hash)
    }

    /// Over the same key, else over the earliest due, which the floor remembers.
    fn put(&mut self, entry: Entry) {
        let same = self.entries.iter().position(|known| known.hash == entry.hash && known.due > 0);
        let earliest = || (0..WAYS).min_by_key(|at| self.entries[*at].due).unwrap_or_default();
        let at = same.unwrap_or_else(earliest);
        if same.is_none() {
            self.floor = self.floor.max(self.entries[at].due);
        }
        self.entries[at] = entry;
    }
}

fn text(hasher: &mut DefaultHasher, tag: u8, text: Option<&str>) {
    hasher.write_u8(if text.is_some() { tag } else { 0 });
    let text = text.unwrap_or_default();
    hasher.write_usize(text.len());
    hasher.write(text.as_bytes());
}

fn address(hasher: &mut DefaultHasher, address: Option<IpAddr>) {
    match address.map(|address| address.to_canonical()) {
        None => hasher.write_u8(3),
        Some(IpAddr::V4(v4)) => {
            hasher.write_u8(4);
            hasher.write(&v4.octets());
        }
        Some(IpAddr::V6(v6)) => {
            hasher.write_u8(6);
            hasher.write(&v6.octets()[..8]);
        }
    }
}
