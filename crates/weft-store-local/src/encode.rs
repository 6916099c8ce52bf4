//! Numbers as SQLite keeps them: signed, 64 bits.

use weft_types::Timestamp;

/// Times beyond the year 2262 are kept as that.
pub(crate) fn time(at: Timestamp) -> i64 {
    number(at.as_nanos())
}

pub(crate) fn time_back(at: i64) -> Timestamp {
    Timestamp::from_nanos(at.max(0) as u64)
}

/// Numbers that we count ourselves never come near 2⁶³; one given from outside is cut to it.
pub(crate) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn number_back(number: i64) -> u64 {
    number.max(0) as u64
}
