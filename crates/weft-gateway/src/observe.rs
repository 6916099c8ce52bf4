//! The seam to telemetry: a call when a request's route is known, one when its last byte has left or nobody wants it
//! any more, and one for what befalls a connection.

use std::sync::Arc;

use http::{Method, StatusCode, Version};
use weft_fault::Kinds;
use weft_traffic::{CompiledRoute, Table, gcra::Verdict};
use weft_types::{Class, Code, Identity, InvocationId, Timestamp, Trace};

/// Told of requests and connections. Called on a connection's task: it must not block.
pub trait Observer: Send + Sync {
    /// A request's head has been looked at. `None`: no route matched, or the head was refused.
    ///
    /// One call of [`Observer::request`] with the same route follows, whatever becomes of the request.
    fn began(&self, route: Option<&CompiledRoute>) {
        let _ = route;
    }

    /// A request is over.
    fn request(&self, observed: &Observed<'_>);

    /// A copy of a request was answered, or failed, by the route's mirror.
    fn mirrored(&self, route: &CompiledRoute, class: Class) {
        let _ = (route, class);
    }

    /// A head was refused that could not be read, or did not come in time: there is no request to tell of.
    fn refused(&self, code: Code) {
        let _ = code;
    }

    /// A request of this route became a WebSocket (`open`), or such a one has ended. It is told of by
    /// [`Observer::request`] as well, when it has ended.
    fn socket(&self, route: &CompiledRoute, open: bool) {
        let _ = (route, open);
    }

    /// Something befell a connection. `secure`: on a listener that speaks TLS.
    fn connection(&self, event: ConnectionEvent, secure: bool) {
        let _ = (event, secure);
    }
}

/// What befalls a connection, or what should have become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionEvent {
    Accepted,
    /// Accepting failed for a reason of ours, such as too many open files; it is tried again.
    AcceptFailed,
    HandshakeFailed,
    /// It did not begin with the PROXY header that it must begin with.
    ProxyHeaderFailed,
}

/// A request that is over.
#[derive(Debug)]
pub struct Observed<'a> {
    pub id: InvocationId,
    pub trace: &'a Trace,
    /// The routes among which one was looked for.
    pub table: &'a Arc<Table>,
    /// `None`: none matched, or the request was refused before one was looked for.
    pub route: Option<&'a CompiledRoute>,
    /// Of a split route, which of its arms answered.
    pub arm: Option<usize>,
    pub method: &'a Method,
    pub version: Version,
    /// What was sent; 499 for a client that left before the head of its answer.
    pub status: StatusCode,
    pub class: Class,
    /// Our failure, if it was one; of a body that broke off, why; `client-gone` for a client that left.
    pub code: Option<Code>,
    pub started: Timestamp,
    pub ended: Timestamp,
    /// When it became a WebSocket. What it took until then is the request's duration.
    pub switched: Option<Timestamp>,
    /// What was done on purpose on its way.
    pub injected: Kinds,
    /// Body bytes read of the request, and handed to the connection of the answer.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Whether the answer was handed over to its last byte.
    pub complete: bool,
    /// Who was proven to be calling.
    pub identity: Option<&'a Arc<Identity>>,
    /// What the route's rate limit said.
    pub limit: Option<Verdict>,
}
