//! One shard's state, with one way in for each kind of thing. Each returns what was there, so that it can be put back.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use weft_types::Timestamp;

use crate::{At, Epoch, Group, Item, LogName, Owner, QueueName, Seq, TimerName, Version};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) version: Version,
    /// Bytes held, as `bytes_max` counts them.
    pub(super) bytes: usize,
    pub(super) items: BTreeMap<At, Item>,
    pub(super) expiring: BTreeSet<(Timestamp, At)>,
    pub(super) logs: HashMap<LogName, Records>,
    pub(super) queues: HashMap<QueueName, Messages>,
    pub(super) timers: HashMap<TimerName, Armed>,
    pub(super) timers_by_time: BTreeSet<(Timestamp, TimerName)>,
    pub(super) owners: HashMap<Owner, Epoch>,
    pub(super) seen: HashMap<SeenKey, Seen>,
    pub(super) seen_by_time: BTreeSet<(Timestamp, SeenKey)>,
}

/// A log's records from position `first` on.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) first: u64,
    pub(super) kept: VecDeque<Bytes>,
}

impl Records {
    pub(super) fn length(&self) -> u64 {
        self.first + self.kept.len() as u64
    }
}

#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) all: BTreeMap<Seq, Stored>,
    /// Those that do not wait for their group, by the time they can be received.
    pub(super) ready: BTreeSet<(Timestamp, Seq)>,
    pub(super) groups: HashMap<Group, BTreeSet<Seq>>,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) payload: Bytes,
    pub(super) group: Option<Group>,
    pub(super) sent: Timestamp,
    /// Not to be received before this, once its group lets it.
    pub(super) at: Timestamp,
    /// `None` while an older message of its group is here.
    pub(super) ready: Option<Timestamp>,
    pub(super) lease: Option<Version>,
    pub(super) attempt: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Armed {
    pub(super) at: Timestamp,
    pub(super) payload: Bytes,
    pub(super) version: Version,
}

/// Inbox ids and queue duplicates, which must not meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum SeenKey {
    First(crate::Scope, Bytes),
    Dedup(QueueName, Bytes),
}

#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) until: Timestamp,
    /// The message that a duplicate is a duplicate of.
    pub(super) seq: Option<Seq>,
}

impl State {
    pub(super) fn set_item(&mut self, at: &At, item: Option<Item>) -> Option<Item> {
        let size = |item: &Item| at.key.len() + item.value.len();
        self.bytes += item.as_ref().map_or(0, size);
        if let Some(expires) = item.as_ref().and_then(|item| item.expires) {
            self.expiring.insert((expires, at.clone()));
        }
        let kept = item.as_ref().and_then(|item| item.expires);
        let before = match item {
            Some(item) => self.items.insert(at.clone(), item),
            None => self.items.remove(at),
        };
        self.bytes -= before.as_ref().map_or(0, size);
        if let Some(expires) = before.as_ref().and_then(|item| item.expires).filter(|expires| kept != Some(*expires)) {
            self.expiring.remove(&(expires, at.clone()));
        }
        before
    }

    pub(super) fn set_message(&mut self, queue: &QueueName, seq: Seq, message: Option<Stored>) -> Option<Stored> {
        let messages = match self.queues.get_mut(queue) {
            Some(messages) => messages,
            None => self.queues.entry(queue.clone()).or_default(),
        };
        let before = messages.all.remove(&seq);
        if let Some(before) = &before {
            self.bytes -= before.payload.len();
            messages.unlink(seq, before);
        }
        if let Some(message) = message {
            self.bytes += message.payload.len();
            messages.link(seq, &message);
            messages.all.insert(seq, message);
        }
        before
    }

    pub(super) fn set_timer(&mut self, timer: &TimerName, armed: Option<Armed>) -> Option<Armed> {
        let before = self.timers.remove(timer);
        if let Some(before) = &before {
            self.bytes -= before.payload.len();
            self.timers_by_time.remove(&(before.at, timer.clone()));
        }
        if let Some(armed) = armed {
            self.bytes += armed.payload.len();
            self.timers_by_time.insert((armed.at, timer.clone()));
            self.timers.insert(timer.clone(), armed);
        }
        before
    }

    pub(super) fn set_seen(&mut self, key: &SeenKey, seen: Option<Seen>) -> Option<Seen> {
        let before = self.seen.remove(key);
        if let Some(before) = &before {
            self.seen_by_time.remove(&(before.until, key.clone()));
        }
        if let Some(seen) = seen {
            self.seen_by_time.insert((seen.until, key.clone()));
            self.seen.insert(key.clone(), seen);
        }
        before
    }

    /// Drops up to `max` expired items, and as many expired ids.
    pub(super) fn sweep(&mut self, now: Timestamp, max: usize) {
        let due = |at: &Timestamp| *at <= now;
        for (_, at) in self.expiring.iter().take_while(|(at, _)| due(at)).take(max).cloned().collect::<Vec<_>>() {
            self.set_item(&at, None);
        }
        for (_, key) in self.seen_by_time.iter().take_while(|(at, _)| due(at)).take(max).cloned().collect::<Vec<_>>() {
            self.set_seen(&key, None);
        }
    }
}

impl Messages {
    fn link(&mut self, seq: Seq, message: &Stored) {
        if let Some(ready) = message.ready {
            self.ready.insert((ready, seq));
        }
        if let Some(group) = &message.group {
            self.groups.entry(group.clone()).or_default().insert(seq);
        }
    }

    fn unlink(&mut self, seq: Seq, message: &Stored) {
        if let Some(ready) = message.ready {
            self.ready.remove(&(ready, seq));
        }
        if let Some(group) = &message.group
            && let Some(members) = self.groups.get_mut(group)
        {
            members.remove(&seq);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
    }
}
