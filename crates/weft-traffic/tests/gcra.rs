//! Rate limits: exact against a plain model for each key, and no flood of keys that forgives a debt.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use proptest::prelude::*;
use weft_traffic::gcra::{By, Limiter, Options, Subject};
use weft_types::Timestamp;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

fn limiter(rate: &str, by: By, keys_max: u32) -> Limiter {
    Limiter::new(Options { keys_max, ..Options::new(rate.parse().expect("a rate"), by) }, 7)
}

fn who(identity: &str) -> Subject<'_> {
    Subject { tenant: Some("acme"), identity: Some(identity), address: None }
}

#[test]
fn the_burst_then_the_pace() {
    let mut limiter = limiter("10/s", By::Identity, 1_000);
    for left in (0..10).rev() {
        let verdict = limiter.check(at(0), &who("alice"));
        assert_eq!((verdict.allowed, verdict.limit, verdict.remaining), (Ok(()), 10, left));
    }
    let over = limiter.check(at(0), &who("alice"));
    let denied = over.allowed.expect_err("over");
    assert_eq!((denied.retry_after, denied.retry_after_s()), (Duration::from_millis(100), 1));
    assert_eq!((over.remaining, over.reset), (0, Duration::from_secs(1)));
    assert!(limiter.check(at(0), &who("bob")).allowed.is_ok(), "bob has his own");
    assert!(limiter.check(at(99), &who("alice")).allowed.is_err());
    assert!(limiter.check(at(100), &who("alice")).allowed.is_ok());
    assert_eq!(limiter.check(at(5_000), &who("alice")).remaining, 9, "a pause gives the burst back, and no more");
    assert_eq!(limiter.denied(), 2);
}

#[test]
fn a_call_may_cost_more_than_one() {
    let mut limiter = limiter("10/m", By::Route, 1);
    assert_eq!(limiter.check_cost(at(0), &who("alice"), 8).remaining, 2);
    let denied = limiter.check_cost(at(0), &who("bob"), 4).allowed.expect_err("over, the route shares it");
    assert_eq!(denied.retry_after, Duration::from_secs(12));
    assert!(limiter.check_cost(at(0), &who("alice"), 2).allowed.is_ok(), "a denied call was not counted");
    assert!(limiter.check_cost(at(600_000), &who("alice"), 11).allowed.is_err(), "never more than the burst");
}

#[test]
fn who_shares_a_limit() {
    let address = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
    let stranger = |text| Subject { address: address(text), ..Subject::default() };
    let tenant = |name, identity| Subject { tenant: Some(name), identity: Some(identity), address: None };
    for (by, one, other, shared) in [
        (By::Route, who("alice"), Subject::default(), true),
        (By::Tenant, tenant("acme", "alice"), tenant("acme", "bob"), true),
        (By::Tenant, tenant("acme", "alice"), tenant("other", "alice"), false),
        (By::Tenant, Subject { tenant: Some(""), ..Subject::default() }, Subject::default(), false),
        (By::Identity, tenant("acme", "alice"), tenant("other", "alice"), false),
        (By::Identity, stranger("10.0.0.1"), stranger("10.0.0.2"), false),
        (By::Address, stranger("2001:db8::1"), stranger("2001:db8::ffff:1"), true),
        (By::Address, stranger("2001:db8::1"), stranger("2001:db8:0:1::1"), false),
        (By::Address, stranger("10.0.0.1"), stranger("::ffff:10.0.0.1"), true),
    ] {
        let mut limiter = limiter("1/s", by, 1_000);
        assert!(limiter.check(at(0), &one).allowed.is_ok());
        assert_eq!(limiter.check(at(0), &other).allowed.is_err(), shared, "{by:?} {one:?} {other:?}");
    }
}

#[test]
fn a_flood_of_fresh_keys_forgives_nobody() {
    let mut limiter = limiter("10/m", By::Identity, 64);
    while limiter.check(at(0), &who("mallory")).allowed.is_ok() {}
    let mut came_in = 0;
    for n in 0..100_000u64 {
        let fresh = format!("sybil {n}");
        came_in += u32::from(limiter.check(at(n / 1_000), &who(&fresh)).allowed.is_ok());
    }
    assert_eq!(limiter.room(), 64, "bounded");
    assert!(limiter.check(at(101), &who("mallory")).allowed.is_err(), "still in debt");
    assert!(came_in <= 10 * (64 + 8) + 8, "entries and floors hold ten calls each: {came_in}");
    assert!(limiter.check(at(60_101), &who("mallory")).allowed.is_ok());
}

#[test]
fn a_table_grows_to_its_bound_without_forgetting() {
    let mut limiter = limiter("1/h", By::Identity, 4_096);
    assert_eq!(limiter.room(), 64);
    let names: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    let first = names.iter().filter(|name| limiter.check(at(0), &who(name)).allowed.is_ok()).count();
    assert_eq!(first, 1_000, "there is room to grow, so nobody pays for another");
    assert!(names.iter().all(|name| limiter.check(at(1), &who(name)).allowed.is_err()));
    assert!(limiter.room() <= 4_096);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exact_with_room_and_never_looser_without(
        calls in prop::collection::vec((0u64..400, 0u8..40, 1u32..4), 1..300), seed: u64, tight: bool,
    ) {
        let options = Options::new("10/s".parse().expect("a rate"), By::Identity);
        let keys_max = if tight { 8 } else { 4_096 };
        let mut limiter = Limiter::new(Options { burst: 5, keys_max, ..options }, seed);
        let mut twin = limiter.clone();
        let mut due: HashMap<u8, u64> = HashMap::new();
        let mut now = 0;
        for (pause, key, cost) in calls {
            now += pause / 4;
            let name = key.to_string();
            let got = limiter.check_cost(at(now), &who(&name), cost);
            prop_assert_eq!(got, twin.check_cost(at(now), &who(&name), cost), "the same twice");
            let known = due.entry(key).or_default();
            let next = (*known).max(now) + u64::from(cost) * 100;
            let allowed = next <= now + 500;
            match tight {
                true => prop_assert!(allowed || got.allowed.is_err()),
                false => prop_assert_eq!(got.allowed.is_ok(), allowed),
            }
            if got.allowed.is_ok() {
                *known = next;
            }
            prop_assert!(got.remaining <= 5 && got.reset <= Duration::from_millis(500));
            if let (false, Err(denied)) = (tight, got.allowed) {
                prop_assert_eq!(denied.retry_after, Duration::from_millis(next - now - 500));
            }
        }
    }
}
