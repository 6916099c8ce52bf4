//! Overload in virtual time: open-loop arrivals at up to ten times what a component can do, through CoDel admission and
//! the adaptive limit; and that without them the same component is lost. The limit binds as it does in a gate: while the
//! cores are seen to be in use, which a look at them every 10 ms tells.
//!
//! The component's calls wait, then compute; those that compute share two cores evenly, so that too many at once make
//! all of them slow. A client gives up after a second, but the work that it asked for is still done.

mod sim;

use std::{collections::HashMap, time::Duration};

use sim::{Events, Random};
use weft_traffic::{
    Admit, Limits, PriorityAdmission, Ticket, Told, Who,
    adaptive::{Adaptive, Binds, Options},
    codel, gradient,
};
use weft_types::{Priority, Timestamp};

const CORES: u64 = 2;
const SECOND: u64 = 1_000_000_000;
/// The first of the overload are not judged: CoDel looks at whole intervals before it sheds.
const SETTLE: u64 = SECOND;
const QUIET: u64 = 5 * SECOND;
const LOUD: u64 = 20 * SECOND;
const PATIENCE: u64 = SECOND;

/// A component: what each call does, in nanoseconds, each evenly spread from half to one and a half of it.
#[derive(Clone, Copy)]
struct Guest {
    waits: u64,
    computes: u64,
}

impl Guest {
    const COMPUTING: Self = Self { waits: 0, computes: 10_000_000 };
    const WAITING: Self = Self { waits: 30_000_000, computes: 1_000_000 };
    /// Nothing comes back for ten seconds.
    const POLLED: Self = Self { waits: 10_000_000_000, computes: 100_000 };

    fn capacity_per_s(self) -> f64 {
        (CORES * SECOND) as f64 / self.computes as f64
    }
}

#[derive(Clone, Copy)]
struct Call {
    who: Who,
    arrived: u64,
    admitted: u64,
    in_flight: u32,
    waits: u64,
    computes: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    Computes(usize),
    /// The first of those that compute is done, unless others came or went since: then another event says when.
    Done(u64),
    /// Somebody looks who computes.
    Tick,
}

/// How many compute, averaged over some looks, as a node sees it.
#[derive(Default)]
struct Seen(f64);

impl Seen {
    fn look(&mut self, computing: usize) {
        self.0 += (computing as f64 - self.0) / 4.0;
    }
    fn busy(&self) -> bool {
        self.0 >= 0.6 * CORES as f64
    }
}

/// The cores: a clock of work that each computing call gets, which runs slower the more there are.
#[derive(Default)]
struct Cores {
    /// Thousandths of a nanosecond of work done for each that was there all the time.
    work: u64,
    since: u64,
    /// By the reading of `work` at which each is done.
    calls: std::collections::BTreeSet<(u64, usize)>,
    changes: u64,
}

impl Cores {
    fn advance(&mut self, now: u64) {
        let share = (self.calls.len() as u64).max(CORES);
        self.work += (now - self.since) * 1_000 * CORES / share;
        self.since = now;
    }
    fn next_done(&self, now: u64) -> Option<u64> {
        let (due, _) = self.calls.first()?;
        let share = (self.calls.len() as u64).max(CORES);
        Some(now + (due.saturating_sub(self.work) * share).div_ceil(CORES * 1_000))
    }
}

/// What came of the calls that arrived in the time that is judged.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Outcome {
    arrived: u64,
    shed: u64,
    /// Nanoseconds from arrival to answer.
    took: Vec<u64>,
}

impl Outcome {
    fn p99(&self) -> u64 {
        let mut all = self.took.clone();
        all.sort_unstable();
        all.get(all.len() * 99 / 100).or(all.last()).copied().unwrap_or(u64::MAX)
    }
    fn in_time(&self) -> usize {
        self.took.iter().filter(|took| **took <= PATIENCE).count()
    }
}

struct World {
    guest: Guest,
    load: f64,
    limit: Option<Adaptive>,
    seen: Seen,
    admission: PriorityAdmission,
    waiting: HashMap<Ticket, usize>,
    calls: Vec<Call>,
    events: Events<Event>,
    cores: Cores,
    random: Random,
    judged: HashMap<Priority, Outcome>,
}

impl World {
    fn run(seed: u64, guest: Guest, load: f64, protected: bool) -> HashMap<Priority, Outcome> {
        let gradient = gradient::Options::for_cores(CORES as u32);
        let shedding = codel::Options::default();
        let limit = protected.then(|| Adaptive::new(Options { gradient, binds: Binds::Busy, shedding }));
        let admission = PriorityAdmission::new(FIXED, NEVER);
        let (waiting, calls, events, judged) = (HashMap::new(), Vec::new(), Events::new(), HashMap::new());
        let (cores, random) = (Cores::default(), Random(seed));
        let seen = Seen::default();
        let mut world = Self { guest, load, limit, seen, admission, waiting, calls, events, cores, random, judged };
        world.events.at(0, Event::Arrive);
        world.events.at(0, Event::Tick);
        while let Some((now, event)) = world.events.next() {
            match event {
                Event::Arrive if now < QUIET + LOUD => world.arrive(now),
                Event::Arrive => {}
                Event::Computes(call) => world.compute(now, call),
                Event::Done(change) if change == world.cores.changes => world.done(now),
                Event::Done(_) => {}
                Event::Tick => {
                    world.seen.look(world.cores.calls.len());
                    let again = now < QUIET + LOUD || !world.admission.is_idle();
                    again.then(|| world.events.at(now + 10_000_000, Event::Tick));
                }
            }
        }
        assert!(world.admission.is_idle(), "every place was given back");
        world.judged
    }

    fn arrive(&mut self, now: u64) {
        let load = if now < QUIET { self.load.min(0.3) } else { self.load };
        let pause = self.random.pause(self.guest.capacity_per_s() * load);
        self.events.at(now + pause, Event::Arrive);
        let priority = if self.random.unit() < 0.02 { Priority::Interactive } else { Priority::Default };
        let who = Who { priority, tenant: self.random.next() % 3 };
        let (waits, computes) = (self.spread(self.guest.waits), self.spread(self.guest.computes));
        self.calls.push(Call { who, arrived: now, admitted: 0, in_flight: 0, waits, computes });
        self.judge(self.calls.len() - 1, |outcome| outcome.arrived += 1);
        self.follow(now);
        match self.admission.enter(Timestamp::from_nanos(now), who) {
            Admit::Admit => self.admit(now, self.calls.len() - 1),
            Admit::Queue { ticket, .. } => drop(self.waiting.insert(ticket, self.calls.len() - 1)),
            Admit::Shed { .. } => self.judge(self.calls.len() - 1, |outcome| outcome.shed += 1),
        }
        self.hear(now);
    }

    fn spread(&mut self, mean: u64) -> u64 {
        (mean as f64 * (0.5 + self.random.unit())) as u64
    }

    fn hear(&mut self, now: u64) {
        while let Some(told) = self.admission.told() {
            match told {
                Told::Wake(ticket) => {
                    assert!(self.admission.claim(ticket));
                    let call = self.waiting.remove(&ticket).expect("waits");
                    self.admit(now, call);
                }
                Told::Shed { ticket, .. } => {
                    let call = self.waiting.remove(&ticket).expect("waits");
                    self.judge(call, |outcome| outcome.shed += 1);
                }
            }
        }
    }

    fn admit(&mut self, now: u64, at: usize) {
        let call = &mut self.calls[at];
        (call.admitted, call.in_flight) = (now, self.admission.running());
        self.events.at(now + call.waits, Event::Computes(at));
    }

    fn compute(&mut self, now: u64, at: usize) {
        self.cores.advance(now);
        self.cores.calls.insert((self.cores.work + self.calls[at].computes * 1_000, at));
        self.plan(now);
    }

    fn plan(&mut self, now: u64) {
        self.cores.changes += 1;
        if let Some(then) = self.cores.next_done(now) {
            self.events.at(then, Event::Done(self.cores.changes));
        }
    }

    fn done(&mut self, now: u64) {
        self.cores.advance(now);
        let Some((_, at)) = self.cores.calls.pop_first() else { return };
        let Call { arrived, admitted, in_flight, computes, .. } = self.calls[at];
        self.judge(at, |outcome| outcome.took.push(now - arrived));
        if let Some(limit) = &mut self.limit {
            let cpu = Some(Duration::from_nanos(computes));
            limit.answered(Duration::from_nanos(now - admitted), in_flight, self.seen.busy(), cpu);
        }
        self.admission.leave(Timestamp::from_nanos(now));
        self.follow(now);
        self.hear(now);
        self.plan(now);
    }

    fn follow(&mut self, now: u64) {
        if let Some(limit) = &self.limit {
            limit.govern(&mut self.admission, (FIXED, NEVER), self.seen.busy(), Timestamp::from_nanos(now));
        }
    }

    fn judge(&mut self, at: usize, what: impl FnOnce(&mut Outcome)) {
        let call = self.calls[at];
        if call.arrived >= QUIET + SETTLE {
            what(self.judged.entry(call.who.priority).or_default());
        }
    }
}

/// What holds while the limit does not bind.
const FIXED: Limits = Limits { concurrency: 256, queue: 1_024, wait: Duration::from_secs(10) };
const NEVER: codel::Options = codel::Options { target: codel::Options::NEVER, interval: codel::Options::INTERVAL };

/// What holds of one run: the share of what could be done that was done in time, and times against unloaded ones.
#[derive(Debug)]
struct Verdict {
    goodput: f64,
    slower: f64,
    high_slower: f64,
    high_shed: u64,
}

fn verdict(guest: Guest, load: f64, protected: bool) -> Verdict {
    let unloaded = World::run(1, guest, 0.05, true)[&Priority::Default].p99() as f64;
    let outcome = World::run(2, guest, load, protected);
    let (high, low) = (&outcome[&Priority::Interactive], &outcome[&Priority::Default]);
    let possible = guest.capacity_per_s() * load.min(1.0) * ((LOUD - SETTLE) / SECOND) as f64;
    Verdict {
        goodput: (high.in_time() + low.in_time()) as f64 / possible,
        slower: low.p99() as f64 / unloaded,
        high_slower: high.p99() as f64 / unloaded,
        high_shed: high.shed,
    }
}

const LOADS: [f64; 7] = [0.5, 0.9, 1.0, 1.5, 2.0, 5.0, 10.0];

/// `near`: how much slower calls may be while about as many come as can be served. A queue of less than CoDel's
/// interval is a burst there and is served, not shed; short calls feel that most.
fn holds(guest: Guest, near: f64) {
    for load in LOADS {
        let verdict = verdict(guest, load, true);
        let slower = if (0.9..=1.0).contains(&load) { near } else { 3.0 };
        assert!(verdict.goodput >= 0.9, "{load} × capacity: {verdict:?}");
        assert!(verdict.slower <= slower, "{load} × capacity: {verdict:?}");
        assert!(verdict.high_slower <= 3.0 && verdict.high_shed == 0, "{load} × capacity: {verdict:?}");
    }
}

#[test]
fn a_computing_component_keeps_its_goodput_and_its_times() {
    holds(Guest::COMPUTING, 6.0);
}

#[test]
fn a_waiting_component_keeps_its_goodput_and_its_times() {
    holds(Guest::WAITING, 3.0);
}

#[test]
fn who_waits_for_long_is_not_held_back_while_the_cores_have_time() {
    // 20 a second that each wait for ten: 200 at once, though nobody has answered yet.
    let outcome = World::run(3, Guest::POLLED, 0.001, true);
    let all: Vec<&Outcome> = outcome.values().collect();
    let (arrived, answered): (u64, usize) =
        (all.iter().map(|one| one.arrived).sum(), all.iter().map(|one| one.took.len()).sum());
    assert!(arrived > 300 && answered as u64 == arrived, "{answered} of {arrived}");
    assert!(all.iter().all(|one| one.p99() < 16 * SECOND), "and nobody waited for a place");
}

#[test]
fn without_protection_both_are_lost() {
    for guest in [Guest::COMPUTING, Guest::WAITING] {
        let verdict = verdict(guest, 2.0, false);
        assert!(verdict.slower > 3.0, "{verdict:?}");
    }
    let computing = verdict(Guest::COMPUTING, 2.0, false);
    assert!(computing.goodput < 0.5, "work for clients that have gone: {computing:?}");
}

#[test]
fn the_same_seed_gives_the_same_overload() {
    let run = |seed| {
        let outcome = World::run(seed, Guest::COMPUTING, 3.0, true);
        format!("{:?} {:?}", outcome[&Priority::Default], outcome[&Priority::Interactive])
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
