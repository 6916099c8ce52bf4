//! Why a store said no, as facts; and what that means to a caller.

use std::{error::Error, time::Duration};

use weft_types::{Code, Fault, Ran, Retry, code};

use crate::{Epoch, Version};

/// One operation that a store did not do. Unless it is [`Unknown`](Self::Unknown), nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A check failed, or a write found that another came first.
    #[error("{op} does not hold: {found}")]
    Conflict { op: Op, found: Found },
    #[error("{what} of {is} is over the limit of {limit}, or is empty where it may not be")]
    TooLarge { what: &'static str, is: usize, limit: usize },
    /// The item that [`Add`](crate::Write::Add) meets holds no decimal number of 64 bits.
    #[error("write {write} adds to a value that is not a whole number in decimal text")]
    NotANumber { write: usize },
    #[error("write {write} adds beyond the range of a 64-bit number")]
    Overflow { write: usize },
    /// This backend cannot keep what the operation asks for; see [`Capabilities`](crate::Capabilities).
    #[error("this store has no {what}")]
    Unsupported { what: &'static str },
    /// The disk, or the quota, is full. Reads go on.
    #[error("the store has no room left")]
    Full { source: Source },
    /// The data can be read but not written. Reads go on.
    #[error("the store can only be read")]
    ReadOnly { source: Source },
    /// Nothing was done; later it may be.
    #[error("the store cannot be reached")]
    Unavailable { source: Source },
    /// The commit was begun, and whether it lasts is not known: a sync failed, or the connection broke.
    #[error("it is not known whether the commit lasts")]
    Unknown { source: Source },
    #[error("the store's data is damaged: {detail}")]
    Corrupt { detail: String, source: Option<Source> },
}

/// What lay under an error. Shared, because one failed sync is the answer to many commits.
pub type Source = std::sync::Arc<dyn Error + Send + Sync>;

/// Which part of a transaction, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Check(usize),
    Write(usize),
}

/// What was there instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// `None`: nothing.
    Version(Option<Version>),
    Length(u64),
    Epoch(Epoch),
    /// The id has been seen.
    Seen,
    /// The receipt is no longer good: settled, or received anew by another.
    NotLeased,
}

impl StoreError {
    /// Whether the writes may have happened.
    pub fn ran(&self) -> Ran {
        match self {
            Self::Unknown { .. } => Ran::Maybe,
            _ => Ran::No,
        }
    }

    pub fn code(&self) -> Code {
        match self {
            Self::Conflict { .. } => code::STORE_CONFLICT,
            Self::TooLarge { .. } | Self::NotANumber { .. } | Self::Overflow { .. } | Self::Unsupported { .. } => {
                code::STORE_INVALID
            }
            Self::Full { .. } => code::STORE_FULL,
            Self::ReadOnly { .. } | Self::Unavailable { .. } => code::STORE_UNAVAILABLE,
            Self::Unknown { .. } => code::UNKNOWN_OUTCOME,
            Self::Corrupt { .. } => code::STORE_CORRUPT,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let fault = Self::new(error.code(), error.ran()).detail(error.to_string());
        // An operator must act before a read-only folder takes writes: hurrying does not help.
        let slow = Retry::After(Duration::from_secs(30));
        let fault = if matches!(error, StoreError::ReadOnly { .. }) { fault.retry(slow) } else { fault };
        fault.source(error)
    }
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Check(index) => write!(f, "check {index}"),
            Self::Write(index) => write!(f, "write {index}"),
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(Some(version)) => write!(f, "it has version {}", version.0),
            Self::Version(None) => f.write_str("it is not there"),
            Self::Length(length) => write!(f, "the log has length {length}"),
            Self::Epoch(epoch) => write!(f, "the owner has epoch {}", epoch.0),
            Self::Seen => f.write_str("the id has been seen"),
            Self::NotLeased => f.write_str("the receipt no longer leases the message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unknown_commit_may_have_run() {
        let source: Source = std::sync::Arc::new(std::io::Error::other("x"));
        let table = [
            (StoreError::Conflict { op: Op::Check(0), found: Found::Seen }, "store-conflict", Ran::No),
            (StoreError::TooLarge { what: "a key", is: 2, limit: 1 }, "store-invalid", Ran::No),
            (StoreError::Full { source: source.clone() }, "store-full", Ran::No),
            (StoreError::ReadOnly { source: source.clone() }, "store-unavailable", Ran::No),
            (StoreError::Unavailable { source: source.clone() }, "store-unavailable", Ran::No),
            (StoreError::Corrupt { detail: "x".into(), source: None }, "store-corrupt", Ran::No),
            (StoreError::Unknown { source }, "unknown-outcome", Ran::Maybe),
        ];
        for (error, code, ran) in table {
            let fault = Fault::from(error);
            assert_eq!((fault.code.as_str(), fault.ran), (code, ran));
        }
    }
}
