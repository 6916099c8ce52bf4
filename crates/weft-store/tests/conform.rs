//! The memory backend keeps what it declares.

use weft_store::{Capabilities, MemoryStore, Shard, Store, StoreError, Txn, Write, suite};
use weft_types::{Name, Timestamp};

#[test]
fn it_passes_every_case() {
    let store = MemoryStore::default();
    assert_eq!(store.capabilities(), Capabilities { transactions: true, durable: false, expiry: true, groups: true });
    assert_eq!(suite::conform(&store).len(), suite::cases().count());
}

#[test]
fn it_is_what_the_model_is_under_random_transactions() {
    let store = MemoryStore::default();
    let seeds = if std::env::var_os("WEFT_DEEP").is_some() { 5_000 } else { 200 };
    for seed in 0..seeds {
        let shard = Shard::of(&Name::nearest(&format!("seed{seed}")));
        suite::compare(&store, &shard, seed, 150);
    }
}

#[test]
fn threads_that_meet_do_not_lose_writes() {
    suite::race(&MemoryStore::default());
}

#[test]
fn it_is_full_at_its_limit_and_room_can_be_made() {
    let store = MemoryStore::new(10_000);
    let shard = Shard::platform();
    let at = weft_store::At::new(&weft_store::Space::new("s").unwrap(), "k");
    let put = |size: usize| Write::Put { at: at.clone(), value: vec![0; size].into(), expires: None };
    let commit = |write| suite::wait(store.commit(&shard, Txn::new(Timestamp::ZERO).write(write)));
    commit(put(9_000)).unwrap();
    assert!(matches!(commit(put(1_000)), Err(StoreError::Full { .. })));
    commit(Write::Delete { at: at.clone() }).unwrap();
    commit(put(1_000)).unwrap();
}
