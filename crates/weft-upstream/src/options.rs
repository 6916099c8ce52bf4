//! How one upstream is called, and what enters it from outside of the wire.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;
use weft_dial::{Identity, Roots};
use weft_fault::Injector;
use weft_traffic::{Locality, Policy, UpstreamAddress, balance, breaker, budget, hedge, retry};
use weft_types::{Clock, Code, Context, Name, Randomness, Timestamp, Trace};

/// One place where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub address: UpstreamAddress,
    /// Its share of the calls beside the others'. 0: none.
    pub weight: u32,
    pub locality: Locality,
}

/// How endpoints are asked whether they are well: a GET now and then, which is to be answered with a 2xx in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub path: http::uri::PathAndQuery,
    /// What `Host` says; `None`: the endpoint's own.
    pub host: Option<http::HeaderValue>,
    /// From one question to the next, of each endpoint.
    pub interval: Duration,
    /// Longest wait for the head of an answer.
    pub timeout: Duration,
}

/// How one call is made, where many share an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub retry: retry::Options,
    /// It may be repeated, whatever its method.
    pub idempotent: bool,
}

impl Call {
    /// What a route's policy says of its calls.
    pub fn of(policy: &Policy) -> Self {
        Self { retry: policy.retry.options(), idempotent: policy.retry.idempotent }
    }
}

/// How one upstream is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For calls that say nothing else.
    pub call: Call,
    pub budget: budget::Options,
    /// `None`: there is none.
    pub breaker: Option<breaker::Options>,
    pub balance: balance::Options,
    /// `None`: nothing is hedged.
    pub hedge: Option<hedge::Options>,
    /// Until a connection stands, with TLS: for each try, and never past the deadline.
    pub connect_timeout: Duration,
    /// Idle connections kept for each endpoint, and for how long.
    pub idle_max: usize,
    pub idle: Duration,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// Who we say we are, where the service asks.
    pub identity: Option<Arc<Identity>>,
    /// `None`: nobody is asked whether it is well.
    pub health: Option<Health>,
}

impl Options {
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
    pub const IDLE_MAX: usize = 64;
    pub const IDLE: Duration = Duration::from_secs(30);
    /// Largest head of an answer in bytes. A larger one is `upstream-bad-answer`.
    pub const HEAD_MAX: usize = 64 << 10;
    /// Informational responses before an answer. More are `upstream-bad-answer`.
    pub const INFORMATIONAL_MAX: usize = 32;

    /// What a policy says of an upstream.
    pub fn of(policy: &Policy) -> Self {
        Self {
            call: Call::of(policy),
            budget: policy.retry.budget(),
            breaker: policy.breaker.options(),
            balance: policy.balance.options(),
            hedge: policy.hedge.options(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            idle_max: Self::IDLE_MAX,
            idle: Self::IDLE,
            roots: Roots::default(),
            identity: None,
            health: None,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::of(&Policy::default())
    }
}

/// Time, randomness, who is told, and where we are.
#[derive(Clone)]
pub struct Senses {
    pub here: Locality,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Randomness>,
    pub watch: Arc<dyn Watch>,
    /// `None`: nothing is harmed on purpose.
    pub faults: Option<Faulty>,
}

/// Whose tries may be harmed on purpose, and by whom.
#[derive(Clone)]
pub struct Faulty {
    pub injector: Arc<Injector>,
    pub application: Name,
    /// What people call the upstream.
    pub upstream: Arc<str>,
}

impl Senses {
    /// Randomness of the operating system, and nobody who is told.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { here: Locality::default(), clock, random: Arc::new(Drawn), watch: Arc::new(Silent), faults: None }
    }

    pub(crate) fn draw(&self) -> u64 {
        self.random.next() as u64
    }
}

/// Randomness seeded by the operating system.
struct Drawn;

impl Randomness for Drawn {
    fn next(&self) -> u128 {
        rand::random()
    }
}

impl fmt::Debug for Senses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Senses")
    }
}

/// Is told of every try, at its Head. On the request's path, so it must not wait.
pub trait Watch: Send + Sync {
    fn tried(&self, tried: &Tried<'_>);
}

/// Nobody is told.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Watch for Silent {
    fn tried(&self, _: &Tried<'_>) {}
}

/// One try that has its Head, or failed.
#[derive(Debug)]
pub struct Tried<'a> {
    pub context: &'a Context,
    /// As it was sent on: `span` is the try's own, `parent` that of the invocation.
    pub trace: &'a Trace,
    /// The invocation's own.
    pub within: &'a Trace,
    pub method: &'a http::Method,
    /// The endpoint in its canonical form.
    pub endpoint: &'a str,
    /// 1 for the first.
    pub attempt: u32,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub answer: Result<StatusCode, Code>,
}
