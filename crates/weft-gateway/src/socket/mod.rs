//! WebSockets that are passed through: a handshake like any request, and then bytes both ways that nobody interprets.
//!
//! ```text
//! handshake   good, from a page that may, one of as many as the route bears ─▶ the door, as an Invocation
//! switch      101 that answers this very handshake ─▶ 101 to the client · anything else: an answer like any other
//! tunnel      the connection's own task copies, until both ends have ended or a limit of the route is reached
//! ```
//!
//! Nothing that the client sends is passed on before the service has agreed: it stays in the connection's buffer, and is
//! the first thing that the service gets then, or the connection's next request if the service does not agree.

mod count;
pub(crate) mod handshake;
mod switch;
pub(crate) mod tunnel;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::upgrade::Upgraded;
use parking_lot::Mutex;
use weft_types::{Code, Timestamp};

pub(crate) use count::{Count, Place};

/// How long nothing may move, and how long it may last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) idle: Duration,
    pub(crate) lifetime: Duration,
}

/// One WebSocket, from its handshake to its end. Shared by its exchange and whoever copies.
pub(crate) struct Socket {
    limits: Limits,
    key: Option<http::HeaderValue>,
    _place: Option<Place>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The service has agreed: since when, and its end of the bytes until somebody copies.
    open: Option<Timestamp>,
    service: Option<Upgraded>,
    /// Copying is over: why, unless in peace.
    ended: Option<Option<Code>>,
}

impl Socket {
    pub(crate) fn new(limits: Limits) -> Self {
        let (bytes_in, bytes_out) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { limits, key: None, _place: None, bytes_in, bytes_out, state: Mutex::default() }
    }

    /// In and out.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.bytes_in.load(Relaxed), self.bytes_out.load(Relaxed))
    }

    fn came(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    fn left(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    /// When it became a WebSocket, if it did.
    pub(crate) fn open_since(&self) -> Option<Timestamp> {
        self.state.lock().open
    }

    /// Why copying ended, if it began at all.
    pub(crate) fn ended(&self) -> Option<Option<Code>> {
        self.state.lock().ended
    }

    fn open(&self, now: Timestamp, service: Upgraded) {
        let mut state = self.state.lock();
        (state.open, state.service) = (Some(now), Some(service));
    }

    pub(crate) fn end(&self, why: Option<Code>) {
        self.state.lock().ended = Some(why);
    }

    /// What the service says from here on. Once.
    pub(crate) fn service(&self) -> Option<Upgraded> {
        self.state.lock().service.take()
    }
}

/// In the extensions of an answer with status 101: what comes after it.
#[derive(Clone)]
pub(crate) struct Switch(pub(crate) Arc<Socket>);

/// What a connection is to do once its 101 has left. The answer's body ends the exchange when it is dropped.
pub(crate) struct Switched {
    pub(crate) socket: Arc<Socket>,
    pub(crate) _answer: Box<dyn Send>,
}
