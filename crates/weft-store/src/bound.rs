//! Every bound of a store. What is larger is refused with [`TooLarge`](crate::StoreError::TooLarge), never cut.

use std::time::Duration;

/// Longest name of a space, log, queue, timer, owner, scope or group, in bytes. Holds a key of 1 KiB and a prefix.
pub const NAME_MAX: usize = 1_280;
/// Longest key of an item, and longest id of a [`First`](crate::Check::First), in bytes.
pub const KEY_MAX: usize = 1_024;
/// Largest value, log record, message or timer payload, in bytes.
pub const VALUE_MAX: usize = 1 << 20;
/// Most checks and writes in one transaction, appended records counted each. Twelve bits: see [`Seq`](crate::Seq).
pub const OPS_MAX: usize = 4_096;
/// Largest transaction: names, keys, values and a fixed cost for each operation, in bytes.
pub const TXN_BYTES_MAX: usize = 16 << 20;
/// What an operation costs beside its bytes, in bytes of [`TXN_BYTES_MAX`].
pub const OP_BYTES: usize = 64;
/// Most entries that one read answers with; a larger wish is served in pages of this size.
pub const PAGE_MAX: usize = 1_000;
/// Where a page of records or items ends although more entries were wished for, in bytes. One entry is always given.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// Most keys in one `get_many`.
pub const MANY_MAX: usize = 1_000;
/// Most messages leased by one receive.
pub const RECEIVE_MAX: usize = 256;
/// Most records that one [`Trim`](crate::Write::Trim) drops; the answer says where the log now begins.
pub const TRIM_MAX: u64 = 4_096;
/// Longest lease of a message.
pub const LEASE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
