//! From SQLite's errors to the store's.

use std::{fs::File, path::Path, sync::Arc};

use rusqlite::{Error, ErrorCode, ffi};
use weft_store::{Source, StoreError};

use crate::schema::FileError;

/// An error before the commit was begun: nothing has changed.
pub(crate) fn before(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { source: source(error) },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { source: source(error) },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt { detail: error.to_string(), source: Some(source(error)) }
        }
        _ => StoreError::Unavailable { source: source(error) },
    }
}

/// An error of the commit itself.
///
/// The frame that makes a commit one is written last, so a write that failed, for want of room or otherwise, means
/// that there is none. After any other failure, above all that of a sync, it may or may not be on the disk.
pub(crate) fn during(error: Error) -> StoreError {
    let written = error.sqlite_error().is_none_or(|error| error.extended_code != ffi::SQLITE_IOERR_WRITE);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { source: source(error) },
        _ if !written => StoreError::Unavailable { source: source(error) },
        _ => StoreError::Unknown { source: source(error) },
    }
}

/// Says *read-only* where that is why something failed: the engine often does not know.
pub(crate) fn explain(error: StoreError, lock: &Path) -> StoreError {
    let denied = |error: std::io::Error| {
        matches!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied)
    };
    match error {
        // Asked of the folder's lock and not of the data: closing a file gives up SQLite's locks on it.
        StoreError::Unavailable { source } if File::options().write(true).open(lock).is_err_and(denied) => {
            StoreError::ReadOnly { source }
        }
        other => other,
    }
}

pub(crate) fn opening(error: FileError) -> StoreError {
    match error {
        FileError::Sql(error) => before(error),
        FileError::Io(error) => match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                StoreError::Full { source: source(error) }
            }
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
                StoreError::ReadOnly { source: source(error) }
            }
            _ => StoreError::Unavailable { source: source(error) },
        },
        FileError::Newer { .. } | FileError::Foreign { .. } => {
            StoreError::Corrupt { detail: error.to_string(), source: Some(source(error)) }
        }
    }
}

/// One error as the answer to many: each gets the same source.
pub(crate) fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full { source } => StoreError::Full { source: Arc::clone(source) },
        StoreError::ReadOnly { source } => StoreError::ReadOnly { source: Arc::clone(source) },
        StoreError::Unknown { source } => StoreError::Unknown { source: Arc::clone(source) },
        StoreError::Corrupt { detail, source } => {
            StoreError::Corrupt { detail: detail.clone(), source: source.clone() }
        }
        StoreError::Unavailable { source } => StoreError::Unavailable { source: Arc::clone(source) },
        other => StoreError::Unavailable { source: source(std::io::Error::other(other.to_string())) },
    }
}

pub(crate) fn gone() -> StoreError {
    StoreError::Unavailable { source: source(std::io::Error::other("the store is closing")) }
}

/// The writer took the job and died of a bug before it answered.
pub(crate) fn lost() -> StoreError {
    StoreError::Unknown { source: source(std::io::Error::other("the writer ended without an answer")) }
}

/// A read died of a bug before it answered.
pub(crate) fn unread() -> StoreError {
    StoreError::Unavailable { source: source(std::io::Error::other("the read ended without an answer")) }
}

pub(crate) fn starting(error: std::io::Error) -> StoreError {
    StoreError::Unavailable { source: source(error) }
}

fn source(error: impl std::error::Error + Send + Sync + 'static) -> Source {
    Arc::new(error)
}
