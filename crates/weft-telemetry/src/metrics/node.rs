//! What the node itself does: connections, code, stores, and what telemetry had to drop.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use weft_types::{Class, Code};

use super::{
    latency::{LatencyShard, Reading},
    shard::Sharded,
    tally::Tally,
};

/// A count that few threads add to, rarely.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Something that rises and falls. Never shown below zero.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    pub fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub fn set(&self, to: u64) {
        self.0.store(to, Relaxed);
    }

    pub fn get(&self) -> u64 {
        (self.0.load(Relaxed) as i64).max(0) as u64
    }
}

/// Where compiled code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFrom {
    /// The cache on disk held it.
    Cache,
    /// It had to be compiled.
    Compiler,
    /// The cache held it for another engine or damaged: compiled anew.
    StaleCache,
}

impl CodeFrom {
    pub(crate) const ALL: [(Self, &'static str); 3] =
        [(Self::Cache, "cache"), (Self::Compiler, "compiler"), (Self::StaleCache, "stale-cache")];
}

/// The one meter of this process.
#[derive(Debug)]
pub struct NodeMeter {
    pub connections_active: Level,
    /// Connections accepted on listeners without TLS, and with it.
    pub connections_http: Count,
    pub connections_https: Count,
    pub accept_errors: Count,
    pub tls_handshakes_failed: Count,
    /// Connections of proxies that did not begin with a PROXY header.
    pub proxy_headers_failed: Count,
    /// Components whose code is mapped now.
    pub code_loaded: Level,
    pub code_evicted: Count,
    /// Log lines of the node itself that found the queue full.
    pub log_dropped: Count,
    pub spans_dropped: Count,
    pub spans_exported: Count,
    /// Data points of guests' own metrics that were dropped.
    pub points_dropped: Count,
    pub points_exported: Count,
    /// Exports given up after their retries.
    pub exports_failed: Count,
    faults: Tally,
    code: [Sharded<LatencyShard>; CodeFrom::ALL.len()],
}

impl NodeMeter {
    pub(crate) fn new() -> Self {
        Self {
            connections_active: Level::default(),
            connections_http: Count::default(),
            connections_https: Count::default(),
            accept_errors: Count::default(),
            tls_handshakes_failed: Count::default(),
            proxy_headers_failed: Count::default(),
            code_loaded: Level::default(),
            code_evicted: Count::default(),
            log_dropped: Count::default(),
            spans_dropped: Count::default(),
            spans_exported: Count::default(),
            points_dropped: Count::default(),
            points_exported: Count::default(),
            exports_failed: Count::default(),
            faults: Tally::default(),
            code: std::array::from_fn(|_| Sharded::new(1)),
        }
    }

    /// The edge answered with `code` before any component was known: a bad request, no route, a missing token.
    pub fn fault(&self, class: Class, code: Code) {
        self.faults.count(class, code);
    }

    /// A component's code became ready after `took`.
    pub fn code_ready(&self, from: CodeFrom, took: Duration) {
        self.code[from as usize].here().0.observe(took);
    }

    pub(crate) fn code(&self, from: CodeFrom) -> Reading {
        Reading::of(self.code[from as usize].all().map(|shard| &shard.0))
    }

    pub(crate) fn faults(&self) -> impl Iterator<Item = (Class, &'static str, u64)> {
        self.faults.read()
    }
}

/// One store engine's commits.
#[derive(Debug)]
pub struct StoreMeter {
    pub(crate) store: String,
    committed: Sharded<LatencyShard>,
    /// Commits refused because a check did not hold.
    pub conflicts: Count,
    /// Commits that the engine could not make durable.
    pub failures: Count,
}

impl StoreMeter {
    pub(crate) fn new(store: String, shards: usize) -> Self {
        Self { store, committed: Sharded::new(shards), conflicts: Count::default(), failures: Count::default() }
    }

    /// A commit is durable, `took` after it was asked for.
    pub fn committed(&self, took: Duration) {
        self.committed.here().0.observe(took);
    }

    pub(crate) fn read(&self) -> Reading {
        Reading::of(self.committed.all().map(|shard| &shard.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_timed_by_where_it_came_from() {
        let node = NodeMeter::new();
        for (at, (from, name)) in CodeFrom::ALL.into_iter().enumerate() {
            assert_eq!(from as usize, at, "{name}");
            node.code_ready(from, Duration::from_millis(at as u64));
            assert_eq!(node.code(from).count, 1, "{name}");
        }
    }
}
