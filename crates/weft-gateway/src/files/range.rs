//! Ranges of bytes (RFC 9110, 14): one range is served; several, or another unit, are answered by the whole.

use std::time::SystemTime;

use http::{HeaderMap, header};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    /// `length` is at least 1, and the part lies within the file.
    Part {
        from: u64,
        length: u64,
    },
    Outside,
}

pub(crate) fn wanted(headers: &HeaderMap, tag: &str, modified: SystemTime, size: u64) -> Wanted {
    if headers.contains_key(header::RANGE) && still_the_same(headers, tag, modified) {
        asked(headers, size)
    } else {
        Wanted::Whole
    }
}

/// What is asked for of so many bytes, whatever the client has of them.
pub(crate) fn asked(headers: &HeaderMap, size: u64) -> Wanted {
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Wanted::Whole };
    let Some((unit, range)) = range.split_once('=') else { return Wanted::Whole };
    match unit.trim().eq_ignore_ascii_case("bytes") && !range.contains(',') {
        true => part(range.trim(), size),
        false => Wanted::Whole,
    }
}

/// `if-range`: a part only of what the client already has the rest of. A weak tag never matches.
fn still_the_same(headers: &HeaderMap, tag: &str, modified: SystemTime) -> bool {
    let Some(known) = headers.get(header::IF_RANGE).and_then(|value| value.to_str().ok()) else { return true };
    known == tag || httpdate::parse_http_date(known).is_ok_and(|date| super::seconds(date) == super::seconds(modified))
}

fn part(range: &str, size: u64) -> Wanted {
    let Some((first, last)) = range.split_once('-') else { return Wanted::Whole };
    let (first, last) = (first.trim(), last.trim());
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (first, last) {
        ("", "") => Wanted::Whole,
        ("", suffix) => match number(suffix) {
            None => Wanted::Whole,
            Some(0) => Wanted::Outside,
            Some(_) if size == 0 => Wanted::Outside,
            Some(suffix) => Wanted::Part { from: size.saturating_sub(suffix), length: suffix.min(size) },
        },
        (first, last) => {
            let Some(from) = number(first) else { return Wanted::Whole };
            let to = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match to {
                Some(to) if to < from => Wanted::Whole,
                Some(_) if from >= size => Wanted::Outside,
                Some(to) => Wanted::Part { from, length: to.min(size - 1) - from + 1 },
                None => Wanted::Whole,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes() {
        let cases = [
            ("0-0", Wanted::Part { from: 0, length: 1 }),
            ("2-4", Wanted::Part { from: 2, length: 3 }),
            ("5-", Wanted::Part { from: 5, length: 5 }),
            ("5-999", Wanted::Part { from: 5, length: 5 }),
            ("-3", Wanted::Part { from: 7, length: 3 }),
            ("-99", Wanted::Part { from: 0, length: 10 }),
            ("10-", Wanted::Outside),
            ("-0", Wanted::Outside),
            ("4-2", Wanted::Whole),
            ("x-2", Wanted::Whole),
            ("-", Wanted::Whole),
            ("99999999999999999999-", Wanted::Whole),
        ];
        for (range, wanted) in cases {
            assert_eq!(part(range, 10), wanted, "{range}");
        }
        assert_eq!(part("-1", 0), Wanted::Outside);
    }
}
