//! Calls that guests make over HTTP. One implementation serves WASI 0.2 and 0.3.
//!
//! ```text
//! guest ─▶ rules: scheme, host, port ─▶ trace ─▶ pool ─▶ resolve ─▶ rules: address ─▶ connect ─▶ TLS ─▶ send
//! ```
//! The address that was judged is the address that is connected to, so a name that resolves anew to another one gains
//! nothing. Connections are pooled for each component alone: what one may reach, another may not.

mod body;
mod connect;
mod error;
mod send;
mod trace;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use weft_dial::Tls;
use weft_types::Pending;

use connect::Connector;
pub(crate) use send::{Sender, Told};

/// What a component may call. Two questions, and both answers must be yes.
pub trait OutboundRules: fmt::Debug + Send + Sync {
    /// Whether it may speak to this place at all. `host` has neither port nor brackets.
    fn allows(&self, https: bool, host: &str, port: u16) -> bool;

    /// Whether a host that it may speak to may be at this address.
    fn allows_address(&self, host: &str, address: IpAddr) -> bool;
}

/// Where names become addresses: a seam for tests and simulation.
pub trait Resolve: Send + Sync {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, io::Result<Vec<SocketAddr>>>;
}

/// How this node calls out.
#[derive(Clone)]
pub struct OutboundOptions {
    pub resolver: Arc<dyn Resolve>,
    /// Trusted beside the platform's own certificate authorities.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Connections of all components together, idle ones included.
    pub connections_max: usize,
    /// Requests of one component that wait for their head or stream their body.
    pub requests_max: usize,
    /// Idle connections kept for each component and host, and for how long.
    pub idle_max: usize,
    pub idle: Duration,
    /// Limits where the guest names none. A guest may ask for less, or for more, but never beyond its deadline.
    pub connect_timeout: Duration,
    pub between_bytes_timeout: Duration,
}

impl Default for OutboundOptions {
    fn default() -> Self {
        Self {
            resolver: Arc::new(System),
            extra_roots: Vec::new(),
            connections_max: 4_096,
            requests_max: 512,
            idle_max: 32,
            idle: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            between_bytes_timeout: Duration::from_secs(60),
        }
    }
}

/// What all components share of calling out.
pub(crate) struct Outbound {
    options: OutboundOptions,
    tls: Tls,
    connections: Arc<Semaphore>,
}

impl Outbound {
    pub(crate) fn new(options: OutboundOptions) -> Arc<Self> {
        let tls = Tls::new(options.extra_roots.clone());
        let connections = Arc::new(Semaphore::new(options.connections_max.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { options, tls, connections })
    }
}

type Pool = legacy::Client<Connector, body::Outward>;

/// Head and header bounds of answers, by which a hostile server is stopped.
const HEAD_BYTES_MAX: usize = 128 << 10;
const HEADERS_MAX: usize = 256;

fn pool(outbound: &Arc<Outbound>, rules: &Arc<dyn OutboundRules>) -> Pool {
    let OutboundOptions { idle, idle_max, .. } = outbound.options;
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(idle)
        .pool_max_idle_per_host(idle_max)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .http1_max_headers(HEADERS_MAX)
        .http2_max_header_list_size(HEAD_BYTES_MAX as u32)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .build(Connector::new(Arc::clone(outbound), Arc::clone(rules)))
}

/// The system's resolver.
struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
