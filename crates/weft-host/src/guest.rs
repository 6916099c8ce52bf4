//! What a store holds: one instance's host-side state.

use std::sync::Arc;

use http::HeaderName;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::{
    call::Call,
    limits::Memory,
    services::{self, Counted, Lent, OpenSpans, Stdio},
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
    spans: OpenSpans,
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
            spans: OpenSpans::new(),
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
            stdio.serve(Some(Arc::clone(&call)));
        }
        self.spans.clear();
        self.hooks.call = Some(Arc::clone(&call));
        self.memory.call = Some(call);
    }

    /// The call has ended; the instance waits for its next.
    pub(crate) fn end(&mut self) {
        if let Some(stdio) = &self.stdio {
            stdio.serve(None);
        }
    }

    /// What this component may use.
    pub(crate) fn lent(&self) -> &Arc<Lent> {
        &self.hooks.lent
    }

    /// Spans of its own that the call has begun.
    pub(crate) fn open_spans(&mut self) -> &mut OpenSpans {
        &mut self.spans
    }

    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (lent, call) = (&self.hooks.lent, &self.memory.call);
        let ctx = self.wasi.get_or_insert_with(|| {
            let stdio = self.stdio.insert(Stdio::new(Arc::clone(lent.log()), call.clone()));
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
