//! The bytes of one connection, as hyper sees them, with what the gateway needs to know about them.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use weft_types::{Code, code};

use crate::{handler::Refuse, pulse::Pulse};

/// A stream whose first bytes were already looked at, and which tells its pulse when bytes come and go.
pub(crate) struct Io<S> {
    stream: S,
    /// Read while the protocol was found out; served before anything else.
    first: Bytes,
    pulse: Arc<Pulse>,
    has_read: bool,
    /// Bytes of HTTP/2 say nothing about heads; and what hyper answers by itself is in frames.
    h2: bool,
    refuse: Arc<dyn Refuse>,
    /// An answer of ours that takes the place of hyper's own.
    instead: Option<Bytes>,
    /// How long the peer's end is kept from hyper.
    grace: Option<Pin<Box<Sleep>>>,
}

/// Whoever closes its side while it waits has left, or has said all and still listens: nobody can tell. It is taken
/// for the second for so long, so that what is answered quickly reaches it, and then for the first.
const GRACE: Duration = Duration::from_millis(100);

impl<S> Io<S> {
    pub(crate) fn new(stream: S, first: Bytes, pulse: Arc<Pulse>, refuse: Arc<dyn Refuse>, h2: bool) -> Self {
        Self { stream, h2, has_read: !first.is_empty(), first, pulse, refuse, instead: None, grace: None }
    }

    /// Whether the peer ever sent anything.
    pub(crate) fn has_read(&self) -> bool {
        self.has_read
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// The stream, and what was read of it that nobody has seen.
    pub(crate) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.first)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Io<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if this.first.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        } else {
            let n = this.first.len().min(buf.remaining());
            buf.put_slice(&this.first[..n]);
            this.first.advance(n);
        }
        if buf.filled().len() == before && buf.remaining() > 0 && !this.h2 && this.pulse.is_busy() {
            let grace = this.grace.get_or_insert_with(|| Box::pin(tokio::time::sleep(GRACE)));
            return grace.as_mut().poll(cx).map(Ok);
        }
        if buf.filled().len() > before {
            this.has_read = true;
            if !this.h2 {
                this.pulse.bytes_came(&buf.filled()[before..]);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Io<S> {
    fn wrote<T>(&self, written: &Poll<io::Result<T>>) {
        match written {
            Poll::Pending => self.pulse.write_stalled(),
            Poll::Ready(_) => self.pulse.write_moved(),
        }
    }

    /// hyper refuses a head that it cannot parse by itself, with nothing but a status. Such a refusal comes while
    /// nothing is being answered; an answer with a code takes its place.
    fn is_hypers_own(&mut self, buf: &[u8]) -> bool {
        if self.instead.is_none() && !self.h2 && !self.pulse.is_answering() {
            self.instead = refusal(buf).map(|code| self.refuse.refuse(code, self.pulse.now()));
        }
        self.instead.is_some()
    }

    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(answer) = self.instead.as_mut().filter(|answer| answer.has_remaining()) {
            let written = Pin::new(&mut self.stream).poll_write(cx, answer);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => answer.advance(n),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What hyper means by an answer that it made up itself.
fn refusal(answer: &[u8]) -> Option<Code> {
    match answer.strip_prefix(b"HTTP/1.1 ".as_slice()).or(answer.strip_prefix(b"HTTP/1.0 "))?.get(..3)? {
        b"400" => Some(code::BAD_REQUEST),
        b"414" | b"431" => Some(code::HEAD_TOO_LARGE),
        _ => None,
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Io<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_hypers_own(buf) {
            return self.poll_instead(cx).map_ok(|()| buf.len());
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.first().is_some_and(|buf| self.is_hypers_own(buf)) {
            let all = bufs.iter().map(|buf| buf.len()).sum();
            return self.poll_instead(cx).map_ok(|()| all);
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.pulse.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
