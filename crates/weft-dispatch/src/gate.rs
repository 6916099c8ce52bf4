//! The gate before a component: a few at once, a few waiting, the rest shed, the least important first.
//!
//! [`PriorityAdmission`] decides; this wakes whom it names and turns away whom it sheds.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use weft_traffic::{Admit, Limits, PriorityAdmission, Ticket, Told, Who, Why, codel};
use weft_types::{Clock, Context, Fault, Ran, Retry, Timestamp, code};

/// What a gate lets in, and when a queue counts as standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateOptions {
    pub limits: Limits,
    pub shedding: codel::Options,
}

/// Shared by all calls of one component.
pub struct Gate {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

struct State {
    admission: PriorityAdmission,
    waiters: HashMap<Ticket, oneshot::Sender<Turn>>,
}

/// What a waiter is woken with.
enum Turn {
    /// It has a place.
    Place,
    /// It made way, or waited too long in a standing queue. Its ticket is void.
    Shed { why: Why, retry_after: Duration },
}

/// A place inside. Dropping it gives the place to the next in line.
pub struct Permit(Arc<Gate>);

/// A place in the queue. Dropping it leaves the queue.
struct Waiting {
    gate: Arc<Gate>,
    ticket: Option<Ticket>,
}

impl Gate {
    pub fn new(options: GateOptions, clock: Arc<dyn Clock>) -> Arc<Self> {
        let admission = PriorityAdmission::new(options.limits, options.shedding);
        Arc::new(Self { state: Mutex::new(State { admission, waiters: HashMap::new() }), clock })
    }

    /// A place, if one is free and nobody waits. Whoever finds one is asked neither who it is nor what time it is.
    pub fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.state.lock();
        let admission = &mut state.admission;
        let free = admission.running() < admission.limits().concurrency && admission.waiting() == 0;
        let admitted = free && admission.enter(Timestamp::ZERO, Who::default()) == Admit::Admit;
        admitted.then(|| Permit(Arc::clone(self)))
    }

    /// Waits for a place, but not past `deadline`. `Err` is `overloaded` or, when the wait used up the caller's
    /// own time, `deadline-exceeded`; nothing ran.
    pub async fn enter(self: &Arc<Self>, now: Timestamp, deadline: Timestamp, who: Who) -> Result<Permit, Fault> {
        let (ticket, until, woken) = {
            let mut state = self.state.lock();
            let admit = state.admission.enter(now, who);
            let queued = match admit {
                Admit::Queue { ticket, until } => {
                    let (wake, woken) = oneshot::channel();
                    state.waiters.insert(ticket, wake);
                    Some((ticket, until, woken))
                }
                Admit::Admit | Admit::Shed { .. } => None,
            };
            // Also where it is this call that was shed: others may have been late, or have found a place.
            state.tell();
            match (admit, queued) {
                (_, Some(queued)) => queued,
                (Admit::Shed { retry_after }, _) => return Err(overloaded(retry_after, "the queue is full")),
                _ => return Ok(Permit(Arc::clone(self))),
            }
        };
        let mut waiting = Waiting { gate: Arc::clone(self), ticket: Some(ticket) };
        let patience = until.min(deadline).since(now);
        match tokio::time::timeout(patience, woken).await {
            Ok(Ok(Turn::Place)) => Ok(waiting.claim()),
            Ok(Ok(Turn::Shed { why, retry_after })) => {
                waiting.ticket = None;
                Err(overloaded(retry_after, said(why)))
            }
            _ if deadline < until => Err(Fault::new(code::DEADLINE_EXCEEDED, Ran::No).detail("it passed in the queue")),
            _ => Err(overloaded(Duration::from_secs(1), said(Why::Expired))),
        }
    }

    /// Calls inside, and calls waiting.
    pub fn load(&self) -> (u32, u32) {
        let state = self.state.lock();
        (state.admission.running(), state.admission.waiting())
    }

    fn leave(&self) {
        let mut state = self.state.lock();
        // Without a waiter nobody asks what time it is.
        let now = if state.admission.waiting() > 0 { self.clock.now() } else { Timestamp::ZERO };
        state.admission.leave(now);
        state.tell();
    }
}

/// Who is calling, as the queue tells callers apart.
pub fn who(context: &Context) -> Who {
    let tenant = context.tenant.0.as_ref().map_or(0, |tenant| {
        let mut hasher = DefaultHasher::new();
        tenant.hash(&mut hasher);
        hasher.finish()
    });
    Who { priority: context.priority, tenant }
}

impl State {
    /// Tells every waiter what has become of it. A waiter that is gone by now gives its place on when it drops.
    fn tell(&mut self) {
        while let Some(told) = self.admission.told() {
            let (ticket, turn) = match told {
                Told::Wake(ticket) => (ticket, Turn::Place),
                Told::Shed { ticket, why, retry_after } => (ticket, Turn::Shed { why, retry_after }),
            };
            if let Some(waiter) = self.waiters.remove(&ticket) {
                let _ = waiter.send(turn);
            }
        }
    }
}

fn said(why: Why) -> &'static str {
    match why {
        Why::Late => "the queue stands, and it waited in it for too long",
        Why::Expired => "it waited too long in the queue",
        Why::Full => "the queue is full, and it made way for another call",
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
        let now = self.gate.clock.now();
        let mut state = self.gate.state.lock();
        state.waiters.remove(&ticket);
        state.admission.cancel(ticket, now);
        state.tell();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::Pin, task::Poll};

    use weft_types::{ManualClock, Priority};

    use super::*;

    const WAIT: Duration = Duration::from_secs(5);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn gate(concurrency: u32, queue: u32) -> (Arc<Gate>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_nanos(1_000_000_000_000)));
        let limits = Limits { concurrency, queue, wait: WAIT };
        let options = GateOptions { limits, shedding: codel::Options::default() };
        (Gate::new(options, Arc::clone(&clock) as _), clock)
    }

    type Entering<'a> = Pin<Box<dyn Future<Output = Result<Permit, Fault>> + Send + 'a>>;

    fn enter<'a>(gate: &'a Arc<Gate>, clock: &ManualClock, priority: Priority) -> Entering<'a> {
        Box::pin(gate.enter(clock.now(), Timestamp::MAX, Who { priority, tenant: 0 }))
    }

    async fn once(entering: &mut Entering<'_>) -> Option<Result<Permit, Fault>> {
        poll_fn(|cx| match entering.as_mut().poll(cx) {
            Poll::Ready(out) => Poll::Ready(Some(out)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Enters and waits.
    async fn queued<'a>(gate: &'a Arc<Gate>, clock: &ManualClock, priority: Priority) -> Entering<'a> {
        let mut entering = enter(gate, clock, priority);
        assert!(once(&mut entering).await.is_none(), "it waits");
        entering
    }

    fn refused(out: Option<Result<Permit, Fault>>) -> Fault {
        out.expect("decided").map(drop).expect_err("refused")
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_passes_to_the_first_in_line() {
        let (gate, clock) = gate(1, 2);
        let first = gate.try_enter().expect("open");
        assert!(gate.try_enter().is_none());
        let mut next = queued(&gate, &clock, Priority::Default).await;
        let mut last = queued(&gate, &clock, Priority::Default).await;
        assert_eq!(gate.load(), (1, 2));
        drop(first);
        assert!(gate.try_enter().is_none(), "no newcomer overtakes");
        let next = once(&mut next).await.expect("woken").expect("admitted");
        assert!(once(&mut last).await.is_none());
        drop(next);
        last.await.expect("admitted");
        assert_eq!(gate.load(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_sheds_and_a_long_wait_ends() {
        let (gate, clock) = gate(1, 1);
        let _inside = gate.try_enter().expect("open");
        let waiting = queued(&gate, &clock, Priority::Default).await;
        let shed = refused(once(&mut enter(&gate, &clock, Priority::Default)).await);
        assert_eq!((shed.code, shed.ran), (code::OVERLOADED, Ran::No));
        assert!(matches!(shed.retry, Retry::After(_)));
        // Tokio's time moves on by itself where there is nothing else to do.
        let late = waiting.await.map(drop).expect_err("nobody left");
        assert_eq!(late.code, code::OVERLOADED);
        assert_eq!(gate.load(), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_time_left_is_told_so() {
        let (gate, clock) = gate(1, 1);
        let _inside = gate.try_enter().expect("open");
        let deadline = clock.now().saturating_add(MS(10));
        let late = gate.enter(clock.now(), deadline, Who::default()).await.map(drop).expect_err("nobody left");
        assert_eq!((late.code, gate.load()), (code::DEADLINE_EXCEEDED, (1, 0)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_while_being_woken_passes_the_place_on() {
        let (gate, clock) = gate(1, 2);
        let inside = gate.try_enter().expect("open");
        let quitter = queued(&gate, &clock, Priority::Default).await;
        let patient = queued(&gate, &clock, Priority::Default).await;
        drop(inside);
        drop(quitter);
        patient.await.expect("the place was passed on");
        assert_eq!(gate.load(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_important_are_served_first_and_the_others_make_way() {
        let (gate, clock) = gate(1, 2);
        let inside = gate.try_enter().expect("open");
        let mut batch = queued(&gate, &clock, Priority::Batch).await;
        let mut plain = queued(&gate, &clock, Priority::Default).await;
        let mut urgent = queued(&gate, &clock, Priority::Interactive).await;
        let shed = refused(once(&mut batch).await);
        assert_eq!((shed.code, shed.detail.as_str()), (code::OVERLOADED, said(Why::Full)));
        assert!(matches!(shed.retry, Retry::After(_)));
        drop(inside);
        assert!(once(&mut plain).await.is_none());
        drop(once(&mut urgent).await.expect("woken").expect("admitted"));
        plain.await.expect("admitted after it");
        assert_eq!(gate.load(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_standing_queue_the_late_are_shed_and_the_last_is_served() {
        let (gate, clock) = gate(1, 100);
        let mut inside = gate.try_enter().expect("open");
        let mut line = Vec::new();
        let (mut served, mut shed) = (0, 0);
        // Two come for each that leaves, every 20 ms.
        for _ in 0..50 {
            line.push(queued(&gate, &clock, Priority::Default).await);
            line.push(queued(&gate, &clock, Priority::Default).await);
            clock.advance(MS(20));
            drop(inside);
            let mut place = None;
            let mut waits = Vec::new();
            for mut entering in line {
                match once(&mut entering).await {
                    Some(Ok(permit)) => place = Some(permit),
                    Some(Err(fault)) => {
                        assert_eq!(fault.code, code::OVERLOADED);
                        shed += 1;
                    }
                    None => waits.push(entering),
                }
            }
            line = waits;
            inside = match place {
                Some(permit) => {
                    served += 1;
                    permit
                }
                None => gate.try_enter().expect("all were late, and the place is free"),
            };
        }
        assert!(shed > 30 && served > 0, "{served} served, {shed} shed");
        assert!(line.len() < 20, "the queue does not stand: {} wait", line.len());
        drop((inside, line));
        assert_eq!(gate.load(), (0, 0));
    }

    #[test]
    fn tenants_are_told_apart() {
        let context = |tenant: Option<&str>| {
            let target = weft_types::Target {
                application: weft_types::Name::new("a").expect("a name"),
                revision: weft_types::Digest([0; 32]),
                component: weft_types::Name::new("b").expect("a name"),
                function: None,
            };
            Context { tenant: weft_types::Tenant(tenant.map(Arc::from)), ..Context::anonymous(target) }
        };
        let tenant = |name| who(&context(name)).tenant;
        assert!(tenant(None) == tenant(None) && tenant(Some("x")) == tenant(Some("x")));
        assert!(tenant(Some("x")) != tenant(Some("y")) && tenant(None) != tenant(Some("x")));
    }
}
