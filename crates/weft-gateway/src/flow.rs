//! An answer's body on its way out: keeps the exchange in flight until its last frame, or until nobody wants it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use weft_types::Fault;

use crate::pulse::InFlight;

pub(crate) struct Flow<B> {
    /// `None`: the answer has none, and what would be its body is kept elsewhere.
    body: Option<B>,
    exchange: Option<InFlight>,
}

impl<B> Flow<B> {
    pub(crate) fn new(body: B, mut exchange: InFlight) -> Self {
        exchange.answered();
        Self { body: Some(body), exchange: Some(exchange) }
    }

    /// No body, and nothing to keep in flight.
    pub(crate) fn none() -> Self {
        Self { body: None, exchange: None }
    }
}

impl<B: HttpBody<Data = Bytes, Error = Fault> + Unpin> HttpBody for Flow<B> {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.exchange.iter().for_each(InFlight::asked);
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        match frame {
            Some(_) => self.exchange.iter().for_each(InFlight::handed),
            None => self.exchange = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
