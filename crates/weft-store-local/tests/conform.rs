//! The embedded store keeps what it declares.

use weft_store::{Capabilities, Shard, Store, suite};
use weft_store_local::{LocalStore, Options, Sync};
use weft_types::Name;

fn store(folder: &tempfile::TempDir, sync: Sync) -> LocalStore {
    LocalStore::open(folder.path(), Options { sync, ..Options::default() }).unwrap()
}

#[test]
fn it_passes_every_case() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, Sync::Full);
    assert_eq!(store.capabilities(), Capabilities { transactions: true, durable: true, expiry: true, groups: true });
    assert_eq!(suite::conform(&store).len(), suite::cases().count());
}

#[test]
fn it_is_what_the_model_is_under_random_transactions() {
    let folder = tempfile::tempdir().unwrap();
    // Durability is shown elsewhere; here the answers count.
    let store = store(&folder, Sync::Off);
    let seeds = if std::env::var_os("WEFT_DEEP").is_some() { 1_000 } else { 30 };
    for seed in 0..seeds {
        let shard = Shard::of(&Name::nearest(&format!("seed{seed}")));
        suite::compare(&store, &shard, seed, 150);
    }
}

#[test]
fn threads_that_meet_do_not_lose_writes() {
    let folder = tempfile::tempdir().unwrap();
    suite::race(&store(&folder, Sync::Full));
}
