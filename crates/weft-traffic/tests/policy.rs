//! Policies against the definition: for each field the last level that says something, and the default otherwise.

use std::time::Duration;

use proptest::prelude::*;
use weft_traffic::{
    Fallback, Patch, Policy, Ratio, Resolution, Spread,
    policy::{BalancePatch, BreakerPatch, HedgePatch, RateLimitPatch, RetryPatch, priority},
};
use weft_types::Priority;

prop_compose! {
    fn any_patch()(
        timeout in prop::option::of(1u64..100), queue in prop::option::of(0u32..9),
        max in prop::option::of(0u32..9), budget in prop::option::of(0u32..=100), enabled in prop::option::of(any::<bool>()),
        rate in prop::option::of(prop::option::of(1u32..1_000)), after in prop::option::of(prop::option::of(1u64..99)),
        spread in prop::option::of(prop::sample::select(vec!["any", "prefer-zone", "never-leave-region"])),
        urgent in prop::option::of(any::<bool>()), stale in prop::option::of(1u64..99),
    ) -> Patch {
        let ms = Duration::from_millis;
        Patch {
            timeout: timeout.map(ms),
            queue,
            priority: urgent.map(|urgent| if urgent { Priority::Interactive } else { Priority::Batch }),
            retry: RetryPatch { max, budget: budget.map(Ratio::percent), ..RetryPatch::default() },
            breaker: BreakerPatch { enabled, ..BreakerPatch::default() },
            rate_limit: RateLimitPatch {
                rate: rate.map(|rate| rate.map(|count| format!("{count}/s").parse().expect("a rate"))),
                ..RateLimitPatch::default()
            },
            hedge: HedgePatch { after: after.map(|after| after.map(ms)), ..HedgePatch::default() },
            balance: BalancePatch { locality: spread.map(|word| word.parse().expect("a word")), ..BalancePatch::default() },
            fallback: stale.map(|age| Fallback::Stale(ms(age))),
            ..Patch::default()
        }
    }
}

fn last<T>(patches: &[Patch], get: impl Fn(&Patch) -> Option<T>) -> (Option<T>, String) {
    let said = patches.iter().enumerate().rev().find_map(|(level, patch)| get(patch).map(|value| (value, level)));
    said.map_or((None, "default".to_owned()), |(value, level)| (Some(value), level.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_last_level_that_says_something_wins(patches in prop::collection::vec(any_patch(), 0..4)) {
        let names: Vec<String> = (0..patches.len()).map(|n| n.to_string()).collect();
        let levels: Vec<(&str, &Patch)> = names.iter().map(String::as_str).zip(&patches).collect();
        let Resolution { policy, origins } = Policy::resolve(&levels);
        let base = Policy::default();
        let origin = |field: &str| {
            let found = origins.iter().find(|(name, ..)| *name == field);
            found.map_or("default".to_owned(), |(.., origin)| origin.clone())
        };
        macro_rules! holds {
            ($($field:literal: $get:expr, $is:expr, $base:expr;)*) => {$(
                let (value, from) = last(&patches, $get);
                prop_assert_eq!(&$is, &value.unwrap_or($base), $field);
                prop_assert_eq!(origin($field), from, $field);
            )*};
        }
        holds! {
            "timeout": |p| p.timeout, policy.timeout, base.timeout;
            "queue": |p| p.queue, policy.queue, base.queue;
            "priority": |p| p.priority, policy.priority, base.priority;
            "retry.max": |p| p.retry.max, policy.retry.max, base.retry.max;
            "retry.budget": |p| p.retry.budget, policy.retry.budget, base.retry.budget;
            "breaker.enabled": |p| p.breaker.enabled, policy.breaker.enabled, base.breaker.enabled;
            "rate-limit.rate": |p| p.rate_limit.rate, policy.rate_limit.rate, base.rate_limit.rate;
            "hedge.after": |p| p.hedge.after, policy.hedge.after, base.hedge.after;
            "balance.locality": |p| p.balance.locality, policy.balance.locality, Spread::Any;
            "fallback": |p| p.fallback.clone(), policy.fallback, Fallback::None;
        }
        let json = serde_json::to_string(&policy).expect("serialises");
        prop_assert_eq!(serde_json::from_str::<Policy>(&json).expect("reads back"), policy);
    }
}

#[test]
fn a_priority_is_its_word() {
    for (word, is) in [("health", Priority::Health), ("interactive", Priority::Interactive), ("batch", Priority::Batch)]
    {
        assert_eq!((priority::parse(word), priority::word(is)), (Some(is), word));
    }
    assert_eq!(priority::parse("urgent"), None);
}
