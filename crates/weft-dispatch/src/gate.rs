//! The gate before a component: a few at once, a few waiting, the rest shed, the least important first.
//!
//! [`PriorityAdmission`] decides; this wakes whom it names and turns away whom it sheds. Where the limit adapts, each
//! call that answers says how long it took ([`Adaptive`]).

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use weft_host::Computing;
use weft_traffic::{
    Admit, Limits, PriorityAdmission, Ticket, Told, Who, Why,
    adaptive::{self, Adaptive},
    codel,
};
use weft_types::{Clock, Context, Fault, Ran, Retry, Timestamp, code};

/// What a gate lets in, and when a queue counts as standing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateOptions {
    pub limits: Limits,
    pub shedding: codel::Options,
    /// `None`: the limit is fixed.
    pub adaptive: Option<adaptive::Options>,
}

/// Shared by all calls of one component.
pub struct Gate {
    state: Mutex<State>,
    options: GateOptions,
    clock: Arc<dyn Clock>,
    /// `None`: what computes is elsewhere.
    computing: Option<Arc<Computing>>,
}

/// A gate at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    pub running: u32,
    pub waiting: u32,
    /// Calls that may be inside now.
    pub places: u32,
    /// The adaptive limit is what holds.
    pub binds: bool,
    /// `None`: the limit is fixed.
    pub adaptive: Option<adaptive::View>,
}

struct State {
    admission: PriorityAdmission,
    adaptive: Option<Adaptive>,
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
pub struct Permit {
    gate: Arc<Gate>,
    /// When the place was given, and how many were inside.
    since: Timestamp,
    in_flight: u32,
    /// It is past its Head, and streams.
    streams: bool,
    /// What is to be said of it when it leaves: the moment, and what it computed.
    answered: Option<(Timestamp, Option<Duration>)>,
}

/// A place in the queue. Dropping it leaves the queue.
struct Waiting {
    gate: Arc<Gate>,
    ticket: Option<Ticket>,
}

impl Gate {
    pub fn new(options: GateOptions, clock: Arc<dyn Clock>, computing: Option<Arc<Computing>>) -> Arc<Self> {
        let admission = PriorityAdmission::new(options.limits, options.shedding);
        let adaptive = options.adaptive.map(Adaptive::new);
        let state = Mutex::new(State { admission, adaptive, waiters: HashMap::new() });
        Arc::new(Self { state, options, clock, computing })
    }

    /// Whether it must be told the time of those who enter.
    pub fn adapts(&self) -> bool {
        self.options.adaptive.is_some()
    }

    fn busy(&self) -> bool {
        self.computing.as_ref().is_some_and(|computing| computing.fills_cores())
    }

    /// A place, if one is free and nobody waits. Whoever finds one is not asked who it is. `now` counts only where the
    /// limit [adapts](Self::adapts).
    pub fn try_enter(self: &Arc<Self>, now: Timestamp) -> Option<Permit> {
        let mut state = self.state.lock();
        self.govern(&mut state, now);
        let admission = &mut state.admission;
        let free = admission.running() < admission.limits().concurrency && admission.waiting() == 0;
        let admitted = free && admission.enter(now, Who::default()) == Admit::Admit;
        admitted.then(|| self.permit(&state, now))
    }

    /// As many places as there are now, and whoever waits is told.
    fn govern(&self, state: &mut State, now: Timestamp) {
        let Some(adaptive) = &state.adaptive else { return };
        let fixed = (self.options.limits, self.options.shedding);
        adaptive.govern(&mut state.admission, fixed, self.busy(), now);
        state.tell();
    }

    fn permit(self: &Arc<Self>, state: &State, since: Timestamp) -> Permit {
        let running = state.admission.running();
        let in_flight = state.adaptive.map_or(running, |adaptive| adaptive.in_flight(running));
        Permit { gate: Arc::clone(self), since, in_flight, streams: false, answered: None }
    }

    /// Waits for a place, but not past `deadline`. `Err` is `overloaded` or, when the wait used up the caller's
    /// own time, `deadline-exceeded`; nothing ran.
    pub async fn enter(self: &Arc<Self>, now: Timestamp, deadline: Timestamp, who: Who) -> Result<Permit, Fault> {
        let (ticket, until, woken) = {
            let mut state = self.state.lock();
            self.govern(&mut state, now);
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
                _ => return Ok(self.permit(&state, now)),
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

    pub fn load(&self) -> Load {
        let state = self.state.lock();
        let admission = &state.admission;
        let adaptive = state.adaptive.as_ref();
        let fixed = self.options.limits.concurrency;
        let places = adaptive.map_or(fixed, |adaptive| adaptive.places(fixed, self.busy()));
        Load {
            running: admission.running(),
            waiting: admission.waiting(),
            places,
            binds: places < fixed,
            adaptive: adaptive.map(Adaptive::view),
        }
    }

    /// A call is past its Head and goes on: what comes of it now says nothing of how much is computed.
    fn streams(&self, permit: &Permit, now: Timestamp, good: bool) {
        let mut state = self.state.lock();
        let Some(adaptive) = &mut state.adaptive else { return };
        if good {
            adaptive.answered(now.since(permit.since), permit.in_flight, self.busy(), None);
        }
        adaptive.streams();
        self.govern(&mut state, now);
    }

    fn leave(&self, permit: &Permit) {
        let mut state = self.state.lock();
        if let Some(adaptive) = &mut state.adaptive {
            if let Some((now, cpu)) = permit.answered {
                adaptive.answered(now.since(permit.since), permit.in_flight, self.busy(), cpu);
            }
            permit.streams.then(|| adaptive.streamed());
        }
        // Without a waiter nobody asks what time it is.
        let now = if state.admission.waiting() > 0 { self.clock.now() } else { Timestamp::ZERO };
        state.admission.leave(now);
        self.govern(&mut state, now);
        state.tell();
    }
}

impl Permit {
    /// The Head is decided, and the answer goes on. `good`: it says how long such calls take.
    pub fn streams(&mut self, now: Timestamp, good: bool) {
        if self.gate.adapts() && !self.streams {
            self.streams = true;
            self.gate.streams(self, now, good);
        }
    }

    /// The whole of it was answered. `cpu`: what it computed, where that is known.
    pub fn answered(&mut self, now: Timestamp, cpu: Option<Duration>) {
        if !self.streams {
            self.answered = Some((now, cpu));
        }
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
        let now = if self.gate.adapts() { self.gate.clock.now() } else { Timestamp::ZERO };
        let mut state = self.gate.state.lock();
        if let Some(ticket) = self.ticket.take() {
            let claimed = state.admission.claim(ticket);
            debug_assert!(claimed, "woken without a place");
        }
        self.gate.permit(&state, now)
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
        self.gate.leave(self);
    }
}
