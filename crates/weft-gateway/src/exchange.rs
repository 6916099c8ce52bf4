//! One request from its head to the last byte of its answer, and what is told of it when it is over.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use http::{Method, StatusCode, Version};
use weft_fault::{Harmed, Kinds};
use weft_traffic::{CompiledRoute, Table, feature::Features, forwarded::Client};
use weft_types::{Class, Code, Identity, InvocationId, Timestamp, Trace, code};

use crate::{
    edge::Senses, errand::Errand, feature::Asked, inflow::Meter, observe::Observed, rates::Quota, socket::Socket,
    split::Taken, status::status,
};

/// What nginx taught everyone to call a client that left before the head of its answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Dropping it tells the observer. Until it is answered, that means a client that left.
pub(crate) struct Exchange {
    pub(crate) id: InvocationId,
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) started: Timestamp,
    pub(crate) trace: Trace,
    pub(crate) table: Arc<Table>,
    pub(crate) route: Option<u32>,
    /// Who is calling, as far as it can be known.
    pub(crate) client: Client,
    /// Of the request's body, where it has one.
    pub(crate) meter: Option<Arc<Meter>>,
    pub(crate) answered: Option<Answered>,
    /// Of a route with a rate limit: what its answer says of it.
    pub(crate) quota: Option<Quota>,
    /// Of a route with features: what the request's head decides about its answer.
    pub(crate) asked: Option<Box<Asked>>,
    /// Who was proven to be calling, on a route that asks.
    pub(crate) identity: Option<Arc<Identity>>,
    /// What it changes, if it changes anything that may be kept in a cache.
    pub(crate) spoils: Option<Arc<str>>,
    /// Of a split route: who answers.
    pub(crate) taken: Option<Box<Taken>>,
    /// Of a handshake that was let in.
    pub(crate) socket: Option<Arc<Socket>>,
    /// What is done to it on purpose, here at the edge.
    pub(crate) harmed: Option<Box<Harmed>>,
    /// The same, and what was done to it behind the door.
    pub(crate) injected: Kinds,
    pub(crate) senses: Arc<Senses>,
}

/// The head of an answer, and how its body fared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) class: Class,
    pub(crate) code: Option<Code>,
    pub(crate) bytes: u64,
    pub(crate) complete: bool,
}

impl Answered {
    /// Nobody is there to be answered.
    fn nobody() -> Self {
        let status = StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::BAD_REQUEST);
        Self { status, class: Class::CallerFault, code: Some(code::CLIENT_GONE), bytes: 0, complete: false }
    }

    /// Never answered: a client that left, unless it was we who ended it.
    fn never(code: Code) -> Self {
        let class = if code == code::CLIENT_GONE { Class::CallerFault } else { Class::Failure };
        Self::new(status(code), class, Some(code))
    }

    pub(crate) fn new(status: StatusCode, class: Class, code: Option<Code>) -> Self {
        match code {
            Some(code::CLIENT_GONE) => Self::nobody(),
            code => Self { status, class, code, bytes: 0, complete: false },
        }
    }
}

impl Exchange {
    /// Why nobody waits for the answer, or the rest of it, any more.
    pub(crate) fn gone(&self) -> Code {
        match std::thread::panicking() {
            true => code::INTERNAL,
            false if self.senses.cut_off.load(Relaxed) => code::DRAINING,
            false => code::CLIENT_GONE,
        }
    }

    /// What the route does besides routing. `None` for most.
    pub(crate) fn features(&self) -> Option<&Features> {
        self.route()?.spec.features.as_deref()
    }

    /// The same, for what outlives this exchange.
    pub(crate) fn shared_features(&self) -> Option<Arc<Features>> {
        self.route()?.spec.features.clone()
    }

    /// What is done for it behind the door.
    pub(crate) fn errand(&self) -> Errand {
        Errand {
            id: self.id,
            trace: self.trace.clone(),
            meter: self.meter.clone(),
            head_only: self.method == Method::HEAD,
            patience: self.route().map_or(Duration::ZERO, |route| route.spec.policy.idle),
            lifetime: self.route().map_or(Duration::ZERO, |route| route.spec.policy.lifetime),
        }
    }

    pub(crate) fn route(&self) -> Option<&CompiledRoute> {
        self.route.and_then(|index| self.table.routes().get(index as usize))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(observer) = &self.senses.observer else { return };
        let Answered { status, class, mut code, bytes, mut complete } =
            self.answered.unwrap_or_else(|| Answered::never(self.gone()));
        let mut bytes = (self.meter.as_ref().map_or(0, |meter| meter.bytes()), bytes);
        let switched = self.socket.as_ref().and_then(|socket| socket.open_since());
        if let (Some(socket), Some(_)) = (&self.socket, switched) {
            code = socket.ended().unwrap_or_else(|| Some(self.gone()));
            (bytes, complete) = (socket.bytes(), code.is_none());
            self.route().into_iter().for_each(|route| observer.socket(route, false));
        }
        observer.request(&Observed {
            id: self.id,
            trace: &self.trace,
            table: &self.table,
            route: self.route(),
            arm: self.taken.as_ref().map(|taken| taken.arm),
            method: &self.method,
            version: self.version,
            status,
            class,
            code,
            started: self.started,
            ended: self.senses.clock.now(),
            switched,
            injected: self.injected,
            bytes_in: bytes.0,
            bytes_out: bytes.1,
            complete,
            identity: self.identity.as_ref(),
            limit: self.quota.map(|quota| quota.verdict),
        });
    }
}
