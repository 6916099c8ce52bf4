//! The host: two wasmtime engines, the clock that interrupts guests, and what all components share.
//!
//! Two engines, because the component model's concurrency has a price: a 0.2 component on an engine without it is
//! entered by one fiber switch, on one with it by an event loop. So `plain` runs what does not need concurrency and
//! `concurrent` runs 0.3. Both have the same limits, and code compiled for one is never loaded by the other.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker};
use weft_types::Clock;

use crate::{
    cache::CodeCache,
    cores::Cores,
    guest::Guest,
    services::{self, Services},
};

/// How long a guest may run before it is asked to yield, and the grain of every CPU limit.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What a host is built from.
pub struct HostOptions {
    pub clock: Arc<dyn Clock>,
    /// Where compiled code is kept; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// Instances of all components together, at most. Address space, not memory: 4 GiB are reserved for each.
    pub instances_max: u32,
    /// No component may be given a larger memory than this, in bytes.
    pub memory_max: u64,
    /// What this node has to lend.
    pub services: Services,
    /// Where guests that compute for long go on; `None`: where they began. Meant for callers whose own threads
    /// serve many connections each.
    pub away: Option<tokio::runtime::Handle>,
}

impl HostOptions {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            cache: None,
            instances_max: 1_000,
            memory_max: 4 << 30,
            services: Services::default(),
            away: None,
        }
    }
}

/// Loads and runs components. Cheap to clone.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) plain: Side,
    pub(crate) concurrent: Side,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) memory_max: u64,
    pub(crate) services: services::Ready,
    pub(crate) away: Option<tokio::runtime::Handle>,
    stop: Arc<AtomicBool>,
}

/// An engine, what its components can import, and its compiled code on disk.
pub(crate) struct Side {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Guest>,
    pub(crate) cache: Option<CodeCache>,
}

impl Host {
    /// Builds both engines and starts the thread that interrupts guests.
    pub fn new(options: HostOptions) -> wasmtime::Result<Self> {
        let plain = side(&options, false)?;
        let concurrent = side(&options, true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let number = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = Arc::new(Cores::new(u32::try_from(number).unwrap_or(u32::MAX)));
        spawn_ticker([plain.engine.clone(), concurrent.engine.clone()], Arc::clone(&stop), Arc::clone(&cores));
        let HostOptions { clock, memory_max, services, away, .. } = options;
        let services = services::Ready::new(services, Arc::clone(&cores));
        Ok(Self(Arc::new(Shared { plain, concurrent, clock, memory_max, services, away, stop })))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn side(options: &HostOptions, concurrency: bool) -> wasmtime::Result<Side> {
    let engine = Engine::new(&config(options, concurrency)?)?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if concurrency {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    services::link(&mut linker, concurrency)?;
    let cache = options.cache.as_ref().and_then(|root| CodeCache::open(root, &engine));
    Ok(Side { engine, linker, cache })
}

fn config(options: &HostOptions, concurrency: bool) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config.concurrency_support(concurrency);
    config.wasm_component_model_async(concurrency);
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
    config.async_stack_size(1 << 20);
    config.max_wasm_stack(512 << 10);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    Ok(config)
}

/// Every bound of the pool. The resident sizes trade memory for speed: what a slot keeps need not be faulted in
/// again, and with `pagemap_scan` only the pages that a guest dirtied are restored.
fn pool(options: &HostOptions) -> PoolingAllocationConfig {
    let instances = options.instances_max;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(8))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        .max_core_instances_per_component(64)
        .max_memories_per_component(4)
        .max_tables_per_component(32)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(100_000)
        .max_memory_size(usize::try_from(options.memory_max).unwrap_or(usize::MAX))
        .max_unused_warm_slots(100)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(16 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// An OS thread of its own, because a guest that never yields must not be able to stop the clock.
fn spawn_ticker(engines: [Engine; 2], stop: Arc<AtomicBool>, cores: Arc<Cores>) {
    let tick = move || {
        let mut mean = 0.0;
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            cores.tick(&mut mean);
            engines.iter().for_each(Engine::increment_epoch);
        }
    };
    std::thread::Builder::new().name("weft-epoch".into()).spawn(tick).expect("a thread for the epoch clock");
}
