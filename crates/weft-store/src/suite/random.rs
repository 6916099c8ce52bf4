//! Random transactions, run on a backend and on the [`Model`] side by side. The seed is the whole story.

use std::time::Duration;

use bytes::Bytes;
use weft_types::Timestamp;

use super::{Model, T0, wait};
use crate::{
    At, Check, Dedup, Epoch, Group, LogName, Message, Owner, QueueName, Receipt, Receive, Scan, Scope, Seq, Settle,
    Shard, Space, Store, StoreError, TimerName, Txn, Version, Write,
};

/// A small generator of numbers (splitmix64): the same seed gives the same numbers, on every machine, for ever.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// The few names that random transactions are about, so that they meet.
pub struct Universe {
    items: Vec<At>,
    logs: Vec<LogName>,
    queues: Vec<QueueName>,
    groups: Vec<Group>,
    timers: Vec<TimerName>,
    owners: Vec<Owner>,
    scopes: Vec<Scope>,
}

impl Default for Universe {
    fn default() -> Self {
        fn some<T>(count: usize, prefix: &str, make: fn(String) -> Result<T, StoreError>) -> Vec<T> {
            (0..count).map(|n| make(format!("{prefix}{n}")).expect("short")).collect()
        }
        let spaces = some(2, "space", Space::new);
        let keys = ["", "a", "aa", "ab", "b", "c"];
        Self {
            items: spaces.iter().flat_map(|space| keys.map(|key| At::new(space, key))).collect(),
            logs: some(2, "log", LogName::new),
            queues: some(2, "queue", QueueName::new),
            groups: some(2, "group", Group::new),
            timers: some(3, "timer", TimerName::new),
            owners: some(2, "owner", Owner::new),
            scopes: some(2, "scope", Scope::new),
        }
    }
}

/// Runs `steps` random operations on `store` and on a model, and compares every answer and everything readable.
///
/// Panics at the first difference, naming `seed` and the step.
pub fn compare(store: &dyn Store, shard: &Shard, seed: u64, steps: usize) {
    let universe = Universe::default();
    let mut model = Model::default();
    let mut draw = Draw::new(seed);
    let mut now = T0;
    let mut receipts = Vec::new();
    for step in 0..steps {
        now = now.saturating_add(Duration::from_millis(draw.below(700)));
        let place = || format!("seed {seed}, step {step}");
        if draw.once_in(5) {
            let ask = universe.receive(&mut draw, now);
            let got = wait(store.receive(shard, ask.clone())).expect("received");
            assert_eq!(got, model.receive(&ask), "{}: {ask:?}", place());
            receipts.extend(got.into_iter().map(|delivery| delivery.receipt));
        } else {
            let txn = universe.txn(&mut draw, &model, &receipts, now);
            let (got, expected) = (wait(store.commit(shard, txn.clone())), model.commit(&txn));
            assert_eq!(format!("{got:?}"), format!("{expected:?}"), "{}: {txn:?}", place());
        }
        if draw.once_in(8) {
            compare_all(store, shard, &model, now, &place());
        }
    }
    compare_all(store, shard, &model, now, &format!("seed {seed}, at the end"));
}

/// Compares everything that can be read.
pub fn compare_all(store: &dyn Store, shard: &Shard, model: &Model, now: Timestamp, place: &str) {
    let universe = Universe::default();
    for at in &universe.items {
        let got = wait(store.get(shard, at, now)).expect("read");
        assert_eq!(got, model.get(at, now), "{place}: {at:?}");
        assert_eq!(wait(store.exists(shard, at, now)).expect("read"), got.is_some(), "{place}: {at:?}");
    }
    for (prefix, after, max, values) in [("", None, 100, true), ("a", None, 2, false), ("", Some("aa"), 3, true)] {
        let space = universe.items[0].space.clone();
        let scan = Scan { space, prefix: prefix.into(), after: after.map(Bytes::from), max, values };
        assert_eq!(wait(store.scan(shard, &scan, now)).expect("read"), model.scan(&scan, now), "{place}: {scan:?}");
    }
    for log in &universe.logs {
        let middle = model.length(log) / 2;
        for (from, max) in [(0, 1_000), (middle, 3)] {
            let got = wait(store.read(shard, log, from, max)).expect("read");
            assert_eq!(got, model.read(log, from, max), "{place}: {log} from {from}");
        }
    }
    for queue in &universe.queues {
        let peeked = wait(store.peek(shard, queue, None, 1_000)).expect("read");
        assert_eq!(peeked, model.peek(queue), "{place}: {queue}");
        let next = peeked.iter().filter_map(|one| one.ready).min();
        assert_eq!(wait(store.next_ready(shard, queue)).expect("read"), next, "{place}: {queue}");
    }
    for owner in &universe.owners {
        assert_eq!(wait(store.epoch(shard, owner)).expect("read"), model.epoch(owner), "{place}: {owner}");
    }
    assert_eq!(wait(store.due(shard, now, 1_000)).expect("read"), model.due(now), "{place}: due");
    let next = model.timers.iter().map(|timer| timer.at).min();
    assert_eq!(wait(store.next_timer(shard)).expect("read"), next, "{place}: next timer");
}

impl Universe {
    /// A transaction of a few checks, most of which hold, and a few writes.
    pub fn txn(&self, draw: &mut Draw, model: &Model, receipts: &[Receipt], now: Timestamp) -> Txn {
        let mut txn = Txn::new(now);
        for _ in 0..draw.below(3) {
            txn.checks.push(self.check(draw, model, now));
        }
        for _ in 0..draw.below(7) {
            txn.writes.push(self.write(draw, model, receipts, now));
        }
        txn
    }

    fn check(&self, draw: &mut Draw, model: &Model, now: Timestamp) -> Check {
        let wrong = draw.once_in(8);
        let version = |found: Option<Version>, draw: &mut Draw| {
            if wrong { [None, Some(Version(draw.below(50)))][draw.below(2) as usize] } else { found }
        };
        match draw.below(5) {
            0 => {
                let at = draw.pick(&self.items).clone();
                let found = model.get(&at, now).map(|item| item.version);
                Check::Version { at, is: version(found, draw) }
            }
            1 => {
                let log = draw.pick(&self.logs).clone();
                let is = model.length(&log) + u64::from(wrong);
                Check::Length { log, is }
            }
            2 => {
                let owner = draw.pick(&self.owners).clone();
                let is = Epoch(model.epoch(&owner).0 + u64::from(wrong));
                Check::Epoch { owner, is }
            }
            3 => Check::First { scope: draw.pick(&self.scopes).clone(), id: id(draw), keep: keep(draw) },
            _ => {
                let timer = draw.pick(&self.timers).clone();
                let found = model.timers.iter().find(|one| one.timer == timer).map(|one| one.version);
                Check::Timer { timer, is: version(found, draw) }
            }
        }
    }

    fn write(&self, draw: &mut Draw, model: &Model, receipts: &[Receipt], now: Timestamp) -> Write {
        let later = |draw: &mut Draw| now.saturating_add(Duration::from_millis(draw.below(3_000)));
        match draw.below(14) {
            0 | 1 => {
                let expires = draw.once_in(3).then(|| later(draw));
                let value = if draw.once_in(2) { number(draw) } else { payload(draw) };
                Write::Put { at: draw.pick(&self.items).clone(), value, expires }
            }
            2 => Write::Delete { at: draw.pick(&self.items).clone() },
            3 => Write::Add { at: draw.pick(&self.items).clone(), by: draw.below(9) as i64 - 4 },
            4 | 5 => {
                let records = (0..draw.below(4)).map(|_| payload(draw)).collect();
                Write::Append { log: draw.pick(&self.logs).clone(), records }
            }
            6 if draw.once_in(2) => {
                let log = draw.pick(&self.logs).clone();
                let before = draw.below(model.length(&log) + 2);
                Write::Trim { log, before }
            }
            6..=8 => Write::Send { queue: draw.pick(&self.queues).clone(), message: self.message(draw, now) },
            9 | 10 if !receipts.is_empty() => {
                // Mostly of the last few, which are the ones still leased.
                let recent = &receipts[receipts.len().saturating_sub(4)..];
                let from = if draw.once_in(4) { receipts } else { recent };
                let mut receipt = draw.pick(from).clone();
                if draw.once_in(16) {
                    receipt.seq = Seq(receipt.seq.0 + 1);
                }
                let how = match draw.below(4) {
                    0 => Settle::Retry { at: later(draw) },
                    1 => Settle::Extend { until: later(draw) },
                    _ => Settle::Done,
                };
                Write::Settle { receipt, how }
            }
            11 if draw.once_in(2) => Write::Disarm { timer: draw.pick(&self.timers).clone() },
            12 if draw.once_in(2) => {
                let owner = draw.pick(&self.owners).clone();
                let epoch = Epoch(model.epoch(&owner).0 + draw.below(3));
                Write::Own { owner, epoch }
            }
            _ => Write::Arm { timer: draw.pick(&self.timers).clone(), at: later(draw), payload: payload(draw) },
        }
    }

    fn message(&self, draw: &mut Draw, now: Timestamp) -> Message {
        Message {
            payload: payload(draw),
            at: match draw.below(3) {
                0 => now.saturating_add(Duration::from_millis(draw.below(2_000))),
                _ => Timestamp::ZERO,
            },
            group: draw.once_in(2).then(|| draw.pick(&self.groups).clone()),
            dedup: draw.once_in(3).then(|| Dedup { id: id(draw), keep: keep(draw) }),
        }
    }

    pub fn receive(&self, draw: &mut Draw, now: Timestamp) -> Receive {
        let lease = Duration::from_millis(draw.below(2_000));
        Receive { queue: draw.pick(&self.queues).clone(), max: draw.below(5) as usize, lease, now }
    }
}

fn id(draw: &mut Draw) -> Bytes {
    format!("id{}", draw.below(4)).into()
}

fn keep(draw: &mut Draw) -> Duration {
    Duration::from_millis(draw.below(3_000))
}

fn number(draw: &mut Draw) -> Bytes {
    format!("{}", draw.below(100)).into()
}

/// Mostly a few bytes; now and then more than one page of any engine.
fn payload(draw: &mut Draw) -> Bytes {
    let length = if draw.once_in(12) { draw.below(20_000) } else { draw.below(40) };
    let byte = b'a' + draw.below(26) as u8;
    vec![byte; length as usize].into()
}
