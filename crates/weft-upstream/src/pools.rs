//! Connections, kept apart by thread: one that another thread drives costs a wake-up of that thread for each request.
//!
//! A connection is driven by the event loop on which it was opened. With one pool for all, half of the requests would
//! be handed over to another core and their answers back. The price: each thread opens its own.

use std::{
    sync::{Arc, OnceLock},
    thread::available_parallelism,
    time::Duration,
};

use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use weft_dial::Tls;
use weft_traffic::Wire;
use weft_types::thread_number;

use crate::{Options, connect::Connector, replay};

/// Connections of one thread.
pub(crate) type Pool = Client<Connector, replay::Copy>;

/// The connections to one upstream, for each thread that calls.
pub(crate) struct Pools {
    options: Options,
    tls: Arc<Tls>,
    /// Agrees on nothing but HTTP/1.1.
    tls_h1: Arc<Tls>,
    /// Twice as many as there are cores, so that threads which serve do not meet others.
    slots: Box<[Slot]>,
    /// Idle connections that each may keep for an endpoint.
    idle_max: usize,
}

#[derive(Default)]
struct Slot {
    /// HTTP/1.1, and HTTP/2 where TLS has agreed on it.
    agreed: OnceLock<Pool>,
    /// HTTP/2 with prior knowledge.
    h2: OnceLock<Pool>,
    /// HTTP/1.1 whatever TLS could agree on: only there can a connection go on as a WebSocket.
    h1: OnceLock<Pool>,
}

impl Pools {
    /// Connects to nothing yet.
    pub(crate) fn new(options: &Options) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let tls = || Tls::with(options.roots.clone(), options.identity.clone());
        Self {
            tls: Arc::new(tls()),
            tls_h1: Arc::new(tls().http1()),
            slots: (0..cores * 2).map(|_| Slot::default()).collect(),
            idle_max: options.idle_max.div_ceil(cores),
            options: options.clone(),
        }
    }

    /// This thread's connections of that wire, or those for a call that goes on as something else than HTTP.
    pub(crate) fn here(&self, wire: Wire, upgrade: bool) -> &Pool {
        let slot = &self.slots[thread_number() % self.slots.len()];
        match (upgrade, wire) {
            (true, _) => slot.h1.get_or_init(|| self.open(&self.tls_h1, false)),
            (false, Wire::H2c) => slot.h2.get_or_init(|| self.open(&self.tls, true)),
            (false, _) => slot.agreed.get_or_init(|| self.open(&self.tls, false)),
        }
    }

    fn open(&self, tls: &Arc<Tls>, h2: bool) -> Pool {
        let connector = Connector { tls: Arc::clone(tls), patience: self.options.connect_timeout };
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.options.idle)
            .pool_max_idle_per_host(self.idle_max)
            .http1_max_buf_size(Options::HEAD_MAX)
            .http2_only(h2)
            .http2_max_header_list_size(Options::HEAD_MAX as u32)
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(4 << 20)
            .http2_max_send_buf_size(256 << 10)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .build(connector)
    }
}
