//! Many shards in one store, and what is kept open of them.

use weft_store::{At, KeyValue, Shard, Space, Store, Txn, Write, suite::wait};
use weft_store_local::{LocalStore, Options, Sync};
use weft_types::{Name, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn shard(number: usize) -> Shard {
    Shard::of(&Name::nearest(&format!("application-{number}")))
}

/// Files of this process below a folder.
fn open_files(folder: &std::path::Path) -> usize {
    let folder = folder.canonicalize().unwrap();
    let links = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    links.filter_map(|link| std::fs::read_link(link.path()).ok()).filter(|path| path.starts_with(&folder)).count()
}

#[test]
fn no_more_shards_than_allowed_stay_open_and_none_forgets() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { open_max: 4, sync: Sync::Off, ..Options::default() };
    let store = LocalStore::open(folder.path(), options).unwrap();
    let at = At::new(&Space::new("s").unwrap(), "k");
    for round in 0..3 {
        for number in 0..20 {
            let write = Write::Add { at: at.clone(), by: 1 };
            wait(store.commit(&shard(number), Txn::new(NOW).write(write))).unwrap();
            let item = wait(store.get(&shard(number), &at, NOW)).unwrap().unwrap();
            assert_eq!(item.value, (round + 1).to_string());
        }
    }
    // Each open shard has a file, its log and their index, at most twice; and there is the folder's lock.
    let open = open_files(folder.path());
    assert!(open <= 4 * 6 + 1, "{open} files");
    assert_eq!(
        std::fs::read_dir(folder.path().join("shards"))
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "db") })
            .count(),
        20
    );
}

#[test]
fn looking_at_a_shard_that_has_nothing_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path(), Options::default()).unwrap();
    let at = At::new(&Space::new("s").unwrap(), "k");
    for number in 0..1_000 {
        assert_eq!(wait(store.get(&shard(number), &at, NOW)).unwrap(), None);
    }
    assert_eq!(std::fs::read_dir(folder.path().join("shards")).unwrap().count(), 0);
    assert_eq!(open_files(folder.path()), 1);
}

#[test]
fn expired_items_leave_the_disk_as_time_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path(), Options { sync: Sync::Off, ..Options::default() }).unwrap();
    let space = Space::new("s").unwrap();
    let after = |seconds: u64| NOW.saturating_add(std::time::Duration::from_secs(seconds));
    let mut txn = Txn::new(NOW);
    let put = |key: u64| {
        let at = At::new(&space, key.to_string());
        Write::Put { at, value: "v".into(), expires: key.is_multiple_of(2).then(|| after(10)) }
    };
    txn.writes.extend((0..1_000).map(put));
    wait(store.commit(&shard(0), txn)).unwrap();
    let rows = || -> i64 {
        let db = rusqlite::Connection::open(folder.path().join("shards/application-0.db")).unwrap();
        db.query_row("SELECT count(*) FROM item", [], |row| row.get(0)).unwrap()
    };
    let tick = |seconds| {
        let at = At::new(&space, "tick");
        let write = Write::Put { at, value: "".into(), expires: None };
        wait(store.commit(&shard(0), Txn::new(after(seconds)).write(write))).unwrap();
    };
    tick(9);
    assert_eq!(rows(), 1_001);
    // A bounded number with each commit, so that no commit waits for all of them.
    tick(11);
    assert_eq!(rows(), 1_001 - 256);
    tick(12);
    assert_eq!(rows(), 501);
    tick(13);
    assert_eq!(rows(), 501);
}
