//! One shard's file: its tables, their version, and how a connection to it is set up.
//!
//! Times are nanoseconds since the epoch; versions, numbers and positions count from where [`weft_store`] says.
//! A file is made under another name and renamed when whole, so none is ever seen without its tables.

use std::{fs, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

/// "weft" in ASCII, in the file's header: `file(1)` and people can tell what it is.
const APPLICATION_ID: i32 = 0x7765_6674;
/// What this build reads and writes. Raised with each change of [`TABLES`], together with a step that brings older
/// files here.
pub(crate) const SCHEMA_VERSION: i32 = 1;

/// `seen.kind`, written out: never renumber.
pub(crate) const SEEN_FIRST: i64 = 1;
pub(crate) const SEEN_DEDUP: i64 = 2;

/// The tables of version 1. Small columns first: a row that overflows its page keeps them in front.
pub(crate) const TABLES: &str = "
CREATE TABLE meta (
  id      INTEGER PRIMARY KEY CHECK (id = 0),
  version INTEGER NOT NULL                -- of the last commit
) STRICT;
CREATE TABLE item (
  space   TEXT NOT NULL,
  key     BLOB NOT NULL,
  version INTEGER NOT NULL,
  expires INTEGER,
  value   BLOB NOT NULL,
  PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_expires ON item (expires) WHERE expires IS NOT NULL;
CREATE TABLE log (
  id     INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE,
  first  INTEGER NOT NULL,                -- oldest position that is kept
  length INTEGER NOT NULL
) STRICT;
CREATE TABLE record (
  log      INTEGER NOT NULL,
  position INTEGER NOT NULL,
  payload  BLOB NOT NULL,
  PRIMARY KEY (log, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE message (
  queue   TEXT NOT NULL,
  seq     INTEGER NOT NULL,
  sent    INTEGER NOT NULL,
  at      INTEGER NOT NULL,               -- not to be received before
  ready   INTEGER,                        -- null while it waits for its group
  lease   INTEGER NOT NULL,               -- the commit that leased it, 0: none
  attempt INTEGER NOT NULL,
  grp     TEXT,
  payload BLOB NOT NULL,
  PRIMARY KEY (queue, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_ready ON message (queue, ready) WHERE ready IS NOT NULL;
CREATE INDEX message_group ON message (queue, grp) WHERE grp IS NOT NULL;
CREATE TABLE timer (
  name    TEXT PRIMARY KEY,
  at      INTEGER NOT NULL,
  version INTEGER NOT NULL,
  payload BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_at ON timer (at);
CREATE TABLE owner (
  name  TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE seen (
  kind  INTEGER NOT NULL,                 -- 1: an inbox's id, 2: a queue's duplicate
  scope TEXT NOT NULL,
  id    BLOB NOT NULL,
  until INTEGER NOT NULL,
  seq   INTEGER,                          -- of the message, for kind 2
  PRIMARY KEY (kind, scope, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_until ON seen (until);
INSERT INTO meta (id, version) VALUES (0, 0);
";

/// Why a file cannot be used as a shard.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("`{path}` was written by a newer Weft (schema {found}; this one knows {SCHEMA_VERSION}): run that one")]
    Newer { path: String, found: i32 },
    #[error("`{path}` is an SQLite file, but not one of Weft's: move it away")]
    Foreign { path: String },
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// How hard a commit presses on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// A commit is acknowledged once the disk has it.
    #[default]
    Full,
    /// Commits survive the process but not the machine. For scratch data, and to show that the proofs can see loss.
    Off,
}

/// The connection that writes; makes the file if there is none.
pub(crate) fn open_writer(path: &Path, sync: Sync) -> Result<Connection, FileError> {
    if !path.try_exists()? {
        create(path)?;
    }
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check(&db, path)?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    debug_assert_eq!(mode, "wal", "a file on a local disk can always have a log");
    db.pragma_update(None, "synchronous", if sync == Sync::Full { "FULL" } else { "OFF" })?;
    // The writer does it between two commits, when the answers are out.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A burst's log is cut back to this once it has been copied.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    db.pragma_update(None, "cache_size", -8_192)?;
    Ok(db)
}

/// A connection that reads.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) db: Connection,
    /// The file cannot change while this is open, or so it believes: not to be kept, for a folder may become writable.
    pub(crate) immutable: bool,
}

/// `None`: there is no file yet, so there is nothing to read.
pub(crate) fn open_reader(path: &Path) -> Result<Option<Reader>, FileError> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let opened = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|db| probe(&db).map(|()| db));
    let (db, immutable) = match opened {
        Ok(db) => (db, false),
        // A folder that cannot be written to has no place for the shared index. Without a log, none is needed.
        Err(error) if read_only(&error) && !log_of(path).try_exists()? => (open_immutable(path)?, true),
        Err(error) => return Err(error.into()),
    };
    check(&db, path)?;
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "cache_size", -1_024)?;
    db.set_prepared_statement_cache_capacity(16);
    Ok(Some(Reader { db, immutable }))
}

fn create(path: &Path) -> Result<(), FileError> {
    let new = path.with_extension("new");
    for left in [new.clone(), log_of(&new), path.with_extension("new-shm"), path.with_extension("new-journal")] {
        match fs::remove_file(left) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    // Made here and not by SQLite, which would not say why it cannot be.
    fs::File::create_new(&new)?;
    let mut db = open(&new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let txn = db.transaction()?;
    txn.execute_batch(TABLES)?;
    txn.pragma_update(None, "application_id", APPLICATION_ID)?;
    txn.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    txn.commit()?;
    db.close().map_err(|(_, error)| error)?;
    fs::rename(&new, path)?;
    crate::folder::sync_parent(path)?;
    Ok(())
}

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection is used by one thread at a time, so SQLite's own mutex would guard nothing.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(path, flags)?;
    // Only a checkpoint, or recovery after a crash, can make a connection wait for another.
    db.busy_timeout(Duration::from_secs(5))?;
    Ok(db)
}

fn open_immutable(path: &Path) -> rusqlite::Result<Connection> {
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
}

/// Reads something: only then does SQLite touch the file, its log and its index.
fn probe(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("SELECT version FROM meta", [], |_| Ok(()))
}

fn read_only(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly | PermissionDenied))
}

fn log_of(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn check(db: &Connection, path: &Path) -> Result<(), FileError> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let path = || path.display().to_string();
    if number("application_id")? != APPLICATION_ID {
        return Err(FileError::Foreign { path: path() });
    }
    match number("user_version")? {
        SCHEMA_VERSION => Ok(()),
        found => Err(FileError::Newer { path: path(), found }),
    }
}
