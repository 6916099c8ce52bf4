//! A simulated server on virtual time: a stall must be charged for everyone who came meanwhile.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use weft_load::{
    places::{Admitted, Places},
    schedule::{Arrival, Schedule, Spacing, Stage},
    search::{Found, Search, Shown},
    slo::Slo,
    tally::{Broken, Count, Ended, Outcome, Tally},
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Serves one request in `service`, `workers` of them at once, and nothing while it stalls.
struct Server {
    service: Duration,
    /// When each worker is free.
    free: Vec<Duration>,
    stall: std::ops::Range<Duration>,
}

impl Server {
    fn new(service: Duration, workers: usize) -> Self {
        Self { service, free: vec![Duration::ZERO; workers], stall: Duration::ZERO..Duration::ZERO }
    }

    /// When what is sent `at` this time is answered.
    fn answers(&mut self, at: Duration) -> Duration {
        let worker = self.free.iter_mut().min().expect("a worker");
        let begins = at.max(*worker);
        let begins = if self.stall.contains(&begins) { self.stall.end } else { begins };
        *worker = begins + self.service;
        *worker
    }
}

/// Runs a load as the driver does, but on virtual time.
struct Simulation<'a> {
    server: &'a mut Server,
    timeout: Duration,
    places: Places,
    tally: Tally,
    /// When a place comes free.
    ends: BinaryHeap<Reverse<Duration>>,
}

impl Simulation<'_> {
    fn send(&mut self, arrival: Arrival, waited: bool, now: Duration) {
        let (answered, given_up) = (self.server.answers(now), now + self.timeout);
        let (ended, outcome) = if answered <= given_up {
            (answered, Outcome::Answered { status: 200, ok: true, code: None })
        } else {
            (given_up, Outcome::Broken(Broken::Timeout))
        };
        self.tally.record(&Ended { arrival, waited, sent: Some(now), ended, outcome, bytes: 0 });
        self.ends.push(Reverse(ended));
    }

    fn drain(&mut self, until: Duration) {
        while let Some(&Reverse(now)) = self.ends.peek().filter(|Reverse(at)| *at <= until) {
            self.ends.pop();
            while let Some(arrival) = self.places.expired(now) {
                let outcome = Outcome::Broken(Broken::Unsent);
                self.tally.record(&Ended { arrival, waited: true, sent: None, ended: now, outcome, bytes: 0 });
            }
            if let Some(next) = self.places.leave() {
                self.send(next, true, now);
            }
        }
    }
}

fn load(stages: &[Stage], places: usize, timeout: Duration, server: &mut Server, slo: Option<&Slo>) -> Tally {
    let (tally, places) = (Tally::new(stages, 0, timeout, slo), Places::new(places, timeout));
    let mut simulation = Simulation { server, timeout, places, tally, ends: BinaryHeap::new() };
    for arrival in Schedule::new(stages.to_vec(), Spacing::Even).expect("good") {
        simulation.drain(arrival.due);
        match simulation.places.arrive(arrival) {
            Admitted::Now => simulation.send(arrival, false, arrival.due),
            Admitted::Waits => {}
            Admitted::Never => unreachable!("the queue is long"),
        }
    }
    simulation.drain(Duration::MAX);
    assert_eq!(simulation.places.in_flight(), 0);
    simulation.tally
}

fn whole(tally: &Tally) -> Count {
    tally.judged()
}

#[test]
fn a_stall_of_one_second_is_seen_by_all_who_were_due_in_it() {
    // 100 a second for 20 s, one connection; for one second the server does nothing.
    let mut server = Server::new(MS, 1);
    server.stall = SECOND * 10..SECOND * 11;
    let tally = load(&[Stage::constant(100.0, SECOND * 20)], 1, SECOND * 5, &mut server, None);
    let count = whole(&tally);
    assert_eq!((count.ended(), count.ok), (2000, 2000));
    // 5 % of all were due in the stall: they waited from one second down to nothing.
    let near = |quantile, ms: u32| {
        let found = count.latency(quantile);
        assert!(found.abs_diff(MS * ms) < MS * 40, "p{quantile}: {found:?}, not {ms} ms");
    };
    near(1.0, 1001);
    near(0.99, 820);
    near(0.9, 1);
    // What a client that waits for its answer would have told: one slow request of two thousand.
    assert!(count.service(0.999) <= MS * 2, "{:?}", count.service(0.999));
    assert!(count.late > 90 && count.waited > 90, "{count:?}");
}

#[test]
fn the_same_load_on_enough_connections_shows_the_same_stall() {
    let mut server = Server::new(MS, 1);
    server.stall = SECOND * 10..SECOND * 11;
    let count = whole(&load(&[Stage::constant(100.0, SECOND * 20)], 1000, SECOND * 5, &mut server, None));
    assert!(count.latency(0.99).abs_diff(MS * 820) < MS * 40, "{:?}", count.latency(0.99));
    assert_eq!((count.late, count.waited), (0, 0));
}

#[test]
fn what_could_not_be_sent_is_counted_and_fails_the_objective() {
    // A server of 100 a second, loaded with 300 by one connection: two of three are never served.
    let slo: Slo = "p50<100ms,errors<1%".parse().expect("good");
    let mut server = Server::new(MS * 10, 1);
    let tally = load(&[Stage::constant(300.0, SECOND * 10)], 1, SECOND, &mut server, Some(&slo));
    let count = whole(&tally);
    assert_eq!(count.ended(), 3000, "nobody is left out");
    // 10 s and the second that the last one waits, of 100 each.
    assert!(count.ok.abs_diff(1100) < 5 && count.ok + count.unsent() == 3000, "{count:?}");
    assert!(count.latency(0.5) >= SECOND && count.service(1.0) < MS * 11, "{count:?}");
    assert!(!slo.judge(&count).met);
}

#[test]
fn the_capacity_of_a_simulated_server_is_found() {
    // Four workers of 10 ms: 400 a second.
    let slo: Slo = "p99<50ms,errors<0.1%".parse().expect("good");
    let mut search = Search::new(100.0, 100_000.0, 0.02);
    let found = loop {
        let stages = [Stage::constant(search.next(), SECOND * 30)];
        let count = whole(&load(&stages, 10_000, SECOND, &mut Server::new(MS * 10, 4), Some(&slo)));
        let judgement = slo.judge(&count);
        let taken = judgement.clauses.iter().map(|clause| clause.taken).fold(0.0, f64::max);
        match search.on(if judgement.met { Shown::Met } else { Shown::Missed { taken } }) {
            Ok(_) => {}
            Err(found) => break found,
        }
    };
    let Found::Capacity { rate, missed } = found else { panic!("{found:?}") };
    assert!(rate <= 400.5 && missed > 400.0 && missed <= rate * 1.02 + 1.0, "{found:?}");
}
