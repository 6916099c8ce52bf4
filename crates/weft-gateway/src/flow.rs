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
    body: B,
    exchange: Option<InFlight>,
}

impl<B> Flow<B> {
    pub(crate) fn new(body: B, mut exchange: InFlight) -> Self {
        exchange.answered();
        Self { body, exchange: Some(exchange) }
    }
}

impl<B: HttpBody<Data = Bytes, Error = Fault> + Unpin> HttpBody for Flow<B> {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.exchange.iter().for_each(InFlight::asked);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match frame {
            Some(_) => self.exchange.iter().for_each(InFlight::handed),
            None => self.exchange = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
