//! Who waits: a line for each priority and, in it, for each share of the tenants.
//!
//! ```text
//! priority ─► 64 lanes, chosen by the tenant's hash ─► oldest ⇄ … ⇄ newest      (a list inside one slab)
//! ```
//!
//! Every step is constant work, however many wait: lanes in use are the bits of one word, and a ticket says where
//! in the slab its waiter is. The slab grows to the most that ever waited, which its owner bounds.

use std::time::Duration;

use weft_types::{Priority, Timestamp};

use crate::{
    Ticket, chance,
    codel::{self, Codel},
};

/// Tenants that share a lane share its turn. One word's worth.
pub(crate) const LANES: usize = 64;
/// The highest first.
pub(crate) const PRIORITIES: [Priority; 4] =
    [Priority::Health, Priority::Interactive, Priority::Default, Priority::Batch];
const NONE: u32 = u32::MAX;

/// One lane of one priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneId {
    pub(crate) priority: Priority,
    lane: u8,
}

impl LaneId {
    pub(crate) fn of(priority: Priority, tenant: u64) -> Self {
        Self { priority, lane: (chance::mix(tenant) % LANES as u64) as u8 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Free,
    Waiting,
    Handed,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    id: LaneId,
    is: Is,
    generation: u32,
    older: u32,
    newer: u32,
    arrived: Timestamp,
    until: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Lane {
    oldest: u32,
    newest: u32,
    length: u32,
    codel: Codel,
}

#[derive(Debug, Default)]
struct Level {
    /// Lanes with a waiter, and those of them that are overloaded.
    busy: u64,
    overloaded: u64,
    turn: u32,
    /// Made when someone first waits: a component that never queues costs nothing.
    lanes: Option<Box<[Lane; LANES]>>,
}

/// A waiter, while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) ticket: Ticket,
    pub(crate) arrived: Timestamp,
    pub(crate) until: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Lanes {
    codel: codel::Options,
    nodes: Vec<Node>,
    free: Vec<u32>,
    levels: [Level; 4],
    waiting: u32,
}

impl Lanes {
    pub(crate) fn new(codel: codel::Options) -> Self {
        Self { codel, nodes: Vec::new(), free: Vec::new(), levels: Default::default(), waiting: 0 }
    }

    pub(crate) fn watch(&mut self, codel: codel::Options) {
        self.codel = codel;
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// The lowest priority with a waiter.
    pub(crate) fn lowest(&self) -> Option<Priority> {
        PRIORITIES.into_iter().rev().find(|priority| self.level(*priority).busy != 0)
    }

    /// Lanes with a waiter, the highest priority first; `overloaded`: only those.
    pub(crate) fn lanes(&self, overloaded: bool) -> impl Iterator<Item = LaneId> + use<> {
        let words = PRIORITIES.map(|priority| {
            let level = self.level(priority);
            (priority, if overloaded { level.busy & level.overloaded } else { level.busy })
        });
        words.into_iter().flat_map(|(priority, word)| bits(word).map(move |lane| LaneId { priority, lane }))
    }

    pub(crate) fn length(&self, id: LaneId) -> u32 {
        self.lane(id).map_or(0, |lane| lane.length)
    }

    /// The lane of this priority in which most wait.
    pub(crate) fn longest(&self, priority: Priority) -> Option<LaneId> {
        let lanes = bits(self.level(priority).busy).map(|lane| LaneId { priority, lane });
        lanes.max_by_key(|id| self.length(*id))
    }

    pub(crate) fn overloaded(&self, id: LaneId) -> bool {
        self.level(id.priority).overloaded & (1 << id.lane) != 0
    }

    pub(crate) fn oldest(&self, id: LaneId) -> Option<Waiter> {
        self.lane(id).and_then(|lane| self.waiter(lane.oldest))
    }

    pub(crate) fn newest(&self, id: LaneId) -> Option<Waiter> {
        self.lane(id).and_then(|lane| self.waiter(lane.newest))
    }

    /// Whose turn it is: the highest priority; in it each lane in turn; in the lane the first to come, but the last
    /// when it is overloaded, because the first is late already.
    pub(crate) fn next(&mut self) -> Option<(LaneId, Waiter)> {
        let priority = PRIORITIES.into_iter().find(|priority| self.level(*priority).busy != 0)?;
        let level = &mut self.levels[priority as usize];
        let after = level.busy & u64::MAX.checked_shl(level.turn).unwrap_or(0);
        let lane = (if after != 0 { after } else { level.busy }).trailing_zeros();
        level.turn = lane + 1;
        let id = LaneId { priority, lane: lane as u8 };
        let waiter = if self.overloaded(id) { self.newest(id) } else { self.oldest(id) };
        waiter.map(|waiter| (id, waiter))
    }

    pub(crate) fn push(&mut self, id: LaneId, now: Timestamp, until: Timestamp) -> Ticket {
        let at = self.slot();
        let lane = self.lane_mut(id);
        let older = std::mem::replace(&mut lane.newest, at);
        lane.length += 1;
        if older == NONE {
            lane.oldest = at;
        }
        let node = &mut self.nodes[at as usize];
        *node = Node { id, is: Is::Waiting, older, newer: NONE, arrived: now, until, ..*node };
        let ticket = ticket(at, node.generation);
        if older != NONE {
            self.nodes[older as usize].newer = at;
        }
        self.levels[id.priority as usize].busy |= 1 << id.lane;
        self.waiting += 1;
        ticket
    }

    /// A waiter gets a place: it waits no more, but is known until it claims or cancels.
    pub(crate) fn hand(&mut self, ticket: Ticket) {
        if let Some(at) = self.find(ticket, Is::Waiting) {
            self.unlink(at);
            self.nodes[at as usize].is = Is::Handed;
        }
    }

    /// Forgets a waiter that has no place yet. `false`: it does not wait.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> bool {
        let found = self.find(ticket, Is::Waiting);
        if let Some(at) = found {
            self.unlink(at);
            self.release(at);
        }
        found.is_some()
    }

    /// Forgets a waiter that has a place. `false`: it has none.
    pub(crate) fn claim(&mut self, ticket: Ticket) -> bool {
        let found = self.find(ticket, Is::Handed);
        found.into_iter().for_each(|at| self.release(at));
        found.is_some()
    }

    /// Tells the lane's CoDel how old its oldest is.
    pub(crate) fn observe(&mut self, id: LaneId, now: Timestamp) {
        let age = self.oldest(id).map_or(Duration::ZERO, |waiter| now.since(waiter.arrived));
        let options = self.codel;
        let lane = self.lane_mut(id);
        lane.codel.observe(&options, now, age);
        let overloaded = lane.codel.overloaded();
        let word = &mut self.levels[id.priority as usize].overloaded;
        *word = *word & !(1 << id.lane) | u64::from(overloaded) << id.lane;
    }

    /// Tells the lane's CoDel that someone was shed for being late.
    pub(crate) fn shed(&mut self, id: LaneId) {
        self.lane_mut(id).codel.shed();
    }

    fn unlink(&mut self, at: u32) {
        let Node { id, older, newer, .. } = self.nodes[at as usize];
        match older {
            NONE => self.lane_mut(id).oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
        match newer {
            NONE => self.lane_mut(id).newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        let lane = self.lane_mut(id);
        lane.length -= 1;
        if lane.length == 0 {
            self.levels[id.priority as usize].busy &= !(1 << id.lane);
        }
        self.waiting -= 1;
    }

    fn slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let id = LaneId { priority: Priority::Default, lane: 0 };
            let (older, newer, arrived, until) = (NONE, NONE, Timestamp::ZERO, Timestamp::ZERO);
            self.nodes.push(Node { id, is: Is::Free, generation: 0, older, newer, arrived, until });
            self.nodes.len() as u32 - 1
        })
    }

    fn release(&mut self, at: u32) {
        let node = &mut self.nodes[at as usize];
        node.is = Is::Free;
        node.generation = node.generation.wrapping_add(1);
        self.free.push(at);
    }

    fn find(&self, ticket: Ticket, is: Is) -> Option<u32> {
        let at = ticket.0 as u32;
        let node = self.nodes.get(at as usize)?;
        (node.is == is && node.generation == (ticket.0 >> 32) as u32).then_some(at)
    }

    fn waiter(&self, at: u32) -> Option<Waiter> {
        let node = self.nodes.get(at as usize)?;
        Some(Waiter { ticket: ticket(at, node.generation), arrived: node.arrived, until: node.until })
    }

    fn level(&self, priority: Priority) -> &Level {
        &self.levels[priority as usize]
    }

    fn lane(&self, id: LaneId) -> Option<&Lane> {
        self.level(id.priority).lanes.as_ref().map(|lanes| &lanes[id.lane as usize])
    }

    fn lane_mut(&mut self, id: LaneId) -> &mut Lane {
        let fresh = Lane { oldest: NONE, newest: NONE, length: 0, codel: Codel::default() };
        let lanes = self.levels[id.priority as usize].lanes.get_or_insert_with(|| Box::new([fresh; LANES]));
        &mut lanes[id.lane as usize]
    }
}

fn ticket(at: u32, generation: u32) -> Ticket {
    Ticket(u64::from(generation) << 32 | u64::from(at))
}

fn bits(mut word: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as u8;
        (word != 0).then(|| {
            word &= word - 1;
            bit
        })
    })
}
