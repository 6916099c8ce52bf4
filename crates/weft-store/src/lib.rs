//! The ports of storage, a memory backend, and the suite that every backend passes.
//!
//! State that must change together changes in one [`Txn`]: key-value writes, log appends, queue sends and settles,
//! timers, an actor's state and outbox, a workflow's journal. A `Txn` is a value; ports read, and [`Store::commit`] is
//! the only way to write. Invariants:
//! - A commit is all or nothing, durable when acknowledged, and seen by every later read.
//! - Nothing here reads a clock or draws randomness.
//! - Everything has a [bound].

pub mod bound;
mod error;
mod layer;
mod memory;
mod name;
pub mod number;
mod port;
#[cfg(feature = "suite")]
pub mod suite;
mod txn;

pub use error::{Found, Op, Source, StoreError};
pub use layer::Layer;
pub use memory::MemoryStore;
pub use name::{Epoch, Group, LogName, Owner, QueueName, Scope, Seq, Shard, Space, TimerName, Version};
pub use port::{
    Answer, Capabilities, Delivery, Item, KeyValue, Lease, Log, Page, Peeked, Queue, Receive, Records, Scan, Store,
    Timer, Timers,
};
pub use txn::{At, Check, Commit, Dedup, Message, Receipt, Settle, Txn, Write, Wrote};
