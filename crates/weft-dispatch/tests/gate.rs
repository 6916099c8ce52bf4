//! The gate before a component, on virtual time: who gets a place, who waits, who is shed.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use weft_dispatch::{Gate, GateOptions, Load, Permit, who};
use weft_host::Computing;
use weft_traffic::{Limits, Who, adaptive, codel};
use weft_types::{Clock as _, Context, Fault, ManualClock, Priority, Ran, Retry, Timestamp, code};

const WAIT: Duration = Duration::from_secs(5);
const MS: fn(u64) -> Duration = Duration::from_millis;

fn gate(concurrency: u32, queue: u32) -> (Arc<Gate>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_nanos(1_000_000_000_000)));
    let limits = Limits { concurrency, queue, wait: WAIT };
    let options = GateOptions { limits, shedding: codel::Options::default(), adaptive: None };
    (Gate::new(options, Arc::clone(&clock) as _, None), clock)
}

fn load(gate: &Gate) -> (u32, u32) {
    let Load { running, waiting, .. } = gate.load();
    (running, waiting)
}

type Entering<'a> = Pin<Box<dyn Future<Output = Result<Permit, Fault>> + Send + 'a>>;

fn enter<'a>(gate: &'a Arc<Gate>, clock: &ManualClock, priority: Priority) -> Entering<'a> {
    Box::pin(gate.enter(clock.now(), Timestamp::MAX, Who { priority, tenant: 0 }))
}

async fn once(entering: &mut Entering<'_>) -> Option<Result<Permit, Fault>> {
    poll_fn(|cx| match entering.as_mut().poll(cx) {
        Poll::Ready(out) => Poll::Ready(Some(out)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Enters and waits.
async fn queued<'a>(gate: &'a Arc<Gate>, clock: &ManualClock, priority: Priority) -> Entering<'a> {
    let mut entering = enter(gate, clock, priority);
    assert!(once(&mut entering).await.is_none(), "it waits");
    entering
}

fn refused(out: Option<Result<Permit, Fault>>) -> Fault {
    out.expect("decided").map(drop).expect_err("refused")
}

#[tokio::test(start_paused = true)]
async fn a_place_passes_to_the_first_in_line() {
    let (gate, clock) = gate(1, 2);
    let first = gate.try_enter(clock.now()).expect("open");
    assert!(gate.try_enter(clock.now()).is_none());
    let mut next = queued(&gate, &clock, Priority::Default).await;
    let mut last = queued(&gate, &clock, Priority::Default).await;
    assert_eq!(load(&gate), (1, 2));
    drop(first);
    assert!(gate.try_enter(clock.now()).is_none(), "no newcomer overtakes");
    let next = once(&mut next).await.expect("woken").expect("admitted");
    assert!(once(&mut last).await.is_none());
    drop(next);
    last.await.expect("admitted");
    assert_eq!(load(&gate), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_sheds_and_a_long_wait_ends() {
    let (gate, clock) = gate(1, 1);
    let _inside = gate.try_enter(clock.now()).expect("open");
    let waiting = queued(&gate, &clock, Priority::Default).await;
    let shed = refused(once(&mut enter(&gate, &clock, Priority::Default)).await);
    assert_eq!((shed.code, shed.ran), (code::OVERLOADED, Ran::No));
    assert!(matches!(shed.retry, Retry::After(_)));
    // Tokio's time moves on by itself where there is nothing else to do.
    let late = waiting.await.map(drop).expect_err("nobody left");
    assert_eq!(late.code, code::OVERLOADED);
    assert_eq!(load(&gate), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_has_no_time_left_is_told_so() {
    let (gate, clock) = gate(1, 1);
    let _inside = gate.try_enter(clock.now()).expect("open");
    let deadline = clock.now().saturating_add(MS(10));
    let late = gate.enter(clock.now(), deadline, Who::default()).await.map(drop).expect_err("nobody left");
    assert_eq!((late.code, load(&gate)), (code::DEADLINE_EXCEEDED, (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_while_being_woken_passes_the_place_on() {
    let (gate, clock) = gate(1, 2);
    let inside = gate.try_enter(clock.now()).expect("open");
    let quitter = queued(&gate, &clock, Priority::Default).await;
    let patient = queued(&gate, &clock, Priority::Default).await;
    drop(inside);
    drop(quitter);
    patient.await.expect("the place was passed on");
    assert_eq!(load(&gate), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_important_are_served_first_and_the_others_make_way() {
    let (gate, clock) = gate(1, 2);
    let inside = gate.try_enter(clock.now()).expect("open");
    let mut batch = queued(&gate, &clock, Priority::Batch).await;
    let mut plain = queued(&gate, &clock, Priority::Default).await;
    let mut urgent = queued(&gate, &clock, Priority::Interactive).await;
    let shed = refused(once(&mut batch).await);
    assert_eq!(
        (shed.code, shed.detail.as_str()),
        (code::OVERLOADED, "the queue is full, and it made way for another call")
    );
    assert!(matches!(shed.retry, Retry::After(_)));
    drop(inside);
    assert!(once(&mut plain).await.is_none());
    drop(once(&mut urgent).await.expect("woken").expect("admitted"));
    plain.await.expect("admitted after it");
    assert_eq!(load(&gate), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn in_a_standing_queue_the_late_are_shed_and_the_last_is_served() {
    let (gate, clock) = gate(1, 100);
    let mut inside = gate.try_enter(clock.now()).expect("open");
    let mut line = Vec::new();
    let (mut served, mut shed) = (0, 0);
    // Two come for each that leaves, every 20 ms.
    for _ in 0..50 {
        line.push(queued(&gate, &clock, Priority::Default).await);
        line.push(queued(&gate, &clock, Priority::Default).await);
        clock.advance(MS(20));
        drop(inside);
        let mut place = None;
        let mut waits = Vec::new();
        for mut entering in line {
            match once(&mut entering).await {
                Some(Ok(permit)) => place = Some(permit),
                Some(Err(fault)) => {
                    assert_eq!(fault.code, code::OVERLOADED);
                    shed += 1;
                }
                None => waits.push(entering),
            }
        }
        line = waits;
        inside = match place {
            Some(permit) => {
                served += 1;
                permit
            }
            None => gate.try_enter(clock.now()).expect("all were late, and the place is free"),
        };
    }
    assert!(shed > 30 && served > 0, "{served} served, {shed} shed");
    assert!(line.len() < 20, "the queue does not stand: {} wait", line.len());
    drop((inside, line));
    assert_eq!(load(&gate), (0, 0));
}

#[test]
fn tenants_are_told_apart() {
    let context = |tenant: Option<&str>| {
        let target = weft_types::Target {
            application: weft_types::Name::new("a").expect("a name"),
            revision: weft_types::Digest([0; 32]),
            component: weft_types::Name::new("b").expect("a name"),
            function: None,
        };
        Context { tenant: weft_types::Tenant(tenant.map(Arc::from)), ..Context::anonymous(target) }
    };
    let tenant = |name| who(&context(name)).tenant;
    assert!(tenant(None) == tenant(None) && tenant(Some("x")) == tenant(Some("x")));
    assert!(tenant(Some("x")) != tenant(Some("y")) && tenant(None) != tenant(Some("x")));
}

fn adaptive(concurrency: u32, busy: bool) -> (Arc<Gate>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_nanos(1_000_000_000_000)));
    let limits = Limits { concurrency, queue: 100, wait: WAIT };
    let gradient = weft_traffic::gradient::Options::for_cores(2);
    let (binds, shedding) = (adaptive::Binds::Busy, codel::Options::default());
    let adaptive = Some(adaptive::Options { gradient, binds, shedding });
    let never = codel::Options { target: codel::Options::NEVER, ..shedding };
    let options = GateOptions { limits, shedding: never, adaptive };
    (Gate::new(options, Arc::clone(&clock) as _, Some(Computing::fixed(2, busy))), clock)
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_binds_while_the_cores_are_in_use() {
    let (gate, clock) = adaptive(100, false);
    let inside: Vec<Permit> = std::iter::from_fn(|| gate.try_enter(clock.now())).collect();
    assert_eq!((inside.len(), gate.load().binds), (100, false), "there is time");
    let (gate, clock) = adaptive(100, true);
    let mut inside: Vec<Permit> = std::iter::from_fn(|| gate.try_enter(clock.now())).collect();
    assert_eq!((inside.len(), gate.load().binds), (4, true));
    let mut waits = queued(&gate, &clock, Priority::Default).await;
    // Who streams computes no more.
    inside[0].streams(clock.now(), true);
    let next = once(&mut waits).await.expect("woken").expect("admitted");
    assert_eq!((gate.load().running, gate.load().places), (5, 5));
    drop((inside, next));
    assert_eq!((gate.load().running, gate.load().adaptive.expect("it adapts").streams), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_before_few_places_is_no_overload_and_one_before_busy_cores_is() {
    for (busy, shed) in [(false, false), (true, true)] {
        let (gate, clock) = adaptive(if busy { 100 } else { 1 }, busy);
        let inside: Vec<Permit> = std::iter::from_fn(|| gate.try_enter(clock.now())).collect();
        let mut line = Vec::new();
        for _ in 0..20 {
            line.push(queued(&gate, &clock, Priority::Default).await);
            clock.advance(MS(20));
        }
        // Somebody else comes.
        let _last = once(&mut enter(&gate, &clock, Priority::Default)).await;
        let mut gone = 0;
        for entering in &mut line {
            gone += u32::from(once(entering).await.is_some_and(|out| out.is_err()));
        }
        assert_eq!(gone > 0, shed, "{gone} of 20 were shed, busy: {busy}");
        drop(inside);
    }
}
