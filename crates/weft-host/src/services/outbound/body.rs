//! Bodies of calls to others: streamed both ways, counted for the call that makes them, bounded in silence.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use super::error;
use crate::call::Call;

/// What the guest sends.
pub(super) struct Outward {
    pub(super) inner: WasiBody,
    pub(super) call: Option<Arc<Call>>,
}

impl Body for Outward {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(call)) = (&polled, &self.call) {
            call.count_out(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What the guest receives.
pub(super) struct Inward {
    inner: Incoming,
    call: Option<Arc<Call>>,
    /// Longest silence between two frames.
    silence: Duration,
    /// Armed while a frame is waited for.
    timer: Option<Pin<Box<Sleep>>>,
    _request: OwnedSemaphorePermit,
}

impl Inward {
    pub(super) fn new(
        inner: Incoming,
        call: Option<Arc<Call>>,
        silence: Duration,
        request: OwnedSemaphorePermit,
    ) -> Self {
        Self { inner, call, silence, timer: None, _request: request }
    }
}

impl Body for Inward {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.timer = None;
                if let (Some(Ok(frame)), Some(call)) = (&frame, &this.call) {
                    call.count_in(frame.data_ref().map_or(0, Bytes::len));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(|error| error::of_body(&error))))
            }
            Poll::Pending => {
                let silence = this.silence;
                let until = || Box::pin(tokio::time::sleep_until(Instant::now() + silence));
                let timer = this.timer.get_or_insert_with(until);
                timer.as_mut().poll(cx).map(|()| Some(Err(HttpError::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
