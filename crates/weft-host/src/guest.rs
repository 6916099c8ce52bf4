//! What a store holds: one instance's host-side state.

use std::sync::Arc;

use http::HeaderName;
use wasmtime::{
    AsContextMut, Store, StoreContextMut,
    component::{GuestTaskId, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::{
    call::Call,
    limits::Memory,
    services::{self, Counted, Lent, Stdio},
    worker::Worker,
};

/// Resources that one instance may hold at once.
const RESOURCES_MAX: usize = 10_000;

pub(crate) struct Guest {
    table: ResourceTable,
    /// Made when the guest first asks for something of WASI: most small handlers never do, and it is dear to build.
    wasi: Option<Box<WasiCtx>>,
    http: WasiHttpCtx,
    hooks: Hooks,
    pub(crate) memory: Memory,
    stdio: Option<Arc<Stdio>>,
    /// Calls of this session and their tasks: in a shared instance the task tells whose doing something is.
    tasks: Vec<(GuestTaskId, Arc<Call>)>,
    /// More than one call has been in this session.
    shared: bool,
    /// Its door, once others may come in.
    worker: Option<Arc<Worker>>,
    pub(crate) counted: Counted,
}

impl Guest {
    pub(crate) fn new(lent: Arc<Lent>, memory_limit: u64) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Self {
            counted: Counted::new(&lent.meter),
            table,
            wasi: None,
            http: WasiHttpCtx::new(),
            hooks: Hooks { lent: Arc::clone(&lent), call: None },
            memory: Memory::new(memory_limit),
            stdio: None,
            tasks: Vec::new(),
            shared: false,
            worker: None,
        }
    }

    /// The call in progress.
    pub(crate) fn call(&self) -> Option<&Arc<Call>> {
        self.memory.call.as_ref()
    }

    /// Hands the instance to its next call.
    pub(crate) fn begin(&mut self, call: Arc<Call>) {
        call.memory_is(self.memory.used());
        self.memory.refused = false;
        if let Some(stdio) = &self.stdio {
            stdio.share(false);
            stdio.serve(Some(Arc::clone(&call)));
        }
        self.tasks.clear();
        self.shared = false;
        self.worker = None;
        self.hooks.call = Some(Arc::clone(&call));
        self.memory.call = Some(call);
    }

    /// A call enters as `task`.
    pub(crate) fn serves(&mut self, task: GuestTaskId, call: &Arc<Call>) {
        self.shared |= !self.tasks.is_empty();
        if let Some(stdio) = self.stdio.as_ref().filter(|_| self.shared) {
            stdio.share(true);
        }
        // The number of a task that is gone is given again.
        self.tasks.retain(|(held, _)| *held != task);
        self.tasks.push((task, Arc::clone(call)));
    }

    /// Calls that entered and may have left something behind.
    pub(crate) fn served(&self) -> usize {
        self.tasks.len()
    }

    /// Others may come in through `worker`.
    pub(crate) fn opens(&mut self, worker: &Arc<Worker>) {
        self.worker = Some(Arc::clone(worker));
    }

    pub(crate) fn worker(&self) -> Option<&Arc<Worker>> {
        self.worker.as_ref()
    }

    /// What follows is the doing of `call`.
    fn turns_to(&mut self, call: Arc<Call>) {
        if let Some(worker) = &self.worker {
            worker.charge(&call, call.clock.now());
        }
        if self.call().is_some_and(|current| Arc::ptr_eq(current, &call)) {
            return;
        }
        if let Some(stdio) = &self.stdio {
            stdio.serve(Some(Arc::clone(&call)));
        }
        call.memory_is(self.memory.used());
        self.hooks.call = Some(Arc::clone(&call));
        self.memory.call = Some(call);
    }

    /// The call has ended; the instance waits for its next.
    pub(crate) fn end(&mut self) {
        if let Some(stdio) = &self.stdio {
            stdio.serve(None);
        }
        self.tasks.clear();
        self.shared = false;
        self.worker = None;
    }

    /// What this component may use.
    pub(crate) fn lent(&self) -> &Arc<Lent> {
        &self.hooks.lent
    }

    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

/// A task that no call began asked for something that only a call may have.
#[derive(Debug, thiserror::Error)]
#[error("a task that belongs to no call asked for something")]
struct NobodysTask;

/// Finds out whose doing what follows is. In an instance that serves several calls it is the task that tells; one
/// that belongs to no call is refused, never taken for another's. Asked at the start of every function of ours in
/// which it matters who calls, before it waits.
pub(crate) fn find_caller(store: &mut StoreContextMut<'_, Guest>) -> wasmtime::Result<()> {
    if !store.data().shared {
        return Ok(());
    }
    let first = store.async_call_stack()?.last();
    let guest = store.data_mut();
    let held = guest.tasks.iter().find(|(task, _)| Some(*task) == first);
    let call = held.map(|(_, call)| Arc::clone(call)).ok_or(NobodysTask)?;
    guest.turns_to(call);
    Ok(())
}

/// The instance has failed: every call inside is told before what the guest held is dropped.
pub(crate) fn fails(store: &mut Store<Guest>) {
    // Where it trapped, the task that did is still the current one; where not, who was last found is as near as it
    // can be told.
    let _ = find_caller(&mut store.as_context_mut());
    let guest = store.data();
    let Some(call) = guest.call() else { return };
    call.fails();
    if let Some(worker) = guest.worker() {
        worker.charge(call, call.clock.now());
        worker.fails();
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (lent, call) = (&self.hooks.lent, &self.memory.call);
        let ctx = self.wasi.get_or_insert_with(|| {
            let stdio = self.stdio.insert(Stdio::new(Arc::clone(lent.log()), call.clone()));
            stdio.share(self.shared);
            Box::new(services::wasi(lent, stdio))
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

struct Hooks {
    lent: Arc<Lent>,
    call: Option<Arc<Call>>,
}

type Sent = wasmtime_wasi_http::Result<(http::Response<WasiBody>, Io)>;
type Io = Box<dyn Future<Output = Result<(), HttpError>> + Send>;

/// Asked of every header of every request: a list made once, not on each question.
static FORBIDDEN: [HeaderName; 9] = wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        FORBIDDEN.contains(name)
    }

    /// The client writes it, by what the protocol asks for.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let sent = self.lent.send(request, options, self.call.clone());
        // The pool's own tasks drive connections, so nothing is left to be driven.
        Box::new(async move { Ok((sent?.await?, Box::new(std::future::ready(Ok(()))) as Io)) })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        crate::body::CHUNKS_MAX
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        crate::body::CHUNK_BYTES_MAX
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        crate::body::CHUNK_BYTES_MAX
    }
}
