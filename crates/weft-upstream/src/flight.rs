//! One try between its choice of an endpoint and its End: whatever happens, its place is given back once.

use std::sync::Arc;

use parking_lot::Mutex;
use weft_traffic::{
    balance::{Balancer, EndpointId},
    breaker::{Breaker, Pass},
    budget::Budget,
    hedge::Hedge,
};
use weft_types::{Class, Timestamp};

use crate::Senses;

/// What all calls of one upstream decide by. Held for moments, and never while anything is waited for.
pub(crate) struct State {
    pub(crate) balancer: Balancer,
    pub(crate) breaker: Option<Breaker>,
    pub(crate) budget: Budget,
    /// Of an upstream whose calls are hedged.
    pub(crate) hedge: Option<Hedge>,
    pub(crate) hedged: Hedged,
    /// Since the start.
    pub(crate) retries: u64,
    pub(crate) retries_refused: u64,
}

/// Second tries beside a late first one, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hedged {
    pub sent: u64,
    /// Of these, those whose answer counted.
    pub won: u64,
    /// Not sent: a budget had nothing left.
    pub refused: u64,
}

pub(crate) struct Flight {
    pub(crate) id: EndpointId,
    pub(crate) address: Arc<str>,
    pub(crate) began: Timestamp,
    state: Arc<Mutex<State>>,
    senses: Senses,
    pass: Option<Pass>,
    /// Unknown until the Head. A flight that is dropped before was given up, and says nothing of the upstream.
    judged: Option<Class>,
}

impl Flight {
    pub(crate) fn new(
        (id, address): (EndpointId, Arc<str>),
        began: Timestamp,
        state: &Arc<Mutex<State>>,
        senses: &Senses,
        pass: Option<Pass>,
    ) -> Self {
        Self { id, address, began, state: Arc::clone(state), senses: senses.clone(), pass, judged: None }
    }

    /// The Head is decided. A probe has found out what it was sent for; any other call counts at its End.
    pub(crate) fn head(&mut self, class: Class) {
        self.judged = Some(class);
        let now = self.senses.clock.now();
        let mut state = self.state.lock();
        if class != Class::CallerFault {
            state.balancer.answered(now, self.id, now.since(self.began), class == Class::Ok);
        }
        if let (Some(breaker), Some(pass)) = (&mut state.breaker, self.pass.filter(|pass| pass.is_probe())) {
            settle(breaker, now, pass, Some(class), &self.senses);
            self.pass = None;
        }
    }

    /// The answer broke off: whatever its Head said, this was a failure.
    pub(crate) fn broke(&mut self) {
        self.judged = Some(Class::Failure);
    }

    /// The answer was given up by whoever reads it.
    pub(crate) fn given_up(&mut self) {
        if self.judged == Some(Class::Ok) {
            self.judged = None;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.balancer.done(self.id);
        if let (Some(breaker), Some(pass)) = (&mut state.breaker, self.pass.take()) {
            settle(breaker, self.senses.clock.now(), pass, self.judged, &self.senses);
        }
    }
}

/// A caller's fault says nothing of the upstream either: it is our client's, since a 4xx is a good answer here.
fn settle(breaker: &mut Breaker, now: Timestamp, pass: Pass, class: Option<Class>, senses: &Senses) {
    match class {
        Some(class @ (Class::Ok | Class::Failure)) => breaker.record(now, pass, class, senses.draw()),
        _ => breaker.cancel(now, pass),
    }
}
