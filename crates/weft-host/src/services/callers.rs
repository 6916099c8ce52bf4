//! The functions of WASI in which it matters who calls, for instances that serve several calls at once: the library's
//! own, with the caller found first.

use wasmtime::{
    AsContextMut, StoreContextMut,
    component::{Access, Accessor, Linker, Resource},
};
use wasmtime_wasi::{
    cli::{WasiCli, WasiCliView as _},
    p2::{
        DynOutputStream, StreamResult,
        bindings::io::streams::{self, HostOutputStream as _},
    },
    p3::bindings::cli,
};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView as _, p3::bindings::http};

use crate::guest::{Guest, find_caller};

type Store<'a> = StoreContextMut<'a, Guest>;

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut client = linker.instance("wasi:http/client@0.3.0")?;
    client.func_wrap_concurrent("send", |accessor, (request,)| Box::pin(send(accessor, request)))?;
    let mut output = linker.instance("wasi:io/streams@0.2.12")?;
    output.func_wrap("[method]output-stream.write", write)?;
    output.func_wrap_async("[method]output-stream.blocking-write-and-flush", |store, (stream, bytes)| {
        Box::new(write_and_flush(store, stream, bytes))
    })?;
    linker.instance("wasi:cli/stdout@0.3.0")?.func_wrap("write-via-stream", |store, (data,)| {
        Ok((<WasiCli as cli::stdout::HostWithStore<Guest>>::write_via_stream(printing(store)?, data)?,))
    })?;
    linker.instance("wasi:cli/stderr@0.3.0")?.func_wrap("write-via-stream", |store, (data,)| {
        Ok((<WasiCli as cli::stderr::HostWithStore<Guest>>::write_via_stream(printing(store)?, data)?,))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

type Sent = Result<Resource<http::types::Response>, http::types::ErrorCode>;

/// The caller is found in the first poll, while the guest that calls is on the stack; the library asks for it in the
/// same poll.
async fn send(accessor: &Accessor<Guest>, request: Resource<http::types::Request>) -> wasmtime::Result<(Sent,)> {
    accessor.with(|mut store| find_caller(&mut store.as_context_mut()))?;
    let accessor = accessor.with_getter::<WasiHttp>(Guest::http);
    match <WasiHttp as http::client::HostWithStore<Guest>>::send(&accessor, request).await {
        Ok(response) => Ok((Ok(response),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

type Written = (Result<(), streams::StreamError>,);

fn written(store: &mut Store<'_>, result: StreamResult<()>) -> wasmtime::Result<Written> {
    match result {
        Ok(()) => Ok((Ok(()),)),
        Err(error) => Ok((Err(streams::Host::convert_stream_error(store.data_mut().table(), error)?),)),
    }
}

fn write(mut store: Store<'_>, (stream, bytes): (Resource<DynOutputStream>, Vec<u8>)) -> wasmtime::Result<Written> {
    find_caller(&mut store)?;
    let result = store.data_mut().table().write(stream, bytes);
    written(&mut store, result)
}

async fn write_and_flush(
    mut store: Store<'_>,
    stream: Resource<DynOutputStream>,
    bytes: Vec<u8>,
) -> wasmtime::Result<Written> {
    find_caller(&mut store)?;
    let result = store.data_mut().table().blocking_write_and_flush(stream, bytes).await;
    written(&mut store, result)
}

/// What is printed from here on is the caller's.
fn printing(mut store: Store<'_>) -> wasmtime::Result<Access<'_, Guest, WasiCli>> {
    find_caller(&mut store)?;
    Ok(Access::new(store, |guest| guest.cli()))
}
