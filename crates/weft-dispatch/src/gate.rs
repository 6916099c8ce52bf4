//! The gate before a component: a few at once, a few waiting, the rest shed.
//!
//! [`Admission`] decides; this wakes whom it names.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use weft_traffic::{Admission, Admit, Limits, Ticket};
use weft_types::{Clock, Fault, Ran, Retry, Timestamp, code};

/// Shared by all calls of one component.
pub struct Gate {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

struct State {
    admission: Admission,
    waiters: HashMap<Ticket, oneshot::Sender<()>>,
}

/// A place inside. Dropping it gives the place to the next in line.
pub struct Permit(Arc<Gate>);

/// A place in the queue. Dropping it leaves the queue.
struct Waiting {
    gate: Arc<Gate>,
    ticket: Option<Ticket>,
}

impl Gate {
    pub fn new(limits: Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State { admission: Admission::new(limits), waiters: HashMap::new() };
        Arc::new(Self { state: Mutex::new(state), clock })
    }

    /// A place, if one is free and nobody waits.
    pub fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        self.state.lock().admission.try_enter().then(|| Permit(Arc::clone(self)))
    }

    /// Waits for a place, but not past `deadline`. `Err` is `overloaded` or, when the wait used up the caller's
    /// own time, `deadline-exceeded`; nothing ran.
    pub async fn enter(self: &Arc<Self>, now: Timestamp, deadline: Timestamp) -> Result<Permit, Fault> {
        let (ticket, until, woken) = {
            let mut state = self.state.lock();
            match state.admission.enter(now) {
                Admit::Admit => return Ok(Permit(Arc::clone(self))),
                Admit::Shed { retry_after } => return Err(overloaded(retry_after, "the queue is full")),
                Admit::Queue { ticket, until } => {
                    let (wake, woken) = oneshot::channel();
                    state.waiters.insert(ticket, wake);
                    (ticket, until, woken)
                }
            }
        };
        let mut waiting = Waiting { gate: Arc::clone(self), ticket: Some(ticket) };
        let patience = until.min(deadline).since(now);
        match tokio::time::timeout(patience, woken).await {
            Ok(Ok(())) => Ok(waiting.claim()),
            _ if deadline < until => Err(Fault::new(code::DEADLINE_EXCEEDED, Ran::No).detail("it passed in the queue")),
            _ => Err(overloaded(Duration::from_secs(1), "it waited too long in the queue")),
        }
    }

    /// Calls inside, and calls waiting.
    pub fn load(&self) -> (u32, u32) {
        let state = self.state.lock();
        (state.admission.running(), state.admission.waiting())
    }

    fn leave(&self) {
        let mut state = self.state.lock();
        let next = state.admission.leave(self.clock.now());
        state.wake(next);
    }
}

impl State {
    fn wake(&mut self, ticket: Option<Ticket>) {
        if let Some(waker) = ticket.and_then(|ticket| self.waiters.remove(&ticket)) {
            // A waiter that is gone by now gives its place on when it drops.
            let _ = waker.send(());
        }
    }
}

fn overloaded(after: Duration, why: &str) -> Fault {
    Fault::new(code::OVERLOADED, Ran::No).retry(Retry::After(after)).detail(why)
}

impl Waiting {
    fn claim(&mut self) -> Permit {
        if let Some(ticket) = self.ticket.take() {
            let claimed = self.gate.state.lock().admission.claim(ticket);
            debug_assert!(claimed, "woken without a place");
        }
        Permit(Arc::clone(&self.gate))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.gate.state.lock();
        state.waiters.remove(&ticket);
        let next = state.admission.cancel(ticket, self.gate.clock.now());
        state.wake(next);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use weft_types::SystemClock;

    use super::*;

    fn gate(concurrency: u32, queue: u32) -> (Arc<Gate>, Timestamp) {
        let clock = Arc::new(SystemClock::new());
        let now = clock.now();
        (Gate::new(Limits { concurrency, queue, wait: Duration::from_secs(5) }, clock), now)
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_passes_to_the_first_in_line() {
        let (gate, now) = gate(1, 2);
        let first = gate.enter(now, Timestamp::MAX).await.expect("open");
        let next = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(now, Timestamp::MAX).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.load(), (1, 1));
        drop(first);
        next.await.expect("no panic").expect("admitted");
        assert_eq!(gate.load(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_sheds_and_a_long_wait_ends() {
        let (gate, now) = gate(1, 1);
        let _inside = gate.enter(now, Timestamp::MAX).await.expect("open");
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(now, Timestamp::MAX).await.map(drop) }
        });
        tokio::task::yield_now().await;
        let shed = gate.enter(now, Timestamp::MAX).await.map(drop).expect_err("full");
        assert_eq!((shed.code, shed.ran), (code::OVERLOADED, Ran::No));
        assert!(matches!(shed.retry, Retry::After(_)));
        let late = waiting.await.expect("no panic").expect_err("nobody left");
        assert_eq!(late.code, code::OVERLOADED);
        assert_eq!(gate.load(), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_while_being_woken_passes_the_place_on() {
        let (gate, now) = gate(1, 2);
        let inside = gate.enter(now, Timestamp::MAX).await.expect("open");
        let mut quitter = Box::pin(gate.enter(now, Timestamp::MAX));
        assert!(futures_poll(&mut quitter).await.is_none());
        let patient = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(now, Timestamp::MAX).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(inside);
        drop(quitter);
        patient.await.expect("no panic").expect("the place was passed on");
        assert_eq!(gate.load(), (0, 0));
    }

    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(out) => std::task::Poll::Ready(Some(out)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
