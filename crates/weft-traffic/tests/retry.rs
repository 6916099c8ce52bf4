//! Retries: what is tried again and what is not, as a table, and the bounds that hold for any input.

use std::{num::NonZeroU32, time::Duration};

use http::{Method, StatusCode};
use proptest::prelude::*;
use weft_traffic::{
    budget::{self, Budget},
    retry::{Because, Decision, Ended, Options, Replay, Stop, Try, idempotent},
};
use weft_types::{Class, Code, End, Fault, Outcome, Ran, Reply, Retry, Timestamp, Usage, code};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn first() -> Try {
    Try {
        attempt: NonZeroU32::MIN,
        idempotent: true,
        body: Replay::Held(0),
        other_target: false,
        deadline: Timestamp::from_millis(15_000),
    }
}

fn decide(tried: Try, ended: Ended) -> Decision {
    let mut budget = Budget::new(budget::Options::default());
    Options::default().decide(Timestamp::ZERO, tried, ended, u64::MAX, &mut budget)
}

fn failed(code: Code, ran: Ran) -> Ended {
    Ended::of(&Outcome::failed(Fault::new(code, ran), Class::Failure), None)
}

fn answered(class: Class, upstream: Option<u16>) -> Ended {
    let reply = Ok(Reply::Bytes(bytes_of("")));
    let upstream = upstream.map(|status| (StatusCode::from_u16(status).expect("a status"), None));
    Ended::of(&Outcome { reply, class, end: End::Now(Usage::default()) }, upstream)
}

fn bytes_of(text: &'static str) -> bytes::Bytes {
    bytes::Bytes::from_static(text.as_bytes())
}

#[test]
fn what_is_tried_again() {
    let again = |because| Ok(because);
    for (name, ended, idempotent, wanted) in [
        ("ok", answered(Class::Ok, None), true, Err(Stop::Answered)),
        ("a caller's fault", answered(Class::CallerFault, Some(404)), true, Err(Stop::Answered)),
        ("a guest's own 503", answered(Class::Failure, None), true, Err(Stop::Final)),
        ("an upstream's 500", answered(Class::Failure, Some(500)), true, Err(Stop::Final)),
        (
            "an upstream's 502",
            answered(Class::Failure, Some(502)),
            true,
            again(Because::Upstream(StatusCode::BAD_GATEWAY)),
        ),
        ("an upstream's 503", answered(Class::Failure, Some(503)), false, Err(Stop::NotIdempotent)),
        (
            "an upstream's 504",
            answered(Class::Failure, Some(504)),
            true,
            again(Because::Upstream(StatusCode::GATEWAY_TIMEOUT)),
        ),
        ("an upstream's shed", answered(Class::Shed, Some(503)), true, Err(Stop::Shed)),
        (
            "a shed of ours",
            Ended::of(&Outcome::failed(Fault::new(code::OVERLOADED, Ran::No), Class::Shed), None),
            true,
            Err(Stop::Shed),
        ),
        ("a trap", failed(code::GUEST_TRAP, Ran::Yes), true, Err(Stop::Final)),
        ("a guest's timeout", failed(code::DEADLINE_EXCEEDED, Ran::Yes), true, Err(Stop::Final)),
        ("an unknown timeout", failed(code::DEADLINE_EXCEEDED, Ran::Maybe), true, Err(Stop::Final)),
        ("not connected, POST", failed(code::UPSTREAM_UNREACHABLE, Ran::No), false, again(Because::NotRun)),
        ("certain to fail", failed(code::DENIED, Ran::No), true, Err(Stop::Final)),
        ("an instance lost", failed(code::INSTANCE_LOST, Ran::Maybe), true, again(Because::Lost)),
        ("an instance lost, POST", failed(code::INSTANCE_LOST, Ran::Maybe), false, Err(Stop::NotIdempotent)),
        ("unknown outcome", failed(code::UNKNOWN_OUTCOME, Ran::Maybe), true, again(Because::Lost)),
        ("unknown outcome, POST", failed(code::UNKNOWN_OUTCOME, Ran::Maybe), false, Err(Stop::NotIdempotent)),
    ] {
        let got = match decide(Try { idempotent, ..first() }, ended) {
            Decision::Again { because, .. } => Ok(because),
            Decision::Stop(stop) => Err(stop),
        };
        assert_eq!(got, wanted, "{name}");
    }
}

#[test]
fn tries_body_time_and_budget_are_bounds() {
    let lost = Ended::Lost(Retry::Now);
    let third = NonZeroU32::new(3).expect("not zero");
    assert_eq!(decide(Try { attempt: third, ..first() }, lost), Decision::Stop(Stop::TriesSpent));
    let held = |bytes| Try { body: Replay::Held(bytes), ..first() };
    assert!(matches!(decide(held(64 << 10), lost), Decision::Again { .. }));
    assert_eq!(decide(held((64 << 10) + 1), lost), Decision::Stop(Stop::BodyGone));
    assert_eq!(
        decide(Try { body: Replay::Gone, ..first() }, Ended::NotRun(Retry::Now)),
        Decision::Stop(Stop::BodyGone)
    );
    let soon = Try { deadline: Timestamp::from_millis(25), ..first() };
    assert_eq!(decide(soon, lost), Decision::Stop(Stop::NoTime));
    let mut budget = Budget::new(budget::Options::default());
    for granted in [true, true, true, false] {
        let decision = Options::default().decide(Timestamp::ZERO, first(), lost, 0, &mut budget);
        assert_eq!(decision == Decision::Stop(Stop::BudgetSpent), !granted);
    }
    assert_eq!(Stop::BudgetSpent.to_string(), "the callee's retry budget is spent");
}

#[test]
fn a_wait_that_was_asked_for_is_kept_up_to_a_limit() {
    let wait = |tried, ended| match decide(tried, ended) {
        Decision::Again { wait, .. } => wait,
        stop => panic!("{stop:?}"),
    };
    let patient = Try { deadline: Timestamp::from_millis(10_000_000), ..first() };
    let asked = |wait| Ended::Upstream(StatusCode::SERVICE_UNAVAILABLE, Some(wait));
    assert_eq!(wait(patient, asked(MS(7_000))), MS(7_000));
    assert_eq!(wait(patient, asked(MS(1))), MS(25), "never sooner than the jitter says");
    assert_eq!(wait(patient, asked(MS(9_000_000))), Options::RETRY_AFTER_MAX);
    assert_eq!(decide(first(), asked(MS(15_000))), Decision::Stop(Stop::NoTime));
    let unreachable = Ended::NotRun(Retry::After(MS(1_000)));
    assert_eq!(wait(patient, unreachable), MS(1_000));
    assert_eq!(
        wait(Try { other_target: true, ..patient }, unreachable),
        MS(25),
        "another target was not asked to wait"
    );
}

#[test]
fn methods_that_may_be_repeated() {
    for (method, yes) in [
        (Method::GET, true),
        (Method::PUT, true),
        (Method::DELETE, true),
        (Method::POST, false),
        (Method::PATCH, false),
        (Method::CONNECT, false),
    ] {
        assert_eq!(idempotent(&method), yes, "{method}");
    }
}

fn any_ended() -> impl Strategy<Value = Ended> {
    let retry = prop_oneof![Just(Retry::Now), (0u64..400_000).prop_map(|ms| Retry::After(MS(ms)))];
    let status = (400u16..600).prop_map(|status| StatusCode::from_u16(status).expect("a status"));
    prop_oneof![
        Just(Ended::Answered),
        Just(Ended::Shed),
        Just(Ended::Final),
        retry.clone().prop_map(Ended::NotRun),
        retry.prop_map(Ended::Lost),
        (status, prop::option::of(0u64..400_000)).prop_map(|(status, after)| Ended::Upstream(status, after.map(MS))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_past_the_deadline_nor_unsafe_nor_unpaid(
        ended in any_ended(), attempt in 1u32..6, idempotent: bool, other_target: bool, held in 0u64..100_000,
        deadline in 0u64..400_000, random: u64, spent in 0u32..5,
    ) {
        let mut budget = Budget::new(budget::Options::default());
        (0..spent).for_each(|_| assert_eq!(budget.withdraw(Timestamp::ZERO), budget.denied() == 0));
        let before = budget.balance(Timestamp::ZERO);
        let attempt = NonZeroU32::new(attempt).expect("not zero");
        let (body, deadline) = (Replay::Held(held), Timestamp::from_millis(deadline));
        let tried = Try { attempt, idempotent, body, other_target, deadline };
        let options = Options::default();
        let decision = options.decide(Timestamp::ZERO, tried, ended, random, &mut budget);
        prop_assert_eq!(decision, options.decide(Timestamp::ZERO, tried, ended, random, &mut {
            let mut same = Budget::new(budget::Options::default());
            (0..spent).for_each(|_| assert_eq!(same.withdraw(Timestamp::ZERO), same.denied() == 0));
            same
        }), "the same twice");
        let after = budget.balance(Timestamp::ZERO);
        match decision {
            Decision::Again { wait, because } => {
                prop_assert!(Timestamp::ZERO.saturating_add(wait) < deadline && wait <= Options::RETRY_AFTER_MAX);
                prop_assert!(attempt.get() <= 2 && held <= 64 << 10);
                prop_assert!(idempotent || because == Because::NotRun);
                prop_assert!(!matches!(ended, Ended::Shed | Ended::Answered | Ended::Final));
                prop_assert_eq!(after, before - 1);
            }
            Decision::Stop(_) => prop_assert_eq!(after, before, "what is not sent is not paid for"),
        }
        prop_assert!(options.backoff(attempt, random) <= MS(250).min(MS(25 << (attempt.get() - 1))));
    }
}
