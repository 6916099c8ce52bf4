//! What the stories are told with: short forms of commits and reads on one shard.

use std::time::Duration;

use bytes::Bytes;
use weft_types::Timestamp;

use super::wait;
use crate::{
    At, Commit, Delivery, Found, Item, LogName, Message, Op, Peeked, QueueName, Receive, Records, Scan, Shard, Space,
    Store, StoreError, Timer, TimerName, Txn, Write, Wrote,
};

/// When every story begins.
pub const T0: Timestamp = Timestamp::from_millis(1_000_000);

/// A store and the one shard that a story is about.
pub struct Scene<'a> {
    pub store: &'a dyn Store,
    pub shard: &'a Shard,
}

impl Scene<'_> {
    pub fn commit(&self, txn: Txn) -> Result<Commit, StoreError> {
        wait(self.store.commit(self.shard, txn))
    }

    /// Commits writes at [`T0`] plus `millis`; they must be taken.
    #[track_caller]
    pub fn write(&self, millis: u64, writes: impl IntoIterator<Item = Write>) -> Vec<Wrote> {
        let txn = Txn { now: after(millis), checks: Vec::new(), writes: writes.into_iter().collect() };
        self.commit(txn).expect("taken").wrote
    }

    #[track_caller]
    pub fn refused(&self, txn: Txn, op: Op, found: Found) {
        match self.commit(txn) {
            Err(StoreError::Conflict { op: at, found: was }) => assert_eq!((at, was), (op, found)),
            other => panic!("a conflict at {op}, {found} was expected, not {other:?}"),
        }
    }

    #[track_caller]
    pub fn get(&self, key: &str, millis: u64) -> Option<Item> {
        wait(self.store.get(self.shard, &at(key), after(millis))).expect("read")
    }

    #[track_caller]
    pub fn value(&self, key: &str) -> Option<Bytes> {
        self.get(key, 0).map(|item| item.value)
    }

    #[track_caller]
    pub fn keys(&self, prefix: &str, millis: u64) -> Vec<Bytes> {
        let scan = Scan { space: space(), prefix: prefix.to_owned().into(), after: None, max: 1_000, values: false };
        let page = wait(self.store.scan(self.shard, &scan, after(millis))).expect("read");
        page.items.into_iter().map(|(key, _)| key).collect()
    }

    #[track_caller]
    pub fn log(&self, from: u64, max: usize) -> Records {
        wait(self.store.read(self.shard, &log_name(), from, max)).expect("read")
    }

    #[track_caller]
    pub fn receive(&self, max: usize, lease_millis: u64, now_millis: u64) -> Vec<Delivery> {
        let lease = Duration::from_millis(lease_millis);
        let ask = Receive { queue: queue(), max, lease, now: after(now_millis) };
        wait(self.store.receive(self.shard, ask)).expect("received")
    }

    #[track_caller]
    pub fn peek(&self) -> Vec<Peeked> {
        wait(self.store.peek(self.shard, &queue(), None, 100)).expect("read")
    }

    #[track_caller]
    pub fn due(&self, millis: u64) -> Vec<Timer> {
        wait(self.store.due(self.shard, after(millis), 100)).expect("read")
    }
}

pub(super) fn after(millis: u64) -> Timestamp {
    T0.saturating_add(Duration::from_millis(millis))
}

pub(super) fn txn(millis: u64) -> Txn {
    Txn::new(after(millis))
}

pub(super) fn space() -> Space {
    Space::new("space").expect("short")
}

pub(super) fn at(key: &str) -> At {
    At::new(&space(), key.to_owned())
}

pub(super) fn put(key: &str, value: &str) -> Write {
    Write::Put { at: at(key), value: value.to_owned().into(), expires: None }
}

pub(super) fn put_until(key: &str, value: &str, millis: u64) -> Write {
    Write::Put { at: at(key), value: value.to_owned().into(), expires: Some(after(millis)) }
}

pub(super) fn delete(key: &str) -> Write {
    Write::Delete { at: at(key) }
}

pub(super) fn add(key: &str, by: i64) -> Write {
    Write::Add { at: at(key), by }
}

pub(super) fn log_name() -> LogName {
    LogName::new("log").expect("short")
}

pub(super) fn append(records: &[&str]) -> Write {
    Write::Append { log: log_name(), records: records.iter().map(|record| Bytes::from((*record).to_owned())).collect() }
}

pub(super) fn queue() -> QueueName {
    QueueName::new("queue").expect("short")
}

pub(super) fn send(payload: &str) -> Write {
    send_message(Message::new(payload.to_owned()))
}

pub(super) fn send_message(message: Message) -> Write {
    Write::Send { queue: queue(), message }
}

pub(super) fn timer(name: &str) -> TimerName {
    TimerName::new(name).expect("short")
}

pub(super) fn arm(name: &str, millis: u64, payload: &str) -> Write {
    Write::Arm { timer: timer(name), at: after(millis), payload: payload.to_owned().into() }
}
