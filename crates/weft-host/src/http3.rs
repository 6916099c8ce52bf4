//! Running `wasi:http/handler@0.3`.

use std::{future::poll_fn, sync::Arc};

use crate::{
    body::HttpBody,
    call::{Call, Head},
    guest::Guest,
};
use wasmtime::Store;
use wasmtime_wasi_http::{
    Error as HttpError, WasiHttpView,
    p3::{Request, bindings::Service},
};

/// Hands `request` to the guest, and runs its event loop until it has no more work and its body was read.
pub(crate) async fn handle(
    store: &mut Store<Guest>,
    service: &Service,
    request: http::Request<HttpBody>,
    call: &Arc<Call>,
) -> wasmtime::Result<()> {
    let view = store.data_mut().http();
    let (request, sent) = Request::from_http(view.hooks, request);
    store
        .run_concurrent(async |accessor| {
            match service.handle(accessor, request).await? {
                Ok(response) => {
                    let response =
                        accessor.with(|mut store| response.into_http_with_getter(&mut store, sent, Guest::http))?;
                    call.answer(Head::Response(response));
                }
                Err(error) => call.answer(Head::Error(HttpError::from(error))),
            }
            poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
            call.body_done.notified().await;
            Ok(())
        })
        .await?
}
