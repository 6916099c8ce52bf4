//! Admission by priority and tenant: order, shedding, fairness, and that no place is lost or made.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;
use weft_traffic::{Admit, Limits, PriorityAdmission, Ticket, Told, Who, Why, codel};
use weft_types::{Priority, Timestamp};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn admission(concurrency: u32, queue: u32) -> PriorityAdmission {
    let limits = Limits { concurrency, queue, wait: Duration::from_secs(5) };
    PriorityAdmission::new(limits, codel::Options::default())
}

fn who(priority: Priority, tenant: u64) -> Who {
    Who { priority, tenant }
}

fn queued(admit: Admit) -> Ticket {
    match admit {
        Admit::Queue { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

fn told(admission: &mut PriorityAdmission) -> Vec<Told> {
    std::iter::from_fn(|| admission.told()).collect()
}

fn served(admission: &mut PriorityAdmission, now: u64) -> Ticket {
    admission.leave(at(now));
    match told(admission)[..] {
        [Told::Wake(ticket)] => {
            assert!(admission.claim(ticket) && !admission.claim(ticket), "claimed once");
            ticket
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn by_priority_then_tenants_in_turn_then_first_come() {
    let mut admission = admission(1, 100);
    assert_eq!(admission.enter(at(0), Who::default()), Admit::Admit);
    let mut line = |priority, tenant| queued(admission.enter(at(0), who(priority, tenant)));
    let batch = line(Priority::Batch, 1);
    let flood: Vec<Ticket> = (0..3).map(|_| line(Priority::Default, 1)).collect();
    let other = line(Priority::Default, 2);
    let person = line(Priority::Interactive, 1);
    let health = line(Priority::Health, 1);
    let order: Vec<Ticket> = (0..7).map(|_| served(&mut admission, 0)).collect();
    assert_eq!(order[..2], [health, person]);
    let turn = order.iter().position(|ticket| *ticket == other).expect("served");
    assert!(turn <= 3, "the second tenant waits for one call of the first, not for three: {turn}");
    let firsts: Vec<Ticket> = order.iter().copied().filter(|ticket| flood.contains(ticket)).collect();
    assert_eq!((firsts, order[6]), (flood, batch));
}

#[test]
fn a_full_queue_sheds_the_lowest_and_the_greediest() {
    let mut admission = admission(1, 4);
    assert_eq!(admission.enter(at(0), Who::default()), Admit::Admit);
    let batch = queued(admission.enter(at(0), who(Priority::Batch, 9)));
    let mut greedy: Vec<Ticket> = (0..3).map(|_| queued(admission.enter(at(0), who(Priority::Default, 1)))).collect();
    greedy.push(queued(admission.enter(at(0), who(Priority::Default, 1))));
    let shed = |told: &[Told]| match told {
        [Told::Shed { ticket, why: Why::Full, .. }] => *ticket,
        other => panic!("{other:?}"),
    };
    assert_eq!(shed(&told(&mut admission)), batch);
    assert!(matches!(admission.enter(at(0), who(Priority::Default, 1)), Admit::Shed { .. }), "its own lane is longest");
    queued(admission.enter(at(0), who(Priority::Default, 2)));
    assert_eq!(shed(&told(&mut admission)), greedy[3], "another tenant's newest makes way");
    assert!(matches!(admission.enter(at(0), who(Priority::Batch, 3)), Admit::Shed { .. }), "nothing lower waits");
    assert_eq!((admission.shed(Priority::Batch), admission.shed(Priority::Default)), (2, 2));
}

#[test]
fn a_standing_queue_is_served_from_its_end_and_sheds_the_late() {
    let mut admission = admission(1, 1_000);
    assert_eq!(admission.enter(at(0), Who::default()), Admit::Admit);
    let mut last = None;
    for ms in 0..250 {
        let _ = admission.enter(at(ms), Who::default());
        last = Some(queued(admission.enter(at(ms), Who::default())));
        let newest_first = admission.is_overloaded();
        admission.leave(at(ms));
        while let Some(told) = admission.told() {
            match told {
                Told::Wake(ticket) => {
                    assert!(admission.claim(ticket));
                    assert_eq!(Some(ticket) == last, newest_first, "newest first at {ms}");
                }
                Told::Shed { why, .. } => assert!(why == Why::Late && ms >= 200, "{ms}"),
            }
        }
    }
    assert!(last.is_some() && admission.is_overloaded());
    assert!(admission.waiting() <= 12, "about 10 ms of what is too much: {}", admission.waiting());
    for ms in 250..400 {
        if admission.running() > 0 {
            admission.leave(at(ms));
        }
        while let Some(told) = admission.told() {
            assert!(!matches!(told, Told::Wake(ticket) if !admission.claim(ticket)));
        }
    }
    assert!(admission.is_idle());
    assert_eq!(admission.enter(at(400), Who::default()), Admit::Admit);
}

/// One tenant sends ten times what can be served, another a fifth of it: how many of the second's calls were shed.
fn shed_of_the_modest(same_tenant: bool) -> usize {
    let mut admission = admission(1, 200);
    let mut modest = Vec::new();
    let mut shed = 0;
    for ms in 0..2_000 {
        for n in 0..10 {
            let _ = admission.enter(at(ms), who(Priority::Default, 1));
            if n == 5 && ms % 5 == 0 {
                match admission.enter(at(ms), who(Priority::Default, if same_tenant { 1 } else { 2 })) {
                    Admit::Queue { ticket, .. } => modest.push(ticket),
                    Admit::Shed { .. } => shed += 1,
                    Admit::Admit => {}
                }
            }
        }
        if admission.running() > 0 {
            admission.leave(at(ms));
        }
        for told in told(&mut admission) {
            match told {
                Told::Wake(ticket) => assert!(admission.claim(ticket)),
                Told::Shed { ticket, .. } => shed += usize::from(modest.contains(&ticket)),
            }
        }
    }
    shed
}

#[test]
fn a_flood_of_one_tenant_costs_another_nothing() {
    assert_eq!(shed_of_the_modest(false), 0);
    assert!(shed_of_the_modest(true) > 200, "as one tenant they share what there is");
}

#[test]
fn a_wait_ends_and_a_place_passes_on() {
    let limits = Limits { concurrency: 1, queue: 4, wait: Duration::from_millis(50) };
    let mut admission = PriorityAdmission::new(limits, codel::Options::default());
    assert_eq!(admission.enter(at(0), Who::default()), Admit::Admit);
    let first = queued(admission.enter(at(0), Who::default()));
    let second = queued(admission.enter(at(20), Who::default()));
    assert_eq!(admission.next_tick(), Some(at(50)));
    admission.tick(at(50));
    assert!(matches!(told(&mut admission)[..], [Told::Shed { ticket, .. }] if ticket == first));
    admission.cancel(first, at(50));
    let third = queued(admission.enter(at(51), Who::default()));
    admission.leave(at(52));
    let Told::Wake(woken) = told(&mut admission)[0] else { panic!("nobody woken") };
    let other = if woken == second { third } else { second };
    admission.cancel(woken, at(52));
    assert_eq!(told(&mut admission), [Told::Wake(other)], "gone after it was woken: the place passes on");
    assert!(admission.claim(other));
    admission.leave(at(52));
    assert!(admission.is_idle() && admission.next_tick().is_none());
}

#[derive(Debug, Clone)]
enum Step {
    Enter(Who),
    Leave,
    Claim(usize),
    Cancel(usize),
    Pass(u64),
    Tick,
    Resize(u32, u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    let priority =
        prop::sample::select(vec![Priority::Batch, Priority::Default, Priority::Interactive, Priority::Health]);
    let caller = (priority, 0u64..4).prop_map(|(priority, tenant)| Who { priority, tenant });
    prop_oneof![
        8 => caller.prop_map(Step::Enter),
        5 => Just(Step::Leave),
        4 => (0usize..8).prop_map(Step::Claim),
        1 => (0usize..16).prop_map(Step::Cancel),
        4 => (1u64..30).prop_map(Step::Pass),
        1 => Just(Step::Tick),
        1 => (0u32..4, 0u32..8).prop_map(|(concurrency, queue)| Step::Resize(concurrency, queue)),
    ]
}

/// What must hold, kept in the plainest way.
#[derive(Default)]
struct Model {
    inside: u32,
    handed: Vec<Ticket>,
    waiting: HashMap<Ticket, Who>,
}

impl Model {
    fn hear(&mut self, admission: &mut PriorityAdmission) {
        while let Some(told) = admission.told() {
            match told {
                Told::Wake(ticket) => {
                    let woken = self.waiting.remove(&ticket).expect("waits");
                    let best = self.waiting.values().map(|who| who.priority).max();
                    assert!(best.is_none_or(|best| best <= woken.priority), "a higher one waits");
                    self.handed.push(ticket);
                }
                Told::Shed { ticket, why, retry_after } => {
                    let shed = self.waiting.remove(&ticket).expect("waits");
                    let worst = self.waiting.values().map(|who| who.priority).min();
                    assert!(why != Why::Full || worst.is_none_or(|worst| worst >= shed.priority), "a lower one waits");
                    assert!(retry_after >= Duration::from_secs(1) && retry_after <= Duration::from_secs(30));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_are_never_lost_nor_made(steps in prop::collection::vec(any_step(), 0..300)) {
        let limits = |concurrency, queue| Limits { concurrency, queue, wait: Duration::from_millis(300) };
        let mut limit = limits(2, 5);
        let mut admission = PriorityAdmission::new(limit, codel::Options::default());
        let (mut model, mut now) = (Model::default(), 0);
        for step in steps {
            match step {
                Step::Enter(who) => match admission.enter(at(now), who) {
                    Admit::Admit => {
                        prop_assert!(model.waiting.is_empty());
                        model.inside += 1;
                    }
                    Admit::Queue { ticket, until } => {
                        prop_assert_eq!(until, at(now + 300));
                        prop_assert!(model.waiting.insert(ticket, who).is_none());
                    }
                    Admit::Shed { .. } => prop_assert!(admission.waiting() >= limit.queue),
                },
                Step::Leave if model.inside > 0 => {
                    model.inside -= 1;
                    admission.leave(at(now));
                }
                Step::Claim(which) if which < model.handed.len() => {
                    prop_assert!(admission.claim(model.handed.remove(which)));
                    model.inside += 1;
                }
                Step::Cancel(which) => {
                    let mut known: Vec<Ticket> = model.waiting.keys().chain(&model.handed).copied().collect();
                    known.sort_unstable();
                    if let Some(ticket) = known.get(which) {
                        model.waiting.remove(ticket);
                        model.handed.retain(|handed| handed != ticket);
                        admission.cancel(*ticket, at(now));
                    }
                }
                Step::Pass(ms) => now += ms,
                Step::Tick => {
                    admission.tick(at(now));
                    prop_assert!(admission.next_tick().is_none_or(|next| next > at(now)));
                }
                Step::Resize(concurrency, queue) => {
                    limit = limits(concurrency, queue);
                    admission.resize(limit, at(now));
                }
                _ => {}
            }
            model.hear(&mut admission);
            let taken = model.inside + model.handed.len() as u32;
            prop_assert_eq!(admission.running(), taken);
            prop_assert_eq!(admission.waiting() as usize, model.waiting.len());
            prop_assert!(taken >= limit.concurrency || model.waiting.is_empty(), "nobody waits before an open place");
        }
    }
}
