//! The same services for a component of WASI 0.3, and the seams by which time and randomness enter.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use weft_host::{Isolation, Randomness, Services};

use crate::bench::{Bench, stored};

#[tokio::test]
async fn a_component_of_0_3_is_lent_the_same() {
    let bench = Bench::new();
    for isolation in [Isolation::Request, Isolation::Instance] {
        let mut grants = stored();
        grants.config.insert("currency".into(), "EUR".into());
        let guest = bench.try_load("services-p3", isolation, grants).expect("the guest loads");
        let get = |path: &'static str| bench.text(&guest, path);
        assert_eq!(get("/kv/set?store=default&key=a&value=one").await, "set");
        assert_eq!(get("/kv/get?store=default&key=a").await, "one");
        assert_eq!(get("/kv/get?store=orders&key=a").await, "Error::AccessDenied");
        assert_eq!(get("/config?key=currency").await, "EUR");
        assert_eq!(get("/log?message=hello").await, "logged");
        let lines = bench.lines.take();
        assert_eq!((lines.len(), lines[0].message.as_str(), lines[0].context.as_str()), (1, "hello", "p3"));
    }
    let guest = bench.load("services-p2", stored());
    assert_eq!(bench.text(&guest, "/kv/get?store=default&key=a").await, "one");
}

/// Counts up.
struct Counting(AtomicU8);

impl Randomness for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, Ordering::Relaxed));
    }
}

#[tokio::test]
async fn time_and_randomness_enter_by_the_host() {
    let bench = Bench::with(|services: &mut Services| services.random = Some(Arc::new(Counting(AtomicU8::new(0)))));
    let guest = bench.load("services-p2", Default::default());
    // 16 bytes are the seed of the insecure source.
    let first = u64::from_le_bytes(std::array::from_fn(|at| 16 + at as u8));
    assert_eq!(bench.text(&guest, "/random").await, first.to_string());
    let seconds: u64 = bench.text(&guest, "/now").await.parse().expect("a number");
    assert!(seconds.abs_diff(bench.now().as_millis() / 1_000) <= 1);

    let bench = Bench::new();
    let guest = bench.load("services-p2", Default::default());
    assert_ne!(bench.text(&guest, "/random").await, bench.text(&guest, "/random").await);
}
