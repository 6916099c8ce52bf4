//! W3C trace context, levels 1 and 2: what ties one invocation to the call that caused it.

use std::{fmt, sync::Arc};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceId(pub u128);
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SpanId(pub u64);

/// Where an invocation stands in a distributed trace.
///
/// `parent` is the caller's span; `span` is this invocation's own, sent on as the parent of what it calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    pub trace: TraceId,
    pub parent: Option<SpanId>,
    pub span: SpanId,
    /// The `sampled` and `random` flags, bits 0 and 1; other bits are dropped as the specification asks.
    pub flags: u8,
    /// `tracestate` as received, at most 512 characters, else dropped whole.
    pub state: Option<Arc<str>>,
}

impl Trace {
    pub const SAMPLED: u8 = 1;
    pub const RANDOM: u8 = 2;

    /// Reads a `traceparent` header. `None` when it is not one: the specification then starts a new trace.
    ///
    /// Version `ff` is invalid; version `00` must be exactly 55 characters; a later version may be longer,
    /// if what follows begins with `-`.
    pub fn parse_parent(header: &str) -> Option<(TraceId, SpanId, u8)> {
        let bytes = header.as_bytes();
        if bytes.len() < 55 || bytes[2] != b'-' || bytes[35] != b'-' || bytes[52] != b'-' {
            return None;
        }
        let version = hex(&bytes[..2])? as u8;
        let longer_is_wrong = version == 0 || bytes.get(55) != Some(&b'-');
        if version == 0xff || (bytes.len() > 55 && longer_is_wrong) {
            return None;
        }
        let trace = hex(&bytes[3..35])?;
        let span = hex(&bytes[36..52])? as u64;
        let flags = hex(&bytes[53..55])? as u8;
        if trace == 0 || span == 0 {
            return None;
        }
        Some((TraceId(trace), SpanId(span), flags & (Self::SAMPLED | Self::RANDOM)))
    }

    pub fn sampled(&self) -> bool {
        self.flags & Self::SAMPLED != 0
    }

    /// The `traceparent` to send with whatever this invocation calls.
    pub fn to_parent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// Lower-case hexadecimal only: the specification forbids upper case.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |sum, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u128::from(value))
    })
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_good_parent_round_trips() {
        let (trace, span, flags) = Trace::parse_parent(GOOD).expect("valid");
        let mine = Trace { trace, parent: None, span, flags, state: None };
        assert_eq!(mine.to_parent(), GOOD);
    }

    #[test]
    fn what_the_specification_refuses_is_refused() {
        let cases = [
            ("ff version", GOOD.replacen("00", "ff", 1)),
            ("upper case", GOOD.replace("4bf9", "4BF9")),
            ("zero trace", format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))),
            ("zero span", format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16))),
            ("version 00 with a tail", format!("{GOOD}-more")),
            ("later version, tail without a dash", format!("{}x", GOOD.replacen("00", "01", 1))),
            ("short", GOOD[..54].to_owned()),
            ("not ascii", GOOD.replace("4b", "é")),
        ];
        for (why, text) in cases {
            assert_eq!(Trace::parse_parent(&text), None, "{why}");
        }
        let later = format!("{}-tail", GOOD.replacen("00", "01", 1));
        assert!(Trace::parse_parent(&later).is_some());
    }
}
