//! Service levels: which windows burn, what is left, and exact counts against a list.

use std::time::Duration;

use proptest::prelude::*;
use weft_traffic::{
    Ratio,
    slo::{Objective, Rule, Severity, Slo},
};
use weft_types::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

fn at(s: u64) -> Timestamp {
    Timestamp::from_millis(s * 1_000)
}

fn slo(target: &str) -> Slo {
    Slo::new(Objective::new(target.parse().expect("a share")))
}

/// Ten calls a minute from `from` to `to`, of which so many are bad.
fn feed(slo: &mut Slo, from: u64, to: u64, bad: u64) {
    for minute in (from..to).step_by(60) {
        (0..10).for_each(|n| slo.record(at(minute), n >= bad, Duration::ZERO));
    }
}

#[test]
fn a_rule_needs_both_of_its_windows() {
    let mut slo = slo("99%");
    feed(&mut slo, 0, 10 * DAY, 0);
    assert_eq!(slo.severity(at(10 * DAY)), None);
    feed(&mut slo, 10 * DAY, 10 * DAY + 5 * MINUTE, 10);
    assert_eq!(slo.severity(at(10 * DAY + 4 * MINUTE)), None, "5 minutes of an hour are 8.3 times");
    feed(&mut slo, 10 * DAY + 5 * MINUTE, 10 * DAY + 10 * MINUTE, 10);
    let now = at(10 * DAY + 9 * MINUTE);
    assert_eq!(slo.severity(now), Some(Severity::Page));
    let fastest = slo.burns(now)[0];
    assert!(fastest.burning && fastest.short == 100.0 && fastest.long > 14.4, "{fastest:?}");
    feed(&mut slo, 10 * DAY + 10 * MINUTE, 10 * DAY + 45 * MINUTE, 0);
    let healed = slo.burns(at(10 * DAY + 44 * MINUTE));
    assert!(!healed[0].burning && !healed[1].burning, "the short windows say that it has stopped: {healed:?}");
}

#[test]
fn a_slow_burn_is_a_ticket() {
    let mut slo = slo("99%");
    for minute in (0..4 * DAY).step_by(60) {
        (0..100).for_each(|n| slo.record(at(minute), n >= 2, Duration::ZERO));
    }
    let now = at(4 * DAY - 60);
    assert_eq!(slo.severity(now), Some(Severity::Ticket));
    let burning: Vec<bool> = slo.burns(now).iter().map(|burn| burn.burning).collect();
    assert_eq!(burning, [false, false, false, true], "twice is more than once and less than thrice");
    assert_eq!(Rule::ALL[3].to_string(), "ticket in 6h and 3d at 1");
}

#[test]
fn what_is_left() {
    let mut slo = slo("99.9%");
    assert_eq!(slo.remaining(at(0)).share, 1.0);
    (0..10_000).for_each(|n| slo.record(at(n), n >= 5, Duration::ZERO));
    let left = slo.remaining(at(10_000));
    assert_eq!((left.counts.total(), left.counts.bad, left.allowed), (10_000, 5, 10));
    assert!((left.share - 0.5).abs() < 1e-9, "{left:?}");
    (0..10).for_each(|_| slo.record(at(10_000), false, Duration::ZERO));
    assert!(slo.remaining(at(10_000)).share < -0.4, "overspent");
    assert_eq!(slo.remaining(at(40 * DAY)).share, 1.0, "after the window all is forgotten");
}

#[test]
fn late_is_bad_and_few_calls_are_no_news() {
    let latency = Some(Duration::from_millis(200));
    let mut slo = Slo::new(Objective { latency, ..Objective::new(Ratio::percent(99)) });
    for n in 0..9 {
        slo.record(at(n), true, Duration::from_millis(201));
    }
    assert_eq!(slo.severity(at(9)), None, "nine calls are too few");
    slo.record(at(9), true, Duration::from_millis(200));
    assert_eq!((slo.severity(at(9)), slo.remaining(at(9)).counts.bad), (Some(Severity::Page), 9));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_window_counts_as_a_list_does(calls in prop::collection::vec((0u64..2 * HOUR, any::<bool>()), 1..200)) {
        let mut slo = slo("90%");
        let (mut list, mut now) = (Vec::new(), 30 * DAY);
        for (pause, good) in calls {
            now += pause;
            slo.record(at(now), good, Duration::ZERO);
            list.push((now, good));
        }
        for burn in slo.burns(at(now)) {
            for (window, said) in [(burn.rule.short(), burn.short), (burn.rule.long(), burn.long)] {
                let width = window.as_secs() / 60;
                let inside = list.iter().filter(|(when, _)| when / width + 60 > now / width);
                let (all, bad) = inside.fold((0u32, 0u32), |(all, bad), (_, good)| (all + 1, bad + u32::from(!good)));
                let rate = if all == 0 { 0.0 } else { f64::from(bad) / f64::from(all) / 0.1 };
                prop_assert!((said - rate).abs() < 1e-6, "{said} for {rate}");
            }
        }
    }
}
