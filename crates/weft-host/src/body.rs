//! Bodies on their way between HTTP and a guest. Never held whole: a few chunks are in flight at most.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use wasmtime_wasi_http::Error as HttpError;
use weft_types::{Body, Fault, code};

use crate::call::Call;

/// Chunks that a 0.2 guest may write ahead of the client, and the size of one: 1 MiB at most for each response.
pub(crate) const CHUNKS_MAX: usize = 16;
pub(crate) const CHUNK_BYTES_MAX: usize = 64 << 10;

/// A body as wasmtime's HTTP faces know it.
pub(crate) type HttpBody = wasmtime_wasi_http::WasiBody;

/// A request's body on its way in, counted.
pub(crate) fn inward(body: Body, call: &Arc<Call>) -> HttpBody {
    if body.is_end_stream() {
        return Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    Inward { body, call: Arc::clone(call) }.boxed_unsync()
}

struct Inward {
    body: Body,
    call: Arc<Call>,
}

impl http_body::Body for Inward {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => {
                self.call.count_in(frame.data_ref().map_or(0, Bytes::len));
                Ok(frame)
            }
            Err(fault) => Err(to_http_error(&fault)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the guest is told when the body that it reads fails.
fn to_http_error(fault: &Fault) -> HttpError {
    match fault.code {
        code::BODY_TOO_LARGE => HttpError::HttpRequestBodySize(None),
        code::IDLE_TIMEOUT | code::REQUEST_TIMEOUT => HttpError::ConnectionReadTimeout,
        code::CLIENT_GONE => HttpError::ConnectionTerminated,
        _ => HttpError::InternalError(Some(fault.code.as_str().to_owned())),
    }
}
