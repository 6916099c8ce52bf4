//! The adaptive limit over any answers: bounded, still while unused, the same twice; and it finds a capacity.

use std::time::Duration;

use proptest::prelude::*;
use weft_traffic::gradient::{Gradient, Options, Sample};

/// A server with so many places: more calls at once take longer in proportion.
fn settled(capacity: u32) -> u32 {
    let mut limit = Gradient::new(Options::for_cores(2));
    for _ in 0..50_000 {
        let running = limit.limit();
        let slower = f64::from(running.max(capacity)) / f64::from(capacity);
        let took = Duration::from_millis(10).mul_f64(slower);
        limit.record(Sample { took, in_flight: running, busy: running >= capacity, cpu: None });
    }
    limit.limit()
}

#[test]
fn it_settles_near_what_the_server_can_do_at_once() {
    for capacity in [8, 20, 60] {
        let limit = settled(capacity);
        assert!(limit >= capacity && limit <= capacity * 4, "{capacity} places, limit {limit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bounded_still_when_unused_and_the_same_twice(
        answers in prop::collection::vec((0u64..u64::MAX / 2, 0u32..400, any::<bool>(), any::<Option<u64>>()), 0..900), cores in 0u32..64,
    ) {
        let options = Options::for_cores(cores);
        let unused = answers.iter().all(|(_, in_flight, ..)| *in_flight < options.min / 2);
        let (mut one, mut other) = (Gradient::new(options), Gradient::new(options));
        let mut most = 0;
        for (nanos, in_flight, busy, cpu) in answers {
            most = most.max(in_flight);
            let before = one.limit();
            let sample = Sample { took: Duration::from_nanos(nanos), in_flight, busy, cpu: cpu.map(Duration::from_nanos) };
            let after = one.record(sample);
            prop_assert!(after >= options.min && after <= options.max);
            let grows = (before + 1).max(most + 1).max(one.view().floor);
            prop_assert!(after <= grows, "by less than one an answer, to what has run, or to its floor");
            prop_assert!(!unused || after == before);
            prop_assert_eq!(after, other.record(sample));
            prop_assert_eq!(one.view(), other.view());
        }
    }
}
