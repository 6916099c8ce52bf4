//! Warm instances and tenants: what a guest keeps is its tenant's alone, and no tenant keeps the others cold.

mod support;

use std::{sync::Arc, time::Duration};

use support::{Bench, answer, request};
use weft_host::{Component, Isolation, Limits};
use weft_types::{Context, Tenant, empty};

/// How many calls the instance that serves this tenant has served, this one included.
async fn count(bench: &Bench, component: &Arc<Component>, tenant: &str) -> u32 {
    let mut call = bench.call(component, request("GET", "/count", empty()), Duration::from_secs(10));
    let mut context = Context::clone(&call.context);
    context.tenant = Tenant(Some(tenant.into()));
    call.context = Arc::new(context);
    let count = answer(component.invoke(call).await).await.text().trim().parse().expect("a number");
    // A guest that a tick has met ends in a task, which gives its instance back.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    count
}

#[tokio::test]
async fn the_instance_that_was_idle_for_longest_makes_room() {
    let bench = Bench::new();
    let limits = Limits { warm: 2, ..Limits::default() };
    for guest in ["faults-p2", "faults-p3"] {
        let component = bench.load(guest, Isolation::Instance, limits);
        let mut counts = Vec::new();
        for tenant in ["a", "b", "c", "b", "a", "c", "a", "b"] {
            counts.push(count(&bench, &component, tenant).await);
        }
        // c takes the place of a, then a that of c, c that of b, and b that of c.
        assert_eq!(counts, [1, 1, 1, 2, 1, 1, 2, 1], "{guest}");
    }
}

#[tokio::test]
async fn one_tenant_is_never_served_by_the_instance_of_another() {
    let bench = Bench::new();
    let component = bench.load("faults-p2", Isolation::Instance, Limits::default());
    for turn in 1..=3 {
        for tenant in ["a", "b", ""] {
            assert_eq!(count(&bench, &component, tenant).await, turn, "{tenant}");
        }
    }
}
