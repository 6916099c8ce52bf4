//! Raw request paths: what is refused, and how one segment is decoded.
//!
//! A path is split at `/` while still encoded, and each segment is decoded once and alone, so `%2F` is data and
//! never a separator. What could mean another path to some later reader (a file system, a proxy, a guest that
//! decodes again) is refused here, for every route: dot-segments in any spelling, NUL, a bare backslash.

use std::borrow::Cow;

use smallvec::SmallVec;

/// A decoded segment. Paths are short: 64 bytes stay off the heap.
pub(crate) type Segment = SmallVec<[u8; 64]>;

/// Whether the path may be routed, and whether any segment is encoded.
pub(crate) fn check(path: &str) -> Result<bool, &'static str> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err("the path does not begin with `/`");
    }
    let mut encoded = false;
    let mut start = 1;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            b'/' => {
                check_dots(&bytes[start..at])?;
                start = at + 1;
            }
            0 => return Err("the path holds NUL"),
            b'\\' => return Err("the path holds a backslash"),
            b'%' => {
                encoded = true;
                check_escape(bytes, at)?;
            }
            _ => {}
        }
    }
    check_dots(&bytes[start..])?;
    if encoded {
        bytes[1..].split(|b| *b == b'/').try_for_each(check_decoded)?;
    }
    Ok(encoded)
}

fn check_dots(segment: &[u8]) -> Result<(), &'static str> {
    match segment {
        b"." | b".." => Err("the path holds a dot-segment"),
        _ => Ok(()),
    }
}

fn check_escape(bytes: &[u8], at: usize) -> Result<(), &'static str> {
    match escaped(bytes, at) {
        None => Err("the path holds an invalid escape"),
        Some(0) => Err("the path holds an encoded NUL"),
        Some(_) => Ok(()),
    }
}

/// `..%2Fetc` is one segment to us and three to whoever decodes it: its parts are judged like segments.
fn check_decoded(segment: &[u8]) -> Result<(), &'static str> {
    if !segment.contains(&b'%') {
        return Ok(());
    }
    let dots = |part: &[u8]| matches!(part, b"." | b"..");
    match decode(segment).split(|b| matches!(b, b'/' | b'\\')).any(dots) {
        true => Err("the path holds an encoded dot-segment"),
        false => Ok(()),
    }
}

/// The byte that the two digits after this place stand for. Only where the place holds `%` are they an escape.
pub(crate) fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
    Some((digit(at + 1)? << 4 | digit(at + 2)?) as u8)
}

/// Decodes one segment. An invalid escape stays as it is; [`check`] has refused those of requests.
pub(crate) fn decode(segment: &[u8]) -> Segment {
    let mut out = Segment::with_capacity(segment.len());
    let mut at = 0;
    while at < segment.len() {
        match escaped(segment, at) {
            Some(byte) if segment[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(segment[at]);
                at += 1;
            }
        }
    }
    out
}

/// A parameter's value: borrowed where nothing was encoded. `None`: not UTF-8.
pub(crate) fn decode_text(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    String::from_utf8(decode(segment.as_bytes()).into_vec()).ok().map(Cow::Owned)
}

/// Encodes text as one path segment: all but RFC 3986 `unreserved` is escaped.
pub(crate) fn encode_segment(text: &str, out: &mut String) {
    use std::fmt::Write;
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_something_else_elsewhere_are_refused() {
        let refused = [
            "",
            "orders",
            "*",
            "http://x/",
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e%2e",
            "/.%2e/x",
            "/%2E./x",
            "/%2e",
            "/a%2f..%2fb",
            "/..%2fetc",
            "/..%5cetc",
            "/%2e%2e%5cetc",
            "/a\\b",
            "/%",
            "/%2",
            "/%zz",
            "/a%00b",
            "/a\0b",
            "/%+1",
        ];
        for path in refused {
            assert!(check(path).is_err(), "{path:?} must be refused");
        }
        let plain = ["/", "//", "/a/b/", "/...", "/.a", "/a..", "/..a", "/é", "/a;b=c", "/a:b", "/*"];
        for path in plain {
            assert_eq!(check(path), Ok(false), "{path:?}");
        }
        for path in ["/a%2Fb", "/%252e%252e", "/%5C", "/%FF", "/%41", "/a%20b/c"] {
            assert_eq!(check(path), Ok(true), "{path:?}");
        }
    }

    #[test]
    fn a_segment_is_decoded_once() {
        assert_eq!(decode_text("a%2Fb").as_deref(), Some("a/b"));
        assert_eq!(decode_text("%252e").as_deref(), Some("%2e"));
        assert_eq!(decode_text("plain"), Some(Cow::Borrowed("plain")));
        assert_eq!(decode_text("%C3%A9").as_deref(), Some("é"));
        assert_eq!(decode_text("%FF"), None);
    }

    #[test]
    fn an_encoded_segment_decodes_to_itself() {
        for text in ["a b", "a/b", "é", "%", "x:y*z", "~-._"] {
            let mut encoded = String::new();
            encode_segment(text, &mut encoded);
            assert!(!encoded.contains('/'));
            assert_eq!(decode_text(&encoded).as_deref(), Some(text));
        }
    }
}
