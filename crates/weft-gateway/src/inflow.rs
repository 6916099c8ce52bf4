//! A request's body on its way in: a frame at a time, never more than the route accepts, never standing still
//! for longer than it may.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};
use weft_traffic::forwarded;
use weft_types::{Code, Fault, Ran, code};

use crate::{guard, hop, pulse::Pulse};

/// What the exchange wants to know about a body that somebody else reads.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    broken: Mutex<Option<Code>>,
    waker: AtomicWaker,
}

impl Meter {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Why the body will not be read to its end, if so. Call [`Meter::listen`] before.
    pub(crate) fn broken(&self) -> Option<Code> {
        *self.broken.lock()
    }

    pub(crate) fn listen(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    fn breaks(&self, code: Code) {
        *self.broken.lock() = Some(code);
        self.waker.wake();
    }
}

pub(crate) struct Inflow {
    body: Incoming,
    meter: Arc<Meter>,
    /// Bytes that may still come.
    left: u64,
    idle: Duration,
    /// Made on the first pause, and moved on at each later one.
    timer: Option<Pin<Box<Sleep>>>,
    armed: bool,
    over: bool,
    trailed: bool,
    wire: Wire,
}

/// How a body comes.
pub(crate) enum Wire {
    /// As many bytes as the head said (HTTP/1).
    Bytes,
    /// In chunks, on the connection with this pulse (HTTP/1).
    Chunks(Arc<Pulse>),
    /// On a stream of its own (HTTP/2).
    Stream,
}

impl Inflow {
    pub(crate) fn new(body: Incoming, bytes_max: u64, idle: Duration, wire: Wire) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        let (left, timer, armed, over, trailed) = (bytes_max, None, false, false, false);
        let inflow = Self { body, meter: Arc::clone(&meter), left, idle, timer, armed, over, trailed, wire };
        (inflow, meter)
    }

    fn fail(&mut self, code: Code, source: Option<hyper::Error>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.over = true;
        self.meter.breaks(code);
        let fault = Fault::new(code, Ran::Maybe);
        Poll::Ready(Some(Err(match source {
            Some(source) => fault.source(source),
            None => fault,
        })))
    }

    fn paused(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if !self.armed {
            let at = Instant::now() + self.idle;
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(at),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(at))),
            }
            self.armed = true;
        }
        match self.timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => self.fail(code::REQUEST_TIMEOUT, None),
            _ => Poll::Pending,
        }
    }
}

impl HttpBody for Inflow {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => return self.paused(cx),
            Poll::Ready(frame) => frame,
        };
        self.armed = false;
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    hop::strip_trailers(trailers);
                    // No more than in the head may a client say who it is, or who came before it.
                    guard::strip(trailers);
                    forwarded::strip(trailers);
                    self.trailed = true;
                }
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if bytes > self.left {
                    return self.fail(code::BODY_TOO_LARGE, None);
                }
                self.left -= bytes;
                self.meter.bytes.fetch_add(bytes, Relaxed);
                Poll::Ready(Some(Ok(frame)))
            }
            // A body that breaks off is a client that left; one that cannot be read is a client in error.
            Some(Err(error)) => {
                let gone = error.is_incomplete_message() || error.is_canceled() || error.is_closed() || left(&error);
                self.fail(if gone { code::CLIENT_GONE } else { code::BAD_REQUEST }, Some(error))
            }
            // hyper takes a stream reset with NO_ERROR for a body's end. Its client left in the middle all the same.
            None if matches!(self.wire, Wire::Stream) && !self.body.is_end_stream() => {
                self.fail(code::CLIENT_GONE, None)
            }
            None => {
                self.over = true;
                if let (Wire::Chunks(pulse), false) = (&self.wire, self.trailed) {
                    pulse.chunks_end();
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether the transport broke or the client gave up, and not what came was wrong.
fn left(error: &hyper::Error) -> bool {
    use std::{error::Error, io::ErrorKind};
    let Some(source) = error.source() else { return false };
    if let Some(stream) = source.downcast_ref::<h2::Error>() {
        return stream.is_remote() || stream.is_io();
    }
    let io = source.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| !matches!(io.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData))
}
