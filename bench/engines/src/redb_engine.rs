//! redb: a copy-on-write tree, synced at each commit.

use std::{path::Path, sync::Arc};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::engine::{Engine, Step};

const ITEMS: TableDefinition<'_, &[u8], (u64, &[u8])> = TableDefinition::new("items");
const RECORDS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("records");
const LENGTHS: TableDefinition<'_, u64, u64> = TableDefinition::new("lengths");
const TIMERS: TableDefinition<'_, u64, (u64, &[u8])> = TableDefinition::new("timers");
const DUE: TableDefinition<'_, (u64, u64), ()> = TableDefinition::new("due");

pub struct Redb {
    db: Arc<Database>,
}

impl Redb {
    pub fn open(folder: &Path) -> Self {
        let db = Database::create(folder.join("bench.redb")).expect("opens");
        let txn = db.begin_write().expect("begins");
        txn.open_table(ITEMS).expect("a table");
        txn.commit().expect("commits");
        Self { db: Arc::new(db) }
    }
}

impl Engine for Redb {
    type Reader = Arc<Database>;

    fn reader(&self) -> Arc<Database> {
        Arc::clone(&self.db)
    }

    fn commit(&mut self, steps: &[Step]) {
        let txn = self.db.begin_write().expect("begins");
        {
            let mut items = txn.open_table(ITEMS).expect("a table");
            let mut records = txn.open_table(RECORDS).expect("a table");
            let mut lengths = txn.open_table(LENGTHS).expect("a table");
            let mut timers = txn.open_table(TIMERS).expect("a table");
            let mut due = txn.open_table(DUE).expect("a table");
            for step in steps {
                let bytes = &step.bytes[..];
                let before = items.get(&Step::key(step.keys[0])[..]).expect("reads").map_or(0, |item| item.value().0);
                for key in step.keys {
                    items.insert(&Step::key(key)[..], (before + 1, bytes)).expect("inserts");
                }
                let length = lengths.get(step.writer).expect("reads").map_or(0, |length| length.value());
                records.insert((step.writer, length), bytes).expect("inserts");
                lengths.insert(step.writer, length + 1).expect("inserts");
                let old = timers.insert(step.writer, (step.due(), bytes)).expect("inserts").map(|old| old.value().0);
                if let Some(old) = old {
                    due.remove((old, step.writer)).expect("removes");
                }
                due.insert((step.due(), step.writer), ()).expect("inserts");
            }
        }
        txn.commit().expect("commits");
    }

    fn get(reader: &Arc<Database>, key: u64) -> Option<usize> {
        let txn = reader.begin_read().expect("begins");
        let items = txn.open_table(ITEMS).expect("a table");
        items.get(&Step::key(key)[..]).expect("reads").map(|item| item.value().1.to_vec().len())
    }
}
