//! Threads that meet on one shard: counters add up, appends do not overlap, one of each pair of rivals wins.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    Scene,
    check::{add, append, at, log_name, put, txn},
};
use crate::{Check, Found, Scan, Shard, Store, StoreError, Version, Write, Wrote};
use weft_types::Name;

const THREADS: usize = 8;
const ROUNDS: usize = 40;

/// Runs all races on shards of their own.
pub fn race(store: &dyn Store) {
    let named = |name| Shard::of(&Name::nearest(name));
    counters_and_appends(&Scene { store, shard: &named("race-counters") });
    compare_and_swap(&Scene { store, shard: &named("race-swap") });
    reads_see_what_was_acknowledged(&Scene { store, shard: &named("race-reads") });
    reads_never_go_back(&Scene { store, shard: &named("race-hot") });
}

fn in_threads(run: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..THREADS {
            let run = &run;
            scope.spawn(move || run(number));
        }
    });
}

fn counters_and_appends(scene: &Scene<'_>) {
    let seen = Mutex::new(BTreeSet::new());
    in_threads(|_| {
        for _ in 0..ROUNDS {
            let commit = scene.commit(txn(0).write(add("n", 1)).write(append(&["r", "s"]))).expect("taken");
            let [Wrote::Number(number), Wrote::Position(position)] = commit.wrote[..] else {
                panic!("{commit:?}");
            };
            assert_eq!(position, (number as u64 - 1) * 2, "one order for both");
            assert!(seen.lock().expect("no panic").insert((commit.version, number)), "{commit:?} twice");
        }
    });
    let total = THREADS * ROUNDS;
    assert_eq!(scene.value("n").as_deref(), Some(total.to_string().as_bytes()));
    assert_eq!(scene.log(0, 1).length, 2 * total as u64);
    let seen = seen.into_inner().expect("no panic");
    assert!(seen.iter().map(|(_, number)| number).is_sorted(), "versions grow as the commits do");
}

fn compare_and_swap(scene: &Scene<'_>) {
    scene.write(0, [put("a", "0")]);
    let losses = Mutex::new(0);
    in_threads(|_| {
        for _ in 0..ROUNDS {
            while let Err(lost) = increment(scene) {
                assert!(matches!(lost, Found::Version(Some(_))), "{lost}");
                *losses.lock().expect("no panic") += 1;
            }
        }
    });
    let total = (THREADS * ROUNDS).to_string();
    assert_eq!(scene.value("a").as_deref(), Some(total.as_bytes()), "after {losses:?} lost rounds");
}

/// Reads, adds one, and writes only if nobody else has written since.
fn increment(scene: &Scene<'_>) -> Result<Version, Found> {
    let item = scene.get("a", 0).expect("put before");
    let number: u64 = std::str::from_utf8(&item.value).expect("text").parse().expect("a number");
    let swap =
        txn(0).check(Check::Version { at: at("a"), is: Some(item.version) }).write(put("a", &(number + 1).to_string()));
    match scene.commit(swap) {
        Ok(commit) => Ok(commit.version),
        Err(StoreError::Conflict { found, .. }) => Err(found),
        Err(other) => panic!("{other:?}"),
    }
}

/// A writer's own next read, and every other thread's, sees at least what was acknowledged.
fn reads_see_what_was_acknowledged(scene: &Scene<'_>) {
    let acknowledged = Mutex::new(Version(0));
    in_threads(|number| {
        let key = format!("k{number}");
        for round in 0..ROUNDS {
            let value = round.to_string();
            let writes = [put(&key, &value), put("shared", &value), append(&[&value])];
            let version = commit(scene, writes);
            let own = scene.get(&key, 0).expect("just put");
            assert_eq!((own.version, &own.value[..]), (version, value.as_bytes()));
            let newest = *acknowledged.lock().expect("no panic");
            let shared = scene.get("shared", 0).expect("put before").version;
            assert!(shared >= newest.max(version), "{shared:?} is older than {newest:?} or {version:?}");
            let mut newest = acknowledged.lock().expect("no panic");
            *newest = version.max(*newest);
        }
    });
    assert_eq!(wait_length(scene), (THREADS * ROUNDS) as u64);
}

/// However a backend keeps what it has read, no reader sees a key go back to what it was.
fn reads_never_go_back(scene: &Scene<'_>) {
    let writers = THREADS / 2;
    let left = AtomicUsize::new(writers);
    in_threads(|number| {
        if number < writers {
            for round in 0..ROUNDS {
                // Twice in one commit, and by several at once: only the last may be seen.
                commit(scene, [put("hot", "half-way"), put("hot", &round.to_string())]);
            }
            left.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let mut newest = None;
        while left.load(Ordering::SeqCst) > 0 {
            let listed = scan_hot(scene);
            let got = scene.get("hot", 0);
            assert_ne!(got.as_ref().map(|item| &item.value[..]), Some(&b"half-way"[..]));
            let got = got.map(|item| item.version);
            assert!(newest <= listed && listed <= got, "{newest:?}, then {listed:?}, then {got:?}");
            newest = got;
        }
    });
}

fn scan_hot(scene: &Scene<'_>) -> Option<Version> {
    let scan = Scan { space: super::check::space(), prefix: "hot".into(), after: None, max: 1, values: false };
    let page = super::wait(scene.store.scan(scene.shard, &scan, super::T0)).expect("read");
    page.items.first().map(|(_, item)| item.version)
}

fn commit(scene: &Scene<'_>, writes: impl IntoIterator<Item = Write>) -> Version {
    let mut all = txn(0);
    all.writes.extend(writes);
    scene.commit(all).expect("taken").version
}

fn wait_length(scene: &Scene<'_>) -> u64 {
    super::wait(scene.store.length(scene.shard, &log_name())).expect("read")
}
