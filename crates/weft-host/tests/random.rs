//! What guests draw: the operating system's randomness, or what a simulation hands in.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use support::Bench;
use weft_host::{Isolation, Limits};
use weft_types::Randomness;

struct Seeded(AtomicU64);

impl Randomness for Seeded {
    fn next(&self) -> u128 {
        let drawn = self.0.fetch_add(1, Relaxed);
        u128::from(drawn).wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
    }
}

/// Each guest asked twice, in instances of their own.
async fn drawn(randomness: Option<Arc<dyn Randomness>>) -> Vec<String> {
    let bench = Bench::random(randomness);
    let mut drawn = Vec::new();
    for guest in ["faults-p2", "faults-p3"] {
        let component = bench.load(guest, Isolation::Request, Limits::default());
        for _ in 0..2 {
            drawn.push(bench.get(&component, "/random").await.text());
        }
    }
    drawn
}

fn seeded(seed: u64) -> Option<Arc<dyn Randomness>> {
    Some(Arc::new(Seeded(AtomicU64::new(seed))))
}

#[tokio::test]
async fn the_same_seed_draws_the_same_and_no_seed_never() {
    let one = drawn(seeded(1)).await;
    assert_eq!(one, drawn(seeded(1)).await);
    assert_ne!(one, drawn(seeded(2)).await);
    let mut all = [drawn(None).await, drawn(None).await].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 8, "each instance draws for itself: {all:?}");
}
