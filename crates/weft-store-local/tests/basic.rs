//! The store on a real folder: what it keeps, and what it refuses.

use std::time::Duration;

use weft_store::{
    At, KeyValue, Log, LogName, Message, Queue, QueueName, Receive, Shard, Space, Store, TimerName, Timers, Txn, Write,
    suite::wait,
};
use weft_store_local::{LocalStore, OpenError, Options};
use weft_types::{Name, Timestamp};

const T0: Timestamp = Timestamp::from_millis(1_000);

fn shard() -> Shard {
    Shard::of(&Name::new("orders").unwrap())
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = At::new(&Space::new("orders").unwrap(), "7");
    let log = LogName::new("placed").unwrap();
    let queue = QueueName::new("kitchen").unwrap();
    let txn = Txn::new(T0)
        .write(Write::Put { at: at.clone(), value: "soup".into(), expires: None })
        .write(Write::Append { log: log.clone(), records: vec!["7 placed".into()] })
        .write(Write::Send { queue: queue.clone(), message: Message::new("cook 7") })
        .write(Write::Arm { timer: TimerName::new("late/7").unwrap(), at: T0, payload: "7".into() });
    let version = {
        let store = LocalStore::open(folder.path(), Options::default()).unwrap();
        assert_eq!(wait(store.get(&shard(), &at, T0)).unwrap(), None);
        wait(store.commit(&shard(), txn)).unwrap().version
    };
    let store = LocalStore::open(folder.path(), Options::default()).unwrap();
    let item = wait(store.get(&shard(), &at, T0)).unwrap().unwrap();
    assert_eq!((&item.value[..], item.version), (&b"soup"[..], version));
    assert_eq!(wait(store.read(&shard(), &log, 0, 10)).unwrap().records, ["7 placed"]);
    let receive = Receive { queue, max: 10, lease: Duration::from_secs(1), now: T0 };
    assert_eq!(wait(store.receive(&shard(), receive)).unwrap()[0].payload, "cook 7");
    assert_eq!(wait(store.due(&shard(), T0, 10)).unwrap()[0].payload, "7");
}

#[test]
fn a_folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = LocalStore::open(folder.path(), Options::default()).unwrap();
    let second = LocalStore::open(folder.path(), Options::default()).unwrap_err();
    assert!(matches!(second, OpenError::Locked { .. }), "{second}");
    assert_eq!(second.code().as_str(), "data-locked");
    drop(first);
    LocalStore::open(folder.path(), Options::default()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_says_so() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = LocalStore::open(&file.path().join("data"), Options::default()).unwrap_err();
    assert_eq!(error.code().as_str(), "data-unusable");
    assert!(error.to_string().contains("data`"), "{error}");
}
