//! Numbers in items: whole, 64 bits, in decimal text, so that a guest that reads one as a value sees what it means.

use crate::StoreError;

/// The number that `value` holds. `write` says which write asks.
pub fn parse(value: &[u8], write: usize) -> Result<i64, StoreError> {
    let text = std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).ok_or(StoreError::NotANumber { write })
}

pub fn add(number: i64, by: i64, write: usize) -> Result<i64, StoreError> {
    number.checked_add(by).ok_or(StoreError::Overflow { write })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_decimal_numbers_of_64_bits_are_numbers() {
        for (text, number) in [("0", 0), ("-7", -7), ("9223372036854775807", i64::MAX)] {
            assert_eq!(parse(text.as_bytes(), 0).unwrap(), number);
        }
        for bad in ["", "+1", "1.0", " 1", "0x1", "9223372036854775808", "ä"] {
            assert!(matches!(parse(bad.as_bytes(), 3), Err(StoreError::NotANumber { write: 3 })), "{bad}");
        }
        assert!(matches!(add(i64::MAX, 1, 0), Err(StoreError::Overflow { write: 0 })));
    }
}
