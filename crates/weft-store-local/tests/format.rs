//! What is on disk, held still: a change here is a change of the format, and needs a new schema version with a step
//! that brings older files to it.

use std::{fs, path::Path, time::Duration};

use expect_test::expect;
use rusqlite::{Connection, types::ValueRef};
use weft_store::{
    At, Check, Dedup, Epoch, Group, KeyValue, Log, LogName, Message, Owner, Queue, QueueName, Receive, Scope, Shard,
    Space, Store, TimerName, Timers, Txn, Write, suite::wait,
};
use weft_store_local::{LocalStore, Options};
use weft_types::{Name, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn shard() -> Shard {
    Shard::of(&Name::new("orders").unwrap())
}

fn open(folder: &Path) -> LocalStore {
    LocalStore::open(folder, Options::default()).unwrap()
}

/// One of everything that is ever stored.
fn fill(store: &LocalStore) {
    let at = |key: &'static [u8]| At::new(&Space::new("orders").unwrap(), key);
    let queue = QueueName::new("kitchen").unwrap();
    let message = |payload: &'static str| Message {
        group: Some(Group::new("table/3").unwrap()),
        dedup: Some(Dedup { id: payload.into(), keep: Duration::from_secs(300) }),
        ..Message::new(payload)
    };
    let send = |payload| Write::Send { queue: queue.clone(), message: message(payload) };
    let log = LogName::new("placed").unwrap();
    let txn = Txn::new(NOW)
        .check(Check::First { scope: Scope::new("inbox").unwrap(), id: "m1".into(), keep: Duration::from_secs(60) })
        .write(Write::Put { at: at(b"7"), value: "soup".into(), expires: None })
        .write(Write::Put { at: at(&[0, 0xff]), value: vec![0, 1, 0xfe].into(), expires: Some(Timestamp::MAX) })
        .write(Write::Add { at: at(b"count"), by: -3 })
        .write(Write::Append { log: log.clone(), records: vec!["a".into(), "b".into(), "".into()] })
        .write(Write::Trim { log, before: 1 })
        .write(send("cook 7"))
        .write(send("cook 8"))
        .write(Write::Arm { timer: TimerName::new("late/7").unwrap(), at: NOW, payload: "7".into() })
        .write(Write::Own { owner: Owner::new("courier/7").unwrap(), epoch: Epoch(4) });
    wait(store.commit(&shard(), txn)).unwrap();
    let receive = Receive { queue, max: 10, lease: Duration::from_secs(30), now: NOW };
    assert_eq!(wait(store.receive(&shard(), receive)).unwrap().len(), 1);
}

/// Every row of every table, bytes in hexadecimal.
fn dump(path: &Path) -> String {
    let db = Connection::open(path).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let tables: Vec<String> =
        db.prepare(tables).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut out = String::new();
    for name in ["application_id", "user_version"] {
        let value: i64 = db.pragma_query_value(None, name, |row| row.get(0)).unwrap();
        out += &format!("{name} {value}\n");
    }
    for table in tables {
        let mut statement = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells = (0..columns).map(|column| cell(row.get_ref(column).unwrap()));
            out += &format!("{table}: {}\n", cells.collect::<Vec<_>>().join(" | "));
        }
    }
    out
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => panic!("{number}: nothing of ours is a fraction"),
        ValueRef::Text(text) => format!("'{}'", std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(bytes) => format!("x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

#[test]
fn every_kind_of_row_is_written_as_before() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()));
    expect![[r#"
        application_id 2003134068
        user_version 1
        item: 'orders' | x00ff | 1 | 9223372036854775807 | x0001fe
        item: 'orders' | x37 | 1 | null | x736f7570
        item: 'orders' | x636f756e74 | 1 | null | x2d33
        log: 1 | 'placed' | 1 | 3
        message: 'kitchen' | 4101 | 1700000000000000000 | 1700000000000000000 | 1700000030000000000 | 2 | 1 | 'table/3' | x636f6f6b2037
        message: 'kitchen' | 4102 | 1700000000000000000 | 1700000000000000000 | null | 0 | 0 | 'table/3' | x636f6f6b2038
        meta: 0 | 2
        owner: 'courier/7' | 4
        record: 1 | 1 | x62
        record: 1 | 2 | x
        seen: 1 | 'inbox' | x6d31 | 1700000060000000000 | null
        seen: 2 | 'kitchen' | x636f6f6b2037 | 1700000300000000000 | 4101
        seen: 2 | 'kitchen' | x636f6f6b2038 | 1700000300000000000 | 4102
        timer: 'late/7' | 1700000000000000000 | 1 | x37
    "#]].assert_eq(&dump(&folder.path().join("shards/orders.db")));
}

#[test]
fn the_tables_are_those_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()));
    let db = Connection::open(folder.path().join("shards/orders.db")).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    let lines: Vec<String> =
        db.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    // Comments and spaces may change; the rest is the format.
    let bare = |line: &str| line.split("--").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let text = lines.iter().map(|sql| sql.lines().map(bare).collect::<Vec<_>>().join(" ") + "\n").collect::<String>();
    expect![[r#"
        CREATE TABLE item ( space TEXT NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, expires INTEGER, value BLOB NOT NULL, PRIMARY KEY (space, key) ) STRICT, WITHOUT ROWID
        CREATE INDEX item_expires ON item (expires) WHERE expires IS NOT NULL
        CREATE TABLE log ( id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first INTEGER NOT NULL, length INTEGER NOT NULL ) STRICT
        CREATE TABLE message ( queue TEXT NOT NULL, seq INTEGER NOT NULL, sent INTEGER NOT NULL, at INTEGER NOT NULL, ready INTEGER, lease INTEGER NOT NULL, attempt INTEGER NOT NULL, grp TEXT, payload BLOB NOT NULL, PRIMARY KEY (queue, seq) ) STRICT, WITHOUT ROWID
        CREATE INDEX message_group ON message (queue, grp) WHERE grp IS NOT NULL
        CREATE INDEX message_ready ON message (queue, ready) WHERE ready IS NOT NULL
        CREATE TABLE meta ( id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL ) STRICT
        CREATE TABLE owner ( name TEXT PRIMARY KEY, epoch INTEGER NOT NULL ) STRICT, WITHOUT ROWID
        CREATE TABLE record ( log INTEGER NOT NULL, position INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (log, position) ) STRICT, WITHOUT ROWID
        CREATE TABLE seen ( kind INTEGER NOT NULL, scope TEXT NOT NULL, id BLOB NOT NULL, until INTEGER NOT NULL, seq INTEGER, PRIMARY KEY (kind, scope, id) ) STRICT, WITHOUT ROWID
        CREATE INDEX seen_until ON seen (until)
        CREATE TABLE timer ( name TEXT PRIMARY KEY, at INTEGER NOT NULL, version INTEGER NOT NULL, payload BLOB NOT NULL ) STRICT, WITHOUT ROWID
        CREATE INDEX timer_at ON timer (at)
    "#]].assert_eq(&text);
}

/// `v1.db` was written by the first version, and is never made anew: it stands for the files that people have.
#[test]
fn a_file_of_version_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("shards");
    fs::create_dir(&shards).unwrap();
    fs::write(shards.join("orders.db"), include_bytes!("format/v1.db")).unwrap();
    let store = open(folder.path());
    let orders = Space::new("orders").unwrap();
    let get = |key: &'static [u8]| wait(store.get(&shard(), &At::new(&orders, key), NOW)).unwrap().unwrap();
    assert_eq!((get(b"7").value, get(b"7").version.0, get(b"count").value), ("soup".into(), 1, "-3".into()));
    assert_eq!(get(&[0, 0xff]).expires, Some(Timestamp::from_nanos(i64::MAX as u64)));
    let records = wait(store.read(&shard(), &LogName::new("placed").unwrap(), 0, 10)).unwrap();
    assert_eq!((records.first, records.length, records.records), (1, 3, vec!["b".into(), "".into()]));
    let timer = wait(store.due(&shard(), NOW, 10)).unwrap().remove(0);
    assert_eq!((timer.timer.as_str(), timer.at, timer.version.0), ("late/7", NOW, 1));
    let waiting = wait(store.peek(&shard(), &QueueName::new("kitchen").unwrap(), None, 10)).unwrap();
    let waiting: Vec<_> = waiting.iter().map(|one| (&one.payload[..], one.attempt, one.ready.is_some())).collect();
    assert_eq!(waiting, [(&b"cook 7"[..], 1, true), (b"cook 8", 0, false)]);
    // And written to: the same message is a duplicate, the same id has been seen, and versions go on.
    let again = Txn::new(NOW).check(Check::First {
        scope: Scope::new("inbox").unwrap(),
        id: "m1".into(),
        keep: Duration::from_secs(60),
    });
    assert_eq!(wait(store.commit(&shard(), again)).unwrap_err().code().as_str(), "store-conflict");
    let put = Write::Put { at: At::new(&orders, "9"), value: "stew".into(), expires: None };
    assert_eq!(wait(store.commit(&shard(), Txn::new(NOW).write(put))).unwrap().version.0, 3);
}

#[test]
fn a_file_that_is_newer_or_not_ours_is_left_alone() {
    for (sql, words) in [
        ("PRAGMA user_version = 2", "written by a newer Weft (schema 2; this one knows 1)"),
        ("PRAGMA application_id = 7", "not one of Weft's"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fill(&open(folder.path()));
        let path = folder.path().join("shards/orders.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        let store = open(folder.path());
        let at = At::new(&Space::new("orders").unwrap(), "7");
        let put = Write::Put { at: at.clone(), value: "".into(), expires: None };
        let read = wait(store.get(&shard(), &at, NOW)).map(drop).unwrap_err();
        let written = wait(store.commit(&shard(), Txn::new(NOW).write(put))).map(drop).unwrap_err();
        for error in [read, written] {
            assert_eq!(error.code().as_str(), "store-corrupt");
            assert!(error.to_string().contains(words), "{error}");
        }
        drop(store);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_file_that_is_no_database_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("shards")).unwrap();
    fs::write(folder.path().join("shards/orders.db"), "this is a text, and a long one. ".repeat(300)).unwrap();
    let store = open(folder.path());
    let at = At::new(&Space::new("orders").unwrap(), "7");
    assert_eq!(wait(store.get(&shard(), &at, NOW)).unwrap_err().code().as_str(), "store-corrupt");
    let commit = wait(store.commit(&shard(), Txn::new(NOW).write(Write::Delete { at })));
    assert_eq!(commit.unwrap_err().code().as_str(), "store-corrupt");
}
