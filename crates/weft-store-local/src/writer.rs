//! The one thread that writes a shard: it takes what waits, does it in one SQL transaction, syncs once, answers all.
//!
//! Group commit needs no timer: while one sync is under way, the next batch gathers.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};
use weft_store::{At, Commit, Delivery, Item, Receive, StoreError, Txn, Version, Write};
use weft_types::Timestamp;

use crate::{
    apply::{Heads, Run, Stop},
    cache::Cache,
    encode::{number, number_back, time},
    fail,
    schema::{self, Sync},
    statements::Statements,
};

/// Most operations in one batch.
const BATCH_MAX: usize = 256;
/// Largest batch, in bytes as transactions are measured; one transaction always fits.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Operations that may wait for the writer; beyond that, callers wait to hand theirs over.
const WAITING_MAX: usize = 1_024;
/// Expired things of each kind dropped with one batch, and how far apart such batches are.
const SWEEP_MAX: i64 = 256;
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What a caller hands over, with where to answer.
pub(crate) enum Job {
    Commit { txn: Txn, bytes: usize, reply: oneshot::Sender<Result<Commit, StoreError>> },
    Receive { ask: Receive, reply: oneshot::Sender<Result<Vec<Delivery>, StoreError>> },
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Commit { bytes, .. } => *bytes,
            Self::Receive { .. } => 0,
        }
    }

    fn now(&self) -> Timestamp {
        match self {
            Self::Commit { txn, .. } => txn.now,
            Self::Receive { ask, .. } => ask.now,
        }
    }
}

/// The writer as others hold it. Dropped, it finishes what was handed over and ends.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Where and how a writer writes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) sync: Sync,
    pub(crate) checkpoint_pages: u32,
    /// The folder's lock, to be asked whether the folder can be written to.
    pub(crate) lock: PathBuf,
    pub(crate) cache: Arc<Cache>,
}

impl Writer {
    pub(crate) fn start(shard: &str, place: Place) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let name = format!("store-{shard}");
        let thread = thread::Builder::new().name(name).spawn(move || work(&place, waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(crate) fn jobs(&self) -> Option<mpsc::Sender<Job>> {
        self.jobs.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its hook; the next writer recovers the file.
            let _ = thread.join();
        }
    }
}

/// Serves batches; opens the file for the first, and again whenever that failed.
fn work(place: &Place, mut waiting: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while gather(&mut waiting, &mut batch) {
        match schema::open_writer(&place.path, place.sync) {
            Ok(mut db) => match serve(&mut db, place, &mut waiting, &mut batch) {
                Ok(()) => return,
                Err(error) => refuse(&mut batch, &fail::explain(fail::before(error), &place.lock)),
            },
            Err(error) => refuse(&mut batch, &fail::explain(fail::opening(error), &place.lock)),
        }
    }
}

/// Waits for work, then takes all that is there, up to one batch. False: there will be none.
fn gather(waiting: &mut mpsc::Receiver<Job>, batch: &mut Vec<Job>) -> bool {
    let Some(first) = waiting.blocking_recv() else { return false };
    let mut bytes = first.bytes();
    batch.push(first);
    while batch.len() < BATCH_MAX && bytes < BATCH_BYTES_MAX {
        let Ok(next) = waiting.try_recv() else { break };
        bytes += next.bytes();
        batch.push(next);
    }
    true
}

/// Serves batches on one connection, beginning with the one at hand, until no more will come.
///
/// An error means that the connection is of no use; the batch at hand is then unanswered and undone.
fn serve(
    db: &mut Connection,
    place: &Place,
    waiting: &mut mpsc::Receiver<Job>,
    batch: &mut Vec<Job>,
) -> rusqlite::Result<()> {
    let pages = watch_log(db)?;
    let db = &*db;
    let mut sql = Statements::prepare(db)?;
    let version = sql.version_get.query_row([], |row| row.get(0).map(number_back))?;
    let mut shard = Shard { db, place, sql, heads: Heads::new(), version: Version(version), swept: Timestamp::ZERO };
    loop {
        shard.batch(batch)?;
        if pages.load(Ordering::Relaxed) > place.checkpoint_pages {
            shard.checkpoint();
        }
        if !gather(waiting, batch) {
            return Ok(());
        }
    }
}

/// How many pages the log had after the last commit.
fn watch_log(db: &mut Connection) -> rusqlite::Result<Arc<AtomicU32>> {
    let pages = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&pages);
    db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        seen.store(pages.unsigned_abs(), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(pages)
}

fn refuse(batch: &mut Vec<Job>, error: &StoreError) {
    for job in batch.drain(..) {
        match job {
            Job::Commit { reply, .. } => drop(reply.send(Err(fail::again(error)))),
            Job::Receive { reply, .. } => drop(reply.send(Err(fail::again(error)))),
        }
    }
}

struct Shard<'db> {
    db: &'db Connection,
    place: &'db Place,
    sql: Statements<'db>,
    heads: Heads,
    version: Version,
    swept: Timestamp,
}

/// A job's answer, held back until the batch is on disk.
enum Answer {
    Commit(Result<Commit, StoreError>),
    Receive(Vec<Delivery>),
}

impl Shard<'_> {
    /// Does the batch and answers it, whatever the answer is. `Err`: see [`serve`].
    fn batch(&mut self, batch: &mut Vec<Job>) -> rusqlite::Result<()> {
        match self.run(batch) {
            Ok((answers, version)) => {
                let cache = &self.place.cache;
                touched(batch, &answers, |at, _| cache.begin(at));
                let committed = self.sql.commit.execute([]);
                if committed.is_err() {
                    self.rollback();
                }
                touched(batch, &answers, |at, became| cache.end(at, became.filter(|_| committed.is_ok())));
                // Also of a failed commit: if its frames did reach the disk, a restart finds these versions in use.
                self.version = version;
                match committed {
                    Ok(_) => answer(batch, answers),
                    Err(error) => refuse(batch, &fail::explain(fail::during(error), &self.place.lock)),
                }
            }
            Err(error) => {
                self.rollback();
                refuse(batch, &fail::explain(fail::before(error), &self.place.lock));
            }
        }
        // A transaction that cannot be ended takes the connection with it.
        if self.db.is_autocommit() { Ok(()) } else { self.db.execute_batch("ROLLBACK") }
    }

    /// All jobs in one open SQL transaction: what to answer each, and the version then.
    fn run(&mut self, batch: &[Job]) -> rusqlite::Result<(Vec<Answer>, Version)> {
        self.sql.begin.execute([])?;
        let mut run = Run { sql: &mut self.sql, heads: &mut self.heads, version: self.version };
        let mut answers = Vec::with_capacity(batch.len());
        for job in batch {
            answers.push(match job {
                Job::Receive { ask, .. } => Answer::Receive(run.receive(ask)?),
                Job::Commit { txn, .. } => match run.commit(txn) {
                    Ok(commit) => Answer::Commit(Ok(commit)),
                    Err(Stop::No(error)) => Answer::Commit(Err(error)),
                    Err(Stop::Engine(error)) => return Err(error),
                },
            });
        }
        let version = run.version;
        if version != self.version {
            self.sql.version_set.execute([number(version.0)])?;
            self.sweep(batch.iter().map(Job::now).max().unwrap_or_default())?;
        }
        Ok((answers, version))
    }

    fn sweep(&mut self, now: Timestamp) -> rusqlite::Result<()> {
        if now.since(self.swept) < SWEEP_EVERY {
            return Ok(());
        }
        self.swept = now;
        self.sql.item_sweep.execute(params![time(now), SWEEP_MAX])?;
        self.sql.seen_sweep.execute(params![time(now), SWEEP_MAX])?;
        Ok(())
    }

    fn rollback(&mut self) {
        self.heads.clear();
        if !self.db.is_autocommit() {
            // Checked by the caller, which gives the connection up if it is still open.
            let _ = self.db.execute_batch("ROLLBACK");
        }
    }

    /// Copies the log into the file. What fails here is tried again after the next batch; the log keeps everything.
    fn checkpoint(&self) {
        let _ = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }
}

fn answer(batch: &mut Vec<Job>, answers: Vec<Answer>) {
    for (job, answer) in batch.drain(..).zip(answers) {
        // A caller that has left does not want to know.
        match (job, answer) {
            (Job::Commit { reply, .. }, Answer::Commit(result)) => drop(reply.send(result)),
            (Job::Receive { reply, .. }, Answer::Receive(deliveries)) => drop(reply.send(Ok(deliveries))),
            _ => unreachable!("answers are pushed in the order of the jobs"),
        }
    }
}

/// Every item that the batch's commits write, the last write first, and what it became where that is known unread.
fn touched(batch: &[Job], answers: &[Answer], mut with: impl FnMut(&At, Option<Option<Item>>)) {
    for (job, answer) in batch.iter().zip(answers).rev() {
        let (Job::Commit { txn, .. }, Answer::Commit(Ok(Commit { version, .. }))) = (job, answer) else { continue };
        for write in txn.writes.iter().rev() {
            match write {
                Write::Put { at, value, expires } => {
                    with(at, Some(Some(Item { value: value.clone(), version: *version, expires: *expires })));
                }
                Write::Delete { at } => with(at, Some(None)),
                Write::Add { at, .. } => with(at, None),
                _ => {}
            }
        }
    }
}
