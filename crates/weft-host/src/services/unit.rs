//! `weft:store/unit`: several writes as one. Maps one to one to a [`Txn`].

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower};
use weft_store::{
    At, Check as StoreCheck, LogName, Op, Scan, Store, StoreError, TimerName, Txn, Version, Write as StoreWrite,
    Wrote as StoreWrote,
    bound::{KEY_MAX, PAGE_MAX},
};
use weft_types::Timestamp;

use super::{keyvalue::Bucket, lend::Lent, refusal, waits};
use crate::guest::Guest;

const NAME: &str = "weft:store/unit@0.1.0";

/// Before a guest's names of logs and timers, so that none is one of the platform's own in the same shard.
const OWN: &str = "app/";

#[derive(ComponentType, Lift)]
#[component(record)]
struct Place {
    store: String,
    key: String,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Item {
    value: Bytes,
    version: u64,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Entry {
    key: String,
    value: Bytes,
    version: u64,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Page {
    entries: Vec<Entry>,
    more: bool,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Check {
    #[component(name = "unchanged")]
    Unchanged((Place, u64)),
    #[component(name = "absent")]
    Absent(Place),
    #[component(name = "length")]
    Length((String, u64)),
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Put {
    at: Place,
    value: Bytes,
    expires: Option<u64>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Append {
    log: String,
    records: Vec<Bytes>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Arm {
    timer: String,
    at: u64,
    payload: Bytes,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Write {
    #[component(name = "put")]
    Put(Put),
    #[component(name = "delete")]
    Delete(Place),
    #[component(name = "append")]
    Append(Append),
    #[component(name = "arm")]
    Arm(Arm),
    #[component(name = "disarm")]
    Disarm(String),
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum Wrote {
    #[component(name = "done")]
    Done,
    #[component(name = "position")]
    Position(u64),
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Committed {
    version: u64,
    wrote: Vec<Wrote>,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "conflict")]
    Conflict(u32),
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "unknown")]
    Unknown(String),
}

type Done<T> = Result<T, Error>;

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        refusal::store_failed(&error);
        let text = error.to_string();
        match error {
            StoreError::Conflict { op: Op::Check(at), .. } => Self::Conflict(u32::try_from(at).unwrap_or(u32::MAX)),
            StoreError::Conflict { .. }
            | StoreError::TooLarge { .. }
            | StoreError::NotANumber { .. }
            | StoreError::Overflow { .. }
            | StoreError::Unsupported { .. } => Self::Invalid(text),
            StoreError::Full { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Corrupt { .. } => Self::Unavailable(text),
            StoreError::Unknown { .. } => Self::Unknown(text),
        }
    }
}

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut face = linker.instance(NAME)?;
    reads(&mut face)?;
    waits(&mut face, "commit", |guest, (checks, writes): (Vec<Check>, Vec<Write>)| {
        let lent = Arc::clone(guest.lent());
        Ok(async move { commit(&lent, checks, writes).await })
    })
}

fn reads(face: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    waits(face, "get", |guest, (place,): (Place,)| {
        let lent = Arc::clone(guest.lent());
        Ok(async move {
            let (bucket, at) = address(&lent, place)?;
            let item = bucket.store.get(&bucket.shard, &at, lent.clock.now()).await?;
            Done::Ok(item.map(|item| Item { value: item.value, version: item.version.0 }))
        })
    })?;
    waits(face, "scan", |guest, ask: (String, String, Option<String>, u32)| {
        let lent = Arc::clone(guest.lent());
        Ok(async move { scan(&lent, ask).await })
    })?;
    waits(face, "read", |guest, (log, start, limit): (String, u64, u32)| {
        let lent = Arc::clone(guest.lent());
        Ok(async move {
            let (store, name) = (home(&lent, "log", &log)?, log_name(&log)?);
            let records = store.read(&lent.shard, &name, start, page(limit)?).await?;
            Done::Ok(records.records)
        })
    })
}

async fn scan(lent: &Lent, (store, prefix, after, limit): (String, String, Option<String>, u32)) -> Done<Page> {
    let bucket = lent.store(&store).map_err(Error::Denied)?;
    let scan = Scan {
        space: bucket.space.clone(),
        prefix: prefix.into(),
        after: after.map(Bytes::from),
        max: page(limit)?,
        values: true,
    };
    let page = bucket.store.scan(&bucket.shard, &scan, lent.clock.now()).await?;
    let entry = |(key, item): (Bytes, weft_store::Item)| Entry {
        key: String::from_utf8_lossy(&key).into_owned(),
        value: item.value,
        version: item.version.0,
    };
    Ok(Page { more: page.next.is_some(), entries: page.items.into_iter().map(entry).collect() })
}

/// A limit of nothing would make a loop over pages endless.
fn page(limit: u32) -> Done<usize> {
    match usize::try_from(limit).unwrap_or(PAGE_MAX).min(PAGE_MAX) {
        0 => Err(Error::Invalid("a limit is at least 1".into())),
        limit => Ok(limit),
    }
}

fn address(lent: &Lent, place: Place) -> Done<(&Arc<Bucket>, At)> {
    let bucket = lent.store(&place.store).map_err(Error::Denied)?;
    match place.key.len() {
        1..=KEY_MAX => Ok((bucket, bucket.at(place.key.into()))),
        is => Err(Error::Invalid(format!("a key has 1 to {KEY_MAX} bytes, this one has {is}"))),
    }
}

/// Logs and timers belong to the application; a component with a store of it may use them.
fn home<'a>(lent: &'a Lent, what: &str, name: &str) -> Done<&'a Arc<dyn Store>> {
    let refuse = || Error::Denied(lent.refuse(refusal::unit(&lent.component, what, name)));
    lent.home.as_ref().ok_or_else(refuse)
}

fn log_name(name: &str) -> Done<LogName> {
    Ok(LogName::new(own("log", name)?)?)
}

fn timer_name(name: &str) -> Done<TimerName> {
    Ok(TimerName::new(own("timer", name)?)?)
}

fn own(what: &str, name: &str) -> Done<String> {
    match name.len() {
        1..=KEY_MAX => Ok(format!("{OWN}{name}")),
        is => Err(Error::Invalid(format!("the name of a {what} has 1 to {KEY_MAX} bytes, this one has {is}"))),
    }
}

/// A transaction being made: all of it must lie in one engine, or it could not be one.
struct Draft<'a> {
    lent: &'a Lent,
    engine: Option<(&'a Arc<dyn Store>, String)>,
    txn: Txn,
}

async fn commit(lent: &Lent, checks: Vec<Check>, writes: Vec<Write>) -> Done<Committed> {
    let mut draft = Draft { lent, engine: None, txn: Txn::new(lent.clock.now()) };
    for check in checks {
        let check = draft.check(check)?;
        draft.txn.checks.push(check);
    }
    for write in writes {
        let write = draft.write(write)?;
        draft.txn.writes.push(write);
    }
    let Some((engine, _)) = draft.engine else {
        return Err(Error::Invalid("a commit has at least one check or write".into()));
    };
    let commit = engine.commit(&lent.shard, draft.txn).await?;
    let wrote = commit.wrote.iter().map(|wrote| match wrote {
        StoreWrote::Position(position) => Wrote::Position(*position),
        _ => Wrote::Done,
    });
    Ok(Committed { version: commit.version.0, wrote: wrote.collect() })
}

impl<'a> Draft<'a> {
    fn check(&mut self, check: Check) -> Done<StoreCheck> {
        Ok(match check {
            Check::Unchanged((place, version)) => {
                StoreCheck::Version { at: self.at(place)?, is: Some(Version(version)) }
            }
            Check::Absent(place) => StoreCheck::Version { at: self.at(place)?, is: None },
            Check::Length((log, is)) => StoreCheck::Length { log: self.log(&log)?, is },
        })
    }

    fn write(&mut self, write: Write) -> Done<StoreWrite> {
        Ok(match write {
            Write::Put(Put { at, value, expires }) => {
                StoreWrite::Put { at: self.at(at)?, value, expires: expires.map(Timestamp::from_millis) }
            }
            Write::Delete(place) => StoreWrite::Delete { at: self.at(place)? },
            Write::Append(Append { log, records }) => StoreWrite::Append { log: self.log(&log)?, records },
            Write::Arm(Arm { timer, at, payload }) => {
                StoreWrite::Arm { timer: self.timer(&timer)?, at: Timestamp::from_millis(at), payload }
            }
            Write::Disarm(timer) => StoreWrite::Disarm { timer: self.timer(&timer)? },
        })
    }

    fn at(&mut self, place: Place) -> Done<At> {
        let called = format!("store `{}`", refusal::shown(&place.store));
        let (bucket, at) = address(self.lent, place)?;
        self.within(&bucket.store, called)?;
        Ok(at)
    }

    fn log(&mut self, name: &str) -> Done<LogName> {
        self.within(home(self.lent, "log", name)?, "the logs".into())?;
        log_name(name)
    }

    fn timer(&mut self, name: &str) -> Done<TimerName> {
        self.within(home(self.lent, "timer", name)?, "the timers".into())?;
        timer_name(name)
    }

    fn within(&mut self, engine: &'a Arc<dyn Store>, called: String) -> Done<()> {
        match &self.engine {
            None => self.engine = Some((engine, called)),
            Some((first, _)) if Arc::ptr_eq(first, engine) => {}
            Some((_, other)) => {
                return Err(Error::Invalid(format!(
                    "{other} and {called} are kept by different engines: one commit cannot span them"
                )));
            }
        }
        Ok(())
    }
}
