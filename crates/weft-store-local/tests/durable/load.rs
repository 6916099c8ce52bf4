//! What the processes under test do, and what must then be true of their folder.
//!
//! Each writer takes steps 0, 1, 2, …, each a commit over every kind of state. What step `n` writes follows from the
//! writer and `n`, so a folder says itself how far each came, and whether any step is half there.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use weft_store::{
    At, Check, KeyValue, Log, LogName, Message, Queue, QueueName, Receive, Settle, Shard, Space, Store, StoreError,
    TimerName, Timers, Txn, Write,
    suite::{Draw, wait},
};
use weft_store_local::{LocalStore, Options, Sync};
use weft_types::{Ran, Timestamp};

use crate::layer;

pub(crate) const WRITERS: u64 = 4;
const NOW: Timestamp = Timestamp::from_millis(1_000);
/// Keys that a writer's steps take turns to overwrite.
const KEYS: u64 = 7;

/// How the process under test is told what to do.
pub(crate) struct Orders {
    pub(crate) folder: PathBuf,
    /// Where to say which steps were acknowledged, one line each.
    pub(crate) acks: PathBuf,
    /// Steps of each writer; it ends by itself after them.
    pub(crate) steps: u64,
    pub(crate) sync: Sync,
    /// Let a sync fail now and then, by this file's byte.
    pub(crate) ctl: Option<PathBuf>,
}

impl Orders {
    pub(crate) fn tell(&self, child: &mut std::process::Command) {
        child.args(["--exact", "load::the_process_under_test", "--nocapture"]);
        child.env("WEFT_LOAD", &self.folder).env("WEFT_LOAD_ACKS", &self.acks);
        child.env("WEFT_LOAD_STEPS", self.steps.to_string());
        child.env("WEFT_LOAD_SYNC", if self.sync == Sync::Full { "full" } else { "off" });
        if let Some(ctl) = &self.ctl {
            child.env("WEFT_LOAD_CTL", ctl);
        }
    }

    fn told() -> Option<Self> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Some(Self {
            folder: path("WEFT_LOAD")?,
            acks: path("WEFT_LOAD_ACKS")?,
            steps: std::env::var("WEFT_LOAD_STEPS").ok()?.parse().ok()?,
            sync: if path("WEFT_LOAD_SYNC")?.as_os_str() == "full" { Sync::Full } else { Sync::Off },
            ctl: path("WEFT_LOAD_CTL"),
        })
    }
}

/// Not a test by itself: it is what the tests beside it start as another process.
#[test]
fn the_process_under_test() {
    let Some(orders) = Orders::told() else { return };
    let store = open(&orders.folder, orders.sync);
    let acks = File::options().append(true).create(true).open(&orders.acks).expect("acks");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, acks, orders, stop) = (&store, &acks, &orders, &stop);
            scope.spawn(move || run(store, writer, orders, acks, stop));
        }
    });
    assert!(!stop.load(Ordering::Relaxed), "a writer met an error that it should not have");
}

pub(crate) fn open(folder: &Path, sync: Sync) -> LocalStore {
    // Small, so that copying the log back is under test as well.
    LocalStore::open(folder, Options { sync, checkpoint_pages: 48, ..Options::default() }).expect("opens")
}

fn run(store: &LocalStore, writer: u64, orders: &Orders, mut acks: &File, stop: &AtomicBool) {
    let names = Names::of(writer);
    let mut draw = Draw::new(writer);
    let start = length(store, &names);
    let mut step = start;
    while step < start + orders.steps && !stop.load(Ordering::Relaxed) {
        if let Some(ctl) = &orders.ctl
            && draw.once_in(6)
        {
            layer::say(ctl, b'5');
        }
        match take(store, &names, step) {
            Ok(()) => {
                // One write is one line, whatever the other writers do.
                acks.write_all(format!("{writer} {step}\n").as_bytes()).expect("acks");
                step += 1;
            }
            // What may have happened is looked up, as any caller would.
            Err(error) if orders.ctl.is_some() => {
                assert!(matches!(error, StoreError::Unknown { .. } | StoreError::Unavailable { .. }), "{error:?}");
                step = length(store, &names);
            }
            Err(error) => {
                eprintln!("writer {writer}, step {step}: {error:?}");
                stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// What writer `w`'s things are called.
struct Names {
    writer: u64,
    shard: Shard,
    space: Space,
    log: LogName,
    queue: QueueName,
    timer: TimerName,
}

impl Names {
    fn of(writer: u64) -> Self {
        Self {
            writer,
            shard: Shard::platform(),
            space: Space::new(format!("space{writer}")).expect("short"),
            log: LogName::new(format!("log{writer}")).expect("short"),
            queue: QueueName::new(format!("queue{writer}")).expect("short"),
            timer: TimerName::new(format!("timer{writer}")).expect("short"),
        }
    }

    fn at(&self, key: impl std::fmt::Display) -> At {
        At::new(&self.space, key.to_string())
    }

    fn total(&self) -> At {
        At::new(&Space::new("all").expect("short"), "total")
    }

    /// What step `n` writes: up to three pages, and different from every other step's.
    fn content(&self, step: u64) -> String {
        let mut draw = Draw::new(self.writer << 32 | step);
        let filler = char::from(b'a' + draw.below(26) as u8);
        let length = if draw.once_in(10) { draw.below(12_000) } else { draw.below(300) };
        format!("{} {step} {}", self.writer, String::from(filler).repeat(length as usize))
    }
}

fn length(store: &LocalStore, names: &Names) -> u64 {
    wait(store.length(&names.shard, &names.log)).expect("reads go on")
}

/// Step `n`: one commit over items, a log, a queue and a timer; each third settles what it can receive.
fn take(store: &LocalStore, names: &Names, step: u64) -> Result<(), StoreError> {
    let content = names.content(step);
    let put = |at, value: String| Write::Put { at, value: value.into(), expires: None };
    let mut txn = Txn::new(NOW)
        .check(Check::Length { log: names.log.clone(), is: step })
        .write(put(names.at("count"), (step + 1).to_string()))
        .write(put(names.at(format!("key{}", step % KEYS)), content.clone()))
        .write(Write::Add { at: names.total(), by: 1 })
        .write(Write::Append { log: names.log.clone(), records: vec![content.clone().into()] })
        .write(Write::Send { queue: names.queue.clone(), message: Message::new(content.clone()) })
        .write(Write::Arm { timer: names.timer.clone(), at: NOW, payload: content.into() });
    if step % 3 == 2 {
        let ask = Receive { queue: names.queue.clone(), max: 4, lease: Duration::ZERO, now: NOW };
        let received = wait(store.receive(&names.shard, ask))?;
        txn = txn.write(Write::Add { at: names.at("settled"), by: received.len() as i64 });
        let done = |receipt| Write::Settle { receipt, how: Settle::Done };
        txn.writes.extend(received.into_iter().map(|delivery| done(delivery.receipt)));
    }
    wait(store.commit(&names.shard, txn)).map(drop).inspect_err(|error| {
        assert!(matches!(error, StoreError::Unknown { .. }) == (error.ran() == Ran::Maybe));
    })
}

/// What was acknowledged: of each writer, how many steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Acked(pub(crate) [u64; WRITERS as usize]);

impl Acked {
    /// Takes in whole lines; a line that was cut off was not said.
    pub(crate) fn hear(&mut self, lines: &str) {
        for line in lines.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let (writer, step) = line.split_once(' ').expect("writer and step");
            let (writer, step): (usize, u64) = (writer.parse().expect("a writer"), step.parse().expect("a step"));
            self.0[writer] = self.0[writer].max(step + 1);
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// How far each writer came, as a folder says; or what does not hold of it.
pub(crate) fn verify(folder: &Path, acked: &Acked) -> Result<Acked, String> {
    let store = LocalStore::open(folder, Options { sync: Sync::Off, ..Options::default() })
        .map_err(|error| format!("does not open: {error}"))?;
    let mut there = Acked::default();
    for writer in 0..WRITERS {
        there.0[writer as usize] =
            verify_writer(&store, &Names::of(writer), acked.0[writer as usize]).map_err(|what| {
                format!("writer {writer}, of whom {} are acknowledged: {what}", acked.0[writer as usize])
            })?;
    }
    let names = Names::of(0);
    same("the total", number(&store, &names, &names.total())?, there.total())?;
    Ok(there)
}

/// How many steps of a writer are there, if all of each is.
fn verify_writer(store: &LocalStore, names: &Names, acked: u64) -> Result<u64, String> {
    let say = |error: StoreError| format!("{error}: {error:?}");
    let steps = wait(store.length(&names.shard, &names.log)).map_err(say)?;
    if steps < acked {
        return Err(format!("only {steps} are there"));
    }
    if steps > acked + 1 {
        return Err(format!("{steps} are there, though one at a time was begun"));
    }
    same("the count", number(store, names, &names.at("count"))?, steps)?;
    let mut from = 0;
    while from < steps {
        let page = wait(store.read(&names.shard, &names.log, from, 1_000)).map_err(say)?;
        for (step, record) in (from..).zip(&page.records) {
            same(&format!("record {step}"), &record[..], names.content(step).as_bytes())?;
        }
        from += page.records.len() as u64;
        same("the log's length", page.length, steps)?;
    }
    for step in steps.saturating_sub(KEYS)..steps {
        let item = wait(store.get(&names.shard, &names.at(format!("key{}", step % KEYS)), NOW)).map_err(say)?;
        let value = item.map(|item| item.value).unwrap_or_default();
        same(&format!("the key of step {step}"), &value[..], names.content(step).as_bytes())?;
    }
    let timers = wait(store.due(&names.shard, NOW, 100)).map_err(say)?;
    let timer = timers.into_iter().find(|one| one.timer == names.timer).map(|one| one.payload);
    let last = steps.checked_sub(1).map(|step| names.content(step).into());
    same("the timer", timer, last)?;
    verify_queue(store, names, steps)?;
    Ok(steps)
}

/// Every message sent is either there or settled, and those there are the last ones.
fn verify_queue(store: &LocalStore, names: &Names, steps: u64) -> Result<(), String> {
    let settled = number(store, names, &names.at("settled"))?;
    let mut after = None;
    let mut next = settled;
    loop {
        let page = wait(store.peek(&names.shard, &names.queue, after, 1_000)).map_err(|error| format!("{error:?}"))?;
        let Some(last) = page.last() else { break };
        after = Some(last.seq);
        for message in &page {
            same(&format!("message {next}"), &message.payload[..], names.content(next).as_bytes())?;
            next += 1;
        }
    }
    same("messages there and settled", next, steps)
}

fn number(store: &LocalStore, names: &Names, at: &At) -> Result<u64, String> {
    let item = wait(store.get(&names.shard, at, NOW)).map_err(|error| format!("{error:?}"))?;
    let Some(item) = item else { return Ok(0) };
    std::str::from_utf8(&item.value).ok().and_then(|text| text.parse().ok()).ok_or(format!("{at:?} is no number"))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, expected: T) -> Result<(), String> {
    if is == expected {
        return Ok(());
    }
    let (mut is, mut expected) = (format!("{is:?}"), format!("{expected:?}"));
    is.truncate(200);
    expected.truncate(200);
    Err(format!("{what} is {is}, not {expected}"))
}
