//! What a call costs in memory: nothing, in any core that a call passes.

use std::{num::NonZeroU32, time::Duration};

use http::HeaderMap;
use weft_traffic::{
    Limits, Locality, PriorityAdmission, Ratio, Who,
    balance::{self, Balancer, EndpointSpec},
    breaker::{self, Breaker},
    budget::{self, Budget},
    codel,
    fault::{Call, Faults, To},
    gcra::{By, Limiter, Options, Subject},
    gradient::{self, Gradient, Sample},
    hedge::{self, Hedge},
    retry::{self, Ended, Replay, Try},
    slo::{Objective, Slo},
    split::{Arm, Split, Sticky},
};
use weft_types::{Class, Name, Retry, Timestamp};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Twice the same, so that what is made once is made before it is counted.
fn free_of_allocation(name: &str, mut run: impl FnMut(u64)) {
    (0..1_000).for_each(&mut run);
    let counted = allocation_counter::measure(|| (1_000..3_000).for_each(&mut run));
    assert_eq!(counted.count_total, 0, "{name} allocates");
}

#[test]
fn admission_and_its_limit() {
    let limits = Limits { concurrency: 4, queue: 64, wait: Duration::from_secs(5) };
    let mut admission = PriorityAdmission::new(limits, codel::Options::default());
    free_of_allocation("admission", |n| {
        for tenant in 0..3 {
            let _ = admission.enter(at(n), Who { tenant, ..Who::default() });
        }
        while let Some(told) = admission.told() {
            if let weft_traffic::Told::Wake(ticket) = told {
                assert!(admission.claim(ticket));
            }
        }
        admission.leave(at(n));
    });
    let mut limit = Gradient::new(gradient::Options::for_cores(2));
    free_of_allocation("gradient", |n| {
        limit.record(Sample {
            took: Duration::from_millis(n % 7),
            in_flight: 9,
            busy: n % 2 == 0,
            cpu: Some(Duration::from_millis(n % 3)),
        });
    });
}

#[test]
fn limits_breaker_and_retries() {
    let mut limiter = Limiter::new(Options::new("100/s".parse().expect("a rate"), By::Identity), 1);
    free_of_allocation("gcra", |n| {
        let identity = ["alice", "bob", "carol"][n as usize % 3];
        let _ = limiter.check(at(n), &Subject { identity: Some(identity), ..Subject::default() });
    });
    let mut breaker = Breaker::new(breaker::Options::default());
    free_of_allocation("breaker", |n| {
        if let Ok(pass) = breaker.enter(at(n * 10)) {
            breaker.record(at(n * 10), pass, if n % 3 == 0 { Class::Ok } else { Class::Failure }, n);
        }
    });
    let (options, mut budget) = (retry::Options::default(), Budget::new(budget::Options::default()));
    let mut hedge = Hedge::new(hedge::Options::default());
    free_of_allocation("retry and hedge", |n| {
        let (attempt, deadline) = (NonZeroU32::MIN, at(n + 1_000));
        let tried = Try { attempt, idempotent: true, body: Replay::Held(0), other_target: false, deadline };
        budget.deposit(at(n));
        let _ = options.decide(at(n), tried, Ended::Lost(Retry::Now), n, &mut budget);
        let _ = hedge.start(at(n), &tried);
        hedge.answered(at(n), Duration::from_millis(n % 50));
        let _ = hedge.fire(at(n), &tried);
    });
}

#[test]
fn targets_faults_and_levels() {
    let arm = |name: &str| Arm { name: name.into(), weight: 1, force: None };
    let split = Split::new(vec![arm("a"), arm("b")], Sticky::Identity, 1).expect("a split");
    let headers = HeaderMap::new();
    free_of_allocation("split", |n| {
        let _ = split.choose(&headers, Some(&n.to_be_bytes()), n);
    });
    let spec = |n: u32| EndpointSpec { address: n.to_string().into(), weight: n, locality: Locality::default() };
    let mut options = balance::Options::default();
    // To eject one is a change of health, which may allocate.
    options.outlier.failures_max = 0;
    let mut balancer = Balancer::new(options, Locality::default());
    balancer.update(at(0), &(1..9).map(spec).collect::<Vec<_>>());
    free_of_allocation("balance", |n| {
        let pick = balancer.choose(at(n), n.wrapping_mul(0x9e37_79b9_7f4a_7c15), &[]).expect("an endpoint");
        balancer.answered(at(n), pick.id, Duration::from_millis(n % 9), n % 5 > 0);
        balancer.done(pick.id);
    });
    let (mut faults, application) = (Faults::default(), Name::new("shop").expect("a name"));
    let call = Call { application: &application, to: To::Route("/"), headers: &headers };
    free_of_allocation("faults", |n| assert!(faults.decide(at(n), &call, n).is_empty()));
    let mut slo = Slo::new(Objective::new(Ratio::percent(99)));
    free_of_allocation("slo", |n| slo.record(at(n * 60_000), n % 9 > 0, Duration::ZERO));
}
