//! The disk refuses: it is full, can only be read, or is broken. Writes are refused with the reason, reads go on, and
//! once the disk takes writes again, so does the store.

use std::{path::PathBuf, process::Command};

use weft_store::{At, Commit, KeyValue, Log, LogName, Shard, Space, Store, StoreError, Txn, Write, suite::wait};
use weft_store_local::{LocalStore, Sync};
use weft_types::{Ran, Timestamp};

use crate::{
    layer::{Layer, say},
    load::open,
};

/// What fails, by the layer's byte; the code that must come of it; and whether the commit may have happened.
const TABLE: [(u8, &str, Ran); 4] = [
    (b'1', "store-full", Ran::No),
    (b'2', "store-unavailable", Ran::No),
    (b'3', "unknown-outcome", Ran::Maybe),
    (b'4', "store-unavailable", Ran::No),
];

fn start(layer: &Layer, scene: &str) {
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "refuse::the_process_that_is_refused", "--nocapture"]);
    child.env("WEFT_REFUSE", scene).env("WEFT_REFUSE_DATA", layer.data()).env("WEFT_REFUSE_CTL", layer.ctl());
    layer.run_child(&mut child);
}

#[test]
fn a_disk_that_fails_under_an_open_store_refuses_writes_and_keeps_reads() {
    start(&Layer::new(), "open");
}

#[test]
fn a_disk_that_is_full_from_the_start_takes_the_first_commit_later() {
    start(&Layer::new(), "full-first");
}

#[test]
fn a_folder_that_can_only_be_read_is_served() {
    let layer = Layer::new();
    start(&layer, "prepare");
    start(&layer, "read-only-first");
}

/// Not a test by itself: it is what the tests above start as another process.
#[test]
fn the_process_that_is_refused() {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let (Ok(scene), Some(data), Some(ctl)) =
        (std::env::var("WEFT_REFUSE"), path("WEFT_REFUSE_DATA"), path("WEFT_REFUSE_CTL"))
    else {
        return;
    };
    match scene.as_str() {
        "open" => {
            let store = open(&data, Sync::Full);
            append(&store, 0).unwrap();
            for (turn, (mode, code, ran)) in TABLE.into_iter().enumerate() {
                let before = value(&store);
                say(&ctl, mode);
                for _ in 0..3 {
                    let refused = append(&store, 100).unwrap_err();
                    assert_eq!((refused.code().as_str(), refused.ran()), (code, ran), "{mode}: {refused:?}");
                    assert_eq!(matches!(refused, StoreError::ReadOnly { .. }), mode == b'2', "{refused:?}");
                    assert_eq!(value(&store), before, "{mode}");
                }
                say(&ctl, b'0');
                append(&store, turn as u64 + 1).unwrap();
                assert_eq!(value(&store), Some(turn as u64 + 1));
            }
            assert_eq!(length(&store), 5);
        }
        "full-first" => {
            let store = open(&data, Sync::Full);
            say(&ctl, b'1');
            assert!(matches!(append(&store, 1), Err(StoreError::Full { .. })));
            assert_eq!(value(&store), None);
            say(&ctl, b'0');
            append(&store, 1).unwrap();
            assert_eq!((value(&store), length(&store)), (Some(1), 1));
        }
        "prepare" => drop(append(&open(&data, Sync::Full), 7).unwrap()),
        "read-only-first" => {
            say(&ctl, b'2');
            let store = open(&data, Sync::Full);
            assert_eq!((value(&store), length(&store)), (Some(7), 1));
            let refused = append(&store, 8).unwrap_err();
            assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
            assert_eq!(value(&store), Some(7));
            say(&ctl, b'0');
            append(&store, 8).unwrap();
            assert_eq!((value(&store), length(&store)), (Some(8), 2));
        }
        other => panic!("no scene {other}"),
    }
}

fn at() -> At {
    At::new(&Space::new("space").expect("short"), "key")
}

fn log() -> LogName {
    LogName::new("log").expect("short")
}

/// More than a page, so that a refusal can come in the middle.
fn append(store: &LocalStore, number: u64) -> Result<Commit, StoreError> {
    let txn = Txn::new(Timestamp::ZERO)
        .write(Write::Append { log: log(), records: vec![vec![7; 20_000].into()] })
        .write(Write::Put { at: at(), value: number.to_string().into(), expires: None });
    wait(store.commit(&Shard::platform(), txn))
}

fn value(store: &LocalStore) -> Option<u64> {
    let item = wait(store.get(&Shard::platform(), &at(), Timestamp::ZERO)).expect("reads go on");
    item.map(|item| std::str::from_utf8(&item.value).expect("text").parse().expect("a number"))
}

fn length(store: &LocalStore) -> u64 {
    wait(store.length(&Shard::platform(), &log())).expect("reads go on")
}
