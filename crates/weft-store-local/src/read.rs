//! Reading a shard: a few connections, each used by one reading thread at a time.

use std::{
    ops::Deref,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params, types::ValueRef};
use weft_store::{
    At, Epoch, Item, LogName, Owner, Page, Peeked, QueueName, Records, Scan, Seq, Space, StoreError, Timer, TimerName,
    Version,
    bound::{MANY_MAX, PAGE_BYTES_MAX, PAGE_MAX},
};
use weft_types::Timestamp;

use crate::{
    apply::group_back,
    encode::{number, number_back, time, time_back},
    fail,
    schema::{self, Reader},
};

/// Connections kept open for the next read. More are opened when more threads read at once, and closed after.
const IDLE_MAX: usize = 4;

/// Reads of one shard.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
}

/// A connection that goes back to its pool.
struct Lent<'a> {
    readers: &'a Readers,
    reader: Option<Reader>,
}

impl Deref for Lent<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.reader.as_ref().expect("taken only by drop").db
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let reader = self.reader.take().filter(|reader| !reader.immutable);
        let mut idle = self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.extend(reader);
        }
    }
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Runs `read` on a connection; answers with the default where there is no file yet.
    fn with<T: Default>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let pooled = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match pooled {
            Some(reader) => reader,
            None => match schema::open_reader(&self.path).map_err(fail::opening)? {
                Some(reader) => reader,
                None => return Ok(T::default()),
            },
        };
        let lent = Lent { readers: self, reader: Some(reader) };
        read(&lent).map_err(fail::before)
    }

    pub(crate) fn get(&self, at: &At, now: Timestamp) -> Result<Option<Item>, StoreError> {
        self.with(|db| get(db, &at.space, &at.key, now))
    }

    pub(crate) fn get_many(
        &self,
        space: &Space,
        keys: &[Bytes],
        now: Timestamp,
    ) -> Result<Vec<Option<Item>>, StoreError> {
        if keys.len() > MANY_MAX {
            return Err(StoreError::TooLarge {
                what: "the number of keys in one read",
                is: keys.len(),
                limit: MANY_MAX,
            });
        }
        let items = self.with(|db| {
            let moment = db.unchecked_transaction()?;
            keys.iter().map(|key| get(&moment, space, key, now)).collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(if items.is_empty() { vec![None; keys.len()] } else { items })
    }

    pub(crate) fn scan(&self, scan: &Scan, now: Timestamp) -> Result<Page, StoreError> {
        self.with(|db| scan_page(db, scan, now))
    }

    pub(crate) fn read(&self, log: &LogName, from: u64, max: usize) -> Result<Records, StoreError> {
        let records = self.with(|db| read_log(db, log, from, max))?;
        Ok(records.unwrap_or(Records { from, ..Records::default() }))
    }

    pub(crate) fn length(&self, log: &LogName) -> Result<u64, StoreError> {
        let sql = "SELECT length FROM log WHERE name = ?1";
        let length = |row: &Row<'_>| row.get(0).map(number_back);
        self.with(|db| Ok(db.prepare_cached(sql)?.query_row([log.as_str()], length).optional()?.unwrap_or_default()))
    }

    pub(crate) fn peek(&self, queue: &QueueName, after: Option<Seq>, max: usize) -> Result<Vec<Peeked>, StoreError> {
        let sql = "SELECT seq, sent, attempt, ready, grp, payload FROM message
            WHERE queue = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        let after = after.map_or(-1, |after| number(after.0));
        self.with(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query(params![queue.as_str(), after, most(max)])?;
            page(rows, |peeked: &Peeked| peeked.payload.len(), peeked)
        })
    }

    pub(crate) fn next_ready(&self, queue: &QueueName) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(ready) FROM message WHERE queue = ?1 AND ready IS NOT NULL";
        self.with(|db| db.prepare_cached(sql)?.query_row([queue.as_str()], earliest))
    }

    pub(crate) fn due(&self, now: Timestamp, max: usize) -> Result<Vec<Timer>, StoreError> {
        let sql = "SELECT name, at, version, payload FROM timer WHERE at <= ?1 ORDER BY at, name LIMIT ?2";
        self.with(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query(params![time(now), most(max)])?;
            page(rows, |timer: &Timer| timer.payload.len(), timer)
        })
    }

    pub(crate) fn next_timer(&self) -> Result<Option<Timestamp>, StoreError> {
        self.with(|db| db.prepare_cached("SELECT min(at) FROM timer")?.query_row([], earliest))
    }

    pub(crate) fn epoch(&self, owner: &Owner) -> Result<Epoch, StoreError> {
        let sql = "SELECT epoch FROM owner WHERE name = ?1";
        let epoch = |row: &Row<'_>| row.get(0).map(|epoch| Epoch(number_back(epoch)));
        self.with(|db| Ok(db.prepare_cached(sql)?.query_row([owner.as_str()], epoch).optional()?.unwrap_or_default()))
    }
}

fn get(db: &Connection, space: &Space, key: &[u8], now: Timestamp) -> rusqlite::Result<Option<Item>> {
    let sql = "SELECT version, expires, value FROM item
        WHERE space = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)";
    db.prepare_cached(sql)?.query_row(params![space.as_str(), key, time(now)], |row| item(row, 0)).optional()
}

/// An item from three columns on: version, expires, value.
fn item(row: &Row<'_>, from: usize) -> rusqlite::Result<Item> {
    Ok(Item {
        version: Version(number_back(row.get(from)?)),
        expires: row.get::<_, Option<i64>>(from + 1)?.map(time_back),
        value: blob(row.get_ref(from + 2)?)?,
    })
}

fn blob(value: ValueRef<'_>) -> rusqlite::Result<Bytes> {
    Ok(Bytes::copy_from_slice(value.as_blob_or_null()?.unwrap_or_default()))
}

fn scan_page(db: &Connection, scan: &Scan, now: Timestamp) -> rusqlite::Result<Page> {
    let sql = match scan.values {
        true => {
            "SELECT version, expires, value, key FROM item WHERE space = ?1 AND key >= ?2 AND key > ?3
            AND (expires IS NULL OR expires > ?4) ORDER BY key"
        }
        false => {
            "SELECT version, expires, NULL, key FROM item WHERE space = ?1 AND key >= ?2 AND key > ?3
            AND (expires IS NULL OR expires > ?4) ORDER BY key"
        }
    };
    let max = scan.max.clamp(1, PAGE_MAX);
    // Two conditions on the key, of which SQLite seeks by the first: make that the later one. Every blob is greater
    // than the empty text.
    let (from, after) = match &scan.after {
        Some(after) if *after >= scan.prefix => (ValueRef::Blob(after), ValueRef::Blob(after)),
        _ => (ValueRef::Blob(&scan.prefix), ValueRef::Text(b"")),
    };
    let mut statement = db.prepare_cached(sql)?;
    let bound = |value| rusqlite::types::ToSqlOutput::Borrowed(value);
    let mut rows = statement.query(params![scan.space.as_str(), bound(from), bound(after), time(now)])?;
    let mut page = Page::default();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let key = blob(row.get_ref(3)?)?;
        if !key.starts_with(&scan.prefix) {
            break;
        }
        let item = item(row, 0)?;
        if page.items.len() == max || (bytes > 0 && bytes + item.value.len() > PAGE_BYTES_MAX) {
            page.next = page.items.last().map(|(key, _)| key.clone()).or_else(|| scan.after.clone());
            break;
        }
        bytes += item.value.len();
        page.items.push((key, item));
    }
    Ok(page)
}

fn read_log(db: &Connection, log: &LogName, from: u64, max: usize) -> rusqlite::Result<Option<Records>> {
    // Both statements from one moment, lest a trim come between.
    let moment = db.unchecked_transaction()?;
    let head = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, number_back(row.get(1)?), number_back(row.get(2)?)));
    let sql = "SELECT id, first, length FROM log WHERE name = ?1";
    let Some((id, first, length)) = moment.prepare_cached(sql)?.query_row([log.as_str()], head).optional()? else {
        return Ok(None);
    };
    let start = from.max(first);
    let sql = "SELECT payload FROM record WHERE log = ?1 AND position >= ?2 ORDER BY position LIMIT ?3";
    let mut statement = moment.prepare_cached(sql)?;
    let rows = statement.query(params![id, number(start), most(max)])?;
    let records = page(rows, Bytes::len, |row| blob(row.get_ref(0)?))?;
    Ok(Some(Records { from: start, records, first, length }))
}

fn peeked(row: &Row<'_>) -> rusqlite::Result<Peeked> {
    Ok(Peeked {
        seq: Seq(number_back(row.get(0)?)),
        sent: time_back(row.get(1)?),
        attempt: row.get(2)?,
        ready: row.get::<_, Option<i64>>(3)?.map(time_back),
        group: group_back(row.get_ref(4)?)?,
        payload: blob(row.get_ref(5)?)?,
    })
}

fn timer(row: &Row<'_>) -> rusqlite::Result<Timer> {
    let name = TimerName::new(row.get_ref(0)?.as_str()?);
    Ok(Timer {
        timer: name.map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
        })?,
        at: time_back(row.get(1)?),
        version: Version(number_back(row.get(2)?)),
        payload: blob(row.get_ref(3)?)?,
    })
}

fn earliest(row: &Row<'_>) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(0)?.map(time_back))
}

fn most(max: usize) -> i64 {
    number(max.min(PAGE_MAX) as u64)
}

/// Rows until a page is full of bytes; one row always fits.
fn page<T>(
    mut rows: rusqlite::Rows<'_>,
    size: impl Fn(&T) -> usize,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut out = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let next = read(row)?;
        bytes += size(&next);
        if bytes > PAGE_BYTES_MAX && !out.is_empty() {
            break;
        }
        out.push(next);
    }
    Ok(out)
}
