//! Splits: shares by weight, keys that stay, and as little movement as the weights allow.

use http::{HeaderMap, HeaderName};
use proptest::prelude::*;
use weft_traffic::{
    HeaderMatch,
    split::{Arm, Because, Choice, Outcomes, Split, SplitError, Sticky, format_cookie, parse_cookie},
};
use weft_types::Class;

fn arms(weights: &[u32]) -> Vec<Arm> {
    let arm = |(n, weight): (usize, &u32)| Arm { name: format!("arm{n}").into(), weight: *weight, force: None };
    weights.iter().enumerate().map(arm).collect()
}

fn split(weights: &[u32], sticky: Sticky) -> Split {
    Split::new(arms(weights), sticky, 7).expect("a split")
}

fn of_key(split: &Split, key: u64) -> usize {
    split.choose(&HeaderMap::new(), Some(&key.to_be_bytes()), 0).arm
}

fn counts(weights: &[u32], choose: impl Fn(u64) -> usize) -> Vec<usize> {
    let mut counts = vec![0; weights.len()];
    (0..20_000).for_each(|n| counts[choose(n)] += 1);
    counts
}

#[test]
fn shares_are_by_weight_drawn_or_keyed() {
    let weights = [90, 0, 10];
    let fresh = split(&weights, Sticky::No);
    let drawn = counts(&weights, |n| {
        let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let choice = fresh.choose(&HeaderMap::new(), Some(b"ignored"), random);
        assert_eq!(choice.because, Because::Drawn { cookie: None });
        choice.arm
    });
    let keyed = split(&weights, Sticky::Identity);
    for counts in [drawn, counts(&weights, |n| of_key(&keyed, n))] {
        assert!(counts[1] == 0 && (1_800..2_200).contains(&counts[2]), "{counts:?}");
    }
}

#[test]
fn a_header_forces_an_arm_even_without_weight() {
    let mut all = arms(&[1, 0]);
    let name = HeaderName::from_static("x-canary");
    all[1].force = Some(HeaderMatch { name: name.clone(), value: Some("yes".into()) });
    let split = Split::new(all, Sticky::No, 0).expect("a split");
    let mut headers = HeaderMap::new();
    headers.append(&name, "no".parse().expect("a value"));
    assert_eq!(split.choose(&headers, None, u64::MAX).arm, 0);
    headers.append(&name, "yes".parse().expect("a value"));
    assert_eq!(split.choose(&headers, None, 0), Choice { arm: 1, because: Because::Forced });
}

#[test]
fn whoever_brings_no_cookie_is_given_one_that_leads_to_the_same_arm() {
    let split = split(&[50, 50], Sticky::Cookie("weft-arm".into()));
    for random in (0..1_000u64).map(|n| n.wrapping_mul(0x1234_5678_9abc_def1)) {
        let first = split.choose(&HeaderMap::new(), None, random);
        let Because::Drawn { cookie: Some(cookie) } = first.because else { panic!("{first:?}") };
        let key = parse_cookie(&format_cookie(cookie)).expect("reads back");
        let again = split.choose(&HeaderMap::new(), Some(&key), !random);
        assert_eq!(again, Choice { arm: first.arm, because: Because::Sticky });
    }
    for bad in ["", "0", "00000000000000zz", "+000000000000001", "00000000000000001"] {
        assert_eq!(parse_cookie(bad), None, "{bad}");
    }
}

#[test]
fn what_is_no_split() {
    let new = |arms| Split::new(arms, Sticky::No, 0).expect_err("no split");
    let mut twice = arms(&[1, 1]);
    twice[1].name = "arm0".into();
    assert_eq!(new(vec![]), SplitError::Count);
    assert_eq!(new(arms(&[1; 17])), SplitError::Count);
    assert_eq!(new(arms(&[0, 0])), SplitError::NoWeight);
    assert_eq!(new(twice), SplitError::Duplicate);
}

#[test]
fn outcomes_are_counted_apart() {
    let mut outcomes = Outcomes::default();
    [Class::Ok, Class::Ok, Class::Failure, Class::Shed, Class::CallerFault].iter().for_each(|c| outcomes.count(*c));
    assert_eq!(outcomes, Outcomes { ok: 2, caller_fault: 1, failure: 1, shed: 1 });
    assert_eq!(outcomes.total(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_key_moves_only_to_an_arm_that_gained_or_from_one_that_lost(
        before in prop::collection::vec(1u32..100, 2..6), arm in 0usize..6, weight in 0u32..200,
        keys in prop::collection::vec(any::<u64>(), 100),
    ) {
        let arm = arm % before.len();
        let mut after = before.clone();
        after[arm] = weight;
        let (old, new) = (split(&before, Sticky::Tenant), split(&after, Sticky::Tenant));
        for key in keys {
            let (from, to) = (of_key(&old, key), of_key(&new, key));
            let moved_rightly = if weight >= before[arm] { to == arm } else { from == arm };
            prop_assert!(from == to || moved_rightly, "{from} → {to}, arm {arm}: {} → {weight}", before[arm]);
            prop_assert!(after[to] > 0);
        }
    }
}
