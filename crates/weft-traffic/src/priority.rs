//! Admission that knows who is calling: important calls first, tenants in turn, and no standing queue.
//!
//! ```text
//! enter ─► Admit ──────────────────────────────► leave
//!       ─► Queue(ticket) ─► told Wake ─► claim ─► leave       cancel: gave up, or its `until` has come
//!       │                └► told Shed: waited too long, or made way for a more important call
//!       └► Shed { retry_after }
//! ```
//!
//! After every call that is not a question the owner takes what is [`PriorityAdmission::told`] until `None`.
//!
//! * Whoever is waiting is served by priority; in one priority by tenant in turn; of one tenant the first to come.
//! * Where CoDel sees a standing queue the last to come is served first, and who waited for more than 10 ms is shed.
//!   It looks at each lane apart, since the quick service of one tenant says nothing about another's.
//! * A full queue sheds from the lowest priority, and there from the tenant that has most in it, which may be the
//!   newcomer. Flooding the queue therefore pushes out one's own calls.
//!
//! Like [`crate::Admission`], whose place it takes: a freed place passes straight to a waiter.

use std::{collections::VecDeque, time::Duration};

use weft_types::{Priority, Timestamp};

use crate::{
    Admit, Limits, Ticket, codel,
    lanes::{LaneId, Lanes, Waiter},
    pace::Pace,
};

/// Who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Who {
    pub priority: Priority,
    /// Any hash of the tenant: 64 lanes are told apart, so two tenants may share a turn.
    pub tenant: u64,
}

/// What becomes of a waiter; its ticket is void with [`Told::Shed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It has a place: [`PriorityAdmission::claim`] or [`PriorityAdmission::cancel`].
    Wake(Ticket),
    Shed {
        ticket: Ticket,
        why: Why,
        retry_after: Duration,
    },
}

/// Why someone was shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The queue is overloaded, and it waited for more than twice CoDel's target.
    Late,
    /// It waited for as long as anyone may.
    Expired,
    /// The queue is full, and this was its least important call.
    Full,
}

impl Why {
    /// The word for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Expired => "expired",
            Self::Full => "full",
        }
    }
}

/// The state. Not shared: its owner wraps it in whatever lock suits.
#[derive(Debug)]
pub struct PriorityAdmission {
    limits: Limits,
    codel: codel::Options,
    /// Places taken, those handed to a waiter that has not claimed yet included.
    running: u32,
    lanes: Lanes,
    told: VecDeque<Told>,
    pace: Pace,
    shed: [u64; 4],
}

impl PriorityAdmission {
    pub fn new(limits: Limits, codel: codel::Options) -> Self {
        let (lanes, pace) = (Lanes::new(codel), Pace::default());
        Self { limits, codel, running: 0, lanes, told: VecDeque::new(), pace, shed: [0; 4] }
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }
    /// Places taken now.
    pub fn running(&self) -> u32 {
        self.running
    }
    /// Calls waiting now.
    pub fn waiting(&self) -> u32 {
        self.lanes.waiting()
    }
    pub fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting() == 0
    }
    /// Calls of this priority shed since the start.
    pub fn shed(&self, priority: Priority) -> u64 {
        self.shed[priority as usize]
    }
    /// Whether some lane has a standing queue.
    pub fn is_overloaded(&self) -> bool {
        self.lanes.lanes(true).next().is_some()
    }

    /// A call arrives.
    #[inline]
    pub fn enter(&mut self, now: Timestamp, who: Who) -> Admit {
        if self.running < self.limits.concurrency && self.lanes.waiting() == 0 {
            self.running += 1;
            return Admit::Admit;
        }
        self.enter_full(now, who)
    }

    fn enter_full(&mut self, now: Timestamp, who: Who) -> Admit {
        let lane = LaneId::of(who.priority, who.tenant);
        self.shed_late(now);
        if self.lanes.waiting() >= self.limits.queue && !self.make_way(lane) {
            self.shed[who.priority as usize] += 1;
            return Admit::Shed { retry_after: self.retry_after() };
        }
        self.lanes.observe(lane, now);
        let until = now.saturating_add(self.limits.wait);
        let ticket = self.lanes.push(lane, now, until);
        // It was lateness that filled the queue, and places may be open now.
        self.fill(now);
        Admit::Queue { ticket, until }
    }

    /// A call that had a place is done.
    #[inline]
    pub fn leave(&mut self, now: Timestamp) {
        debug_assert!(self.running > 0, "more left than entered");
        self.running = self.running.saturating_sub(1);
        if self.lanes.waiting() > 0 {
            self.shed_late(now);
            self.fill(now);
        }
    }

    /// A woken waiter takes its place. `false`: it had none, having been shed or cancelled.
    pub fn claim(&mut self, ticket: Ticket) -> bool {
        self.lanes.claim(ticket)
    }

    /// A waiter gives up, woken or not; a place that it had passes on.
    pub fn cancel(&mut self, ticket: Ticket, now: Timestamp) {
        if self.lanes.claim(ticket) {
            self.leave(now);
        } else {
            self.lanes.remove(ticket);
        }
    }

    /// Sheds whoever has waited too long. For when nobody comes or goes: at [`PriorityAdmission::next_tick`].
    pub fn tick(&mut self, now: Timestamp) {
        for lane in self.lanes.lanes(false) {
            self.lanes.observe(lane, now);
            self.shed_while(lane, Why::Expired, |waiter| waiter.until <= now);
        }
        self.shed_late(now);
        self.fill(now);
    }

    /// When [`PriorityAdmission::tick`] next has something to do. Looks at every lane with a waiter.
    pub fn next_tick(&self) -> Option<Timestamp> {
        let late = |lane| if self.lanes.overloaded(lane) { self.codel.patience() } else { Duration::MAX };
        let due = |lane| {
            let waiter = self.lanes.oldest(lane)?;
            let late = waiter.arrived.saturating_add(late(lane)).saturating_add(Duration::from_nanos(1));
            Some(waiter.until.min(late))
        };
        self.lanes.lanes(false).filter_map(due).min()
    }

    /// New bounds, as when the adaptive limit moves. Calls beyond smaller ones run on, and their places are not given
    /// again; whoever waits beyond a shorter queue waits on.
    pub fn resize(&mut self, limits: Limits, now: Timestamp) {
        self.limits = limits;
        self.fill(now);
    }

    /// Another notion of a standing queue, as when what makes calls wait is another.
    pub fn watch(&mut self, codel: codel::Options) {
        if self.codel != codel {
            self.codel = codel;
            self.lanes.watch(codel);
        }
    }

    /// Takes out what somebody must be told; call until `None`.
    #[must_use = "whoever is not told waits for ever"]
    pub fn told(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    fn fill(&mut self, now: Timestamp) {
        while self.running < self.limits.concurrency {
            let Some((lane, waiter)) = self.lanes.next() else { return };
            if waiter.until <= now {
                self.shed_one(lane, waiter.ticket, Why::Expired);
                continue;
            }
            self.lanes.hand(waiter.ticket);
            self.lanes.observe(lane, now);
            self.running += 1;
            self.pace.freed(now, self.lanes.waiting() > 0);
            self.told.push_back(Told::Wake(waiter.ticket));
        }
    }

    fn shed_late(&mut self, now: Timestamp) {
        let patience = self.codel.patience();
        for lane in self.lanes.lanes(true) {
            self.shed_while(lane, Why::Late, |waiter| now.since(waiter.arrived) > patience);
        }
    }

    fn shed_while(&mut self, lane: LaneId, why: Why, is: impl Fn(&Waiter) -> bool) {
        while let Some(waiter) = self.lanes.oldest(lane).filter(&is) {
            self.shed_one(lane, waiter.ticket, why);
        }
    }

    /// Frees one place in a full queue for a newcomer to `lane`. `false`: none waits that is less important.
    fn make_way(&mut self, lane: LaneId) -> bool {
        let Some(lowest) = self.lanes.lowest().filter(|lowest| *lowest <= lane.priority) else { return false };
        let Some(longest) = self.lanes.longest(lowest) else { return false };
        let own = lowest == lane.priority && self.lanes.length(lane) >= self.lanes.length(longest);
        let from = if own { lane } else { longest };
        let victim = match self.lanes.overloaded(from) {
            true => self.lanes.oldest(from),
            // In order, the newcomer would be the last of its own lane.
            false if own => None,
            false => self.lanes.newest(from),
        };
        victim.map(|victim| self.shed_one(from, victim.ticket, Why::Full)).is_some()
    }

    fn shed_one(&mut self, lane: LaneId, ticket: Ticket, why: Why) {
        let retry_after = self.retry_after();
        self.lanes.remove(ticket);
        if why == Why::Late {
            self.lanes.shed(lane);
        }
        self.shed[lane.priority as usize] += 1;
        self.told.push_back(Told::Shed { ticket, why, retry_after });
    }

    fn retry_after(&self) -> Duration {
        self.pace.drained(self.waiting())
    }
}
