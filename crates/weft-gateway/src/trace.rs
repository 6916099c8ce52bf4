//! W3C trace context at the edge: read strictly, continued or begun anew, and handed on.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use weft_types::{SpanId, Trace, TraceId};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const STATE_MEMBERS: usize = 32;
const STATE_BYTES: usize = 512;
/// What goes first where a list is too long.
const LARGE_MEMBER_BYTES: usize = 128;

/// Continues the caller's trace, or begins one. `fresh` gives the ids: its lower half the span.
///
/// The request's own headers are set to what whoever answers it should see: us as the parent.
pub(crate) fn join(headers: &mut HeaderMap, fresh: (u128, u64)) -> Trace {
    let span = SpanId(fresh.1.max(1));
    let trace = match single(headers).and_then(Trace::parse_parent) {
        Some((trace, parent, flags)) => {
            let state = if headers.contains_key(&TRACESTATE) { state(headers) } else { None };
            Trace { trace, parent: Some(parent), span, flags, state }
        }
        // The whole of a fresh id is random, and says so; whether to record it is decided by whoever samples.
        None => Trace {
            trace: TraceId(fresh.0.max(1)),
            parent: None,
            span,
            flags: Trace::SAMPLED | Trace::RANDOM,
            state: None,
        },
    };
    headers.insert(TRACEPARENT.clone(), parent_value(&trace));
    match trace.state.as_deref().map(HeaderValue::from_str) {
        Some(Ok(state)) => drop(headers.insert(TRACESTATE.clone(), state)),
        _ => drop(headers.remove(&TRACESTATE)),
    }
    trace
}

fn single(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(&TRACEPARENT).iter();
    let first = all.next()?;
    // More than one is as good as none: nobody knows which is meant.
    if all.next().is_some() { None } else { first.to_str().ok().map(ows) }
}

/// `00-TRACE-SPAN-FLAGS`, without the formatting machinery: this runs for every request.
fn parent_value(trace: &Trace) -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    hex(trace.trace.0, &mut text[3..35]);
    hex(u128::from(trace.span.0), &mut text[36..52]);
    hex(u128::from(trace.flags), &mut text[53..55]);
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn hex(mut value: u128, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

/// All `tracestate` headers as one list, in order, empty members left out; of a key that comes twice the first,
/// which is the latest, stays.
///
/// `None`, which drops it whole, when a member is malformed or there are too many.
fn state(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for line in headers.get_all(&TRACESTATE) {
        for member in line.to_str().ok()?.split(',').map(ows).filter(|member| !member.is_empty()) {
            let (key, value) = member.split_once('=')?;
            if !good_key(key) || !good_value(value) {
                return None;
            }
            if members.iter().any(|(known, _)| *known == key) {
                continue;
            }
            if members.len() == STATE_MEMBERS {
                return None;
            }
            members.push((key, member));
        }
    }
    shorten(&mut members);
    let list: Vec<&str> = members.into_iter().map(|(_, member)| member).collect();
    (!list.is_empty()).then(|| list.join(",").into())
}

/// Whole members go, the large ones first, then from the end, until what is left is short enough to hand on.
fn shorten(members: &mut Vec<(&str, &str)>) {
    let length = |members: &[(&str, &str)]| members.iter().map(|(_, member)| member.len() + 1).sum::<usize>();
    if length(members) > STATE_BYTES + 1 {
        members.retain(|(_, member)| member.len() <= LARGE_MEMBER_BYTES);
    }
    while length(members) > STATE_BYTES + 1 {
        members.pop();
    }
}

fn ows(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// `key`, or `tenant@system`: lower case, digits, `_-*/`.
fn good_key(key: &str) -> bool {
    let tail = |text: &str| {
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'*' | b'/'))
    };
    let part = |text: &str, digit_first: bool, max: usize| {
        let first = text.bytes().next();
        let starts = first.is_some_and(|b| b.is_ascii_lowercase() || (digit_first && b.is_ascii_digit()));
        starts && text.len() <= max && tail(text)
    };
    match key.split_once('@') {
        Some((tenant, system)) => part(tenant, true, 241) && part(system, false, 14),
        // Level 2 allows a digit in front here as well.
        None => part(key, true, 256),
    }
}

/// Printable, without `,` and `=`, not ending in a space, at most 256 characters.
fn good_value(value: &str) -> bool {
    let good = |b: u8| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=';
    !value.is_empty() && value.len() <= 256 && value.bytes().all(good) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn joined(lines: &[(&str, &str)]) -> (Trace, HeaderMap) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().expect("name"), value.parse().expect("value"));
        }
        (join(&mut headers, (7, 9)), headers)
    }

    #[test]
    fn a_trace_goes_on_with_us_as_the_parent() {
        let (trace, headers) = joined(&[("traceparent", PARENT), ("tracestate", "a=1, b=2"), ("tracestate", ",c=3 ")]);
        assert_eq!(trace.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent, Some(SpanId(0x00f0_67aa_0ba9_02b7)));
        assert_eq!(trace.state.as_deref(), Some("a=1,b=2,c=3"));
        assert_eq!(headers["traceparent"], trace.to_parent());
        assert_eq!(headers["traceparent"], "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000009-01");
        assert_eq!(headers.get_all("tracestate").iter().collect::<Vec<_>>(), ["a=1,b=2,c=3"]);
    }

    #[test]
    fn no_parent_or_two_begin_a_new_trace_without_the_old_state() {
        for lines in [
            &[("tracestate", "a=1")][..],
            &[("traceparent", PARENT), ("traceparent", PARENT), ("tracestate", "a=1")],
            &[("traceparent", "00-xyz"), ("tracestate", "a=1")],
        ] {
            let (trace, headers) = joined(lines);
            assert_eq!((trace.trace, trace.parent, trace.state), (TraceId(7), None, None));
            assert_eq!(headers.get_all("traceparent").iter().count(), 1);
            assert!(!headers.contains_key("tracestate"));
        }
    }

    #[test]
    fn a_malformed_state_is_dropped_whole_and_the_parent_kept() {
        let (many, long) = ((0..33).map(|i| format!("k{i}=1")).collect::<Vec<_>>().join(","), "v".repeat(257));
        let (long, key) = (format!("a={long}"), format!("{}=1", "k".repeat(257)));
        let (tenant, system) = (format!("{}@a=1", "t".repeat(242)), format!("a@{}=1", "s".repeat(15)));
        let bad = [
            "a", "=1", "a=", "A=1", "a b=1", "a =1", "a.b=1", "_a=1", "a=b=c", "a@=1", "@a=1", "a@b@c=1", "a@@b=1",
            "a@1=1", "b=1,a=", "a=\u{e9}", "a=\t1\t2", &many, &long, &key, &tenant, &system,
        ];
        for state in bad {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", PARENT.parse().expect("value"));
            headers.insert("tracestate", HeaderValue::from_bytes(state.as_bytes()).expect("value"));
            let trace = join(&mut headers, (7, 9));
            assert!(trace.parent.is_some() && trace.state.is_none(), "{state}");
        }
        let (key, tenant) = (format!("{}=1", "k".repeat(256)), format!("{}@{}=1", "1".repeat(241), "s".repeat(14)));
        for good in ["a=1", "0a=1", "t1@sys=x y", "a= 1", "a/b*c_d-e=~!", &key, &tenant] {
            let (trace, _) = joined(&[("traceparent", PARENT), ("tracestate", good)]);
            assert_eq!(trace.state.as_deref(), Some(good));
        }
    }

    #[test]
    fn of_a_key_that_comes_twice_the_first_stays() {
        for lines in [&["a=1,b=2,a=3"][..], &["a=1,b=2", "a=1"], &["a=1", "b=2,a=9,b=9"]] {
            let lines: Vec<_> = lines.iter().map(|line| ("tracestate", *line)).collect();
            let (trace, _) = joined(&[&[("traceparent", PARENT)], &lines[..]].concat());
            assert_eq!(trace.state.as_deref(), Some("a=1,b=2"), "{lines:?}");
        }
    }

    #[test]
    fn a_long_list_loses_its_large_members_and_then_its_last() {
        let member = |key: &str, length: usize| format!("{key}={}", "v".repeat(length - key.len() - 1));
        let whole: Vec<String> = (0..8).map(|i| member(&format!("k{i}"), 63)).collect();
        let list = whole.join(",");
        assert_eq!(list.len(), 511);
        let state = |list: &str| joined(&[("traceparent", PARENT), ("tracestate", list)]).0.state.expect("kept");
        assert_eq!(&*state(&list), list);
        assert_eq!(&*state(&format!("{},{list}", member("large", 129))), list);
        assert_eq!(&*state(&format!("{list},last=1")), list);
        assert_eq!(&*state(&member("large", 129)), member("large", 129), "alone it is short enough");
    }
}
