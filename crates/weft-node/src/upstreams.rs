//! How upstreams stand: for people, and for the metrics.

use std::sync::{Arc, Weak};

use weft_api::{BreakerStatus, EndpointStatus, HedgeStatus, UpstreamStatus};
use weft_telemetry::metrics::{BreakerReading, EndpointReading, HedgeReading, UpstreamReading, UpstreamSource};
use weft_traffic::{
    balance::{Active, View},
    breaker::{self, Cause, State},
};
use weft_types::Timestamp;

use crate::{
    deploy::{Running, World},
    door::Gated,
    limits,
    node::Node,
};

impl Running {
    /// Each of its upstreams once, in the order of the routes.
    pub(crate) fn upstreams(&self) -> Vec<&Arc<Gated>> {
        let mut all: Vec<&Arc<Gated>> = Vec::new();
        for way in &self.ways {
            if !all.iter().any(|known| Arc::ptr_eq(known, &way.to)) {
                all.push(&way.to);
            }
        }
        all
    }
}

pub(crate) fn status(gated: &Gated) -> UpstreamStatus {
    let load = gated.gate.load();
    let seen = gated.upstream.status();
    let endpoint = |view: &View| EndpointStatus {
        address: view.address.to_string(),
        state: state(view).to_owned(),
        weight: view.weight,
        zone: view.locality.zone.as_deref().map(str::to_owned),
        region: view.locality.region.as_deref().map(str::to_owned),
        requests: view.total.total(),
        failures: view.total.bad,
        ejections: view.ejections,
        active: view.in_flight.into(),
        latency_us: view.ewma.as_micros() as u64,
    };
    let breaker = seen.breaker.map(|view| breaker(&view, seen.now));
    UpstreamStatus {
        name: gated.shared.name.to_string(),
        active: load.running.into(),
        waiting: load.waiting.into(),
        places: load.places.into(),
        adaptive: limits::status(&load),
        retries: seen.retries,
        retries_refused: seen.retries_refused,
        hedges: seen.hedged.map(|hedged| HedgeStatus { sent: hedged.sent, won: hedged.won, refused: hedged.refused }),
        breaker,
        endpoints: seen.endpoints.iter().map(endpoint).collect(),
    }
}

pub(crate) fn breaker(view: &breaker::View, now: Timestamp) -> BreakerStatus {
    BreakerStatus {
        state: view.state.to_string(),
        cause: view.cause.map(cause).unwrap_or_default(),
        open_ms: open_ms(view.state, now),
        opens: view.opens,
        refused: view.refused,
    }
}

fn state(view: &View) -> &'static str {
    match view {
        _ if view.weight == 0 => "idle",
        _ if view.active == Active::Unhealthy => "unhealthy",
        _ if view.ejected.is_some() => "ejected",
        _ if !view.eligible => "standby",
        _ if view.ramp < 1.0 => "starting",
        _ => "in use",
    }
}

fn cause(cause: Cause) -> String {
    match cause {
        Cause::Success { good, of } => format!("{good} of {of} answers were good"),
        Cause::Consecutive(failures) => format!("{failures} failures in a row"),
        Cause::Probe => "the one call that was let through failed".to_owned(),
    }
}

fn open_ms(state: State, now: Timestamp) -> u64 {
    match state {
        State::Open { until } => until.since(now).as_millis() as u64,
        State::Closed | State::Probing { .. } => 0,
    }
}

/// Reads the upstreams of a node's applications.
pub(crate) struct Read(pub(crate) Weak<Node>);

impl UpstreamSource for Read {
    fn read(&self) -> Vec<UpstreamReading> {
        self.0.upgrade().map(|node| readings(&node.world.lock())).unwrap_or_default()
    }
}

/// Two upstreams of one name, as routes without one may have, are one in the metrics.
fn readings(world: &World) -> Vec<UpstreamReading> {
    let mut all: Vec<UpstreamReading> = Vec::new();
    for gated in world.running.values().flat_map(|running| running.upstreams()) {
        let one = reading(gated);
        let known =
            all.iter_mut().find(|known| (&known.application, &known.upstream) == (&one.application, &one.upstream));
        match known {
            Some(known) => add(known, &one),
            None => all.push(one),
        }
    }
    all
}

fn reading(gated: &Gated) -> UpstreamReading {
    let load = gated.gate.load();
    let seen = gated.upstream.status();
    let endpoint = |view: &View| EndpointReading {
        endpoint: Arc::clone(&view.address),
        ok: view.total.good,
        failures: view.total.bad,
        ejections: view.ejections,
        up: view.eligible,
        active: view.in_flight.into(),
    };
    UpstreamReading {
        application: gated.shared.application.clone(),
        upstream: Arc::clone(&gated.shared.name),
        retries: seen.retries,
        retries_refused: seen.retries_refused,
        hedges: seen.hedged.map(|hedged| HedgeReading { sent: hedged.sent, won: hedged.won, refused: hedged.refused }),
        active: load.running.into(),
        waiting: load.waiting.into(),
        places: load.places.into(),
        breaker: seen.breaker.map(|view| BreakerReading {
            state: view.state.as_str(),
            opens: view.opens,
            refused: view.refused,
        }),
        endpoints: seen.endpoints.iter().map(endpoint).collect(),
    }
}

fn add(to: &mut UpstreamReading, one: &UpstreamReading) {
    to.retries += one.retries;
    to.retries_refused += one.retries_refused;
    if let Some(other) = one.hedges {
        let known = to.hedges.get_or_insert_default();
        known.sent += other.sent;
        known.won += other.won;
        known.refused += other.refused;
    }
    to.active += one.active;
    to.waiting += one.waiting;
    to.places += one.places;
    if let (Some(known), Some(other)) = (&mut to.breaker, one.breaker) {
        known.opens += other.opens;
        known.refused += other.refused;
        // One that is not closed is what somebody wants to know of.
        known.state = if known.state == "closed" { other.state } else { known.state };
    }
    for endpoint in &one.endpoints {
        match to.endpoints.iter_mut().find(|known| known.endpoint == endpoint.endpoint) {
            Some(known) => {
                known.ok += endpoint.ok;
                known.failures += endpoint.failures;
                known.ejections += endpoint.ejections;
                known.active += endpoint.active;
                known.up |= endpoint.up;
            }
            None => to.endpoints.push(endpoint.clone()),
        }
    }
}
