//! What an engine must do here, and the group commit in front of those that have none.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

/// Keys that items are put under, by all writers together.
pub const KEYS: u64 = 20_000;
/// Most steps committed with one sync; the same as Weft's own writer.
const BATCH_MAX: usize = 256;

/// One commit's worth: which writer, its how-manieth, and which two keys.
#[derive(Clone)]
pub struct Step {
    pub writer: u64,
    pub number: u64,
    pub keys: [u64; 2],
    /// 256 bytes, used for each value, record and payload.
    pub bytes: [u8; 256],
}

impl Step {
    pub fn key(number: u64) -> [u8; 16] {
        let mut key = *b"item/           ";
        key[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        key
    }

    /// When the timer is due: spread, as deadlines of orders are.
    pub fn due(&self) -> u64 {
        self.number * 1_000 + self.keys[0]
    }
}

/// A store under measurement.
pub trait Store: Send + Sync {
    /// Returns when the step is durable.
    fn commit(&self, step: Step);
    /// One of the items put; for reads after the run.
    fn get(&self, key: u64) -> Option<usize>;
}

/// An engine that makes many steps durable at once.
pub trait Engine: Send + 'static {
    type Reader: Send + Sync;
    fn reader(&self) -> Self::Reader;
    fn commit(&mut self, steps: &[Step]);
    fn get(reader: &Self::Reader, key: u64) -> Option<usize>;
}

type Job = (Step, SyncSender<()>);

struct Grouped<E: Engine> {
    jobs: Option<SyncSender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    reader: E::Reader,
}

/// Puts a writer thread in front of an engine: what waits is committed together.
pub fn grouped<E: Engine>(engine: E) -> Box<dyn Store> {
    let (jobs, waiting) = sync_channel(1_024);
    let reader = engine.reader();
    let thread = Some(thread::spawn(move || work(engine, waiting)));
    Box::new(Grouped::<E> { jobs: Some(jobs), thread, reader })
}

fn work(mut engine: impl Engine, waiting: Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let rest = waiting.try_iter().take(BATCH_MAX - 1);
        let (steps, replies): (Vec<_>, Vec<_>) = std::iter::once(first).chain(rest).unzip();
        engine.commit(&steps);
        for reply in replies {
            reply.send(()).expect("a writer that waits");
        }
    }
}

impl<E: Engine> Store for Grouped<E> {
    fn commit(&self, step: Step) {
        let (reply, done) = sync_channel(1);
        self.jobs.as_ref().expect("open").send((step, reply)).expect("a writer");
        done.recv().expect("an answer");
    }

    fn get(&self, key: u64) -> Option<usize> {
        E::get(&self.reader, key)
    }
}

impl<E: Engine> Drop for Grouped<E> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        self.thread.take().map(|thread| thread.join().expect("the writer"));
    }
}
