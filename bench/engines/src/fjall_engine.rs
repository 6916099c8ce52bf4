//! fjall: a log-structured tree; one batch over several keyspaces, synced at each commit.

use std::{collections::HashMap, path::Path};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::engine::{Engine, Step};

pub struct Fjall {
    db: Database,
    items: Keyspace,
    records: Keyspace,
    lengths: Keyspace,
    timers: Keyspace,
    due: Keyspace,
}

impl Fjall {
    pub fn open(folder: &Path) -> Self {
        let db = Database::builder(folder.join("bench.fjall")).open().expect("opens");
        let space = |name| db.keyspace(name, KeyspaceCreateOptions::default).expect("a keyspace");
        let [items, records, lengths, timers, due] = ["items", "records", "lengths", "timers", "due"].map(space);
        Self { db, items, records, lengths, timers, due }
    }
}

fn number(bytes: impl AsRef<[u8]>) -> u64 {
    u64::from_be_bytes(bytes.as_ref()[..8].try_into().expect("eight bytes"))
}

fn pair(first: u64, second: u64) -> [u8; 16] {
    ((u128::from(first) << 64) | u128::from(second)).to_be_bytes()
}

impl Engine for Fjall {
    type Reader = Keyspace;

    fn reader(&self) -> Keyspace {
        self.items.clone()
    }

    /// A batch does not see its own writes, so what a later step of the group must see is kept beside it.
    fn commit(&mut self, steps: &[Step]) {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        let (mut lengths, mut armed) = (HashMap::new(), HashMap::new());
        for step in steps {
            let before = self.items.get(Step::key(step.keys[0])).expect("reads").map_or(0, number);
            for key in step.keys {
                let mut value = (before + 1).to_be_bytes().to_vec();
                value.extend_from_slice(&step.bytes);
                batch.insert(&self.items, Step::key(key), value);
            }
            let name = step.writer.to_be_bytes();
            let length =
                lengths.entry(step.writer).or_insert_with(|| self.lengths.get(name).expect("reads").map_or(0, number));
            batch.insert(&self.records, pair(step.writer, *length), &step.bytes[..]);
            *length += 1;
            batch.insert(&self.lengths, name, length.to_be_bytes());
            let old =
                armed.insert(step.writer, step.due()).or_else(|| self.timers.get(name).expect("reads").map(number));
            if let Some(old) = old {
                batch.remove(&self.due, pair(old, step.writer));
            }
            batch.insert(&self.due, pair(step.due(), step.writer), []);
            let mut timer = step.due().to_be_bytes().to_vec();
            timer.extend_from_slice(&step.bytes);
            batch.insert(&self.timers, name, timer);
        }
        batch.commit().expect("commits");
    }

    fn get(reader: &Keyspace, key: u64) -> Option<usize> {
        reader.get(Step::key(key)).expect("reads").map(|value| value.to_vec().len() - 8)
    }
}
