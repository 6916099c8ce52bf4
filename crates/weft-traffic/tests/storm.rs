//! A retry storm that does not happen: three tiers, each of which retries the next, and the last fails half of its calls.

mod sim;

use std::{num::NonZeroU32, time::Duration};

use sim::{Events, Random};
use weft_traffic::{
    Ratio,
    budget::{self, Budget},
    retry::{Decision, Ended, Options, Replay, Try},
};
use weft_types::Timestamp;

const TIERS: usize = 3;
const PER_S: f64 = 200.0;
const SECONDS: u64 = 60;

/// One try of a call to a tier; `parent` is the try in the tier above that waits for it.
struct Call {
    tier: usize,
    parent: Option<usize>,
    attempt: NonZeroU32,
    deadline: Timestamp,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    Try(usize),
}

#[derive(Debug, PartialEq, Eq, Default)]
struct Load {
    firsts: [u64; TIERS],
    tries: [u64; TIERS],
    answered: u64,
    failed: u64,
}

impl Load {
    /// What retries add to the load of each tier, beside the calls that the tier above makes anyway.
    fn added(&self) -> [f64; TIERS] {
        std::array::from_fn(|tier| self.tries[tier] as f64 / self.firsts[tier] as f64 - 1.0)
    }
}

struct World {
    calls: Vec<Call>,
    events: Events<Event>,
    budgets: [Budget; TIERS],
    random: Random,
    load: Load,
}

impl World {
    fn run(seed: u64, budget: budget::Options) -> Load {
        let budgets = std::array::from_fn(|_| Budget::new(budget));
        let (events, random, load) = (Events::new(), Random(seed), Load::default());
        let mut world = Self { calls: Vec::new(), events, budgets, random, load };
        world.events.at(0, Event::Arrive);
        while let Some((ns, event)) = world.events.next() {
            match event {
                Event::Arrive if ns < SECONDS * 1_000_000_000 => {
                    let pause = world.random.pause(PER_S);
                    world.events.at(ns + pause, Event::Arrive);
                    let deadline = Timestamp::from_nanos(ns).saturating_add(Duration::from_secs(15));
                    world.first(ns, 0, None, deadline);
                }
                Event::Arrive => {}
                Event::Try(call) => world.serve(ns, call),
            }
        }
        world.load
    }

    fn first(&mut self, ns: u64, tier: usize, parent: Option<usize>, deadline: Timestamp) {
        self.budgets[tier].deposit(Timestamp::from_nanos(ns));
        self.load.firsts[tier] += 1;
        self.plan(ns, Call { tier, parent, attempt: NonZeroU32::MIN, deadline });
    }

    fn plan(&mut self, ns: u64, call: Call) {
        self.load.tries[call.tier] += 1;
        self.calls.push(call);
        self.events.at(ns, Event::Try(self.calls.len() - 1));
    }

    fn serve(&mut self, ns: u64, call: usize) {
        let Call { tier, deadline, .. } = self.calls[call];
        match tier + 1 == TIERS {
            true => {
                let good = self.random.unit() < 0.5;
                self.answer(ns, call, good);
            }
            false => self.first(ns, tier + 1, Some(call), deadline),
        }
    }

    fn answer(&mut self, ns: u64, call: usize, good: bool) {
        let Call { tier, parent, attempt, deadline } = self.calls[call];
        if !good && let Some(wait) = self.again(ns, call) {
            let attempt = attempt.saturating_add(1);
            return self.plan(ns + wait.as_nanos() as u64, Call { tier, parent, attempt, deadline });
        }
        match parent {
            Some(parent) => self.answer(ns, parent, good),
            None if good => self.load.answered += 1,
            None => self.load.failed += 1,
        }
    }

    fn again(&mut self, ns: u64, call: usize) -> Option<Duration> {
        let Call { tier, attempt, deadline, .. } = self.calls[call];
        let tried = Try { attempt, idempotent: true, body: Replay::Held(0), other_target: false, deadline };
        let ended = Ended::Upstream(http::StatusCode::SERVICE_UNAVAILABLE, None);
        let random = self.random.next();
        match Options::default().decide(Timestamp::from_nanos(ns), tried, ended, random, &mut self.budgets[tier]) {
            Decision::Again { wait, .. } => Some(wait),
            Decision::Stop(_) => None,
        }
    }
}

#[test]
fn retries_add_at_most_a_fifth_to_each_tier() {
    for seed in 1..=5 {
        let load = World::run(seed, budget::Options::default());
        let added = load.added();
        assert!(added.iter().all(|added| *added <= 0.2), "{added:?}");
        assert!(added[TIERS - 1] > 0.19, "the budget is used: {added:?}");
        let rate = load.answered as f64 / (load.answered + load.failed) as f64;
        assert!(rate > 0.65, "and it helps: half would be answered without retries, {rate}");
    }
}

#[test]
fn without_a_budget_the_storm_comes() {
    let none = budget::Options { share: Ratio::ALL, floor_per_s: u32::MAX };
    let load = World::run(1, none);
    assert!(load.added()[TIERS - 1] > 0.7, "{:?}", load.added());
    let (calls, last) = (load.firsts[0] as f64, load.tries[TIERS - 1] as f64);
    let guarded = World::run(1, budget::Options::default());
    assert!(last / calls > 1.9, "nearly twice the load for the tier that fails: {load:?}");
    assert!(guarded.tries[TIERS - 1] as f64 / (guarded.firsts[0] as f64) < 1.2f64.powi(3), "{guarded:?}");
}

#[test]
fn the_same_seed_gives_the_same_storm() {
    let run = |seed| format!("{:?}", World::run(seed, budget::Options::default()));
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
