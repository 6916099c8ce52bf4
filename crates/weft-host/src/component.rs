//! A component that can be called: loaded when needed, dropped from memory when idle, its instances pooled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;
use weft_types::{
    Class, Clock, Digest, Fault, Invocation, Name, Outcome, Payload, Pending, Ran, Tenant, Timestamp, code,
};

use crate::{
    body::{self, HttpBody},
    call::Call,
    cores::Computing,
    engine::{Host, Shared},
    exchange::{Exchange, Finished, Run},
    grants::Isolation,
    guest::{self, Guest},
    http_values, http2, http3, judge, limits,
    load::{self, ComponentSpec, Handler, LoadError, Pre},
    pool::{Exports, Live, Pool},
    reuse::{self, Reuse},
    services::Lent,
    worker::{Joined, Workers},
};

/// What a guest may copy through the host in one call of a host function, in bytes.
const HOSTCALL_BYTES_MAX: usize = 32 << 20;

/// Guests of one component that go on after their answers at once.
const AFTERWARDS_MAX: usize = 64;

/// When a component was last used is known to this much.
const USED_GRAIN: Duration = Duration::from_secs(1);

/// One component of one revision. Immutable; what changes is only whether its code is in memory.
pub struct Component {
    host: Arc<Shared>,
    spec: ComponentSpec,
    lent: Arc<Lent>,
    digest: Digest,
    handler: Handler,
    tells_callers: bool,
    loaded: ArcSwapOption<Pre>,
    pool: Pool,
    used: AtomicU64,
    stats: Counters,
    reuse: Reuse,
    loading: tokio::sync::Mutex<()>,
    afterwards: Arc<Semaphore>,
    /// Doors of instances that serve several calls at once.
    pub(crate) workers: Workers,
}

#[derive(Default)]
struct Counters {
    created: AtomicU64,
    reused: AtomicU64,
}

/// Counts since the component was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub instances_created: u64,
    pub instances_reused: u64,
}

impl Host {
    /// Compiles a component, or maps its compiled code. Blocks for as long as compiling takes: call it off the
    /// threads that serve.
    pub fn load(&self, spec: ComponentSpec) -> Result<Arc<Component>, LoadError> {
        let lent = Lent::new(&self.0.services, &spec.application, &spec.component, &spec.grants, &self.0.clock)?;
        let pre = load::load(&self.0, &spec.wasm, spec.limits.memory.min(self.0.memory_max))?;
        Ok(Arc::new(Component {
            host: Arc::clone(&self.0),
            lent: Arc::new(lent),
            digest: spec.wasm.digest(),
            handler: pre.handler(),
            tells_callers: pre.tells_callers(),
            loaded: ArcSwapOption::from_pointee(pre),
            pool: Pool::default(),
            used: AtomicU64::new(self.0.clock.now().as_nanos()),
            stats: Counters::default(),
            reuse: Reuse::default(),
            loading: tokio::sync::Mutex::default(),
            afterwards: Arc::new(Semaphore::new(AFTERWARDS_MAX)),
            workers: Workers::default(),
            spec,
        }))
    }
}

impl Component {
    pub fn application(&self) -> &Name {
        &self.spec.application
    }
    pub fn name(&self) -> &Name {
        &self.spec.component
    }
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
    pub fn handler(&self) -> Handler {
        self.handler
    }
    pub fn stats(&self) -> Stats {
        Stats { instances_created: self.stats.created.load(Relaxed), instances_reused: self.stats.reused.load(Relaxed) }
    }

    /// Runs one call. Dropping the future, or the body of the reply, cancels a guest that only this call uses.
    pub fn invoke(self: &Arc<Self>, call: Invocation) -> Pending<'static, Outcome> {
        let this = Arc::clone(self);
        Box::pin(async move {
            let Payload::Http(request) = call.payload else {
                let fault = Fault::new(code::NO_HANDLER, Ran::No).detail("only HTTP can be handled by this component");
                return Outcome::failed(fault, Class::Failure);
            };
            let pre = match this.at_hand() {
                Some(pre) => pre,
                // Boxed: what is rare must not make every call's future large.
                None => match Box::pin(this.load_within(call.deadline)).await {
                    Ok(pre) => pre,
                    Err(fault) => return Outcome::failed(fault, Class::Failure),
                },
            };
            let clock = Arc::clone(&this.host.clock);
            let budget = this.spec.limits.cpu;
            let state = Call::new(call.id, call.context, call.trace, call.deadline, clock, budget);
            let state = Arc::new(state);
            let request = request.map(|body| body::inward(body, &state));
            let head_only = request.method() == http::Method::HEAD;
            let run = this.run(pre, request, Arc::clone(&state));
            Exchange::new(run, state, this, head_only).head().await
        })
    }

    /// Ends every instance that is kept warm, with all that it remembers.
    pub fn drop_warm(&self) {
        self.pool.sweep(Timestamp::MAX);
    }

    /// The code, unless it was evicted.
    fn at_hand(&self) -> Option<Arc<Pre>> {
        let now = self.host.clock.now().as_nanos();
        // Written seldom: it is on a cache line that all cores read.
        if now.saturating_sub(self.used.load(Relaxed)) > USED_GRAIN.as_nanos() as u64 {
            self.used.store(now, Relaxed);
        }
        self.loaded.load_full()
    }

    /// The code, mapped again: off the threads that serve, since a lost cache means compiling.
    async fn load_within(self: &Arc<Self>, deadline: Timestamp) -> Result<Arc<Pre>, Fault> {
        let now = self.host.clock.now();
        let late = |_| Fault::new(code::DEADLINE_EXCEEDED, Ran::No).detail("it passed while the code was loaded");
        tokio::time::timeout(deadline.since(now), self.load_again()).await.map_err(late)?
    }

    /// One at a time: whoever comes second finds what the first has loaded.
    async fn load_again(self: &Arc<Self>) -> Result<Arc<Pre>, Fault> {
        let _turn = self.loading.lock().await;
        if let Some(pre) = &*self.loaded.load() {
            return Ok(Arc::clone(pre));
        }
        let this = Arc::clone(self);
        let again =
            tokio::task::spawn_blocking(move || load::load(&this.host, &this.spec.wasm, this.memory_limit())).await;
        let unavailable = || Fault::new(code::COMPONENT_UNAVAILABLE, Ran::No);
        let pre = again.map_err(|error| unavailable().source(error))?;
        let pre = Arc::new(pre.map_err(|error| unavailable().detail(error.to_string()).source(error))?);
        self.loaded.store(Some(Arc::clone(&pre)));
        Ok(pre)
    }

    /// A fault as it may be logged: what its guest said is in it, and a guest may say its secrets.
    pub(crate) fn told(&self, mut fault: Fault) -> Fault {
        if !fault.detail.is_empty() {
            fault.detail = self.lent.log().clean(&fault.detail);
        }
        fault
    }

    /// Of one instance, in bytes.
    fn memory_limit(&self) -> u64 {
        self.spec.limits.memory.min(self.host.memory_max)
    }

    /// Where a guest that computes for long goes on.
    /// Its part in what keeps the node's cores busy.
    pub fn computing(&self) -> Arc<Computing> {
        Arc::clone(&self.lent.computing)
    }

    pub(crate) fn away(&self) -> Option<&tokio::runtime::Handle> {
        self.host.away.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.host.clock
    }

    /// Whether others may come into the instance of `call`, which nobody else drives yet: how many.
    pub(crate) fn shares(&self, call: &Call) -> Option<u32> {
        let may = self.may_share() && !call.is_away();
        may.then(|| call.uses.load(Relaxed)).filter(|uses| *uses > 0)
    }

    /// Whether instances serve several calls at once: 0.3 only, whose tasks say which call they belong to.
    fn may_share(&self) -> bool {
        self.tells_callers && self.spec.isolation == Isolation::Instance && self.spec.limits.share > 1
    }

    /// A place for a guest that goes on after its answer, while there is one.
    pub(crate) fn afterwards(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.afterwards).try_acquire_owned().ok()
    }

    fn run(self: &Arc<Self>, pre: Arc<Pre>, request: http::Request<HttpBody>, call: Arc<Call>) -> Run {
        let tenant = call.context.tenant.clone();
        let this = Arc::clone(self);
        Box::pin(async move {
            let input = match Input::read(&pre, request).await {
                Ok(input) => input,
                Err(fault) => return Finished { result: Err(fault), live: None },
            };
            let Some(mut live) = this.warm(&tenant, &call) else {
                let mut input = Some(input);
                if let Some(joined) = this.join(&mut input, &call) {
                    return Finished { result: joined.await, live: None };
                }
                let Some(input) = input else { unreachable!("nobody has taken it") };
                return Box::pin(this.fresh(&pre, tenant, input, &call)).await;
            };
            this.stats.reused.fetch_add(1, Relaxed);
            this.lent.meter.reused();
            let again = if this.reuse.is_untried() { input.copy() } else { None };
            let result = serve(&mut live, input, &call).await;
            let silent = result.is_ok() && call.head_is_open() && !call.is_abandoned();
            if silent && !this.reuse.is_known_to_work() {
                this.once_only();
                if let Some(input) = again {
                    return Box::pin(this.fresh(&pre, tenant, input, &call)).await;
                }
            }
            if !call.head_is_open() {
                this.reuse.works();
            }
            this.finish(live, result)
        })
    }

    /// An instance that has served before, handed to this call.
    fn warm(&self, tenant: &Tenant, call: &Arc<Call>) -> Option<Live> {
        if self.spec.isolation == Isolation::Request || !self.reuse.allowed() {
            return None;
        }
        let mut live = self.pool.take(tenant, self.host.clock.now(), &self.spec.limits)?;
        call.uses.store(self.spec.limits.reuse.saturating_sub(live.served + 1), Relaxed);
        live.store.data_mut().begin(Arc::clone(call));
        live.store.set_epoch_deadline(1);
        Some(live)
    }

    /// An instance that serves others and waits, entered by this call too: then its request is gone from `input`.
    fn join(&self, input: &mut Option<Input>, call: &Arc<Call>) -> Option<Joined> {
        if !self.may_share() {
            return None;
        }
        let Some(Input::Streamed(request)) = input.take() else { return None };
        let mut request = Some(request);
        let joined = self.workers.join(&mut request, call, self.spec.limits.share);
        *input = request.map(Input::Streamed);
        joined.inspect(|_| {
            self.stats.reused.fetch_add(1, Relaxed);
            self.lent.meter.reused();
        })
    }

    async fn fresh(&self, pre: &Pre, tenant: Tenant, input: Input, call: &Arc<Call>) -> Finished {
        let mut live = match self.instantiate(pre, tenant, call).await {
            Ok(live) => live,
            Err(fault) => return Finished { result: Err(fault), live: None },
        };
        call.uses.store(self.spec.limits.reuse.saturating_sub(1), Relaxed);
        let result = serve(&mut live, input, call).await;
        self.finish(live, result)
    }

    fn finish(&self, mut live: Live, result: wasmtime::Result<()>) -> Finished {
        match result {
            Ok(()) => {
                live.served += 1;
                live.store.data_mut().end();
                let kept = self.spec.isolation == Isolation::Instance && self.reuse.allowed();
                Finished { result: Ok(()), live: kept.then_some(live) }
            }
            Err(error) => {
                guest::fails(&mut live.store);
                let refused = live.store.data().memory.refused;
                live.store.data_mut().counted.lost = true;
                Finished { result: Err(judge::fault(&error, refused)), live: None }
            }
        }
    }

    fn once_only(&self) {
        if !self.reuse.fails() {
            return;
        }
        self.pool.sweep(Timestamp::MAX);
        tracing::warn!(
            application = %self.spec.application, component = %self.spec.component,
            "instances of this component answer only once: each call gets a fresh one, as with `isolation = \"request\"`"
        );
    }

    async fn instantiate(&self, pre: &Pre, tenant: Tenant, call: &Arc<Call>) -> Result<Live, Fault> {
        self.stats.created.fetch_add(1, Relaxed);
        let side = match pre {
            Pre::Http2(pre) => pre.engine(),
            Pre::Http3(pre) => pre.engine(),
            Pre::Values(pre) => pre.engine(),
        };
        let guest = Guest::new(Arc::clone(&self.lent), self.memory_limit());
        let mut store = Store::new(side, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(limits::on_tick);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        store.data_mut().begin(Arc::clone(call));
        let exports = match pre {
            Pre::Http2(pre) => pre.instantiate_async(&mut store).await.map(Exports::Http2),
            Pre::Http3(pre) => pre.instantiate_async(&mut store).await.map(Exports::Http3),
            Pre::Values(pre) => pre.instantiate_async(&mut store).await.map(Exports::Values),
        };
        match exports {
            Ok(exports) => Ok(Live { store, exports, tenant, born: self.host.clock.now(), served: 0 }),
            Err(error) => {
                store.data_mut().counted.lost = true;
                Err(judge::fault(&error, store.data().memory.refused))
            }
        }
    }

    /// Takes an instance back after a call that ended well.
    pub(crate) fn keep(&self, live: Live) {
        self.pool.put(live, self.host.clock.now(), &self.spec.limits);
    }

    /// Drops instances unused for `instances`, and the code too when unused for `code`.
    pub fn sweep(&self, now: Timestamp, instances: Duration, code: Duration) {
        let before = |age: Duration| Timestamp::from_nanos(now.as_nanos().saturating_sub(age.as_nanos() as u64));
        let left = self.pool.sweep(before(instances));
        if left == 0 && self.used() < before(code) {
            self.evict();
        }
    }

    /// When it was last called, or loaded.
    pub fn used(&self) -> Timestamp {
        Timestamp::from_nanos(self.used.load(Relaxed))
    }

    /// Bytes of compiled code that it holds in memory: mapped from the cache, not all of it resident.
    pub fn code_bytes(&self) -> u64 {
        self.loaded.load().as_ref().map_or(0, |pre| pre.code_bytes())
    }

    /// Drops warm instances and code. Calls in progress keep theirs. Not where no cache has it: it would have to be
    /// compiled again. Answers whether there was any.
    pub fn evict(&self) -> bool {
        let caches = [&self.host.plain.cache, &self.host.concurrent.cache];
        if !caches.into_iter().flatten().any(|cache| cache.holds(&self.digest)) {
            return false;
        }
        self.pool.sweep(Timestamp::MAX);
        let held = self.loaded.swap(None).is_some();
        if held {
            self.host.services.meters().code_gone(true);
        }
        held
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        if self.loaded.load().is_some() {
            self.host.services.meters().code_gone(false);
        }
    }
}

/// A request as its handler wants it: streamed, or read whole.
enum Input {
    Streamed(http::Request<HttpBody>),
    Whole(http_values::Whole),
}

impl Input {
    async fn read(pre: &Pre, request: http::Request<HttpBody>) -> Result<Self, Fault> {
        match pre {
            Pre::Http2(_) | Pre::Http3(_) => Ok(Self::Streamed(request)),
            Pre::Values(_) => http_values::read(request).await.map(Self::Whole),
        }
    }

    fn copy(&self) -> Option<Self> {
        match self {
            Self::Streamed(request) => reuse::copy(request).map(Self::Streamed),
            Self::Whole(_) => None,
        }
    }
}

async fn serve(live: &mut Live, input: Input, call: &Arc<Call>) -> wasmtime::Result<()> {
    let Live { store, exports, served, .. } = live;
    match (exports, input) {
        (Exports::Http2(proxy), Input::Streamed(request)) => http2::handle(store, proxy, request, call).await,
        (Exports::Http3(service), Input::Streamed(request)) => {
            http3::handle(store, service, request, call, served).await
        }
        (Exports::Values(service), Input::Whole(request)) => http_values::handle(store, service, request, call).await,
        _ => unreachable!("an instance and its input come from the same code"),
    }
}
