//! What guests get wrong, in WASI 0.2 and 0.3, in instances of their own and in shared ones: each has its code, and
//! the next call is served as if nothing had been.

mod support;

use std::time::Duration;

use support::{Answer, Bench, answer, request};
use weft_host::{Isolation, Limits};
use weft_types::{Ran, full};

const GUESTS: [&str; 2] = ["faults-p2", "faults-p3"];
const WAYS: [Isolation; 2] = [Isolation::Request, Isolation::Instance];

fn limits() -> Limits {
    Limits { memory: 32 << 20, cpu: Duration::from_millis(300), ..Limits::default() }
}

/// Runs `check` on each guest in each way, and then a call that must go well.
async fn everywhere(path: &str, check: impl Fn(&Answer, &str)) {
    let bench = Bench::new();
    for guest in GUESTS {
        for way in WAYS {
            let component = bench.load(guest, way, limits());
            let case = format!("{guest} {way:?} {path}");
            check(&bench.get(&component, path).await, &case);
            assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n", "{case}: the call after it");
        }
    }
}

async fn fails_with(path: &str, code: &str) {
    everywhere(path, |answer, case| assert_eq!(answer.code(), code, "{case}: {answer:?}")).await;
}

#[tokio::test]
async fn a_trap() {
    fails_with("/trap", "guest-trap").await;
}

#[tokio::test]
async fn a_panic() {
    fails_with("/panic", "guest-trap").await;
}

#[tokio::test]
async fn an_exit() {
    fails_with("/exit", "guest-exit").await;
}

#[tokio::test]
async fn a_loop_for_ever() {
    fails_with("/loop", "cpu-limit").await;
}

#[tokio::test]
async fn a_recursion_for_ever() {
    let bench = Bench::new();
    let component = bench.load("faults-p2", Isolation::Instance, limits());
    assert_eq!(bench.get(&component, "/recurse").await.code(), "guest-trap");
    assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n");
}

#[tokio::test]
async fn memory_without_end() {
    fails_with("/grow", "memory-limit").await;
}

#[tokio::test]
async fn an_error_code_for_an_answer() {
    fails_with("/error", "guest-error").await;
}

#[tokio::test]
async fn a_header_that_http_cannot_hold() {
    fails_with("/bad-header", "guest-trap").await;
}

#[tokio::test]
async fn no_response() {
    let bench = Bench::new();
    for way in WAYS {
        let component = bench.load("faults-p2", way, limits());
        assert_eq!(bench.get(&component, "/no-response").await.code(), "guest-no-response");
        assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n");
    }
}

/// Whether the first half has left by then or not: nobody takes half a body for a whole one.
#[tokio::test]
async fn a_trap_half_way_through_the_body() {
    everywhere("/half-body", |answer, case| match answer {
        Answer::Failed(fault) => assert_eq!(fault.code.as_str(), "guest-trap", "{case}"),
        Answer::Broken { fault, .. } => assert_eq!(fault.code.as_str(), "guest-body-failed", "{case}"),
        Answer::Whole { .. } => panic!("{case}: half a body passed for a whole one"),
    })
    .await;
}

#[tokio::test]
async fn a_loop_half_way_through_the_body() {
    everywhere("/half-loop", |answer, case| match answer {
        Answer::Broken { fault, .. } => assert_eq!(fault.code.as_str(), "guest-body-failed", "{case}"),
        Answer::Failed(fault) => assert_eq!(fault.code.as_str(), "cpu-limit", "{case}"),
        Answer::Whole { .. } => panic!("{case}: half a body passed for a whole one"),
    })
    .await;
}

#[tokio::test]
async fn a_guest_that_waits_past_its_deadline() {
    let bench = Bench::new();
    for guest in GUESTS {
        for way in WAYS {
            let component = bench.load(guest, way, limits());
            let late = bench.get_within(&component, "/sleep?60000", Duration::from_millis(100)).await;
            assert_eq!(late.code(), "deadline-exceeded", "{guest} {way:?}");
            assert!(matches!(late, Answer::Failed(fault) if fault.ran == Ran::Yes));
            assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n", "{guest} {way:?}");
        }
    }
}

#[tokio::test]
async fn an_instance_is_new_for_each_call_or_kept() {
    let bench = Bench::new();
    for guest in GUESTS {
        let fresh = bench.load(guest, Isolation::Request, limits());
        let kept = bench.load(guest, Isolation::Instance, limits());
        for turn in 1..=3 {
            assert_eq!(bench.get(&fresh, "/count").await.text(), "1\n", "{guest}");
            assert_eq!(bench.get(&kept, "/count").await.text(), format!("{turn}\n"), "{guest}");
        }
        assert_eq!((fresh.stats().instances_created, fresh.stats().instances_reused), (3, 0));
        assert_eq!((kept.stats().instances_created, kept.stats().instances_reused), (1, 2));
    }
}

#[tokio::test]
async fn an_instance_is_replaced_after_as_many_calls_as_it_may_serve() {
    let bench = Bench::new();
    for guest in GUESTS {
        let component = bench.load(guest, Isolation::Instance, Limits { reuse: 2, ..limits() });
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(bench.get(&component, "/count").await.text());
        }
        assert_eq!(seen.concat(), "1\n2\n1\n2\n1\n", "{guest}");
    }
}

#[tokio::test]
async fn a_body_passes_both_ways_with_its_trailers() {
    let bench = Bench::new();
    for guest in ["echo-p2", "echo-p3"] {
        for way in WAYS {
            let component = bench.load(guest, way, limits());
            let call = bench.call(&component, request("POST", "/", full("some words")), Duration::from_secs(10));
            match answer(component.invoke(call).await).await {
                Answer::Whole { status: 200, body } => assert_eq!(body, "some words", "{guest} {way:?}"),
                other => panic!("{guest} {way:?}: {other:?}"),
            }
        }
    }
}

/// A caller that leaves takes a guest of its own with it: its place and its memory are free at once.
#[tokio::test]
async fn a_caller_that_leaves_cancels_its_guest() {
    let bench = Bench::new();
    for guest in GUESTS {
        let component = bench.load(guest, Isolation::Request, limits());
        // More calls than the pool has instances: they fit only if those before them are gone.
        for _ in 0..100 {
            let call =
                bench.call(&component, request("GET", "/sleep?60000", weft_types::empty()), Duration::from_secs(60));
            let gone = tokio::time::timeout(Duration::from_millis(1), component.invoke(call)).await;
            assert!(gone.is_err(), "{guest}: it sleeps for a minute");
        }
        assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n", "{guest}");
    }
}

#[tokio::test]
async fn a_large_body_is_streamed_within_the_memory_limit() {
    let bench = Bench::new();
    for guest in GUESTS {
        let component = bench.load(guest, Isolation::Request, Limits { cpu: Duration::from_secs(30), ..limits() });
        let time = Duration::from_secs(60);
        let call = bench.call(&component, request("GET", "/big?104857600", weft_types::empty()), time);
        match answer(component.invoke(call).await).await {
            Answer::Whole { status: 200, body } => assert_eq!(body.len(), 104_857_600, "{guest}"),
            other => panic!("{guest}: {other:?}"),
        }
    }
}
