//! The process: its clock, its floors, its listeners, and how it ends.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use weft_dispatch::Dispatch;
use weft_gateway::{BindError, Gateway, Limits, Listener, Running};
use weft_host::{Host, HostOptions};
use weft_telemetry::metrics::{Build, Metrics};
use weft_traffic::Table;
use weft_types::{Clock, Invoke, SystemClock};

use crate::deploy::Deployed;

pub struct NodeOptions {
    pub listen: SocketAddr,
    /// Where everything durable lies.
    pub data: PathBuf,
    pub limits: Limits,
}

pub struct Node {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) host: Host,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) table: Arc<ArcSwap<Table>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) deployed: Mutex<Deployed>,
    front: Mutex<Option<Running>>,
    address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the engine does not start: {0}")]
    Engine(String),
}

impl Node {
    /// Binds and serves. Nothing is deployed yet, so every request finds no route.
    pub fn start(options: NodeOptions) -> Result<Arc<Self>, NodeError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let listener = Listener::bind(options.listen)?;
        let address = listener.address();
        let mut host = HostOptions::new(Arc::clone(&clock));
        host.cache = Some(options.data.join("code"));
        let host = Host::new(host).map_err(|error| NodeError::Engine(format!("{error:#}")))?;
        let dispatch = Dispatch::new(Arc::clone(&clock));
        let table = Arc::new(ArcSwap::from_pointee(Table::default()));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let metrics = Metrics::new(Build { version: env!("CARGO_PKG_VERSION"), commit: "", wasmtime: "48" }, cores);
        let door: Arc<dyn Invoke> = Arc::clone(&dispatch) as _;
        let front = Gateway::new(door, Arc::clone(&table)).clock(Arc::clone(&clock)).limits(options.limits).serve(listener);
        let (deployed, front) = (Mutex::default(), Mutex::new(Some(front)));
        Ok(Arc::new(Self { clock, host, dispatch, table, metrics, deployed, front, address }))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, finishes what is in flight within `patience`. Returns how many connections were cut.
    pub async fn drain(&self, patience: Duration) -> usize {
        let front = self.front.lock().take();
        match front {
            Some(front) => front.drain(patience).await,
            None => 0,
        }
    }
}
