//! A second try beside a first that is late: to another endpoint where there is one, and the first good answer counts.
//!
//! ```text
//! first ───────────────────────────────?            given up: its endpoint is told how long it had not answered
//!           └ wait ─► budgets ─► second ─► Head     counts
//! ```
//!
//! A hedge is paid for twice: by the budget of hedges, so that a slow callee is not given twice the work for being slow,
//! and by that of retries, which bounds all that is sent beyond first tries.

use std::{num::NonZeroU32, pin::pin, time::Duration};

use tokio::time::sleep;
use weft_traffic::{
    balance::EndpointId,
    hedge::Stop,
    retry::{Replay as Held, Try},
};
use weft_types::{Class, Outcome, Timestamp};

use crate::{
    flight::Flight,
    replay::Replay,
    upstream::{Asked, Upstream},
};

/// The number of the second try.
const SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

impl Upstream {
    /// Makes the first try of a call, and a second one beside it where it is late. Answers the number of the last try.
    pub(crate) async fn hedged(
        &self,
        asked: Asked<'_>,
        flight: Flight,
        body: &Replay,
        first: Try,
        tried: &mut Vec<EndpointId>,
    ) -> (Outcome, NonZeroU32) {
        let (id, began) = (flight.id, flight.began);
        let wait = self.late_after(began, &first);
        let mut one = pin!(self.attempt(&asked, flight, body.again()));
        let flight = match wait {
            None => None,
            Some(wait) => tokio::select! {
                biased;
                outcome = &mut one => return (self.answered(began, outcome), asked.attempt),
                () = sleep(wait) => self.second(&Try { body: body.state(), ..first }, body, tried),
            },
        };
        let Some(flight) = flight else { return (self.answered(began, one.await), asked.attempt) };
        tried.push(flight.id);
        let again = asked.numbered(SECOND);
        let mut other = pin!(self.attempt(&again, flight, body.again()));
        let (won, outcome) = tokio::select! {
            biased;
            outcome = &mut one => (false, outcome),
            outcome = &mut other => (true, outcome),
        };
        if outcome.class != Class::Failure {
            if won {
                self.outrun(id, began);
            }
            return (self.answered(began, outcome), SECOND);
        }
        // Whoever fails first must not take away the answer of the other.
        drop(outcome);
        let outcome = if won { one.await } else { other.await };
        if !won && outcome.class != Class::Failure {
            self.state.lock().hedged.won += 1;
        }
        (self.answered(began, outcome), SECOND)
    }

    /// After how long the first try is late; `None`: it is not hedged.
    fn late_after(&self, now: Timestamp, first: &Try) -> Option<Duration> {
        self.state.lock().hedge.as_mut()?.start(now, first).ok()
    }

    /// The place of a second try, which is paid for.
    fn second(&self, first: &Try, body: &Replay, tried: &[EndpointId]) -> Option<Flight> {
        if !body.is_whole() || !matches!(first.body, Held::Held(_)) {
            return None;
        }
        let now = self.senses.clock.now();
        {
            let mut state = self.state.lock();
            let granted = state.hedge.as_mut()?.fire(now, first);
            if granted == Err(Stop::BudgetSpent) || (granted.is_ok() && !state.budget.withdraw(now)) {
                state.hedged.refused += 1;
                return None;
            }
            granted.ok()?;
        }
        // An open breaker, or no endpoint: the first try is all there is.
        let flight = self.enter(tried).ok()?;
        self.state.lock().hedged.sent += 1;
        Some(flight)
    }

    /// The second try's answer counts. The first had not answered for so long: its endpoint must not stay as quick as it
    /// was before.
    fn outrun(&self, id: EndpointId, began: Timestamp) {
        let now = self.senses.clock.now();
        let mut state = self.state.lock();
        state.hedged.won += 1;
        state.balancer.answered(now, id, now.since(began), true);
    }

    /// Good answers say how long such calls take.
    fn answered(&self, began: Timestamp, outcome: Outcome) -> Outcome {
        if outcome.class == Class::Ok {
            let now = self.senses.clock.now();
            if let Some(hedge) = &mut self.state.lock().hedge {
                hedge.answered(now, now.since(began));
            }
        }
        outcome
    }
}
