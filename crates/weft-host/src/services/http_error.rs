//! `http-error-code` of `wasi:http/types@0.2`: why a body broke off. wasmtime's own looks for one of two types that it
//! puts into a stream's error, and not for the one that bodies end with, so guests were told nothing.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::{
    Error as HttpError,
    p2::bindings::http::types::{ErrorCode, TlsAlertReceivedPayload},
};

use crate::guest::Guest;

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance("wasi:http/types@0.2.12")?;
    types.func_wrap("http-error-code", |mut store, (error,): (Resource<wasmtime::Error>,)| {
        let error = store.data_mut().table().get(&error)?;
        let known = error.downcast_ref::<ErrorCode>().cloned();
        Ok((known.or_else(|| error.downcast_ref::<HttpError>().map(of_body)),))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What a body can end with; see `outbound::error` and `body`.
fn of_body(error: &HttpError) -> ErrorCode {
    match error {
        HttpError::HttpRequestBodySize(size) => ErrorCode::HttpRequestBodySize(*size),
        HttpError::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        HttpError::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        HttpError::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        HttpError::HttpProtocolError => ErrorCode::HttpProtocolError,
        HttpError::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        HttpError::ConnectionTimeout => ErrorCode::ConnectionTimeout,
        HttpError::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        HttpError::TlsAlertReceived { alert_id, alert_message } => {
            let (alert_id, alert_message) = (*alert_id, alert_message.clone());
            ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload { alert_id, alert_message })
        }
        other => ErrorCode::InternalError(Some(other.to_string())),
    }
}
