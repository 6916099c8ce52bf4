//! Guests that compute for long leave the thread of whoever waits for them, and end as they would have on it.

mod support;

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use support::{Answer, Bench, answer, request};
use tokio::{
    runtime::{Handle, Runtime},
    sync::Notify,
};
use weft_host::{Isolation, Limits};
use weft_types::{End, empty};

/// Another runtime than that of the test, which has one thread.
fn elsewhere() -> Handle {
    static ELSEWHERE: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads")
    });
    ELSEWHERE.handle().clone()
}

fn limits() -> Limits {
    Limits { memory: 32 << 20, cpu: Duration::from_millis(300), ..Limits::default() }
}

#[derive(Default)]
struct Woken {
    now: AtomicBool,
    told: Notify,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.now.store(true, SeqCst);
        self.told.notify_one();
    }
}

#[tokio::test]
async fn a_guest_that_computes_goes_on_without_whoever_waits_for_it() {
    let bench = Bench::away(elsewhere());
    for guest in ["faults-p2", "faults-p3"] {
        for way in [Isolation::Request, Isolation::Instance] {
            let component = bench.load(guest, way, limits());
            let call = bench.call(&component, request("GET", "/loop", empty()), Duration::from_secs(10));
            let mut outcome = component.invoke(call);
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            // On our thread it runs only when polled, and asks to be polled again at each tick.
            let early = loop {
                woken.now.store(false, SeqCst);
                match outcome.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(outcome) => break Some(outcome),
                    Poll::Pending if woken.now.load(SeqCst) => {}
                    Poll::Pending => break None,
                }
            };
            assert!(early.is_none(), "{guest} {way:?}: it ended on our thread");
            // Nobody polls it now. It wakes us once it has been stopped.
            woken.told.notified().await;
            let outcome = outcome.await;
            let End::Now(usage) = &outcome.end else { panic!("{guest} {way:?}: it has ended") };
            assert!(usage.cpu >= Duration::from_millis(300), "{guest} {way:?}: metered there too: {usage:?}");
            assert_eq!(answer(outcome).await.code(), "cpu-limit", "{guest} {way:?}");
            assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n", "{guest} {way:?}: the call after it");
        }
    }
}

#[tokio::test]
async fn a_body_that_stalls_in_a_loop_breaks_off() {
    let bench = Bench::away(elsewhere());
    for guest in ["faults-p2", "faults-p3"] {
        for way in [Isolation::Request, Isolation::Instance] {
            let component = bench.load(guest, way, limits());
            let broken = bench.get(&component, "/half-loop").await;
            let head = matches!(broken, Answer::Broken { status: 200, .. });
            assert!(head || broken.code() == "cpu-limit", "{guest} {way:?}: {broken:?}");
            assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n", "{guest} {way:?}: the call after it");
        }
    }
}

#[tokio::test]
async fn whoever_gives_up_stops_the_guest_there() {
    let bench = Bench::away(elsewhere());
    let mut long = limits();
    long.cpu = Duration::from_secs(3600);
    let component = bench.load("faults-p2", Isolation::Request, long);
    for _ in 0..40 {
        // More than there are places for instances: each must have given its own back.
        let call = bench.call(&component, request("GET", "/loop", empty()), Duration::from_secs(3600));
        let outcome = tokio::time::timeout(Duration::from_millis(30), component.invoke(call)).await;
        assert!(outcome.is_err(), "it loops: {:?}", outcome.map(|outcome| outcome.class));
        let ok = loop {
            let answer = bench.get(&component, "/ok").await;
            if let Answer::Whole { .. } = answer {
                break answer;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(ok.text(), "ok\n");
    }
}
