//! Which of several endpoints takes a call: the less loaded of two drawn at random, load by peak-EWMA.
//!
//! ```text
//! update (discovery) ─┐
//! check (active)     ─┼─► eligible: in use, near enough ─► choose: two by weight ─► the cheaper ─► Pick
//! sweep (outliers)   ─┘                                            ▲
//! answered, done ─────────────── time to first byte, failures ─────┘
//! ```
//!
//! Two draws are enough to avoid the worst and too few to send everyone to the best at once. A failure counts as a
//! call of 5 s: without that whoever fails fast looks fast.

use std::{sync::Arc, time::Duration};

use weft_types::Timestamp;

pub use crate::endpoint::{Active, CHECKS_TO_FALL, CHECKS_TO_RISE, EndpointSpec};
use crate::{
    Counts, Locality, Spread, chance,
    endpoint::Endpoint,
    locality,
    outlier::{self, Record},
};

/// How one callee is balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// The time constant of the average of times to first byte.
    pub decay: Duration,
    /// What a failure counts as, if it did not take longer.
    pub penalty: Duration,
    /// How long a new or healed endpoint takes until it has its whole share. Zero: at once.
    pub slow_start: Duration,
    pub spread: Spread,
    pub outlier: outlier::Options,
}

impl Options {
    pub const DECAY: Duration = Duration::from_secs(10);
    pub const PENALTY: Duration = Duration::from_secs(5);
    pub const SLOW_START: Duration = Duration::from_secs(10);
}

impl Default for Options {
    fn default() -> Self {
        Self {
            decay: Self::DECAY,
            penalty: Self::PENALTY,
            slow_start: Self::SLOW_START,
            spread: Spread::default(),
            outlier: outlier::Options::default(),
        }
    }
}

/// Names an endpoint. Never reused, so what is said of one that is gone is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(u64);

/// The endpoint for one call, counted as in flight until [`Balancer::done`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    pub id: EndpointId,
    pub address: Arc<str>,
    /// No healthy endpoint is left, so the unhealthy ones are used.
    pub unhealthy: bool,
}

/// One endpoint for `explain` and the metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub id: EndpointId,
    pub address: Arc<str>,
    pub locality: Locality,
    pub in_flight: u32,
    /// The average time to first byte as it stands.
    pub ewma: Duration,
    pub active: Active,
    pub ejected: Option<Timestamp>,
    pub times_ejected: u32,
    /// Ejections since the start.
    pub ejections: u64,
    /// Answers since the start.
    pub total: Counts,
    pub weight: u32,
    /// Below 1 while it starts slowly.
    pub ramp: f64,
    /// Whether calls may go there now.
    pub eligible: bool,
}

/// The endpoints of one callee. A choice is O(log n) without allocation; changes of health and membership O(n log n).
#[derive(Debug)]
pub struct Balancer {
    options: Options,
    here: Locality,
    /// By id, ascending; `records` in the same order.
    endpoints: Vec<Endpoint>,
    records: Vec<Record>,
    /// Indices that may be used, and the sums of their weights up to each.
    eligible: Vec<u32>,
    sums: Vec<u64>,
    unhealthy: bool,
    next: u64,
    swept: Timestamp,
}

impl Balancer {
    /// More endpoints than this are not kept: the first are.
    pub const ENDPOINTS_MAX: usize = 4_096;

    pub fn new(options: Options, here: Locality) -> Self {
        Self {
            options,
            here,
            endpoints: Vec::new(),
            records: Vec::new(),
            eligible: Vec::new(),
            sums: Vec::new(),
            unhealthy: false,
            next: 0,
            swept: Timestamp::ZERO,
        }
    }

    /// The endpoints there are from now on. What is known of those that stay is kept; a later one of the same address
    /// is dropped. Newcomers start slowly, but not the very first.
    pub fn update(&mut self, now: Timestamp, specs: &[EndpointSpec]) {
        let first = self.endpoints.is_empty();
        let mut known: std::collections::BTreeMap<Arc<str>, (Endpoint, Record)> = self
            .endpoints
            .drain(..)
            .zip(self.records.drain(..))
            .map(|(e, r)| (Arc::clone(&e.spec.address), (e, r)))
            .collect();
        let usual =
            known.values().map(|(e, _)| e.ewma(self.options.decay, now)).sum::<f64>() / known.len().max(1) as f64;
        let mut seen = std::collections::BTreeSet::new();
        let mut all = Vec::with_capacity(specs.len().min(Self::ENDPOINTS_MAX));
        for spec in specs.iter().filter(|spec| seen.insert(&*spec.address)).take(Self::ENDPOINTS_MAX) {
            let mut pair = known.remove(&spec.address).unwrap_or_else(|| {
                let since = (!first).then_some(now);
                self.next += 1;
                (Endpoint::new(self.next, spec.clone(), since, usual, now), Record::default())
            });
            pair.0.spec = spec.clone();
            all.push(pair);
        }
        all.sort_by_key(|(endpoint, _)| endpoint.id);
        (self.endpoints, self.records) = all.into_iter().unzip();
        self.rebuild();
    }

    /// Draws the endpoint for one call. `avoid`: those that were tried already, used only if no other is left.
    /// `None`: there is none that may be used. `random` is uniform.
    pub fn choose(&mut self, now: Timestamp, random: u64, avoid: &[EndpointId]) -> Option<Pick> {
        let (one, other) = (self.draw(now, random, avoid, None)?, self.draw(now, chance::mix(random), avoid, None)?);
        let mean = *self.sums.last()? as f64 / self.sums.len() as f64;
        let cost = |at: usize| {
            let endpoint = &self.endpoints[at];
            (endpoint.cost(&self.options, now, mean), endpoint.in_flight)
        };
        let cheaper = |one: usize, other: usize| if cost(other) < cost(one) { other } else { one };
        let mut at = cheaper(one, other);
        if self.failing(at, now) {
            // Both draws may have met the one that is down: nobody should have to pay for a retry because of that.
            at = cheaper(at, self.draw(now, chance::mix(!random), avoid, Some(at))?);
        }
        let endpoint = &mut self.endpoints[at];
        endpoint.in_flight += 1;
        let (id, address) = (EndpointId(endpoint.id), Arc::clone(&endpoint.spec.address));
        Some(Pick { id, address, unhealthy: self.unhealthy })
    }

    /// The first byte came, or failure, this long after the call was sent.
    pub fn answered(&mut self, now: Timestamp, id: EndpointId, took: Duration, good: bool) {
        let Some(at) = self.find(id) else { return };
        let felt = if good { took } else { took.max(self.options.penalty) };
        self.endpoints[at].observe(self.options.decay, now, felt);
        self.records[at].count(good);
        let total = &mut self.endpoints[at].total;
        if good {
            total.good += 1
        } else {
            total.bad += 1
        }
        if !good && outlier::strike(&self.options.outlier, now, &mut self.records, at) {
            self.rebuild();
        }
    }

    /// The call's last byte has gone, or it was given up.
    pub fn done(&mut self, id: EndpointId) {
        if let Some(at) = self.find(id) {
            self.endpoints[at].in_flight = self.endpoints[at].in_flight.saturating_sub(1);
        }
    }

    /// One result of an active check.
    pub fn check(&mut self, now: Timestamp, id: EndpointId, passed: bool) {
        let Some(at) = self.find(id) else { return };
        if self.endpoints[at].check(now, passed) {
            self.records[at].down = self.endpoints[at].active == Active::Unhealthy;
            self.rebuild();
        }
    }

    /// What active checks say of one. `None`: it is gone.
    pub fn active(&self, id: EndpointId) -> Option<Active> {
        self.find(id).map(|at| self.endpoints[at].active)
    }

    /// When [`Balancer::sweep`] is due.
    pub fn next_sweep(&self) -> Timestamp {
        self.swept.saturating_add(self.options.outlier.sweep)
    }

    /// Ejects outliers and brings back whose time is over. Nothing happens before it is due.
    pub fn sweep(&mut self, now: Timestamp) {
        if now < self.next_sweep() {
            return;
        }
        self.swept = now;
        let out: Vec<bool> = self.records.iter().map(|record| record.ejected.is_some()).collect();
        if outlier::sweep(&self.options.outlier, now, &mut self.records) {
            for (at, was_out) in out.into_iter().enumerate() {
                if was_out && self.records[at].ejected.is_none() {
                    self.endpoints[at].since = Some(now);
                }
            }
            self.rebuild();
        }
    }

    /// Every endpoint, the oldest first.
    pub fn views(&self, now: Timestamp) -> impl Iterator<Item = View> + '_ {
        let pairs = self.endpoints.iter().zip(&self.records).enumerate();
        pairs.map(move |(at, (endpoint, record))| View {
            id: EndpointId(endpoint.id),
            address: Arc::clone(&endpoint.spec.address),
            locality: endpoint.spec.locality.clone(),
            in_flight: endpoint.in_flight,
            ewma: Duration::from_nanos(endpoint.ewma(self.options.decay, now) as u64),
            active: endpoint.active,
            ejected: record.ejected,
            times_ejected: record.times,
            ejections: record.ejections,
            total: endpoint.total,
            weight: endpoint.spec.weight,
            ramp: endpoint.ramp(&self.options, now),
            eligible: self.eligible.binary_search(&(at as u32)).is_ok(),
        })
    }

    /// One by weight. Whoever starts slowly passes what is beyond its ramp to the next draw.
    fn draw(&self, now: Timestamp, random: u64, avoid: &[EndpointId], but: Option<usize>) -> Option<usize> {
        let total = *self.sums.last()?;
        let mut random = random;
        for _ in 0..DRAWS {
            let at = self.at(chance::below(random, total));
            random = chance::mix(random);
            if chance::unit(random) < self.endpoints[at].ramp(&self.options, now)
                && !self.avoided(at, avoid)
                && but != Some(at)
            {
                return Some(at);
            }
            random = chance::mix(random);
        }
        let others = self.eligible.iter().map(|at| *at as usize).filter(|at| self.endpoints[*at].spec.weight > 0);
        let mut others = others.filter(|at| !self.avoided(*at, avoid) && but != Some(*at));
        Some(others.next().unwrap_or_else(|| self.at(chance::below(random, total))))
    }

    /// Its last answer was a failure, and not so long ago that it should be asked again.
    fn failing(&self, at: usize, now: Timestamp) -> bool {
        let penalty = self.options.penalty.as_nanos() as f64;
        self.records[at].in_a_row > 0 && self.endpoints[at].ewma(self.options.decay, now) * 2.0 > penalty
    }

    fn at(&self, point: u64) -> usize {
        self.eligible[self.sums.partition_point(|sum| *sum <= point)] as usize
    }

    fn avoided(&self, at: usize, avoid: &[EndpointId]) -> bool {
        avoid.contains(&EndpointId(self.endpoints[at].id))
    }

    fn find(&self, id: EndpointId) -> Option<usize> {
        self.endpoints.binary_search_by_key(&id.0, |endpoint| endpoint.id).ok()
    }

    fn rebuild(&mut self) {
        let near = |endpoint: &Endpoint| self.here.near(&endpoint.spec.locality);
        let all: Vec<_> = self.endpoints.iter().zip(&self.records).map(|(e, r)| (near(e), r.in_use())).collect();
        let (eligible, unhealthy) = locality::eligible(self.options.spread, &all);
        let mut sum = 0;
        let weight = |at: &u32| u64::from(self.endpoints[*at as usize].spec.weight);
        self.sums = eligible
            .iter()
            .map(|at| {
                sum += weight(at);
                sum
            })
            .collect();
        // Nobody has a weight: then nobody is to be sent anything.
        if sum == 0 {
            self.sums.clear();
        }
        (self.eligible, self.unhealthy) = (eligible, unhealthy);
    }
}

/// Draws before the first that may be used is taken: enough that a tenth of a share comes through fairly.
const DRAWS: usize = 4;
