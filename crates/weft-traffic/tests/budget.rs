//! The retry budget against its promise over any traffic.

use proptest::prelude::*;
use weft_traffic::budget::{Budget, Options};
use weft_types::Timestamp;

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_holds_more_than_the_share_or_the_floor(
        steps in prop::collection::vec((0u64..800, 0u32..30, 0u32..30), 1..80),
    ) {
        let mut budget = Budget::new(Options::default());
        let (mut now, mut calls, mut retries) = (0, Vec::new(), Vec::new());
        for (pause, made, wanted) in steps {
            now += pause;
            for _ in 0..made {
                budget.deposit(Timestamp::from_millis(now));
                calls.push(now / 1_000);
            }
            for _ in 0..wanted {
                let balance = budget.balance(Timestamp::from_millis(now));
                let granted = budget.withdraw(Timestamp::from_millis(now));
                prop_assert_eq!(granted, balance > 0);
                if !granted {
                    continue;
                }
                let second = now / 1_000;
                retries.push(second);
                let inside = |all: &[u64]| all.iter().filter(|s| **s + 10 > second).count();
                let share = inside(&calls) / 5;
                let this_second = retries.iter().filter(|s| **s == second).count();
                prop_assert!(inside(&retries) <= share || this_second <= 3);
            }
        }
    }
}
