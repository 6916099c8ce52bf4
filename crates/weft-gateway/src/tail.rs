//! An answer's body: as long as its head says, and observed until its end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use weft_types::{Blame, Body, Code, Fault, Ran, code};

use crate::{exchange::Exchange, hop, patience::Patience};

pub(crate) struct Tail {
    body: Body,
    /// Bytes that the head promised and that have not come yet. `None`: it promised nothing.
    owed: Option<u64>,
    sent: u64,
    over: bool,
    failed: Option<Code>,
    exchange: Exchange,
    patience: Option<Patience>,
    /// Trailers have been handed over: nothing follows, and hyper does not ask.
    trailed: bool,
}

impl Tail {
    pub(crate) fn new(body: Body, owed: Option<u64>, exchange: Exchange, patience: Option<Patience>) -> Self {
        Self { body, owed, sent: 0, over: false, failed: None, exchange, patience, trailed: false }
    }

    /// An answer that breaks off: the connection or stream is torn down by the error, so that nobody can take
    /// what came for the whole.
    fn broken(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.over = true;
        self.failed = Some(fault.code);
        let (id, code, source) = (self.exchange.id, fault.code, fault.source.as_ref().map(tracing::field::display));
        match fault.blame {
            _ if code == code::FAULT_INJECTED => {
                tracing::debug!(invocation = %id, %code, %fault, source, "answer broke off on purpose")
            }
            Blame::Platform => tracing::error!(invocation = %id, %code, %fault, source, "answer broke off"),
            Blame::Application => tracing::warn!(invocation = %id, %code, %fault, source, "answer broke off"),
            Blame::Caller => tracing::debug!(invocation = %id, %code, %fault, source, "answer broke off"),
        }
        Poll::Ready(Some(Err(fault)))
    }

    fn wrong_length(&mut self, how: &str) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let fault = Fault::new(code::GUEST_BODY_FAILED, Ran::Yes);
        self.broken(fault.detail(format!("the body is {how} than its content-length")))
    }
}

impl HttpBody for Tail {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let Some(patience) = &mut this.patience else { return Poll::Pending };
            let code = ready!(patience.poll(cx));
            return this.broken(Fault::new(code, Ran::Yes));
        };
        if let Some(Ok(_)) = frame
            && let Some(code) = this.patience.as_mut().and_then(Patience::moved)
        {
            return this.broken(Fault::new(code, Ran::Yes));
        }
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    this.trailed = true;
                    hop::strip_trailers(trailers);
                }
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(owed) = &mut this.owed {
                    match owed.checked_sub(bytes) {
                        Some(left) => *owed = left,
                        None => return this.wrong_length("longer"),
                    }
                }
                this.sent += bytes;
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(fault)) => this.broken(fault),
            None if this.owed.is_some_and(|owed| owed > 0) => this.wrong_length("shorter"),
            None => {
                this.over = true;
                Poll::Ready(None)
            }
        }
    }

    /// Never while bytes are owed: hyper would take the promise for kept.
    fn is_end_stream(&self) -> bool {
        self.over || (self.owed.is_none_or(|owed| owed == 0) && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.owed {
            Some(owed) if !self.over => SizeHint::with_exact(owed),
            _ => self.body.size_hint(),
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // Once all that was promised has come, nobody asks whether there is more.
        let complete = self.failed.is_none() && (self.is_end_stream() || self.trailed || self.owed == Some(0));
        let code = self.failed.or(if complete { None } else { Some(self.exchange.gone()) });
        if let Some(answered) = &mut self.exchange.answered {
            answered.code = answered.code.or(code);
            // What was answered to nobody is not complete, however little of it was held back.
            (answered.bytes, answered.complete) = (self.sent, complete && answered.code != Some(code::CLIENT_GONE));
        }
    }
}
