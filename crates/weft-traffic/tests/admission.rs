//! Admission against its promises: never over the limit, in order, nothing lost.

use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;
use weft_traffic::{Admission, Admit, Limits, Ticket};
use weft_types::Timestamp;

const SECOND: Duration = Duration::from_secs(1);

fn limits(concurrency: u32, queue: u32) -> Limits {
    Limits { concurrency, queue, wait: 2 * SECOND }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO.saturating_add(Duration::from_secs(seconds))
}

fn queued(admit: Admit) -> Ticket {
    match admit {
        Admit::Queue { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_freed_place_goes_to_the_first_waiter_and_no_newcomer_overtakes() {
    let mut admission = Admission::new(limits(1, 2));
    assert_eq!(admission.enter(at(0)), Admit::Admit);
    let (first, second) = (queued(admission.enter(at(0))), queued(admission.enter(at(0))));
    assert!(matches!(admission.enter(at(0)), Admit::Shed { .. }));
    assert_eq!(admission.leave(at(1)), Some(first));
    let third = queued(admission.enter(at(1)));
    assert!(admission.claim(first));
    assert!(!admission.claim(first), "claimed once");
    assert_eq!(admission.leave(at(1)), Some(second));
    assert_eq!(admission.cancel(second, at(1)), Some(third), "gone after it was woken: the place passes on");
    assert!(admission.claim(third));
    assert_eq!(admission.leave(at(1)), None);
    assert!(admission.is_idle());
}

#[test]
fn a_waiter_expires_in_order_and_is_not_woken_later() {
    let mut admission = Admission::new(limits(1, 8));
    assert_eq!(admission.enter(at(0)), Admit::Admit);
    let (first, second) = (queued(admission.enter(at(0))), queued(admission.enter(at(1))));
    assert_eq!(admission.next_expiry(), Some(at(2)));
    assert_eq!(admission.expire(at(1)), None);
    assert_eq!(admission.expire(at(2)), Some(first));
    assert_eq!(admission.expire(at(2)), None);
    assert_eq!(admission.cancel(first, at(2)), None, "an expired ticket frees nothing");
    assert_eq!(admission.leave(at(2)), Some(second));
}

#[test]
fn retry_after_follows_the_pace_of_the_queue() {
    let mut admission = Admission::new(limits(1, 4));
    assert_eq!(admission.enter(at(0)), Admit::Admit);
    for _ in 0..4 {
        queued(admission.enter(at(0)));
    }
    assert_eq!(admission.enter(at(0)), Admit::Shed { retry_after: SECOND }, "nothing is known yet");
    for second in (0..4_000).step_by(40) {
        let woken = admission.leave(at(second)).expect("a waiter");
        assert!(admission.claim(woken));
        queued(admission.enter(at(second)));
    }
    assert_eq!(admission.enter(at(4_000)), Admit::Shed { retry_after: Admission::RETRY_MAX });
}

#[test]
fn more_places_wake_waiters_and_fewer_are_reached_by_leaving() {
    let mut admission = Admission::new(limits(1, 4));
    assert_eq!(admission.enter(at(0)), Admit::Admit);
    let waiters = [queued(admission.enter(at(0))), queued(admission.enter(at(0))), queued(admission.enter(at(0)))];
    let wider = limits(3, 4);
    assert_eq!(admission.resize(wider, at(0)), Some(waiters[0]));
    assert_eq!(admission.resize(wider, at(0)), Some(waiters[1]));
    assert_eq!(admission.resize(wider, at(0)), None);
    assert_eq!(admission.resize(limits(1, 4), at(0)), None);
    assert_eq!((admission.leave(at(0)), admission.running()), (None, 2));
    assert_eq!((admission.leave(at(0)), admission.running()), (None, 1));
    assert_eq!(admission.leave(at(0)), Some(waiters[2]));
}

#[derive(Debug, Clone)]
enum Step {
    Enter,
    Leave,
    Claim,
    CancelWaiting(usize),
    CancelHanded,
    Pass(u64),
    Resize(u32, u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Enter),
        4 => Just(Step::Leave),
        3 => Just(Step::Claim),
        1 => (0usize..8).prop_map(Step::CancelWaiting),
        1 => Just(Step::CancelHanded),
        2 => (1u64..3).prop_map(Step::Pass),
        1 => (0u32..4, 0u32..5).prop_map(|(concurrency, queue)| Step::Resize(concurrency, queue)),
    ]
}

/// What must hold, kept in the plainest way.
#[derive(Default)]
struct Model {
    inside: u32,
    handed: Vec<Ticket>,
    waiting: VecDeque<Ticket>,
}

impl Model {
    fn wake(&mut self, woken: Option<Ticket>) {
        if let Some(ticket) = woken {
            assert_eq!(self.waiting.pop_front(), Some(ticket), "in order");
            self.handed.push(ticket);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_are_never_lost_nor_made(steps in prop::collection::vec(any_step(), 0..200)) {
        let mut limit = limits(2, 3);
        let mut admission = Admission::new(limit);
        let mut model = Model::default();
        let mut now = at(0);
        for step in steps {
            match step {
                Step::Enter => match admission.enter(now) {
                    Admit::Admit => {
                        model.inside += 1;
                        let taken = model.inside + model.handed.len() as u32;
                        prop_assert!(taken <= limit.concurrency && model.waiting.is_empty());
                    }
                    Admit::Queue { ticket, until } => {
                        model.waiting.push_back(ticket);
                        prop_assert!(until > now && model.waiting.len() <= limit.queue as usize);
                    }
                    Admit::Shed { retry_after } => {
                        prop_assert!(model.waiting.len() >= limit.queue as usize);
                        prop_assert!(retry_after >= SECOND && retry_after <= Admission::RETRY_MAX);
                    }
                },
                Step::Leave if model.inside > 0 => {
                    model.inside -= 1;
                    model.wake(admission.leave(now));
                }
                Step::Claim if !model.handed.is_empty() => {
                    prop_assert!(admission.claim(model.handed.remove(0)));
                    model.inside += 1;
                }
                Step::CancelWaiting(at) if at < model.waiting.len() => {
                    let ticket = model.waiting.remove(at).expect("there");
                    prop_assert_eq!(admission.cancel(ticket, now), None);
                }
                Step::CancelHanded if !model.handed.is_empty() => {
                    let ticket = model.handed.remove(0);
                    model.wake(admission.cancel(ticket, now));
                }
                Step::Pass(seconds) => {
                    now = now.saturating_add(Duration::from_secs(seconds));
                    while let Some(ticket) = admission.expire(now) {
                        prop_assert_eq!(model.waiting.pop_front(), Some(ticket));
                    }
                    prop_assert!(admission.next_expiry().is_none_or(|next| next > now));
                }
                Step::Resize(concurrency, queue) => {
                    limit = limits(concurrency, queue);
                    while let Some(ticket) = admission.resize(limit, now) {
                        model.wake(Some(ticket));
                    }
                    let open = model.inside + (model.handed.len() as u32) < concurrency;
                    prop_assert!(!open || model.waiting.is_empty(), "nobody waits before an open place");
                }
                _ => {}
            }
            prop_assert_eq!(admission.running(), model.inside + model.handed.len() as u32);
            prop_assert_eq!(admission.waiting() as usize, model.waiting.len());
        }
    }
}
