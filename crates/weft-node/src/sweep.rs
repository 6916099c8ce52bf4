//! The node's housekeeper: idle instances and code leave memory, and what was replaced is forgotten.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::task::JoinHandle;
use weft_store::{At, Shard, Space, Store, Txn, Write};

use crate::node::Node;

const EVERY: Duration = Duration::from_secs(5);

/// How long what is not used is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// A warm instance.
    pub instances: Duration,
    /// Compiled code. It comes back from the cache in the data folder within milliseconds.
    pub code: Duration,
}

impl Default for Idle {
    fn default() -> Self {
        Self { instances: Duration::from_secs(30), code: Duration::from_secs(5 * 60) }
    }
}

/// Runs for as long as the node lives.
pub(crate) fn start(node: Weak<Node>, idle: Idle) -> JoinHandle<()> {
    tokio::spawn(async move {
        // So that short times hold too.
        let mut ticks = tokio::time::interval(EVERY.min(idle.instances).min(idle.code));
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
    }
}
