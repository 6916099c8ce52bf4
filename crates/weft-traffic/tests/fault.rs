//! Fault injection: what is harmed, and that every bound holds.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};
use proptest::prelude::*;
use weft_traffic::{
    HeaderMatch, Ratio,
    fault::{Call, Faults, Harm, Injection, InjectionError, Pulse, Scope, To, Window, corrupt},
};
use weft_types::{Name, Timestamp};

fn at(s: u64) -> Timestamp {
    Timestamp::from_millis(s * 1_000)
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn injection(harm: Harm) -> Injection {
    Injection {
        harm,
        scope: Scope::Component { application: name("shop"), component: name("api") },
        share: Ratio::ALL,
        header: None,
        window: Window { from: at(10), until: at(20), pulse: None },
        calls_max: u64::MAX,
    }
}

fn one(injection: Injection) -> Faults {
    all(vec![injection]).expect("valid")
}

fn all(injections: Vec<Injection>) -> Result<Faults, InjectionError> {
    let mut faults = Faults::default();
    injections.into_iter().try_for_each(|injection| faults.add(injection).map(drop))?;
    Ok(faults)
}

fn harmed(faults: &mut Faults, now: Timestamp, component: &str, headers: &HeaderMap) -> Vec<Harm> {
    let (application, component) = (name("shop"), name(component));
    let call = Call { application: &application, to: To::Component(&component), headers };
    faults.decide(now, &call, 1).to_vec()
}

#[test]
fn only_within_its_window_and_pulse() {
    let window = Window {
        pulse: Some(Pulse { on: Duration::from_secs(1), every: Duration::from_secs(4) }),
        ..injection(Harm::Kill).window
    };
    let mut faults = one(Injection { window, ..injection(Harm::Kill) });
    let none = HeaderMap::new();
    let on: Vec<u64> = (0..30).filter(|s| !harmed(&mut faults, at(*s), "api", &none).is_empty()).collect();
    assert_eq!(on, [10, 14, 18]);
    assert_eq!(faults.expire(at(19)), []);
    assert_eq!(faults.expire(at(20)).len(), 1);
    assert!(faults.is_empty());
}

#[test]
fn only_within_its_scope_header_and_number() {
    let wanted = HeaderName::from_static("x-chaos");
    let header = Some(HeaderMatch { name: wanted.clone(), value: None });
    let mut faults = one(Injection { header, calls_max: 2, ..injection(Harm::Abort(StatusCode::BAD_GATEWAY)) });
    let (mut with, none) = (HeaderMap::new(), HeaderMap::new());
    with.insert(wanted, "1".parse().expect("a value"));
    assert!(harmed(&mut faults, at(10), "api", &none).is_empty());
    assert!(harmed(&mut faults, at(10), "kitchen", &with).is_empty());
    for harms in [1, 1, 0] {
        assert_eq!(harmed(&mut faults, at(10), "api", &with).len(), harms);
    }
    assert_eq!(faults.standing()[0].harmed, 2);
    let (shop, api, other) = (name("shop"), name("api"), name("other"));
    let of_service = Scope::Service { application: name("shop"), service: "store".into() };
    let of_route = Scope::Route { application: name("shop"), path: "/orders/*".into() };
    let of_upstream = Scope::Upstream { application: name("shop"), upstream: "legacy".into() };
    let call = |application, to| Call { application, to, headers: &none };
    for (scope, call, hit) in [
        (&of_service, call(&shop, To::Service("store")), true),
        (&of_service, call(&shop, To::Service("outbound")), false),
        (&of_service, call(&other, To::Service("store")), false),
        (&of_route, call(&shop, To::Route("/orders/*")), true),
        (&of_route, call(&shop, To::Route("/orders")), false),
        (&of_route, call(&other, To::Route("/orders/*")), false),
        (&of_upstream, call(&shop, To::Upstream("legacy")), true),
        (&of_upstream, call(&shop, To::Component(&api)), false),
        (&injection(Harm::Kill).scope, call(&shop, To::Service("api")), false),
    ] {
        let mut faults = one(Injection { scope: scope.clone(), ..injection(Harm::Kill) });
        assert_eq!(!faults.decide(at(10), &call, 0).is_empty(), hit, "{scope}");
    }
}

#[test]
fn one_harm_of_each_kind() {
    let delay = |ms| injection(Harm::Delay(Duration::from_millis(ms)));
    let mut faults = all(vec![delay(1), delay(2), injection(Harm::Bandwidth(100))]).expect("valid");
    let harms = harmed(&mut faults, at(10), "api", &HeaderMap::new());
    assert_eq!(harms, [Harm::Delay(Duration::from_millis(1)), Harm::Bandwidth(100)]);
}

#[test]
fn what_is_not_bounded_is_refused() {
    let window = |from, until, pulse| Injection {
        window: Window { from: at(from), until: at(until), pulse },
        ..injection(Harm::Kill)
    };
    let pulse = |on, every| Some(Pulse { on: Duration::from_secs(on), every: Duration::from_secs(every) });
    for (wrong, error) in [
        (window(10, 10, None), InjectionError::Empty),
        (window(0, 86_401, None), InjectionError::TooLong),
        (window(0, 9, pulse(0, 1)), InjectionError::Pulse),
        (window(0, 9, pulse(2, 1)), InjectionError::Pulse),
        (injection(Harm::Delay(Duration::from_secs(301))), InjectionError::Delay),
        (injection(Harm::Bandwidth(0)), InjectionError::Bandwidth),
        (injection(Harm::Abort(StatusCode::OK)), InjectionError::Status),
    ] {
        assert_eq!(all(vec![injection(Harm::Kill), wrong]).expect_err("refused"), error);
    }
    assert!(all(vec![injection(Harm::Kill); 64]).is_ok());
    assert_eq!(all(vec![injection(Harm::Kill); 65]).expect_err("refused"), InjectionError::TooMany);
}

#[test]
fn what_is_taken_out_harms_no_more_and_its_id_is_not_given_again() {
    let mut faults = one(injection(Harm::Kill));
    let second = faults.add(injection(Harm::Bandwidth(1))).expect("valid");
    assert_eq!(harmed(&mut faults, at(10), "api", &HeaderMap::new()).len(), 2);
    assert_eq!(faults.remove(second).map(|one| one.harmed), Some(1));
    assert_eq!(faults.remove(second), None);
    assert_eq!(harmed(&mut faults, at(10), "api", &HeaderMap::new()), [Harm::Kill]);
    assert!(faults.add(injection(Harm::Kill)).expect("valid") > second);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn corruption_changes_its_share_the_same_way_twice(percent in 0u32..=100, seed: u64) {
        let before = vec![b'x'; 4_000];
        let (mut one, mut other) = (before.clone(), before.clone());
        corrupt(&mut one, Ratio::percent(percent), seed);
        corrupt(&mut other, Ratio::percent(percent), seed);
        prop_assert_eq!(&one, &other);
        let changed = one.iter().zip(&before).filter(|(a, b)| a != b).count() as i64;
        prop_assert!((changed - 40 * i64::from(percent)).abs() <= 200, "{changed} of 4000 at {percent} %");
    }

    #[test]
    fn a_share_of_calls_is_harmed_and_never_more_than_said(percent in 0u32..=100, calls_max in 0u64..2_000, seed: u64) {
        let mut faults = one(Injection { share: Ratio::percent(percent), calls_max, ..injection(Harm::Kill) });
        let (application, component, headers) = (name("shop"), name("api"), HeaderMap::new());
        let call = Call { application: &application, to: To::Component(&component), headers: &headers };
        let hits = (0..2_000u64).filter(|n| !faults.decide(at(10), &call, seed ^ n.wrapping_mul(0x9e37_79b9)).is_empty());
        let hits = hits.count() as u64;
        prop_assert!(hits <= calls_max && hits == faults.standing()[0].harmed);
        prop_assert!(hits == calls_max || (hits as i64 - 20 * i64::from(percent)).abs() <= 150);
    }
}
