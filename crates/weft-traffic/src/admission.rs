//! Admission: at most so many calls at once, at most so many waiting, first come first served.
//!
//! ```text
//! enter ─► Admit ────────────────────────────► leave ─► Some(ticket): wake it, the place is now its own
//!       ─► Queue(ticket) ─► woken ─► claim ──► leave
//!              │              └ gone before it woke: cancel gives the place on
//!              ├► cancel: the waiter gave up
//!              └► expire: it waited too long; answer it with `overloaded`
//!       ─► Shed { retry_after }: the queue is full
//! ```
//!
//! A place that is freed while someone waits passes to the first waiter and is never open in between, so a
//! newcomer cannot overtake. The queue is ordered by arrival and so by expiry: both ends are constant work.

use std::{collections::VecDeque, time::Duration};

use weft_types::Timestamp;

use crate::pace::{self, Pace};

/// The bounds of one [`Admission`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once. 0 admits nothing.
    pub concurrency: u32,
    /// Calls that may wait. 0 sheds as soon as every place is taken.
    pub queue: u32,
    /// Longest wait.
    pub wait: Duration,
}

/// Names one waiting call. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

/// What a newcomer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// It has a place, which it must [`Admission::leave`].
    Admit,
    /// It waits until woken, but not past this moment.
    Queue { ticket: Ticket, until: Timestamp },
    /// The queue is full. `retry_after` is when the queue should have drained: whole seconds, 1 to 30.
    Shed { retry_after: Duration },
}

/// The state. Not shared: its owner wraps it in whatever lock suits.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    /// Places taken, those handed to a waiter that has not claimed yet included.
    running: u32,
    waiting: VecDeque<(Ticket, Timestamp)>,
    /// Woken, not yet claimed. At most `concurrency`, in practice a few.
    handed: Vec<Ticket>,
    next: u64,
    pace: Pace,
}

impl Admission {
    pub const RETRY_MAX: Duration = pace::RETRY_MAX;

    pub fn new(limits: Limits) -> Self {
        Self { limits, running: 0, waiting: VecDeque::new(), handed: Vec::new(), next: 0, pace: Pace::default() }
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
        self.waiting.len() as u32
    }
    pub fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }

    /// A call arrives and is let in only if a place is free and nobody waits for one.
    #[inline]
    pub fn try_enter(&mut self) -> bool {
        let free = self.running < self.limits.concurrency && self.waiting.is_empty();
        self.running += u32::from(free);
        free
    }

    /// A call arrives.
    #[inline]
    pub fn enter(&mut self, now: Timestamp) -> Admit {
        if self.running < self.limits.concurrency && self.waiting.is_empty() {
            self.running += 1;
            return Admit::Admit;
        }
        self.enter_full(now)
    }

    fn enter_full(&mut self, now: Timestamp) -> Admit {
        if self.waiting.len() >= self.limits.queue as usize {
            return Admit::Shed { retry_after: self.pace.drained(self.waiting()) };
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        // Never before the one in front, even right after `resize`: the queue stays in order of expiry.
        let until = now.saturating_add(self.limits.wait);
        let until = self.waiting.back().map_or(until, |(_, before)| until.max(*before));
        self.waiting.push_back((ticket, until));
        Admit::Queue { ticket, until }
    }

    /// A call that had a place is done. `Some`: wake this waiter; the place is its own now.
    #[inline]
    #[must_use = "the ticket's owner must be woken, or its place is lost"]
    pub fn leave(&mut self, now: Timestamp) -> Option<Ticket> {
        debug_assert!(self.running > 0, "more left than entered");
        if self.waiting.is_empty() || self.running > self.limits.concurrency {
            self.running = self.running.saturating_sub(1);
            return None;
        }
        self.hand_over(now)
    }

    fn hand_over(&mut self, now: Timestamp) -> Option<Ticket> {
        self.pace.freed(now, self.waiting.len() > 1);
        let (ticket, _) = self.waiting.pop_front()?;
        self.handed.push(ticket);
        Some(ticket)
    }

    /// A woken waiter takes its place. `false`: it had none, having expired or been cancelled.
    pub fn claim(&mut self, ticket: Ticket) -> bool {
        let found = self.handed.iter().position(|handed| *handed == ticket);
        found.map(|at| self.handed.swap_remove(at)).is_some()
    }

    /// A waiter gives up, woken or not. `Some`: it had been handed a place, which passes on to this one.
    #[must_use = "the ticket's owner must be woken, or its place is lost"]
    pub fn cancel(&mut self, ticket: Ticket, now: Timestamp) -> Option<Ticket> {
        if self.claim(ticket) {
            return self.leave(now);
        }
        if let Ok(at) = self.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket) {
            self.waiting.remove(at);
        }
        None
    }

    /// Takes out one waiter that has waited too long; call until `None`.
    pub fn expire(&mut self, now: Timestamp) -> Option<Ticket> {
        let (ticket, until) = *self.waiting.front()?;
        if until > now {
            return None;
        }
        self.waiting.pop_front();
        Some(ticket)
    }

    /// When [`Admission::expire`] next has something to do.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.waiting.front().map(|(_, until)| *until)
    }

    /// New bounds. With more places than before waiters are woken: call until `None`. Calls beyond smaller
    /// bounds run on, and their places are not given again. Whoever waits already keeps its end.
    #[must_use = "the ticket's owner must be woken, or its place is lost"]
    pub fn resize(&mut self, limits: Limits, now: Timestamp) -> Option<Ticket> {
        self.limits = limits;
        if self.running >= limits.concurrency || self.waiting.is_empty() {
            return None;
        }
        self.running += 1;
        self.hand_over(now)
    }
}
