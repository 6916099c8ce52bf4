//! One endpoint of a callee: its load by peak-EWMA, its health, its slow start.

use std::{sync::Arc, time::Duration};

use weft_types::Timestamp;

use crate::{Counts, Locality, balance::Options};

/// What is configured or discovered of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSpec {
    /// What it is told apart by: an address, or a node's name.
    pub address: Arc<str>,
    /// Its share of the traffic beside the others'. 0 keeps it but sends nothing.
    pub weight: u32,
    pub locality: Locality,
}

/// What the active checks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Active {
    /// Not checked, or not yet: used.
    #[default]
    Unknown,
    Healthy,
    Unhealthy,
}

/// Consecutive results of active checks that change what they say.
pub const CHECKS_TO_FALL: u32 = 3;
pub const CHECKS_TO_RISE: u32 = 2;

#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) id: u64,
    pub(crate) spec: EndpointSpec,
    pub(crate) in_flight: u32,
    /// Came, or came back, then; `None`: was there from the start.
    pub(crate) since: Option<Timestamp>,
    pub(crate) active: Active,
    /// Checks in a row that contradict `active`.
    against: u32,
    /// Nanoseconds to the first byte, at `seen`.
    ewma: f64,
    seen: Timestamp,
    /// Answers since it came.
    pub(crate) total: Counts,
}

impl Endpoint {
    pub(crate) fn new(id: u64, spec: EndpointSpec, since: Option<Timestamp>, ewma: f64, now: Timestamp) -> Self {
        let total = Counts::default();
        Self { id, spec, in_flight: 0, since, active: Active::Unknown, against: 0, ewma, seen: now, total }
    }

    /// The average as it stands: with nothing heard it falls, so that whoever was slow is tried again.
    pub(crate) fn ewma(&self, decay: Duration, now: Timestamp) -> f64 {
        self.ewma * keep(now.since(self.seen), decay)
    }

    /// A longer time is believed at once, a shorter one by and by.
    pub(crate) fn observe(&mut self, decay: Duration, now: Timestamp, took: Duration) {
        let took = took.as_nanos() as f64;
        let keep = keep(now.since(self.seen), decay);
        self.ewma = if took > self.ewma * keep { took } else { self.ewma * keep + took * (1.0 - keep) };
        self.seen = self.seen.max(now);
    }

    /// What one more call would cost here. `mean`: the mean weight, which is one place.
    pub(crate) fn cost(&self, options: &Options, now: Timestamp, mean: f64) -> f64 {
        let queue = f64::from(self.in_flight) * mean / f64::from(self.spec.weight.max(1));
        self.ewma(options.decay, now) * (1.0 + queue)
    }

    /// The share of its traffic that it takes while it starts slowly: a tenth at first.
    pub(crate) fn ramp(&self, options: &Options, now: Timestamp) -> f64 {
        match self.since {
            Some(since) if now.since(since) < options.slow_start => {
                (now.since(since).as_secs_f64() / options.slow_start.as_secs_f64()).max(0.1)
            }
            _ => 1.0,
        }
    }

    /// One result of an active check. Answers whether what they say changed.
    pub(crate) fn check(&mut self, now: Timestamp, passed: bool) -> bool {
        let (says, needed) =
            if passed { (Active::Healthy, CHECKS_TO_RISE) } else { (Active::Unhealthy, CHECKS_TO_FALL) };
        if self.active == says {
            self.against = 0;
            return false;
        }
        self.against += 1;
        // The first word of a check that passes is enough for one that is in use anyway.
        if self.against < needed && !(passed && self.active == Active::Unknown) {
            return false;
        }
        self.against = 0;
        if self.active == Active::Unhealthy {
            self.since = Some(now);
        }
        self.active = says;
        true
    }
}

fn keep(passed: Duration, decay: Duration) -> f64 {
    (-passed.as_secs_f64() / decay.as_secs_f64().max(1e-9)).exp()
}
