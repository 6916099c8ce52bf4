//! One try at running something: what, for whom, until when, and why.

use std::{any::Any, num::NonZeroU32, sync::Arc};

use bytes::Bytes;

use crate::{Body, Digest, IdempotencyKey, InvocationId, Key, Name, Timestamp, Trace};

/// One try. Everything that a batch and its tries share lies in `context`.
#[derive(Debug)]
pub struct Invocation {
    pub id: InvocationId,
    pub key: Option<Key>,
    pub payload: Payload,
    /// Bounds the Head. Whatever this call calls inherits what remains of it.
    pub deadline: Timestamp,
    pub attempt: NonZeroU32,
    pub idempotency: Option<IdempotencyKey>,
    pub origin: Origin,
    pub trace: Trace,
    pub context: Arc<Context>,
}

/// Who calls what. Shared by a batch and its tries, and, for a route without identity, by all of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    pub target: Target,
    pub caller: Caller,
    pub tenant: Tenant,
    pub priority: Priority,
    pub chain: Chain,
}

impl Context {
    /// A call from outside by nobody in particular.
    pub fn anonymous(target: Target) -> Self {
        Self {
            target,
            caller: Caller::Anonymous,
            tenant: Tenant::default(),
            priority: Priority::Default,
            chain: Chain::default(),
        }
    }
}

/// What is to run: a component of one immutable revision, and for typed calls which function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    pub application: Name,
    pub revision: Digest,
    pub component: Name,
    /// `package:interface/name.function` for a typed call; `None` for the component's HTTP handler.
    pub function: Option<Arc<str>>,
}

/// Who is calling, as proven to the gateway or known to the host. Never taken from a client's header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    Anonymous,
    /// An authenticated subject, as `AUTH/SUBJECT`: the declaration that proved it, and whom it named.
    Identity(Arc<str>),
    /// Another component of this or another application.
    Component {
        application: Name,
        component: Name,
    },
    /// Weft itself: a schedule, a pump, an operator.
    Platform,
}

/// On whose behalf: the unit of fairness, sharing and isolation. The empty tenant is the only one by default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tenant(pub Option<Arc<str>>);

/// Lowest is shed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Priority {
    Batch,
    #[default]
    Default,
    Interactive,
    Health,
}

/// The invocations that led here, outermost first: bounds depth, and decides reentrancy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain(pub Arc<[InvocationId]>);

impl Chain {
    pub const DEPTH_MAX: usize = 16;

    /// The chain of whatever `id` calls; `None` when that would be too deep.
    #[must_use]
    pub fn then(&self, id: InvocationId) -> Option<Self> {
        let deeper = || self.0.iter().copied().chain([id]).collect();
        (self.0.len() < Self::DEPTH_MAX).then(|| Self(deeper()))
    }
}

/// Who is at the other end of the connection that an HTTP request came by: in the extensions of a request that is
/// passed on, so that a header can say it which no client can have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub core::net::SocketAddr);

/// In the extensions of a request: its client asks to go on with WebSocket. Whoever agrees answers 101, with hyper's
/// `OnUpgrade` in the extensions of the answer, from which its end of the bytes comes; the answer's body ends with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade;

/// What the code is given.
pub enum Payload {
    Http(Box<http::Request<Body>>),
    Values(Box<dyn Values>),
    Events(Arc<[Event]>),
    Bytes(Bytes),
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(request) => write!(f, "Http({} {})", request.method(), request.uri()),
            Self::Values(_) => f.write_str("Values(..)"),
            Self::Events(events) => write!(f, "Events({})", events.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
        }
    }
}

/// Typed values, opaque to every floor but the host's, which alone can encode them.
pub trait Values: Send {
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// What started this invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Http,
    /// A call from another component.
    Link,
    Event {
        topic: Name,
        seq: u64,
    },
    Queue {
        queue: Name,
        seq: u64,
    },
    Schedule {
        at: Timestamp,
    },
    Timer {
        at: Timestamp,
    },
    Actor,
    Workflow {
        step: u32,
    },
    /// A person at the command line.
    Command,
}

/// One event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub seq: u64,
    pub key: Option<Key>,
    pub content_type: Option<Arc<str>>,
    pub payload: Bytes,
    pub published: Timestamp,
    pub attempt: NonZeroU32,
}
