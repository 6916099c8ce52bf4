//! Several calls at once in one 0.3 instance: who shares one, and whose failure is whose.

mod support;

use std::{pin::Pin, sync::Arc, task::Poll, time::Duration};

use futures_util::{
    StreamExt,
    future::join_all,
    stream::{FuturesOrdered, FuturesUnordered},
};
use http_body_util::BodyExt;
use support::{Answer, Bench, answer, request};
use tokio::task::JoinHandle;
use weft_host::{Component, Isolation, Limits};
use weft_types::{Context, Pending, Ran, Tenant, empty};

const LONG: Duration = Duration::from_secs(30);

fn limits() -> Limits {
    Limits { cpu: Duration::from_millis(200), ..Limits::default() }
}

fn shared(bench: &Bench, limits: Limits) -> Arc<Component> {
    bench.load("faults-p3", Isolation::Instance, limits)
}

fn call(bench: &Bench, component: &Arc<Component>, path: &str, time: Duration) -> Pending<'static, Answer> {
    let outcome = component.invoke(bench.call(component, request("GET", path, empty()), time));
    Box::pin(async move { answer(outcome.await).await })
}

/// A call in progress, given up when it is dropped.
struct Begun(JoinHandle<Answer>);

impl Future for Begun {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Answer> {
        Pin::new(&mut self.0).poll(cx).map(|joined| joined.expect("no panic"))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins a call, and lets it run until it waits.
async fn begun(bench: &Bench, component: &Arc<Component>, path: &str, time: Duration) -> Begun {
    let call = Begun(tokio::spawn(call(bench, component, path, time)));
    settle().await;
    assert!(!call.0.is_finished(), "{path} waits");
    call
}

/// Lets the tasks of this runtime, which has one thread, run: nothing of what they wait for before their guests do is
/// elsewhere.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_that_wait_share_an_instance_within_the_bound() {
    let bench = Bench::new();
    for (share, calls, instances) in [(16, 8, 1), (4, 8, 2), (1, 3, 3)] {
        let component = shared(&bench, Limits { share, ..limits() });
        let mut inside = FuturesOrdered::new();
        for _ in 0..calls {
            inside.push_back(begun(&bench, &component, "/together?1000", LONG).await);
        }
        let seen: Vec<u64> =
            inside.map(|answer| answer.text().trim().parse::<u64>().expect("a number")).collect().await;
        let per: Vec<u64> = (0..calls / instances).map(|n| n + 1).collect();
        assert_eq!(seen, per.repeat(usize::try_from(instances).expect("few")), "share {share}");
        let stats = component.stats();
        assert_eq!((stats.instances_created, stats.instances_reused), (instances, calls - instances), "share {share}");
        // Quiet again: the next call finds it warm.
        assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n");
        assert_eq!(component.stats().instances_created, instances);
    }
}

#[tokio::test]
async fn tenants_share_nothing() {
    let bench = Bench::new();
    let component = shared(&bench, limits());
    let calls = ["a", "b", "a", "b"].map(|tenant| {
        let mut call = bench.call(&component, request("GET", "/together?50", empty()), LONG);
        let mut context = Context::clone(&call.context);
        context.tenant = Tenant(Some(tenant.into()));
        call.context = Arc::new(context);
        let outcome = component.invoke(call);
        async move { answer(outcome.await).await }
    });
    let mut inside = FuturesOrdered::new();
    for call in calls {
        inside.push_back(Begun(tokio::spawn(call)));
        settle().await;
    }
    let seen: Vec<String> = inside.map(Answer::text).collect().await;
    assert_eq!(seen, ["1\n", "1\n", "2\n", "2\n"]);
    assert_eq!(component.stats().instances_created, 2);
}

#[tokio::test]
async fn a_guest_that_fails_takes_the_others_with_it_and_only_it_is_blamed() {
    let bench = Bench::new();
    for (path, code) in [
        ("/trap", "guest-trap"),
        ("/panic", "guest-trap"),
        ("/exit?1", "guest-exit"),
        ("/loop", "cpu-limit"),
        ("/grow", "memory-limit"),
    ] {
        let component = shared(&bench, Limits { memory: 32 << 20, ..limits() });
        let first = begun(&bench, &component, "/sleep?20000", LONG).await;
        let second = begun(&bench, &component, "/sleep?20000", LONG).await;
        let failed = call(&bench, &component, path, LONG);
        let (first, second, failed) = futures_util::join!(first, second, failed);
        assert_eq!(failed.code(), code, "{path}");
        for lost in [first, second] {
            let Answer::Failed(fault) = lost else { panic!("{path}: {lost:?}") };
            assert_eq!((fault.code.as_str(), fault.ran), ("instance-lost", Ran::Maybe), "{path}");
            assert!(fault.detail.contains(code), "{path}: {}", fault.detail);
        }
        assert_eq!(component.stats().instances_created, 1, "{path}");
        assert_eq!(bench.get(&component, "/count").await.text(), "1\n", "{path}: a new instance");
    }
}

#[tokio::test]
async fn the_call_that_began_an_instance_may_be_the_one_that_fails() {
    let bench = Bench::new();
    let component = shared(&bench, limits());
    let first = begun(&bench, &component, "/wait-trap?200", LONG).await;
    let other = begun(&bench, &component, "/sleep?20000", LONG).await;
    let (first, other) = futures_util::join!(first, other);
    assert_eq!((first.code(), other.code()), ("guest-trap", "instance-lost"));
}

#[tokio::test]
async fn an_overdue_call_is_abandoned_and_its_instance_takes_no_more() {
    let bench = Bench::new();
    let component = shared(&bench, limits());
    let other = begun(&bench, &component, "/together?400", LONG).await;
    let overdue = begun(&bench, &component, "/sleep?60000", Duration::from_millis(100)).await;
    assert_eq!(overdue.await.code(), "deadline-exceeded");
    settle().await;
    // Who comes now is better off in another.
    let next = begun(&bench, &component, "/together?10", LONG).await;
    assert_eq!((next.await.text().as_str(), component.stats().instances_created), ("1\n", 2));
    assert_eq!(other.await.text(), "1\n", "what others do in it goes on");
    assert_eq!(bench.get(&component, "/count").await.text(), "1\n");
    assert_eq!(component.stats().instances_created, 2, "the second is warm, the first is gone");
}

#[tokio::test]
async fn who_leaves_abandons_a_shared_call_and_cancels_a_lone_one() {
    let bench = Bench::new();
    let component = shared(&bench, limits());
    let stays = begun(&bench, &component, "/together?300", LONG).await;
    let leaves = begun(&bench, &component, "/together?50", LONG).await;
    drop(leaves);
    settle().await;
    let third = begun(&bench, &component, "/together?50", LONG).await;
    assert_eq!(third.await.text(), "3\n", "what was left goes on in its instance");
    assert_eq!(stays.await.text(), "1\n");
    assert_eq!(component.stats().instances_created, 1);
    settle().await;
    assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n");
    assert_eq!(component.stats().instances_created, 1, "it is quiet again");
    // Alone: the instance ends with it, so the next call gets a new one.
    drop(begun(&bench, &component, "/sleep?60000", LONG).await);
    settle().await;
    assert_eq!(bench.get(&component, "/count").await.text(), "1\n");
    assert_eq!(component.stats().instances_created, 2);
}

/// Calls that were given up, and go on: an instance is not open to more and more calls because their clients leave.
#[tokio::test]
async fn a_call_that_was_given_up_takes_room_until_its_guest_has_finished_it() {
    let bench = Bench::new();
    let component = shared(&bench, Limits { share: 3, ..limits() });
    let _stays = begun(&bench, &component, "/sleep?20000", LONG).await;
    for _ in 0..2 {
        drop(begun(&bench, &component, "/together?20000", LONG).await);
        settle().await;
    }
    let next = call(&bench, &component, "/together?10", LONG).await;
    assert_eq!((next.text().as_str(), component.stats().instances_created), ("1\n", 2));
}

/// More calls than there are places for instances: those before must have given their own back.
#[tokio::test]
async fn an_instance_that_blocks_is_dropped_when_nobody_waits_for_it() {
    let bench = Bench::new();
    let component = shared(&bench, limits());
    for _ in 0..40 {
        drop(begun(&bench, &component, "/block?3600000", LONG).await);
        settle().await;
    }
    for _ in 0..40 {
        let late = call(&bench, &component, "/block?3600000", Duration::from_millis(5)).await;
        assert_eq!(late.code(), "deadline-exceeded");
        settle().await;
    }
    assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_blocks_after_its_answer_is_dropped_in_time() {
    let bench = Bench::new();
    let component = shared(&bench, limits());
    for _ in 0..40 {
        let said = call(&bench, &component, "/block-after", LONG * 1000).await.text();
        assert_eq!(said, "answered\n");
        tokio::time::advance(LONG + Duration::from_secs(1)).await;
        settle().await;
    }
    assert_eq!(call(&bench, &component, "/ok", LONG * 1000).await.text(), "ok\n");
}

#[tokio::test]
async fn nobody_comes_in_where_a_guest_blocks_or_computes() {
    let bench = Bench::new();
    for path in ["/block?3600000", "/loop"] {
        let component = shared(&bench, Limits { cpu: Duration::from_secs(3600), ..limits() });
        let first = Begun(tokio::spawn(call(&bench, &component, path, LONG)));
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.get(&component, "/ok").await.text(), "ok\n", "{path}");
        assert_eq!(component.stats().instances_created, 2, "{path}");
        drop(first);
    }
}

#[tokio::test]
async fn an_overdue_call_that_computes_takes_nobody_with_it() {
    let bench = Bench::new();
    let component = shared(&bench, Limits { cpu: Duration::from_secs(30), ..limits() });
    let other = begun(&bench, &component, "/together?500", LONG).await;
    let overdue = begun(&bench, &component, "/wait-compute?200:50", Duration::from_millis(100)).await;
    assert_eq!(overdue.await.code(), "deadline-exceeded");
    assert_eq!(other.await.text(), "1\n");
    assert_eq!(component.stats().instances_created, 1);
}

#[tokio::test]
async fn a_component_that_is_let_go_is_dropped_with_the_instances_that_were_shared() {
    let bench = Bench::new();
    let component = shared(&bench, limits());
    // The last call of the instance that is kept is the one that opened it.
    assert_eq!(call(&bench, &component, "/sleep?20", LONG).await.text(), "slept\n");
    settle().await;
    let gone = Arc::downgrade(&component);
    drop(component);
    assert!(gone.upgrade().is_none(), "{} hold it", gone.strong_count());
}

#[tokio::test]
async fn an_instance_serves_as_many_calls_as_its_reuse_allows() {
    let bench = Bench::new();
    let component = shared(&bench, Limits { reuse: 3, ..limits() });
    let mut inside = FuturesOrdered::new();
    for _ in 0..6 {
        inside.push_back(begun(&bench, &component, "/together?500", LONG).await);
    }
    let seen: Vec<String> = inside.map(Answer::text).collect().await;
    assert_eq!(seen, ["1\n", "2\n", "3\n", "1\n", "2\n", "3\n"]);
    assert_eq!(bench.get(&component, "/count").await.text(), "1\n");
    assert_eq!(component.stats().instances_created, 3);
}

#[tokio::test]
async fn the_time_of_a_call_is_its_own() {
    let bench = Bench::new();
    let component = shared(&bench, Limits { cpu: Duration::from_secs(5), ..limits() });
    let idle = component.invoke(bench.call(&component, request("GET", "/sleep?300", empty()), LONG));
    let idle = tokio::spawn(idle);
    settle().await;
    let busy: Vec<_> = (0..3).map(|_| call(&bench, &component, "/big?4000000", LONG)).collect();
    for done in join_all(busy).await {
        assert!(matches!(done, Answer::Whole { status: 200, ref body } if body.len() == 4_000_000), "{done:?}");
    }
    let outcome = idle.await.expect("no panic");
    let (told, usage) = tokio::sync::oneshot::channel();
    outcome.end.then(move |fault, usage| told.send((fault, usage)).expect("we wait for it"));
    let Ok(weft_types::Reply::Http(response)) = outcome.reply else { panic!("an answer") };
    assert_eq!(response.into_body().collect().await.expect("whole").to_bytes(), "slept\n");
    let (fault, usage) = usage.await.expect("its end");
    assert!(fault.is_none() && usage.cpu < Duration::from_millis(100), "it slept: {fault:?} {:?}", usage.cpu);
}

#[tokio::test]
async fn many_calls_of_every_kind_end_as_each_would_alone() {
    let bench = Bench::new();
    let component = shared(&bench, Limits { share: 8, ..limits() });
    let mut all = FuturesUnordered::new();
    for n in 0..200 {
        let (path, said) = match n % 4 {
            0 => ("/ok".to_owned(), "ok\n".to_owned()),
            1 => (format!("/sleep?{}", n % 7), "slept\n".to_owned()),
            2 => ("/status?200".to_owned(), "as asked\n".to_owned()),
            _ => (format!("/big?{}", n * 1_000), "x".repeat(n * 1_000)),
        };
        let call = call(&bench, &component, &path, LONG);
        all.push(async move { (path, call.await.text(), said) });
    }
    while let Some((path, got, said)) = all.next().await {
        assert!(got == said, "{path}: {} bytes for {}", got.len(), said.len());
    }
    let stats = component.stats();
    assert!(stats.instances_created < 100 && stats.instances_reused > 100, "{stats:?}");
}
