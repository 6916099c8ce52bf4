//! SQLite: write-ahead log, synced at each commit.

use std::{path::Path, sync::Mutex};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::engine::{Engine, Step};

pub struct Sqlite {
    db: Connection,
    path: std::path::PathBuf,
}

impl Sqlite {
    pub fn open(folder: &Path) -> Self {
        let path = folder.join("bench.db");
        let db = Connection::open(&path).expect("opens");
        db.pragma_update(None, "journal_mode", "wal").expect("a log");
        db.pragma_update(None, "synchronous", "FULL").expect("syncs");
        db.pragma_update(None, "wal_autocheckpoint", 4_096).expect("a number");
        db.execute_batch(
            "CREATE TABLE item (key BLOB PRIMARY KEY, version INTEGER, value BLOB) WITHOUT ROWID;
             CREATE TABLE log (name INTEGER PRIMARY KEY, length INTEGER);
             CREATE TABLE record (log INTEGER, position INTEGER, payload BLOB, PRIMARY KEY (log, position)) WITHOUT ROWID;
             CREATE TABLE timer (name INTEGER PRIMARY KEY, at INTEGER, payload BLOB) WITHOUT ROWID;
             CREATE INDEX timer_at ON timer (at);",
        )
        .expect("tables");
        db.set_prepared_statement_cache_capacity(32);
        Self { db, path }
    }
}

impl Engine for Sqlite {
    type Reader = Mutex<Connection>;

    fn reader(&self) -> Self::Reader {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Mutex::new(Connection::open_with_flags(&self.path, flags).expect("opens"))
    }

    fn commit(&mut self, steps: &[Step]) {
        self.db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        for step in steps {
            apply(&self.db, step).expect("applies");
        }
        self.db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    }

    fn get(reader: &Self::Reader, key: u64) -> Option<usize> {
        let db = reader.lock().expect("no panic");
        let mut statement = db.prepare_cached("SELECT value FROM item WHERE key = ?1").expect("prepares");
        let value = statement.query_row([&Step::key(key)[..]], |row| row.get::<_, Vec<u8>>(0));
        value.optional().expect("reads").map(|value| value.len())
    }
}

fn apply(db: &Connection, step: &Step) -> rusqlite::Result<()> {
    let (writer, due) = (step.writer as i64, step.due() as i64);
    let mut version = db.prepare_cached("SELECT version FROM item WHERE key = ?1")?;
    let before: Option<i64> = version.query_row([&Step::key(step.keys[0])[..]], |row| row.get(0)).optional()?;
    let mut put = db.prepare_cached(
        "INSERT INTO item VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value",
    )?;
    for key in step.keys {
        put.execute(params![&Step::key(key)[..], before.unwrap_or(0) + 1, &step.bytes[..]])?;
    }
    let mut length = db.prepare_cached("SELECT length FROM log WHERE name = ?1")?;
    let position: i64 = length.query_row([writer], |row| row.get(0)).optional()?.unwrap_or(0);
    db.prepare_cached("INSERT INTO log VALUES (?1, ?2) ON CONFLICT DO UPDATE SET length = excluded.length")?
        .execute(params![writer, position + 1])?;
    db.prepare_cached("INSERT INTO record VALUES (?1, ?2, ?3)")?.execute(params![writer, position, &step.bytes[..]])?;
    db.prepare_cached(
        "INSERT INTO timer VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = excluded.at, payload = excluded.payload",
    )?
    .execute(params![writer, due, &step.bytes[..]])?;
    Ok(())
}
