//! What may be kept, for whom and how long: by tables, and against whatever answers and requests say.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use weft_traffic::cache::{Asked, Judged, Meets, Options, format_date, part, unchanged};
use weft_types::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn options() -> Options {
    Options {
        partition: "p".into(),
        ttl: None,
        key: vec![HeaderName::from_static("accept-language")],
        forward: Vec::new(),
        ignore_cookies: false,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        body_max: 1 << 20,
        bytes_max: 1 << 20,
    }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().expect("a name"), value.parse::<HeaderValue>().expect("a value"))
    };
    lines.iter().map(pair).collect()
}

type Lines<'a> = &'a [(&'a str, &'a str)];

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

/// How many seconds an answer is fresh, asked for and come at `NOW`. `None`: it is not kept.
fn fresh(options: &Options, lines: &[(&str, &str)]) -> Option<u64> {
    let kept = options.keep(&Asked::default(), StatusCode::OK, &headers(lines), NOW, NOW).ok()?;
    Some(kept.fresh_for(NOW).as_secs())
}

#[test]
fn how_long_an_answer_is_fresh() {
    let (date, soon, past) = (format_date(NOW), format_date(later(100)), format_date(NOW));
    let etag = ("etag", "\"a\"");
    let cases: [(Lines<'_>, Option<u64>); 14] = [
        (&[("cache-control", "max-age=60")], Some(60)),
        (&[("cache-control", "max-age=60, s-maxage=10")], Some(10)),
        (&[("cache-control", "max-age=60"), ("expires", "0")], Some(60)),
        (&[("cache-control", "max-age=60"), ("age", "20")], Some(40)),
        (&[("cache-control", "max-age=60"), ("age", "20, 50")], Some(40)),
        (&[("cache-control", "max-age=60"), ("age", "-20")], Some(60)),
        (&[("date", &date), ("expires", &soon)], Some(100)),
        (&[("expires", &soon)], Some(100)),
        (&[("expires", &past)], None),
        (&[("expires", &soon), ("expires", &soon)], None),
        (&[("expires", "tomorrow"), etag], Some(0)),
        (&[("cache-control", "max-age=x"), etag], Some(0)),
        (&[etag], Some(0)),
        (&[], None),
    ];
    for (lines, wanted) in cases {
        assert_eq!(fresh(&options(), lines), wanted, "{lines:?}");
    }
    let with_ttl = Options { ttl: Some(Duration::from_secs(5)), ..options() };
    assert_eq!(fresh(&with_ttl, &[]), Some(5));
    assert_eq!(fresh(&with_ttl, &[("cache-control", "max-age=60")]), Some(60));
    assert_eq!(fresh(&with_ttl, &[("cache-control", "no-store")]), None);
}

#[test]
fn age_is_what_headers_and_clocks_say_at_most() {
    let keep = |lines: &[(&str, &str)], asked_at| {
        let kept = options().keep(&Asked::default(), StatusCode::OK, &headers(lines), asked_at, later(10));
        kept.expect("kept").age(later(15)).as_secs()
    };
    let control = ("cache-control", "max-age=1000");
    assert_eq!(keep(&[control], later(10)), 5);
    assert_eq!(keep(&[control], NOW), 15, "it took so long to come");
    assert_eq!(keep(&[control, ("age", "100")], NOW), 115);
    assert_eq!(keep(&[control, ("date", &format_date(NOW))], later(10)), 15);
    assert_eq!(keep(&[control, ("date", &format_date(later(500)))], later(10)), 5, "a clock that is ahead");
}

#[test]
fn statuses_are_kept_by_default_by_their_word_or_never() {
    let kept = |status: u16, control: &str, ttl| {
        let status = StatusCode::from_u16(status).expect("a status");
        Options { ttl, ..options() }
            .keep(&Asked::default(), status, &headers(&[("cache-control", control)]), NOW, NOW)
            .is_ok()
    };
    let ttl = Some(Duration::from_secs(5));
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert!(kept(status, "public", ttl), "{status}");
    }
    for status in [201, 302, 303, 307, 400, 403, 429, 500, 502, 503, 504] {
        assert!(!kept(status, "x", ttl) && kept(status, "max-age=5", None), "{status}");
    }
    for status in [206, 304, 401, 407, 408, 416, 421, 425, 431] {
        assert!(!kept(status, "public, max-age=5", ttl), "{status}");
    }
    assert!(kept(200, "no-store, must-understand, max-age=5", None) && !kept(299, "must-understand, max-age=5", None));
}

#[test]
fn a_304_changes_what_it_says_and_not_how_the_body_is_read() {
    let mut kept = headers(&[
        ("etag", "\"a\""),
        ("content-type", "text/a"),
        ("content-length", "5"),
        ("x", "1"),
        ("age", "9"),
        ("y", "1"),
    ]);
    unchanged(
        &mut kept,
        &headers(&[("etag", "\"b\""), ("content-type", "text/b"), ("content-length", "9"), ("x", "2"), ("x", "3")]),
    );
    let wanted = headers(&[
        ("etag", "\"b\""),
        ("content-type", "text/a"),
        ("content-length", "5"),
        ("x", "2"),
        ("x", "3"),
        ("y", "1"),
    ]);
    assert_eq!(kept, wanted);
}

/// Words that mean something to a cache, and some that do not.
fn control() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("no-store".to_owned()),
        Just("no-cache".to_owned()),
        Just("private".to_owned()),
        Just("public".to_owned()),
        Just("must-revalidate".to_owned()),
        (0u64..200).prop_map(|n| format!("max-age={n}")),
        (0u64..200).prop_map(|n| format!("s-maxage={n}")),
        (0u64..200).prop_map(|n| format!("stale-while-revalidate={n}")),
        (0u64..200).prop_map(|n| format!("stale-if-error={n}")),
        (0u64..200).prop_map(|n| format!("max-stale={n}")),
        Just("only-if-cached".to_owned()),
        "[ -~]{0,12}",
    ];
    prop::collection::vec(word, 0..4).prop_map(|words| words.join(", "))
}

proptest! {
    /// What is given as fresh is younger than anybody allowed, and nothing that was forbidden is kept.
    #[test]
    fn nothing_is_given_that_was_not_allowed(said in control(), asks in control(), token: bool, cookie: bool, set_cookie: bool, after in 0u64..400, ttl in prop::option::of(0u64..100)) {
        let options = Options { ttl: ttl.map(Duration::from_secs), ..options() };
        let mut request = headers(&[]);
        request.insert("cache-control", HeaderValue::from_str(&asks).expect("a value"));
        if token {
            request.insert("authorization", HeaderValue::from_static("x"));
        }
        if cookie {
            request.insert("cookie", HeaderValue::from_static("x"));
        }
        let mut answer = headers(&[("etag", "\"a\"")]);
        answer.insert("cache-control", HeaderValue::from_str(&said).expect("a value"));
        if set_cookie {
            answer.insert("set-cookie", HeaderValue::from_static("x"));
        }
        let Meets::Asks(asked) = options.ask(&Method::GET, &request, false, false) else {
            prop_assert!(cookie || asks.contains("no-store"));
            return Ok(());
        };
        prop_assert!(!cookie);
        let Ok(kept) = options.keep(&asked, StatusCode::OK, &answer, NOW, NOW) else { return Ok(()) };
        let words: Vec<&str> = said.split(", ").collect();
        prop_assert!(!words.contains(&"no-store") && !words.contains(&"private") && !set_cookie);
        if token {
            prop_assert!(words.contains(&"public") || words.contains(&"must-revalidate") || said.contains("s-maxage"));
        }
        let now = later(after);
        match kept.judge(&asked, now) {
            Judged::Fresh => {
                prop_assert!(!words.contains(&"no-cache"));
                prop_assert!(kept.age(now).as_secs() == after);
                let least = words.iter().filter_map(|word| word.strip_prefix("s-maxage=")?.parse::<u64>().ok()).min();
                if let (Some(least), None) = (least, asked.max_stale) {
                    prop_assert!(after < least, "a shared cache is told its own time");
                }
            }
            Judged::Stale => prop_assert!(said.contains("stale-while-revalidate") && !words.contains(&"must-revalidate")),
            Judged::Ask | Judged::Never => {}
        }
        // Time makes nothing fresh again.
        if kept.judge(&Asked::default(), now) != Judged::Fresh {
            prop_assert!(kept.judge(&Asked::default(), now.saturating_add(Duration::from_secs(1))) != Judged::Fresh);
        }
    }

    /// A header that is shown is one by whose value answers are told apart, or one that the author named.
    #[test]
    fn what_is_shown_is_in_the_key(name in "[a-z-]{1,20}", learned in prop::collection::vec("[a-z-]{1,8}", 0..3)) {
        let Ok(name) = name.parse::<HeaderName>() else { return Ok(()) };
        let learned: Vec<HeaderName> = learned.iter().filter_map(|name| name.parse().ok()).collect();
        let options = options();
        if options.shown(&name, &learned) {
            let known = ["host", "traceparent", "authorization"].contains(&name.as_str());
            prop_assert!(known || options.key.contains(&name) || learned.contains(&name));
        }
    }

    /// Two requests have the same part only if whoever answers could not tell them apart by it.
    #[test]
    fn parts_are_told_apart(a in prop::collection::vec("[ -~]{0,6}", 0..3), b in prop::collection::vec("[ -~]{0,6}", 0..3)) {
        let name = HeaderName::from_static("x");
        let of = |values: &[String]| -> HeaderMap { values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect() };
        prop_assert_eq!(part(&of(&a), &name) == part(&of(&b), &name), a == b);
    }
}
