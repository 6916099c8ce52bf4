//! `weft-store-local` as it ships: SQLite behind the ports, with transactions as values.

use std::path::Path;

use weft_store::{At, Check, KeyValue, LogName, Shard, Space, Store as _, TimerName, Txn, Write, suite::wait};
use weft_store_local::{LocalStore, Options};
use weft_types::Timestamp;

use crate::engine::{Step, Store};

const NOW: Timestamp = Timestamp::from_millis(1);

pub struct Weft {
    store: LocalStore,
    shard: Shard,
    space: Space,
}

impl Weft {
    pub fn open(folder: &Path) -> Self {
        let store = LocalStore::open(folder, Options::default()).expect("opens");
        Self { store, shard: Shard::platform(), space: Space::new("items").expect("short") }
    }

    fn at(&self, key: u64) -> At {
        At::new(&self.space, Step::key(key).to_vec())
    }
}

impl Store for Weft {
    fn commit(&self, step: Step) {
        let bytes = bytes::Bytes::copy_from_slice(&step.bytes);
        let log = LogName::new(format!("orders/{}", step.writer)).expect("short");
        let timer = TimerName::new(format!("late/{}", step.writer)).expect("short");
        let put = |key| Write::Put { at: self.at(key), value: bytes.clone(), expires: None };
        let txn = Txn::new(NOW)
            .check(Check::Length { log: log.clone(), is: step.number })
            .write(put(step.keys[0]))
            .write(put(step.keys[1]))
            .write(Write::Append { log, records: vec![bytes.clone()] })
            .write(Write::Arm { timer, at: Timestamp::from_nanos(step.due()), payload: bytes.clone() });
        wait(self.store.commit(&self.shard, txn)).expect("commits");
    }

    fn get(&self, key: u64) -> Option<usize> {
        wait(self.store.get(&self.shard, &self.at(key), NOW)).expect("reads").map(|item| item.value.len())
    }
}
