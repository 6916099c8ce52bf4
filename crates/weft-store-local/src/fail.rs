//! From SQLite's errors to the store's.

use std::sync::Arc;

use rusqlite::{Error, ErrorCode};
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

/// An error of the commit itself. A full disk is noticed before the last frame is written, and without its last frame
/// a commit is not one; anything else may or may not have reached the disk.
pub(crate) fn during(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { source: source(error) },
        _ => StoreError::Unknown { source: source(error) },
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

pub(crate) fn starting(error: std::io::Error) -> StoreError {
    StoreError::Unavailable { source: source(error) }
}

fn source(error: impl std::error::Error + Send + Sync + 'static) -> Source {
    Arc::new(error)
}
