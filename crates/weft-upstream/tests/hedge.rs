//! A second try beside a first that is late: when it is sent, when not, and that whoever loses is given up.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{Many, Raw, call, call_until, fault, get, head, request, response, text, upstream_with};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};
use weft_traffic::{Policy, Ratio, budget, hedge};
use weft_types::{Clock as _, SystemClock, code};
use weft_upstream::{Hedged, Options, Upstream};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn upstream(services: &[&Raw], share: Ratio) -> Upstream {
    let urls: Vec<String> = services.iter().map(|service| service.url()).collect();
    let hedge = Some(hedge::Options { after: hedge::After::Fixed(MS(20)), share });
    let budget = budget::Options { share: Ratio::percent(100), floor_per_s: 1_000 };
    let options = Options { hedge, budget, breaker: None, ..Options::of(&Policy::default()) };
    upstream_with(&urls, options, Arc::new(SystemClock::new()))
}

/// Reads requests and never answers; counts connections that were given up.
async fn silent(gone: &Arc<AtomicUsize>) -> Raw {
    let gone = Arc::clone(gone);
    Raw::new(move |mut stream| {
        let gone = Arc::clone(&gone);
        async move {
            let mut byte = [0; 1024];
            while stream.read(&mut byte).await.is_ok_and(|read| read > 0) {}
            gone.fetch_add(1, SeqCst);
        }
    })
    .await
}

/// Answers each request once it may.
async fn once(may: &Arc<Semaphore>) -> Raw {
    let may = Arc::clone(may);
    Raw::new(move |mut stream| {
        let may = Arc::clone(&may);
        async move {
            while head(&mut stream).await.is_some() {
                let _open = may.acquire().await.expect("open");
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

fn hedged(upstream: &Upstream) -> Hedged {
    upstream.status().hedged.expect("asked for")
}

#[tokio::test]
async fn a_late_first_try_gets_a_second_elsewhere_and_is_given_up() {
    let gone = Arc::default();
    let (slow, quick) = (silent(&gone).await, once(&Arc::new(Semaphore::new(1))).await);
    // Each time anew: whoever has been slow once is not asked first again.
    for _ in 0..60 {
        let upstream = upstream(&[&slow, &quick], Ratio::percent(100));
        let answer = response(call(&upstream, get("/")).await);
        assert_eq!(text(answer.into_body()).await.expect("whole"), "hi");
        let Hedged { won, sent, refused } = hedged(&upstream);
        assert!(won <= sent && sent <= 1 && refused == 0);
        let active: u32 = upstream.endpoints().iter().map(|view| view.in_flight).sum();
        assert_eq!(active, 0, "the place of who was given up is given back");
        if won == 1 {
            let view = upstream.endpoints().into_iter().find(|view| *view.address == *slow.url());
            assert!(view.expect("there").ewma >= MS(15), "and its time counts");
            let left = async {
                while gone.load(SeqCst) == 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(common::PATIENCE, left).await.expect("its connection is closed");
            return;
        }
    }
    panic!("of sixty first tries none met the slow one");
}

#[tokio::test]
async fn what_may_not_be_repeated_or_is_not_held_is_not_hedged() {
    let gone = Arc::default();
    let slow = silent(&gone).await;
    let upstream = upstream(&[&slow], Ratio::percent(100));
    let large = Many::new(3, 40 << 10).boxed_unsync();
    for asked in [request("POST", "/", weft_types::empty()), request("PUT", "/", large)] {
        let before = slow.seen();
        let deadline = SystemClock::new().now().saturating_add(MS(300));
        let late = fault(call_until(&upstream, asked, deadline).await);
        assert_eq!((late.code, slow.seen() - before), (code::DEADLINE_EXCEEDED, 1));
    }
    assert_eq!(hedged(&upstream), Hedged::default());
}

#[tokio::test]
async fn without_budget_the_first_try_is_waited_for_and_the_deadline_holds_for_both() {
    let may = Arc::new(Semaphore::new(0));
    let slow = once(&may).await;
    let poor = upstream(&[&slow], Ratio::ZERO);
    let refused = async {
        while hedged(&poor).refused == 0 {
            tokio::task::yield_now().await;
        }
        may.add_permits(1);
    };
    let (answer, ()) = tokio::join!(call(&poor, get("/")), refused);
    assert_eq!(response(answer).status(), 200);
    assert_eq!(hedged(&poor), Hedged { sent: 0, won: 0, refused: 1 });
    let gone = Arc::default();
    let silent = silent(&gone).await;
    let both = upstream(&[&silent], Ratio::percent(100));
    let deadline = SystemClock::new().now().saturating_add(MS(300));
    let late = fault(call_until(&both, get("/"), deadline).await);
    assert_eq!((late.code, hedged(&both).won), (code::DEADLINE_EXCEEDED, 0));
}
