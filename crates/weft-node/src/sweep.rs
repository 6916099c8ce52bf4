//! The node's housekeeper: idle instances and code leave memory, and what was replaced is forgotten.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::task::JoinHandle;
use weft_host::Component;
use weft_store::{At, Shard, Space, Store, Txn, Write};

use crate::node::Node;

const EVERY: Duration = Duration::from_secs(5);
/// However short the times are.
const OFTEN_MAX: Duration = Duration::from_millis(100);

/// What of that which is not used is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Idle {
    /// How long a warm instance.
    pub(crate) instances: Duration,
    /// How long compiled code. It comes back from the cache in the data folder within milliseconds.
    pub(crate) code: Duration,
    /// How many bytes of code, used or not.
    pub(crate) code_max: u64,
}

/// Runs for as long as the node lives.
pub(crate) fn start(node: Weak<Node>, idle: Idle) -> JoinHandle<()> {
    tokio::spawn(async move {
        // So that short times hold too.
        let mut ticks = tokio::time::interval(EVERY.min(idle.instances).min(idle.code).max(OFTEN_MAX));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let Some(node) = node.upgrade() else { return };
            // Unmapping code and memory takes time: not on the threads that serve.
            let sweeping = Arc::clone(&node);
            let _ = tokio::task::spawn_blocking(move || sweeping.sweep(idle)).await;
            node.probe().await;
        }
    })
}

impl Node {
    /// Writes a word to a store that refuses writes: a node that is given no requests would never see that there is
    /// room again.
    async fn probe(&self) {
        let Ok(space) = Space::new("probe") else { return };
        if self.store_refuses().is_some() {
            let value = Bytes::from_static(b"room?");
            let write = Write::Put { at: At::new(&space, "word"), value, expires: None };
            let txn = Txn::new(self.telemetry.clock.now()).write(write);
            // What comes of it is noted where every commit is.
            let _ = self.store.commit(&Shard::platform(), txn).await;
        }
    }

    fn sweep(&self, idle: Idle) {
        self.retire();
        let components = self.world.lock().components();
        let now = self.telemetry.clock.now();
        components.iter().for_each(|component| component.sweep(now, idle.instances, idle.code));
        // Each once: a revision shares what is the same with the one before.
        let mut held: Vec<_> = components.iter().map(|component| (component.used(), component)).collect();
        held.sort_by_key(|(used, component)| (*used, Arc::as_ptr(component)));
        held.dedup_by_key(|(_, component)| Arc::as_ptr(component));
        let bytes = |component: &Component| component.code_bytes();
        let mut total: u64 = held.iter().map(|(_, component)| bytes(component)).sum();
        for (_, component) in held {
            if total <= idle.code_max {
                break;
            }
            let before = bytes(component);
            total -= if component.evict() { before } else { 0 };
        }
    }
}
