//! Hedging: only what may be sent twice, only when it is late, and within its budget.

use std::{num::NonZeroU32, time::Duration};

use proptest::prelude::*;
use weft_traffic::{
    hedge::{After, Hedge, Options, Stop},
    retry::{Replay, Try},
};
use weft_types::Timestamp;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn first() -> Try {
    let body = Replay::Held(0);
    Try { attempt: NonZeroU32::MIN, idempotent: true, body, other_target: true, deadline: at(100_000) }
}

#[test]
fn what_may_be_sent_twice() {
    let second = NonZeroU32::new(2).expect("not zero");
    for (tried, wanted) in [
        (first(), Ok(MS(50))),
        (Try { attempt: second, ..first() }, Err(Stop::NotFirst)),
        (Try { idempotent: false, ..first() }, Err(Stop::NotIdempotent)),
        (Try { body: Replay::Gone, ..first() }, Err(Stop::BodyGone)),
        (Try { body: Replay::Held((64 << 10) + 1), ..first() }, Err(Stop::BodyGone)),
        (Try { deadline: at(50), ..first() }, Err(Stop::NoTime)),
    ] {
        let mut hedge = Hedge::new(Options { after: After::Fixed(MS(50)), ..Options::default() });
        assert_eq!(hedge.start(at(0), &tried), wanted, "{tried:?}");
    }
}

#[test]
fn late_is_later_than_most() {
    let mut hedge = Hedge::new(Options::default());
    for n in 0..99 {
        hedge.answered(at(0), MS(if n < 95 { 10 } else { 1_000 }));
        assert_eq!(hedge.start(at(0), &first()), Err(Stop::Unknown));
    }
    hedge.answered(at(0), MS(10));
    let wait = hedge.start(at(0), &first()).expect("known now");
    assert!(wait > MS(10) && wait <= MS(12), "{wait:?}");
    assert_eq!(hedge.start(at(70_000), &first()), Err(Stop::Unknown), "forgotten by then");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_most_a_twentieth_is_sent_twice(calls in 0u64..500) {
        let mut hedge = Hedge::new(Options { after: After::Fixed(MS(1)), ..Options::default() });
        let sent = (0..calls).filter(|n| {
            let now = at(n * 10);
            hedge.start(now, &first()).is_ok() && hedge.fire(now, &first()).is_ok()
        });
        prop_assert_eq!(sent.count() as u64, calls / 20);
    }
}
