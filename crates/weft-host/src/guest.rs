//! What a store holds: one instance's host-side state.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::{call::Call, grants::Grants, limits::Memory};

/// Resources that one instance may hold at once.
const RESOURCES_MAX: usize = 10_000;

pub(crate) struct Guest {
    table: ResourceTable,
    /// Made when the guest first asks for something of WASI: most small handlers never do, and it is dear to build.
    wasi: Option<Box<WasiCtx>>,
    http: WasiHttpCtx,
    hooks: Hooks,
    pub(crate) memory: Memory,
    grants: Arc<Grants>,
}

impl Guest {
    pub(crate) fn new(grants: Arc<Grants>, memory_limit: u64) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Self { table, wasi: None, http: WasiHttpCtx::new(), hooks: Hooks, memory: Memory::new(memory_limit), grants }
    }

    /// The call in progress.
    pub(crate) fn call(&self) -> Option<&Arc<Call>> {
        self.memory.call.as_ref()
    }

    /// Hands the instance to its next call.
    pub(crate) fn begin(&mut self, call: Arc<Call>) {
        call.memory_is(self.memory.used());
        self.memory.call = Some(call);
    }
}

/// An environment and folders, and nothing else: no arguments, no sockets, no inherited streams.
fn wasi(grants: &Grants) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    for (key, value) in &grants.env {
        builder.env(key, value);
    }
    for folder in &grants.files {
        let perms = if folder.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        if let Err(error) = builder.preopened_dir(&folder.from, &folder.to, perms) {
            tracing::error!(folder = %folder.from.display(), %error, "cannot open a granted folder");
        }
    }
    builder.build()
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let grants = &self.grants;
        let ctx = self.wasi.get_or_insert_with(|| Box::new(wasi(grants)));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

struct Hooks;

type Sent = wasmtime_wasi_http::Result<(http::Response<WasiBody>, Io)>;
type Io = Box<dyn Future<Output = Result<(), HttpError>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _fut: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async { Err(HttpError::HttpRequestDenied) })
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
