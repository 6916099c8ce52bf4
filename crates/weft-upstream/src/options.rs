//! How one upstream is called, and what enters it from outside of the wire.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;
use rustls::pki_types::CertificateDer;
use weft_traffic::{Policy, balance, breaker, budget, retry};
use weft_types::{Clock, Code, Context, Timestamp, Trace};

/// How one upstream is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub retry: retry::Options,
    pub budget: budget::Options,
    /// Every call may be repeated, whatever its method.
    pub idempotent: bool,
    /// `None`: there is none.
    pub breaker: Option<breaker::Options>,
    pub balance: balance::Options,
    /// Until a connection stands, with TLS: for each try, and never past the deadline.
    pub connect_timeout: Duration,
    /// Idle connections kept for each endpoint, and for how long.
    pub idle_max: usize,
    pub idle: Duration,
    /// Trusted beside the platform's own certificate authorities.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Options {
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
    pub const IDLE_MAX: usize = 64;
    pub const IDLE: Duration = Duration::from_secs(30);
    /// Largest head of an answer in bytes. A larger one is `upstream-bad-answer`.
    pub const HEAD_MAX: usize = 64 << 10;
    /// Informational responses before an answer. More are `upstream-bad-answer`.
    pub const INFORMATIONAL_MAX: usize = 32;

    /// What a route's policy says of its upstream.
    pub fn of(policy: &Policy) -> Self {
        Self {
            retry: policy.retry.options(),
            budget: policy.retry.budget(),
            idempotent: policy.retry.idempotent,
            breaker: policy.breaker.options(),
            balance: policy.balance.options(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            idle_max: Self::IDLE_MAX,
            idle: Self::IDLE,
            extra_roots: Vec::new(),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::of(&Policy::default())
    }
}

/// Time, randomness, and who is told.
#[derive(Clone)]
pub struct Senses {
    pub clock: Arc<dyn Clock>,
    /// Uniform, new with each call.
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub watch: Arc<dyn Watch>,
}

impl Senses {
    /// Randomness of the operating system, and nobody who is told.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, random: Arc::new(rand::random), watch: Arc::new(Silent) }
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
