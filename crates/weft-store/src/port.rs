//! The ports. Each reads one kind of state; [`Store::commit`] alone writes, so that all kinds can change together.
//!
//! `now` is always given: a store reads no clock. What a page cannot hold is fetched by asking again from its cursor.

use std::time::Duration;

use bytes::Bytes;
use weft_types::{Pending, Timestamp};

use crate::{
    At, Commit, Epoch, Group, LogName, Owner, QueueName, Receipt, Seq, Shard, Space, StoreError, TimerName, Txn,
    Version,
};

/// Items by key.
pub trait KeyValue: Send + Sync {
    fn get<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, Option<Item>>;

    /// One answer for each key, in their order, all from one moment. At most [`MANY_MAX`](crate::bound::MANY_MAX) keys.
    fn get_many<'a>(
        &'a self,
        shard: &'a Shard,
        space: &'a Space,
        keys: &'a [Bytes],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<Item>>>;

    fn exists<'a>(&'a self, shard: &'a Shard, at: &'a At, now: Timestamp) -> Answer<'a, bool>;

    /// Items in bytewise order of their keys.
    fn scan<'a>(&'a self, shard: &'a Shard, scan: &'a Scan, now: Timestamp) -> Answer<'a, Page>;
}

/// Records by position.
pub trait Log: Send + Sync {
    /// Records from position `from` on, at most `max`, and where the log begins and ends. An unknown log is empty.
    fn read<'a>(&'a self, shard: &'a Shard, log: &'a LogName, from: u64, max: usize) -> Answer<'a, Records>;

    /// How many records have ever been appended.
    fn length<'a>(&'a self, shard: &'a Shard, log: &'a LogName) -> Answer<'a, u64>;
}

/// Messages, each delivered until it is settled.
pub trait Queue: Send + Sync {
    /// Leases messages that are due, the longest due first; of each group only the oldest, and none while it is leased.
    ///
    /// Durable when it returns, so that a message that kills its consumer is counted.
    fn receive<'a>(&'a self, shard: &'a Shard, receive: Receive) -> Answer<'a, Vec<Delivery>>;

    /// Looks at messages in order of their numbers, after `after`, without leasing.
    fn peek<'a>(
        &'a self,
        shard: &'a Shard,
        queue: &'a QueueName,
        after: Option<Seq>,
        max: usize,
    ) -> Answer<'a, Vec<Peeked>>;

    /// When the next message can be received, if there is one: what a pump waits for.
    fn next_ready<'a>(&'a self, shard: &'a Shard, queue: &'a QueueName) -> Answer<'a, Option<Timestamp>>;
}

/// Wake-ups. A due timer stays until the commit that its firing leads to disarms it.
pub trait Timers: Send + Sync {
    /// Timers due at `now`, the earliest first.
    fn due<'a>(&'a self, shard: &'a Shard, now: Timestamp, max: usize) -> Answer<'a, Vec<Timer>>;

    /// The earliest timer, due or not: what a pump waits for.
    fn next_timer<'a>(&'a self, shard: &'a Shard) -> Answer<'a, Option<Timestamp>>;
}

/// Fencing tokens.
pub trait Lease: Send + Sync {
    /// The owner's epoch; [`Epoch::NONE`] before the first.
    fn epoch<'a>(&'a self, shard: &'a Shard, owner: &'a Owner) -> Answer<'a, Epoch>;
}

/// All ports, and the one way to write.
pub trait Store: KeyValue + Log + Queue + Timers + Lease {
    fn capabilities(&self) -> Capabilities;

    /// Does all of `txn` or nothing. Durable when it returns `Ok`, and then seen by every read that begins after.
    ///
    /// Dropping the future does not undo what was handed over: the commit may still happen.
    fn commit<'a>(&'a self, shard: &'a Shard, txn: Txn) -> Answer<'a, Commit>;
}

/// What every operation gives: a future that may fail.
pub type Answer<'a, T> = Pending<'a, Result<T, StoreError>>;

/// What a backend promises. The conformance suite holds it to exactly this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A transaction may hold any checks and writes of one shard. Without: one write, and checks on the same item.
    pub transactions: bool,
    /// What was committed outlives the process and the machine's power.
    pub durable: bool,
    /// Items may expire.
    pub expiry: bool,
    /// Messages may have a group.
    pub groups: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub value: Bytes,
    pub version: Version,
    pub expires: Option<Timestamp>,
}

/// Which items to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub space: Space,
    pub prefix: Bytes,
    /// Begin behind this key: [`Page::next`] of the page before.
    pub after: Option<Bytes>,
    /// At most this many, at least one, and at most [`PAGE_MAX`](crate::bound::PAGE_MAX).
    pub max: usize,
    /// Without, each item comes with an empty value.
    pub values: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub items: Vec<(Bytes, Item)>,
    /// `Some`: there may be more; ask again with it as [`Scan::after`].
    pub next: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// The position of the first of `records`; the first kept record where an older one was asked for.
    pub from: u64,
    pub records: Vec<Bytes>,
    /// The oldest position that is still kept.
    pub first: u64,
    /// How many have ever been appended: the position of the next.
    pub length: u64,
}

/// A wish for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    pub queue: QueueName,
    /// At most this many, and at most [`RECEIVE_MAX`](crate::bound::RECEIVE_MAX).
    pub max: usize,
    /// After this the message is due again, to whoever asks. Up to [`LEASE_MAX`](crate::bound::LEASE_MAX).
    pub lease: Duration,
    pub now: Timestamp,
}

/// A message, leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub receipt: Receipt,
    pub payload: Bytes,
    pub group: Option<Group>,
    pub sent: Timestamp,
    /// How often it has been received, this one counted.
    pub attempt: u32,
}

/// A message, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    pub seq: Seq,
    pub payload: Bytes,
    pub group: Option<Group>,
    pub sent: Timestamp,
    pub attempt: u32,
    /// When it can be received: in the future while delayed or leased. `None`: it waits for its group.
    pub ready: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    pub timer: TimerName,
    pub at: Timestamp,
    pub payload: Bytes,
    /// The commit that armed it, for [`Check::Timer`](crate::Check::Timer).
    pub version: Version,
}
