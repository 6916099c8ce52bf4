//! The breaker: when it opens, that it asks with one call, and that late answers change nothing.

use std::time::Duration;

use proptest::prelude::*;
use weft_traffic::breaker::{Breaker, Cause, Options, Pass, Refused, State};
use weft_types::{Class, Timestamp};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn call(breaker: &mut Breaker, ms: u64, class: Class) {
    let pass = breaker.enter(at(ms)).expect("let through");
    breaker.record(at(ms), pass, class, 0);
}

/// Open since time zero, for one second.
fn opened() -> Breaker {
    let mut breaker = Breaker::new(Options::default());
    (0..7).for_each(|_| call(&mut breaker, 0, Class::Failure));
    breaker
}

#[test]
fn seven_failures_in_a_row_open_it_and_one_success_between_does_not() {
    let mut breaker = Breaker::new(Options::default());
    for class in [Class::Failure; 6].into_iter().chain([Class::CallerFault]).chain([Class::Failure; 6]) {
        call(&mut breaker, 0, class);
    }
    assert_eq!(breaker.state(), State::Closed, "13 answers are too few for the share");
    call(&mut breaker, 0, Class::Failure);
    assert_eq!(breaker.state(), State::Open { until: at(1_000) });
    assert_eq!(breaker.view(at(0)).cause, Some(Cause::Consecutive(7)));
    assert_eq!(breaker.enter(at(400)), Err(Refused { retry_after: Duration::from_millis(600) }));
}

#[test]
fn less_than_half_of_twenty_opens_it_and_half_does_not() {
    let mut breaker = Breaker::new(Options::default());
    for round in 0..10 {
        call(&mut breaker, round, Class::Ok);
        call(&mut breaker, round, Class::Failure);
    }
    assert_eq!(breaker.state(), State::Closed);
    call(&mut breaker, 10, Class::Failure);
    assert_eq!(breaker.view(at(10)).cause, Some(Cause::Success { good: 10, of: 21 }));
    let mut slow = Breaker::new(Options::default());
    (0..400).for_each(|n| call(&mut slow, n * 600, if n % 3 == 0 { Class::Ok } else { Class::Failure }));
    assert_eq!(slow.state(), State::Closed, "17 answers in 10 s are too few, however many come in all");
}

#[test]
fn one_probe_closes_it_or_opens_it_for_twice_as_long() {
    let mut breaker = opened();
    let mut until = 1_000;
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        let probe = breaker.enter(at(until)).expect("the probe");
        assert!(probe.is_probe());
        assert_eq!(breaker.enter(at(until)), Err(Refused { retry_after: Duration::ZERO }), "exactly one");
        breaker.record(at(until), probe, Class::Failure, 0);
        until += seconds * 1_000;
        assert_eq!(breaker.state(), State::Open { until: at(until) });
    }
    assert_eq!(breaker.view(at(until)).failing_opens, 8);
    let probe = breaker.enter(at(until)).expect("the probe");
    breaker.record(at(until), probe, Class::Ok, 0);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!((breaker.view(at(until)).failing_opens, breaker.view(at(until)).opens), (0, 8));
    breaker.record(at(until), probe, Class::Failure, 0);
    assert_eq!(breaker.view(at(until)).consecutive, 0, "a pass counts once");
}

#[test]
fn what_was_sent_before_it_opened_is_ignored() {
    let mut breaker = Breaker::new(Options::default());
    let early: Vec<Pass> = (0..10).map(|_| breaker.enter(at(0)).expect("closed")).collect();
    (0..7).for_each(|_| call(&mut breaker, 0, Class::Failure));
    let open = breaker.state();
    early[..5].iter().for_each(|pass| breaker.record(at(500), *pass, Class::Ok, 0));
    assert_eq!(breaker.state(), open);
    let probe = breaker.enter(at(1_000)).expect("the probe");
    early[5..].iter().for_each(|pass| breaker.record(at(1_001), *pass, Class::Failure, 0));
    assert!(matches!(breaker.state(), State::Probing { .. }));
    breaker.record(at(1_002), probe, Class::Ok, 0);
    assert_eq!((breaker.state(), breaker.view(at(1_002)).late), (State::Closed, 10));
}

#[test]
fn a_probe_that_says_nothing_or_is_lost_makes_way_for_another() {
    for shed in [false, true] {
        let mut breaker = opened();
        let probe = breaker.enter(at(1_000)).expect("the probe");
        match shed {
            true => breaker.record(at(1_100), probe, Class::Shed, 0),
            false => breaker.cancel(at(1_100), probe),
        }
        assert!(breaker.enter(at(1_100)).expect("another").is_probe());
    }
    let mut breaker = opened();
    let lost = breaker.enter(at(1_000)).expect("the probe");
    assert!(breaker.enter(at(60_999)).is_err());
    let second = breaker.enter(at(61_000)).expect("another");
    breaker.record(at(61_001), lost, Class::Failure, 0);
    breaker.record(at(61_002), second, Class::Ok, 0);
    assert_eq!(breaker.state(), State::Closed, "only the second counted");
}

#[derive(Debug, Clone)]
enum Step {
    Enter,
    Answer(usize, Class),
    Leave(usize),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![1 => Just(Class::Ok), 4 => Just(Class::Failure), 1 => Just(Class::CallerFault), 1 => Just(Class::Shed)];
    prop_oneof![
        6 => Just(Step::Enter),
        6 => (0usize..32, class).prop_map(|(at, class)| Step::Answer(at, class)),
        1 => (0usize..32).prop_map(Step::Leave),
        2 => (1u64..3_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_most_one_probe_and_bounded_waits(steps in prop::collection::vec(any_step(), 0..300), random: u64) {
        let mut breaker = Breaker::new(Options::default());
        let (mut now, mut out, mut probing) = (0, Vec::<Pass>::new(), None);
        for step in steps {
            match step {
                Step::Enter => match breaker.enter(at(now)) {
                    Ok(pass) => {
                        let lapsed = |since: u64| now - since >= 60_000;
                        prop_assert!(!pass.is_probe() || probing.is_none_or(lapsed));
                        prop_assert_eq!(pass.is_probe(), breaker.state() != State::Closed);
                        probing = if pass.is_probe() { Some(now) } else { probing };
                        out.push(pass);
                    }
                    Err(Refused { retry_after }) => {
                        prop_assert!(breaker.state() != State::Closed && retry_after <= Options::OPEN_MAX);
                    }
                },
                Step::Answer(which, class) if which < out.len() => {
                    let pass = out.swap_remove(which);
                    let before = breaker.view(at(now));
                    breaker.record(at(now), pass, class, random);
                    let after = breaker.view(at(now));
                    if pass.is_probe() && after.late == before.late {
                        probing = None;
                        prop_assert_eq!(after.state == State::Closed, matches!(class, Class::Ok | Class::CallerFault));
                    } else if !pass.is_probe() && before.state != State::Closed {
                        prop_assert_eq!(after.state, before.state);
                    }
                    if let (State::Open { until }, true) = (after.state, after.opens > before.opens) {
                        let wait = until.since(at(now));
                        let longest = Duration::from_secs(1 << before.failing_opens.min(10)).min(Options::OPEN_MAX);
                        prop_assert!(wait <= longest && wait >= longest * 3 / 4);
                    }
                }
                Step::Leave(which) if which < out.len() => {
                    let pass = out.swap_remove(which);
                    let ours = matches!(breaker.state(), State::Probing { .. });
                    breaker.cancel(at(now), pass);
                    if pass.is_probe() && ours && !matches!(breaker.state(), State::Probing { .. }) {
                        probing = None;
                    }
                }
                Step::Pass(ms) => now += ms,
                _ => {}
            }
        }
    }
}
