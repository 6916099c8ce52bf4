//! Balancing: who gets the traffic, who is left out, and who never is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use weft_traffic::{
    Counts, Locality, Near, Spread,
    balance::{Active, Balancer, EndpointId, EndpointSpec, Options, Pick},
    outlier::{self, Record},
};
use weft_types::Timestamp;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn mix(from: u64) -> u64 {
    let z = (from ^ (from >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (z >> 31)
}

fn spec(address: &str, weight: u32) -> EndpointSpec {
    EndpointSpec { address: address.into(), weight, locality: Locality::default() }
}

fn balancer(specs: &[EndpointSpec]) -> Balancer {
    let mut balancer = Balancer::new(Options::default(), Locality::default());
    balancer.update(at(0), specs);
    balancer
}

/// One call after another, each answered as `answer` says, a millisecond apart: how many went where.
fn shares(
    balancer: &mut Balancer,
    from: u64,
    calls: u64,
    answer: impl Fn(&str) -> (Duration, bool),
) -> HashMap<Arc<str>, u64> {
    let mut shares = HashMap::new();
    for n in from..from + calls {
        let pick = balancer.choose(at(n), mix(n), &[]).expect("an endpoint");
        let (took, good) = answer(&pick.address);
        balancer.answered(at(n), pick.id, took, good);
        balancer.done(pick.id);
        *shares.entry(pick.address).or_default() += 1;
    }
    shares
}

fn ids(balancer: &Balancer) -> Vec<EndpointId> {
    balancer.views(at(0)).map(|view| view.id).collect()
}

#[test]
fn equals_share_by_weight() {
    let mut balancer = balancer(&[spec("a", 1), spec("b", 3), spec("idle", 0)]);
    let shares = shares(&mut balancer, 0, 10_000, |_| (Duration::ZERO, true));
    assert!((2_300..2_700).contains(&shares["a"]), "{shares:?}");
    assert!(!shares.contains_key("idle"));
}

#[test]
fn the_slow_and_the_quickly_failing_get_less() {
    let mut slow = balancer(&[spec("a", 1), spec("b", 1), spec("slow", 1)]);
    let got = shares(&mut slow, 0, 9_000, |name| (MS(if name == "slow" { 100 } else { 5 }), true));
    assert!(got["slow"] < 1_500, "only when drawn twice: {got:?}");
    let mut failing = balancer(&[spec("a", 1), spec("b", 1), spec("broken", 1)]);
    let got = shares(&mut failing, 0, 9_000, |name| if name == "broken" { (MS(0), false) } else { (MS(5), true) });
    assert!(got["broken"] < 1_500, "{got:?}");
}

#[test]
fn calls_in_flight_are_load() {
    let mut balancer = balancer(&[spec("a", 1), spec("b", 1)]);
    shares(&mut balancer, 0, 100, |_| (MS(5), true));
    let held: Vec<Pick> = (0..50).filter_map(|n| balancer.choose(at(100), mix(n), &[])).collect();
    let of_a = held.iter().filter(|pick| &*pick.address == "a").count();
    assert!((20..=30).contains(&of_a), "{of_a}");
    held.iter().for_each(|pick| balancer.done(pick.id));
    assert!(balancer.views(at(100)).all(|view| view.in_flight == 0));
}

#[test]
fn another_target_comes_first() {
    let mut balancer = balancer(&[spec("a", 1), spec("b", 1_000_000)]);
    let [a, b] = ids(&balancer)[..] else { panic!("two") };
    for n in 0..1_000 {
        let other = balancer.choose(at(0), mix(n), &[b]).expect("one");
        assert_eq!(other.id, a, "though it has a millionth of the weight");
        balancer.done(a);
        let any = balancer.choose(at(0), mix(n), &[a, b]).expect("one, since no other is left");
        balancer.done(any.id);
    }
}

#[test]
fn a_newcomer_starts_slowly_and_what_is_known_of_others_stays() {
    let mut balancer = balancer(&[spec("a", 1)]);
    shares(&mut balancer, 0, 100, |_| (MS(5), true));
    balancer.update(at(100), &[spec("a", 1), spec("new", 1), spec("new", 7)]);
    let ewma: Vec<Duration> = balancer.views(at(100)).map(|view| view.ewma).collect();
    assert_eq!(ewma[0], ewma[1], "a newcomer is taken to be as usual");
    let first = shares(&mut balancer, 100, 1_000, |_| (MS(5), true));
    assert!(first.get("new").copied().unwrap_or_default() < 250, "{first:?}");
    let later = shares(&mut balancer, 20_000, 10_000, |_| (MS(5), true));
    assert!((4_000..6_000).contains(&later["new"]), "{later:?}");
    balancer.update(at(40_000), &[spec("new", 1)]);
    assert_eq!(&*balancer.choose(at(40_000), 0, &[]).expect("one").address, "new");
    balancer.update(at(40_000), &[]);
    assert_eq!(balancer.choose(at(40_000), 0, &[]), None);
}

#[test]
fn checks_take_out_and_bring_back_and_never_take_all() {
    let mut balancer = balancer(&[spec("a", 1), spec("b", 1)]);
    let [a, b] = ids(&balancer)[..] else { panic!("two") };
    let fail = |balancer: &mut Balancer, id, times| (0..times).for_each(|_| balancer.check(at(0), id, false));
    fail(&mut balancer, a, 2);
    balancer.check(at(0), a, true);
    fail(&mut balancer, a, 2);
    assert_eq!(balancer.views(at(0)).next().expect("a").active, Active::Healthy, "three in a row are needed");
    fail(&mut balancer, a, 1);
    assert!((0..100).all(|n| balancer.choose(at(0), mix(n), &[]).expect("b").id == b));
    fail(&mut balancer, b, 3);
    let last = balancer.choose(at(0), 0, &[]).expect("better than nothing");
    assert!(last.unhealthy);
    (0..2).for_each(|_| balancer.check(at(5_000), a, true));
    let view = balancer.views(at(5_000)).next().expect("a");
    assert!(view.eligible && view.ramp < 1.0, "healed, and starts slowly");
}

#[test]
fn near_endpoints_are_kept_to() {
    let place = |zone: &str| Locality { zone: Some(zone.into()), region: Some("eu".into()) };
    let spread = Spread::Prefer(Near::Zone);
    let mut balancer = Balancer::new(Options { spread, ..Options::default() }, place("x"));
    let in_zone = |name: &str, zone| EndpointSpec { locality: place(zone), ..spec(name, 1) };
    balancer.update(at(0), &[in_zone("near", "x"), in_zone("near2", "x"), in_zone("far", "y")]);
    let got = shares(&mut balancer, 0, 1_000, |_| (MS(5), true));
    assert!(!got.contains_key("far"));
    let near = ids(&balancer)[0];
    (0..3).for_each(|_| balancer.check(at(1_000), near, false));
    let got = shares(&mut balancer, 1_000, 1_000, |_| (MS(5), true));
    assert!(got.contains_key("far") && !got.contains_key("near"), "half of the zone cannot carry it: {got:?}");
}

#[test]
fn ejection_lasts_longer_each_time_and_heals() {
    let mut balancer = balancer(&[spec("a", 1), spec("b", 1), spec("c", 1)]);
    let bad = |name: &str| (MS(5), name != "c");
    let mut now = 0;
    let mut spans = Vec::new();
    while spans.len() < 3 {
        let got = shares(&mut balancer, now, 10_000, bad);
        now += 10_000;
        balancer.sweep(at(now));
        let ejected = balancer.views(at(now)).nth(2).and_then(|view| view.ejected);
        if let Some(until) = ejected {
            assert!(got.contains_key("c"));
            // It was ejected at some moment of the last ten seconds.
            spans.push(until.since(at(now)).as_secs().next_multiple_of(10));
            while balancer.views(at(now)).any(|view| view.ejected.is_some()) {
                now += 10_000;
                balancer.sweep(at(now));
            }
        }
        assert!(now < 10_000_000, "{spans:?}");
    }
    assert!(spans[0] == 30 && spans.windows(2).all(|two| two[1] >= two[0]) && spans[2] > 30, "{spans:?}");
}

#[test]
fn how_many_may_be_ejected() {
    for (count, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (10, 5)] {
        let bad = Record { counts: Counts { good: 0, bad: 10 }, ..Record::default() };
        let mut records = vec![bad; count];
        outlier::sweep(&outlier::Options::default(), at(0), &mut records);
        assert_eq!(records.iter().filter(|record| record.ejected.is_some()).count(), most, "of {count}");
    }
    let record = |good, bad| Record { counts: Counts { good, bad }, ..Record::default() };
    let mut records = [record(70, 30), record(0, 9), record(80, 20), record(1, 9), record(100, 0)];
    outlier::sweep(&outlier::Options::default(), at(0), &mut records);
    let out: Vec<bool> = records.iter().map(|record| record.ejected.is_some()).collect();
    assert_eq!(out, [true, false, false, true, false], "nine answers are too few, and 80 % is enough");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_half_nor_the_last(
        sweeps in prop::collection::vec(prop::collection::vec((0u64..30, 0u64..30, prop::bool::weighted(0.1)), 1..8), 1..40),
    ) {
        let options = outlier::Options::default();
        let mut records = vec![Record::default(); sweeps[0].len()];
        for (n, sweep) in sweeps.iter().enumerate() {
            for (record, (good, bad, down)) in records.iter_mut().zip(sweep) {
                (record.counts, record.down) = (Counts { good: *good, bad: *bad }, *down);
            }
            let healthy = records.iter().any(Record::in_use);
            outlier::sweep(&options, at(n as u64 * 10_000), &mut records);
            let out = records.iter().filter(|record| record.ejected.is_some()).count();
            prop_assert!(out * 2 <= records.len());
            prop_assert!(!healthy || records.iter().any(Record::in_use), "never the last");
            for record in &records {
                let left = record.ejected.map_or(0, |until| until.since(at(n as u64 * 10_000)).as_secs());
                prop_assert!(left <= 300 && record.counts == Counts::default());
            }
        }
    }

    #[test]
    fn a_choice_is_eligible_and_the_same_twice(
        weights in prop::collection::vec(0u32..5, 1..12), failing in prop::collection::vec(0usize..12, 0..40), random: u64,
    ) {
        let specs: Vec<EndpointSpec> = weights.iter().enumerate().map(|(n, w)| spec(&n.to_string(), *w)).collect();
        let run = || {
            let mut balancer = balancer(&specs);
            let ids = ids(&balancer);
            failing.iter().filter_map(|n| ids.get(*n)).for_each(|id| balancer.check(at(1), *id, false));
            let pick = balancer.choose(at(2), random, &[]);
            let views: Vec<_> = balancer.views(at(2)).collect();
            (pick, views)
        };
        let (pick, views) = run();
        prop_assert_eq!(&(pick.clone(), views.clone()), &run());
        match pick {
            Some(pick) => {
                let view = views.iter().find(|view| view.id == pick.id).expect("known");
                prop_assert!(view.eligible && view.in_flight == 1);
                prop_assert!(pick.unhealthy || view.active != Active::Unhealthy);
            }
            None => prop_assert!(views.iter().zip(&weights).all(|(view, weight)| !view.eligible || *weight == 0)),
        }
    }
}

#[test]
fn one_that_is_down_costs_few_retries_and_is_left_out_after_five_failures_in_a_row() {
    let mut balancer = balancer(&[spec("up", 1), spec("down", 1)]);
    let mut first = Vec::new();
    for n in 0..120_000 {
        let pick = balancer.choose(at(n), mix(n), &[]).expect("an endpoint");
        let down = &*pick.address == "down";
        first.extend(down.then_some(n));
        balancer.answered(at(n), pick.id, Duration::ZERO, !down);
        balancer.done(pick.id);
        if balancer.views(at(n)).any(|view| view.ejected.is_some()) {
            break;
        }
    }
    assert_eq!(first.len(), 5, "{first:?}");
    let gaps: Vec<u64> = first.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap > 6_000), "asked again only when the penalty has faded: {first:?}");
}

#[test]
fn failures_in_a_row_never_eject_the_last() {
    let mut balancer = balancer(&[spec("a", 1), spec("b", 1)]);
    let _ = shares(&mut balancer, 0, 1_000, |_| (Duration::ZERO, false));
    let out = balancer.views(at(1_000)).filter(|view| view.ejected.is_some()).count();
    assert_eq!(out, 1);
    assert!(balancer.choose(at(1_000), 7, &[]).is_some());
}
