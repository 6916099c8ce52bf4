//! Running `wasi:http/incoming-handler@0.2`.

use std::sync::Arc;

use crate::{
    body::HttpBody,
    call::{Call, Head},
    guest::Guest,
};
use wasmtime::Store;
use wasmtime_wasi_http::{
    WasiHttpView,
    p2::bindings::{Proxy, http::types::Scheme},
};

/// Hands `request` to the guest and returns when the guest has: its answer comes earlier, through `call`.
pub(crate) async fn handle(
    store: &mut Store<Guest>,
    proxy: &Proxy,
    request: http::Request<HttpBody>,
    call: &Arc<Call>,
) -> wasmtime::Result<()> {
    let https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
    let scheme = if https { Scheme::Https } else { Scheme::Http };
    let mut view = store.data_mut().http();
    let request = view.new_incoming_request(scheme, request)?;
    let answer = Arc::clone(call);
    let out = view.new_response_outparam_from_callback(move |result| {
        answer.answer(match result {
            Ok(response) => Head::Response(response),
            Err(error) => Head::Error(error.into()),
        });
    })?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
}
