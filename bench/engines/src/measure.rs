//! Runs writers against a store for a while, and says what came of it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::engine::{KEYS, Step, Store};

pub struct Row {
    pub name: String,
    pub writers: usize,
    pub rounds: Vec<Figures>,
}

#[derive(Debug, Clone, Copy)]
pub struct Figures {
    pub commits_per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Of the whole process, writers and all.
    pub cpu_us: f64,
    pub get_ns: f64,
}

impl Row {
    /// The middle round, by commits.
    pub fn median(&self) -> Figures {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(|a, b| a.commits_per_s.total_cmp(&b.commits_per_s));
        rounds[rounds.len() / 2]
    }

    /// Between the best and the worst round, as a part of the middle one.
    pub fn spread(&self) -> f64 {
        let all = || self.rounds.iter().map(|round| round.commits_per_s);
        (all().fold(f64::MIN, f64::max) - all().fold(f64::MAX, f64::min)) / self.median().commits_per_s
    }
}

pub fn run(store: Box<dyn Store>, writers: usize, length: Duration) -> Figures {
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let cpu = cpu_time();
    let mut latencies: Vec<Duration> = thread::scope(|scope| {
        let run = |writer| write(&*store, writer as u64, &stop);
        let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(move || run(writer))).collect();
        thread::sleep(length);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().expect("a writer")).collect()
    });
    let elapsed = begun.elapsed();
    let cpu = cpu_time() - cpu;
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    Figures {
        commits_per_s: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50_us: at(0.5),
        p99_us: at(0.99),
        cpu_us: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
        get_ns: read(&*store),
    }
}

fn write(store: &dyn Store, writer: u64, stop: &AtomicBool) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(100_000);
    let mut draw = weft_store::suite::Draw::new(writer);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut bytes = [0; 256];
        // Half of it compresses, as people's data does.
        bytes[..128].chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&draw.bits().to_le_bytes()));
        let step = Step { writer, number, keys: [draw.below(KEYS), draw.below(KEYS)], bytes };
        let begun = Instant::now();
        store.commit(step);
        latencies.push(begun.elapsed());
        number += 1;
    }
    latencies
}

/// Nanoseconds for one point read, on one thread, of keys that were mostly put.
fn read(store: &dyn Store) -> f64 {
    const READS: u32 = 20_000;
    let mut draw = weft_store::suite::Draw::new(99);
    let begun = Instant::now();
    let found = (0..READS).filter(|_| store.get(draw.below(KEYS)).is_some_and(|length| length == 256)).count();
    let each = begun.elapsed().as_nanos() as f64 / f64::from(READS);
    assert!(found > READS as usize / 100, "only {found} keys were found");
    each
}

/// CPU time of this process, in the kernel and out of it: clock ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
    Duration::from_millis(ticks * 10)
}
