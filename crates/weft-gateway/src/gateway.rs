//! Putting a gateway together, and starting it on a listener.

use std::sync::{Arc, atomic::AtomicBool};

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use weft_fault::Injector;
use weft_traffic::{Table, forwarded::Forwarding};
use weft_types::{Body, Clock, Invoke, SystemClock};

use crate::{
    Lanes, Limits, Listener, Observer, Randomness, Running, SystemRandomness,
    cache::Cache,
    edge::{Edge, Senses},
    handler::Plain,
    listen,
    mirror::Mirrors,
    rates::Rates,
    socket::Count,
};

/// Answers requests by the routes of a table, through one door. One gateway may serve several listeners.
#[derive(Clone)]
pub struct Gateway {
    door: Arc<dyn Invoke>,
    table: Arc<ArcSwap<Table>>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    observer: Option<Arc<dyn Observer>>,
    limits: Limits,
    lanes: Option<Arc<Lanes>>,
    faults: Option<Arc<Injector>>,
    /// Shared by all listeners: a limit is the route's, wherever requests come in.
    rates: Arc<Rates>,
    mirrors: Arc<Mirrors>,
    sockets: Arc<Count>,
    forwarding: Option<Arc<Forwarding>>,
    /// Shared by all listeners, as the routes are.
    cache: Arc<Cache>,
}

/// Of all that is kept for routes with a cache, unless a node says otherwise. Bytes.
const CACHE_BYTES: u64 = 64 << 20;

impl Gateway {
    pub fn new(door: Arc<dyn Invoke>, table: Arc<ArcSwap<Table>>) -> Self {
        Self {
            door,
            table,
            clock: Arc::new(SystemClock::new()),
            randomness: Arc::new(SystemRandomness),
            observer: None,
            faults: None,
            limits: Limits::default(),
            lanes: None,
            rates: Rates::new(),
            mirrors: Arc::default(),
            sockets: Arc::default(),
            forwarding: None,
            cache: Arc::new(Cache::new(CACHE_BYTES)),
        }
    }

    /// Must be the clock of whoever judges the deadlines of invocations.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    #[must_use]
    pub fn randomness(mut self, randomness: Arc<dyn Randomness>) -> Self {
        self.randomness = randomness;
        self
    }

    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Who says what is done to requests on purpose.
    #[must_use]
    pub fn faults(mut self, faults: Arc<Injector>) -> Self {
        self.faults = Some(faults);
        self
    }

    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Connections are served by these threads, and not by the runtime that accepts them.
    #[must_use]
    pub fn lanes(mut self, lanes: Arc<Lanes>) -> Self {
        self.lanes = Some(lanes);
        self
    }

    /// Which proxies in front are believed about who is calling; whoever answers is then told. Without it nobody is
    /// believed, and nobody told.
    #[must_use]
    pub fn forwarding(mut self, forwarding: Forwarding) -> Self {
        self.forwarding = Some(Arc::new(forwarding));
        self
    }

    /// How many bytes are kept at most for all routes with a cache together. Forgets what is kept.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache = Arc::new(Cache::new(bytes));
        self
    }

    /// Serves until the result is drained or dropped. Must be called within a tokio runtime.
    pub fn serve(&self, listener: Listener) -> Running {
        let senses = Senses {
            clock: Arc::clone(&self.clock),
            randomness: Arc::clone(&self.randomness),
            observer: self.observer.clone(),
            faults: self.faults.clone(),
            cut_off: AtomicBool::new(false),
        };
        let edge = Edge {
            door: Arc::clone(&self.door),
            table: Arc::clone(&self.table),
            rates: Arc::clone(&self.rates),
            mirrors: Arc::clone(&self.mirrors),
            sockets: Arc::clone(&self.sockets),
            forwarding: self.forwarding.clone(),
            cache: Arc::clone(&self.cache),
            senses: Arc::new(senses),
        };
        let (clock, observer, lanes) = (Arc::clone(&self.clock), self.observer.clone(), self.lanes.clone());
        listen::run(listener, Arc::new(edge), self.limits, clock, observer, lanes)
    }
}

/// Serves a plain handler, with the same hygiene as a gateway's: for the admin API.
pub fn serve<F, R>(listener: Listener, limits: Limits, clock: Arc<dyn Clock>, handler: F) -> Running
where
    F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    listen::run(listener, Arc::new(Plain(handler)), limits, clock, None, None)
}
