//! W3C trace context as its own test suite asks for it, over HTTP/1 and HTTP/2: what a component sees as its parent.

mod common;

use common::{
    door,
    frames::{Ended, HEADERS, WHOLE, Wire, frame, request},
    raw, start,
};
use http::{HeaderMap, Response};
use weft_gateway::Running;

const TRACE: &str = "12345678901234567890123456789012";
const SPAN: &str = "1234567890123456";

fn gateway() -> Running {
    start(door(|request| async move {
        let all = |headers: &HeaderMap, name: &str| {
            let lines: Vec<_> = headers.get_all(name).iter().map(|v| v.to_str().expect("text").to_owned()).collect();
            lines.join("|")
        };
        let (parent, state) = (all(request.headers(), "traceparent"), all(request.headers(), "tracestate"));
        Ok(Response::new(weft_types::full(format!("{parent}\n{state}"))))
    }))
}

/// What the component saw: `traceparent` in its four parts, and `tracestate`.
async fn seen(gateway: &Running, headers: &[(&str, &str)], h2: bool) -> (Vec<String>, String) {
    let answer = if h2 {
        let mut wire = Wire::open(gateway.address()).await;
        wire.send(&frame(HEADERS, WHOLE, 1, &request("GET", "/", headers))).await;
        match wire.ended(1).await {
            Ended::Answered(200, body) => body,
            ended => panic!("{headers:?}: {ended:?}"),
        }
    } else {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        raw(gateway.address(), format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n")).await
    };
    let body = answer.split_once("\r\n\r\n").map_or(&*answer, |(_, body)| body);
    let (parent, state) = body.split_once('\n').expect("both");
    let parts: Vec<String> = parent.split('-').map(str::to_owned).collect();
    let lengths: Vec<usize> = parts.iter().map(String::len).collect();
    assert_eq!(lengths, [2, 32, 16, 2], "{headers:?}: one valid traceparent, not {parent}");
    assert_eq!(parts[0], "00");
    assert_ne!(parts[1], "0".repeat(32));
    assert_ne!(parts[2], "0".repeat(16));
    assert_ne!(parts[2], SPAN, "we are the parent");
    (parts, state.to_owned())
}

#[tokio::test]
async fn a_valid_parent_is_continued() {
    let gateway = gateway();
    let parent = |version: &str, flags: &str| format!("{version}-{TRACE}-{SPAN}-{flags}");
    let cases = [
        (parent("00", "00"), "00"),
        (parent("00", "01"), "01"),
        (parent("00", "03"), "03"),
        (parent("00", "ff"), "03"),
        (parent("01", "01"), "01"),
        (parent("cc", "01"), "01"),
        (parent("cc", "01-what-the-future-will-be-like"), "01"),
        (parent("fe", "00-"), "00"),
        (format!(" {}", parent("00", "01")), "01"),
        (format!("\t {} \t", parent("00", "01")), "01"),
    ];
    for (parent, flags) in &cases {
        for (name, h2) in
            [("traceparent", true), ("traceparent", false), ("TraceParent", false), ("TRACEPARENT", false)]
        {
            // Nothing is around a value in HTTP/2.
            let parent = if h2 { parent.trim() } else { parent };
            let (parts, state) = seen(&gateway, &[(name, parent)], h2).await;
            assert_eq!((&*parts[1], &*parts[3], &*state), (TRACE, *flags, ""), "{parent:?}");
        }
    }
}

#[tokio::test]
async fn an_invalid_parent_begins_anew_and_takes_its_state_along() {
    let gateway = gateway();
    let zeros = "0".repeat(32);
    let parents = [
        format!("00-{TRACE}-{SPAN}-01."),
        format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
        format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!(".0-{TRACE}-{SPAN}-01"),
        format!("0.-{TRACE}-{SPAN}-01"),
        format!("CC-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!("0000-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-.{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{}.-{SPAN}-01", &TRACE[1..]),
        format!("00-{}A-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}3-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}-{}-01", &zeros[16..]),
        format!("00-{TRACE}-.{}-01", &SPAN[1..]),
        format!("00-{TRACE}-{}.-01", &SPAN[1..]),
        format!("00-{TRACE}-{}B-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}7-01"),
        format!("00-{TRACE}-{}-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}-.0"),
        format!("00-{TRACE}-{SPAN}-0."),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        "00".to_owned(),
        String::new(),
    ];
    for parent in &parents {
        for h2 in [false, true] {
            let (parts, state) = seen(&gateway, &[("traceparent", parent), ("tracestate", "foo=1")], h2).await;
            assert_ne!(parts[1], TRACE, "{parent:?}");
            assert_eq!(state, "", "{parent:?}");
        }
    }
}

#[tokio::test]
async fn no_parent_two_parents_or_another_name_begin_anew() {
    let gateway = gateway();
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let other = format!("00-{}-{SPAN}-01", TRACE.replace('9', "8"));
    let cases: [&[(&str, &str)]; 5] = [
        &[],
        &[("tracestate", "foo=1,bar=2")],
        &[("traceparent", &parent), ("traceparent", &other)],
        &[("trace-parent", &parent), ("tracestate", "foo=1")],
        &[("trace.parent", &parent), ("tracestate", "foo=1")],
    ];
    for headers in cases {
        for h2 in [false, true] {
            let (first, state) = seen(&gateway, headers, h2).await;
            let (second, _) = seen(&gateway, headers, h2).await;
            assert!(first[1] != TRACE && !other.contains(&first[1]), "{headers:?}");
            assert!(first[1] != second[1] && first[2] != second[2], "{headers:?}: new each time");
            assert_eq!(state, "", "{headers:?}");
        }
    }
    let (first, _) = seen(&gateway, &[("traceparent", &parent)], false).await;
    let (second, _) = seen(&gateway, &[("traceparent", &parent)], false).await;
    assert_ne!(first[2], second[2], "each request is a span of its own");
}

#[tokio::test]
async fn the_state_is_handed_on() {
    let gateway = gateway();
    let parent = format!("00-{TRACE}-{SPAN}-00");
    let characters = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|c| !",=".contains(*c)).collect();
    let all = format!("{characters}={value}");
    let tenant = format!("{characters}@a-z0-9_-*/={value}");
    let thirty_two: Vec<String> = (1..=32).map(|n| format!("bar{n:02}={n:02}")).collect();
    let thirty_three = format!("{},bar33=33", thirty_two.join(","));
    let long = format!("{}=1", "z".repeat(256));
    let too_long = format!("z{long}");
    let cases: Vec<(Vec<&str>, String)> = vec![
        (vec!["foo=1,bar=2"], "foo=1,bar=2".into()),
        (vec![""], String::new()),
        (vec!["foo=1", ""], "foo=1".into()),
        (vec!["", "foo=1"], "foo=1".into()),
        (vec!["foo=1,", ",,bar=2"], "foo=1,bar=2".into()),
        (vec!["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3".into()),
        // The suite asked for none of it until 2021; since then the list is to be kept, with or without the second.
        (vec!["foo=1,foo=1"], "foo=1".into()),
        (vec!["foo=1", "foo=2"], "foo=1".into()),
        (vec!["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3".into()),
        (vec!["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3".into()),
        (vec!["\t foo=1 \t"], "foo=1".into()),
        (vec![&all], all.clone()),
        (vec![&tenant], tenant.clone()),
        (thirty_two.iter().map(String::as_str).collect(), thirty_two.join(",")),
        (vec![&thirty_three], String::new()),
        (vec!["foo=1", &long], format!("foo=1,{long}")),
        (vec!["foo=1", &too_long], String::new()),
        (vec!["foo =1"], String::new()),
        (vec!["FOO=1"], String::new()),
        (vec!["foo.bar=1"], String::new()),
        (vec!["foo@=1,bar=2"], String::new()),
        (vec!["@foo=1,bar=2"], String::new()),
        (vec!["foo@@bar=1,bar=2"], String::new()),
        (vec!["foo@bar@baz=1,bar=2"], String::new()),
        (vec!["foo=bar=baz"], String::new()),
        (vec!["foo=,bar=3"], String::new()),
        (vec!["foo"], String::new()),
    ];
    for (lines, expected) in &cases {
        for (name, h2) in [("tracestate", true), ("tracestate", false), ("TraceState", false), ("TRACESTATE", false)] {
            let states = lines.iter().map(|line| (name, if h2 { line.trim() } else { line }));
            let headers: Vec<(&str, &str)> = [("traceparent", &*parent)].into_iter().chain(states).collect();
            let (parts, state) = seen(&gateway, &headers, h2).await;
            assert_eq!(parts[1], TRACE, "{lines:?}: the trace goes on in any case");
            assert_eq!(&state, expected, "{lines:?}");
        }
    }
    for name in ["trace-state", "trace.state"] {
        let (_, state) = seen(&gateway, &[("traceparent", &parent), (name, "foo=1")], false).await;
        assert_eq!(state, "", "{name}");
    }
}
