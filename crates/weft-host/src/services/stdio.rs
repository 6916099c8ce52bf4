//! What a guest prints: cut into lines, tied to the call that printed them.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::{
    poll::Pollable,
    streams::{OutputStream, StreamError, StreamResult},
};

use super::log::{GuestLine, GuestLog, LogLevel, LogSource};
use crate::call::Call;

/// What is kept of a line that has no end yet; the rest of a longer one is passed over. More than any sink shows, so
/// that it sees that there was more.
const LINE_BYTES_MAX: usize = 24 << 10;
/// What a guest may write in one go.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Standard output and error of one instance.
pub(crate) struct Stdio {
    log: Arc<dyn GuestLog>,
    state: Mutex<State>,
}

struct State {
    call: Option<Arc<Call>>,
    /// The instance serves several calls at once: whoever opened a stream is who writes to it.
    shared: bool,
    out: Vec<u8>,
    err: Vec<u8>,
}

/// One of the two, as WASI sees it. All handles of a guest to it are one stream.
#[derive(Clone)]
pub(crate) struct Stream {
    stdio: Arc<Stdio>,
    source: LogSource,
    /// In whose call it was opened.
    opener: Option<Arc<Call>>,
}

impl Stdio {
    pub(crate) fn new(log: Arc<dyn GuestLog>, call: Option<Arc<Call>>) -> Arc<Self> {
        Arc::new(Self { log, state: Mutex::new(State { call, shared: false, out: Vec::new(), err: Vec::new() }) })
    }

    pub(crate) fn stdout(self: &Arc<Self>) -> Stream {
        Stream { stdio: Arc::clone(self), source: LogSource::Stdout, opener: None }
    }

    pub(crate) fn stderr(self: &Arc<Self>) -> Stream {
        Stream { stdio: Arc::clone(self), source: LogSource::Stderr, opener: None }
    }

    /// The instance serves another call, or none: what the last one left unfinished is its last line.
    pub(crate) fn serve(&self, call: Option<Arc<Call>>) {
        let mut state = self.state.lock();
        self.finish(&mut state);
        state.call = call;
    }

    pub(crate) fn share(&self, shared: bool) {
        self.state.lock().shared = shared;
    }

    fn finish(&self, state: &mut State) {
        let State { call, out, err, .. } = state;
        self.line(call.as_deref(), LogSource::Stdout, out);
        self.line(call.as_deref(), LogSource::Stderr, err);
    }

    fn write(&self, source: LogSource, opener: Option<&Arc<Call>>, bytes: &[u8]) {
        if !self.log.wants(LogLevel::Info) {
            return;
        }
        let mut state = self.state.lock();
        if let Some(opener) = opener.filter(|_| state.shared)
            && !state.call.as_ref().is_some_and(|call| Arc::ptr_eq(call, opener))
        {
            self.finish(&mut state);
            state.call = Some(Arc::clone(opener));
        }
        let State { call, out, err, .. } = &mut *state;
        let partial = if source == LogSource::Stdout { out } else { err };
        let mut parts = bytes.split(|byte| *byte == b'\n');
        // What follows the last line break waits for the rest of its line.
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            hold(partial, part);
            self.line(call.as_deref(), source, partial);
        }
        hold(partial, last);
    }

    fn line(&self, call: Option<&Call>, source: LogSource, partial: &mut Vec<u8>) {
        let line = partial.strip_suffix(b"\r").unwrap_or(partial);
        if !line.is_empty() {
            self.log.log(&GuestLine {
                source,
                level: LogLevel::Info,
                context: "",
                message: &String::from_utf8_lossy(line),
                invocation: call.map(|call| call.id),
                trace: call.map(|call| &call.trace),
            });
        }
        partial.clear();
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        self.serve(None);
    }
}

fn hold(partial: &mut Vec<u8>, part: &[u8]) {
    let room = LINE_BYTES_MAX.saturating_sub(partial.len());
    partial.extend_from_slice(&part[..part.len().min(room)]);
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        let opener = self.stdio.state.lock().call.clone();
        Box::new(Self { opener, ..self.clone() })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi_io::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_BYTES_MAX {
            return Err(StreamError::trap("more was written than check-write allows"));
        }
        self.stdio.write(self.source, None, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stdio.write(self.source, self.opener.as_ref(), bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
