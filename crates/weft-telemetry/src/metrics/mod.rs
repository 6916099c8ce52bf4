//! Metrics: handles resolved once at deploy, recorded by a few relaxed additions, rendered when scraped.

mod arm;
mod component;
mod families;
mod fault;
mod latency;
mod level;
mod limit;
mod node;
mod process;
mod render;
mod route;
mod shard;
mod tally;
mod tenant;
mod upstream;

pub use arm::ArmMeter;
pub use component::{ComponentMeter, Counts};
pub use fault::{FaultReading, FaultSource};
pub use level::{LevelReading, LevelSource};
pub use limit::{LimitReading, LimitSource};
pub use node::{CodeFrom, Count, Level, NodeMeter, StoreMeter};
pub use render::CONTENT_TYPE;
pub use route::{Method, RouteMeter};
pub use tenant::{OTHERS, TENANTS_MAX};
pub use upstream::{BreakerReading, ENDPOINTS_MAX, EndpointReading, HedgeReading, UpstreamReading, UpstreamSource};

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use weft_types::Name;

use arm::ArmLabels;
use route::RouteLabels;

/// What this build is, as `weft_build_info` says it.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    pub version: &'static str,
    /// The commit it was built from, or empty.
    pub commit: &'static str,
    pub wasmtime: &'static str,
}

/// Every meter of this process. Handles keep their series alive; this only finds them again.
pub struct Metrics {
    build: Build,
    shards: usize,
    node: Arc<NodeMeter>,
    unrouted: Arc<RouteMeter>,
    components: Mutex<BTreeMap<(Name, Name), Weak<ComponentMeter>>>,
    routes: Mutex<BTreeMap<RouteLabels, Weak<RouteMeter>>>,
    arms: Mutex<BTreeMap<ArmLabels, Weak<ArmMeter>>>,
    stores: Mutex<BTreeMap<String, Weak<StoreMeter>>>,
    upstreams: OnceLock<Arc<dyn UpstreamSource>>,
    levels: OnceLock<Arc<dyn LevelSource>>,
    limits: OnceLock<Arc<dyn LimitSource>>,
    faults: OnceLock<Arc<dyn FaultSource>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// `cores` sizes the shards: as many as threads that record at the same time.
    pub fn new(build: Build, cores: usize) -> Arc<Self> {
        let shards = shard::shards_for(cores);
        let nowhere = RouteLabels { application: None, host: "".into(), path: "".into() };
        Arc::new(Self {
            build,
            shards,
            node: Arc::new(NodeMeter::new()),
            unrouted: Arc::new(RouteMeter::new(nowhere, shards)),
            components: Mutex::default(),
            routes: Mutex::default(),
            arms: Mutex::default(),
            stores: Mutex::default(),
            upstreams: OnceLock::new(),
            levels: OnceLock::new(),
            limits: OnceLock::new(),
            faults: OnceLock::new(),
        })
    }

    pub fn node(&self) -> &Arc<NodeMeter> {
        &self.node
    }

    /// The meter of requests that no route matched, or whose head was refused.
    pub fn unrouted(&self) -> &Arc<RouteMeter> {
        &self.unrouted
    }

    /// The meter of a component: the one in use, else a new one, counting from zero.
    pub fn component(&self, application: &Name, component: &Name) -> Arc<ComponentMeter> {
        find(&self.components, (application.clone(), component.clone()), || {
            ComponentMeter::new(application.clone(), component.clone(), self.shards)
        })
    }

    /// The meter of a route, by its patterns as written in the manifest; `host` is empty for any host.
    pub fn route(&self, application: &Name, host: &str, path: &str) -> Arc<RouteMeter> {
        let labels = RouteLabels { application: Some(application.clone()), host: host.into(), path: path.into() };
        find(&self.routes, labels.clone(), || RouteMeter::new(labels, self.shards))
    }

    /// The meter of one of a route's callees. `role`: `arm` of a split, or `mirror`. `callee`: `component api`.
    pub fn arm(&self, application: &Name, host: &str, path: &str, role: &'static str, callee: &str) -> Arc<ArmMeter> {
        let route = RouteLabels { application: Some(application.clone()), host: host.into(), path: path.into() };
        let labels = ArmLabels { route, role, callee: callee.into() };
        find(&self.arms, labels.clone(), || ArmMeter::new(labels))
    }

    /// The meter of a store engine, by its name in node.toml or `embedded`.
    pub fn store(&self, name: &str) -> Arc<StoreMeter> {
        find(&self.stores, name.to_owned(), || StoreMeter::new(name.to_owned(), self.shards))
    }

    /// Names who knows how service levels are kept. Once; a second one is not asked.
    pub fn levels(&self, source: Arc<dyn LevelSource>) {
        let _ = self.levels.set(source);
    }

    /// Names who knows what limits hold. Once; a second one is not asked.
    pub fn limits(&self, source: Arc<dyn LimitSource>) {
        let _ = self.limits.set(source);
    }

    /// Names who knows what is done on purpose. Once; a second one is not asked.
    pub fn faults(&self, source: Arc<dyn FaultSource>) {
        let _ = self.faults.set(source);
    }

    /// Names who knows how upstreams stand. Once; a second one is not asked.
    pub fn upstreams(&self, source: Arc<dyn UpstreamSource>) {
        let _ = self.upstreams.set(source);
    }

    /// Every series as OpenMetrics text, to be sent as [`CONTENT_TYPE`].
    ///
    /// Takes time by the number of deployed components: call it off the threads that serve.
    pub fn render(self: &Arc<Self>) -> String {
        render::render(self)
    }
}

/// The living value under `key`, or a new one.
fn find<K: Ord, V>(all: &Mutex<BTreeMap<K, Weak<V>>>, key: K, new: impl FnOnce() -> V) -> Arc<V> {
    let mut all = lock(all);
    if let Some(found) = all.get(&key).and_then(Weak::upgrade) {
        return found;
    }
    // At each doubling, so that deploying and removing for ever without a scrape stays bounded.
    if all.len().is_power_of_two() {
        all.retain(|_, weak| weak.strong_count() > 0);
    }
    let made = Arc::new(new());
    all.insert(key, Arc::downgrade(&made));
    made
}

/// Every living value in order, forgetting the dead.
fn living<K: Ord, V>(all: &Mutex<BTreeMap<K, Weak<V>>>) -> Vec<Arc<V>> {
    let mut alive = Vec::new();
    lock(all).retain(|_, weak| match weak.upgrade() {
        Some(value) => {
            alive.push(value);
            true
        }
        None => false,
    });
    alive
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
