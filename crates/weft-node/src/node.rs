//! The process: its floors, its listeners, and how it ends.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use weft_dispatch::Dispatch;
use weft_fault::Injector;
use weft_gateway::{
    BindError, CertificateFiles, ClientAuth, Gateway, Lanes, Limits, Listener, Running, SystemRandomness, Tls, TlsError,
};
use weft_host::{Host, HostOptions, Services};
use weft_manifest::{NodeConfig, Operators};
use weft_store::Store;
use weft_store_local::{LocalStore, OpenError};
use weft_telemetry::{
    otlp::{self, Exporter, Identity, OtlpError},
    trace::SpanSink,
};
use weft_traffic::{Locality, Table};
use weft_types::{Code, Invoke, Timestamp, code};
use weft_upstream::Senses;

use crate::{
    admin::Admin,
    deploy::World,
    door::Door,
    faults,
    faulty::Faulty,
    guest_logs::Sinks,
    guest_meters::EngineMeters,
    guest_spans::Spans,
    identity::Providers,
    keeper::Keeper,
    levels, limits,
    metered::Metered,
    notify::{self, NotifyError, Receiver},
    observe::{RouteMeters, Watcher},
    requests::Requests,
    secrets::{SecretError, Secrets},
    sweep::{self, Idle},
    telemetry::Telemetry,
    tries::Tries,
    upstreams,
};

/// The last spans are given so long to reach their collector.
const EXPORT_PATIENCE: Duration = Duration::from_secs(3);

/// One process.
pub struct Node {
    pub(crate) telemetry: Telemetry,
    pub(crate) host: Host,
    pub secrets: Secrets,
    pub(crate) data: PathBuf,
    pub(crate) started: Timestamp,
    pub(crate) draining: AtomicBool,
    pub(crate) store: Arc<Metered<LocalStore>>,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) door: Arc<Door>,
    /// What upstreams are given.
    pub(crate) senses: Senses,
    /// What is done on purpose.
    pub(crate) faults: Arc<Injector>,
    pub(crate) table: Arc<ArcSwap<Table>>,
    pub(crate) meters: Arc<RouteMeters>,
    /// What became of the latest requests.
    pub(crate) requests: Arc<Requests>,
    pub(crate) world: Mutex<World>,
    pub(crate) providers: Providers,
    /// Held while a change is prepared and made: one at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
    fronts: Mutex<Vec<Running>>,
    /// Who may use the admin API, besides whoever knows its own token.
    operators: Operators,
    /// Goes last: whoever drains a node wants to watch.
    admin: Mutex<Option<Running>>,
    addresses: Addresses,
    housekeeper: Mutex<Option<JoinHandle<()>>>,
    exporter: Mutex<Option<Exporter>>,
    notifying: Mutex<Vec<JoinHandle<()>>>,
    /// Why the store takes no writes.
    refuses: Arc<Mutex<Option<String>>>,
}

/// Where the node really listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Never empty.
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
    pub admin: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Data(#[from] OpenError),
    #[error("the engine does not start: {0}")]
    Engine(String),
    #[error("`otlp` in node.toml: {0}")]
    Otlp(#[from] OtlpError),
    #[error("`otlp` in node.toml: the header `{0}` cannot be sent")]
    Header(String),
    #[error(transparent)]
    Notify(#[from] NotifyError),
    #[error(transparent)]
    Secrets(#[from] SecretError),
    #[error("the data folder `{}` cannot be used: admin.json cannot be written: {source}", .folder.display())]
    AdminFile { folder: PathBuf, source: std::io::Error },
}

impl NodeError {
    pub fn code(&self) -> Code {
        match self {
            Self::Bind(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::Data(error) => error.code(),
            Self::Engine(_) => code::INTERNAL,
            Self::Otlp(_) | Self::Header(_) | Self::Notify(_) => code::MANIFEST_TYPE,
            Self::Secrets(error) => error.code(),
            Self::AdminFile { .. } => code::DATA_UNUSABLE,
        }
    }
}

/// Bound listeners that nobody answers yet.
struct Doors {
    http: Vec<Listener>,
    https: Vec<Listener>,
    admin: Listener,
}

impl Doors {
    fn bind(config: &NodeConfig) -> Result<Self, NodeError> {
        let proxied = |listener: Listener| listener.proxies(config.proxies.clone());
        let bind = |addresses: &[SocketAddr]| {
            addresses.iter().map(|at| Listener::bind(*at).map(proxied)).collect::<Result<Vec<_>, _>>()
        };
        let http = bind(&config.http)?;
        let admin = Listener::bind(config.admin)?;
        let mut https = bind(&config.https)?;
        if !https.is_empty() {
            let files = config.tls.iter().map(|tls| CertificateFiles { chain: tls.cert.clone(), key: tls.key.clone() });
            let tls = match &config.clients {
                None => Tls::load(files.collect())?,
                Some(clients) => Tls::load_asking(files.collect(), asked(clients))?,
            };
            https = https.into_iter().map(|listener| listener.tls(tls.clone())).collect();
        }
        Ok(Self { http, https, admin })
    }

    fn addresses(&self) -> Addresses {
        let all = |listeners: &[Listener]| listeners.iter().map(Listener::address).collect();
        Addresses { http: all(&self.http), https: all(&self.https), admin: self.admin.address() }
    }
}

fn asked(clients: &weft_manifest::Clients) -> ClientAuth {
    let weft_manifest::Clients { authorities, revoked, required } = clients.clone();
    ClientAuth { authorities, revoked, required }
}

/// As many as this process has cores.
fn lanes() -> Result<Arc<Lanes>, NodeError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Lanes::start(cores).map_err(|error| NodeError::Engine(format!("its threads do not start: {error}")))
}

fn limits(config: &NodeConfig) -> Limits {
    Limits {
        connections: config.connections,
        head_time: config.head_timeout,
        idle: config.idle_timeout,
        head_bytes: config.head_max,
        headers: config.headers_max,
        streams: config.streams,
    }
}

/// Where this node is, as its labels say.
fn here(config: &NodeConfig) -> Locality {
    let label = |name: &str| config.labels.get(name).map(|text| Arc::from(text.as_str()));
    Locality { zone: label("zone"), region: label("region") }
}

/// Where spans go: nowhere, unless node.toml names a collector.
fn export(
    config: &NodeConfig,
    secrets: &Secrets,
    telemetry: &Telemetry,
) -> Result<(SpanSink, Option<Exporter>), NodeError> {
    let Some(export) = &config.otlp else { return Ok((SpanSink::off(), None)) };
    let instance = format!("{:x}-{:x}", std::process::id(), telemetry.clock.now().as_nanos());
    let instance = config.labels.get("name").cloned().unwrap_or(instance);
    let identity = Identity { instance, version: env!("CARGO_PKG_VERSION").to_owned() };
    let mut options = otlp::Options::new(export.endpoint.clone(), identity);
    options.ratio = f64::from(export.sample) / 100.0;
    for (name, value) in &export.headers {
        let value = secrets.setting(value)?;
        let wrong = || NodeError::Header(name.clone());
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        options.headers.insert(name.parse::<HeaderName>().map_err(|_| wrong())?, value);
    }
    let (sink, exporter) = otlp::start(options, telemetry.metrics.node())?;
    Ok((sink, Some(exporter)))
}

/// A node whose listeners are bound and on which applications can be deployed; clients wait until it opens.
pub struct Closed {
    node: Arc<Node>,
    doors: Doors,
    gateway: Gateway,
    idle: Idle,
    receivers: Vec<Receiver>,
}

impl std::ops::Deref for Closed {
    type Target = Arc<Node>;
    fn deref(&self) -> &Arc<Node> {
        &self.node
    }
}

impl Node {
    /// Locks the data folder, binds every listener and starts the engine, so that what cannot work is known at once.
    pub fn start(config: &NodeConfig, data: &Path, telemetry: Telemetry) -> Result<Closed, NodeError> {
        let doors = Doors::bind(config)?;
        let refuses = Arc::new(Mutex::new(None));
        let store = Arc::new(Metered {
            inner: LocalStore::open(data, weft_store_local::Options::default())?,
            meter: telemetry.metrics.store("embedded"),
            clock: Arc::clone(&telemetry.clock),
            refuses: Arc::clone(&refuses),
        });
        let mut host = HostOptions::new(Arc::clone(&telemetry.clock));
        host.cache = Some(data.join("code"));
        host.instances_max = config.instances;
        host.away = tokio::runtime::Handle::try_current().ok();
        let logs = Sinks { logs: telemetry.logs.clone(), metrics: Arc::clone(&telemetry.metrics) };
        let injector = Injector::new(Arc::clone(&telemetry.clock), Arc::new(SystemRandomness));
        telemetry.metrics.faults(Arc::new(faults::Read(Arc::clone(&injector))));
        let stores = Arc::new(Arc::new(Faulty { inner: Arc::clone(&store), faults: Arc::clone(&injector) }));
        let secrets = Secrets::new(config.secrets.clone());
        let receivers = notify::receivers(&config.notify, &secrets)?;
        let (spans, exporter) = export(config, &secrets, &telemetry)?;
        let guest_spans = Arc::new(Spans(spans.clone()));
        let meters = Arc::new(EngineMeters(Arc::clone(&telemetry.metrics)));
        host.services = Services { stores, logs: Arc::new(logs), spans: guest_spans, meters, ..Services::default() };
        let host = Host::new(host).map_err(|error| NodeError::Engine(format!("{error:#}")))?;
        let dispatch = Dispatch::new(Arc::clone(&telemetry.clock), Arc::clone(&injector));
        let door = Door::new(Arc::clone(&dispatch));
        let requests = Arc::new(Requests::default());
        let (random, watch) = (Arc::new(SystemRandomness), Arc::new(Tries(spans.clone(), Arc::clone(&requests))));
        let senses = Senses { here: here(config), random, watch, ..Senses::new(Arc::clone(&telemetry.clock)) };
        let table = Arc::new(ArcSwap::from_pointee(Table::default()));
        let meters = Arc::new(RouteMeters::default());
        let watcher = Watcher {
            metrics: Arc::clone(&telemetry.metrics),
            meters: Arc::clone(&meters),
            spans,
            requests: Arc::clone(&requests),
        };
        let mut gateway = Gateway::new(Arc::clone(&door) as Arc<dyn Invoke>, Arc::clone(&table))
            .clock(Arc::clone(&telemetry.clock))
            .observer(Arc::new(watcher))
            .faults(Arc::clone(&injector))
            .limits(limits(config))
            .cache_bytes(config.cache)
            .lanes(lanes()?);
        if let Some(forwarding) = &config.forwarding {
            gateway = gateway.forwarding(forwarding.clone());
        }
        let node = Arc::new(Self {
            started: telemetry.clock.now(),
            telemetry,
            host,
            secrets,
            exporter: Mutex::new(exporter),
            notifying: Mutex::default(),
            data: data.to_owned(),
            draining: AtomicBool::new(false),
            store,
            dispatch,
            door,
            senses,
            faults: injector,
            table,
            meters,
            requests,
            world: Mutex::default(),
            providers: Providers::new(config.clients.is_some(), data),
            turn: tokio::sync::Mutex::default(),
            fronts: Mutex::default(),
            operators: config.operators.clone(),
            admin: Mutex::default(),
            addresses: doors.addresses(),
            housekeeper: Mutex::default(),
            refuses,
        });
        node.telemetry.metrics.upstreams(Arc::new(upstreams::Read(Arc::downgrade(&node))));
        node.telemetry.metrics.limits(Arc::new(limits::Read(Arc::downgrade(&node))));
        node.telemetry.metrics.levels(Arc::new(levels::Read(Arc::downgrade(&node))));
        let idle = Idle { instances: config.instance_idle, code: config.code_idle, code_max: config.code_max };
        Ok(Closed { node, doors, gateway, idle, receivers })
    }

    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Connections open now, on every listener but the admin API's.
    pub(crate) fn connections(&self) -> usize {
        self.fronts.lock().iter().map(Running::connections).sum()
    }

    /// Why the node should be given no requests now.
    pub fn unready(&self) -> Option<String> {
        if self.draining.load(Relaxed) {
            return Some("draining".to_owned());
        }
        self.store_refuses().map(|reason| format!("the store refuses writes: {reason}"))
    }

    /// Why the store takes no writes, as the last commit found.
    pub(crate) fn store_refuses(&self) -> Option<String> {
        self.refuses.lock().clone()
    }

    /// Stops accepting, finishes what is in flight within `patience`. Returns how many connections were cut.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.draining.store(true, Relaxed);
        let fronts = std::mem::take(&mut *self.fronts.lock());
        let mut cut = 0;
        let drains: Vec<_> = fronts.into_iter().map(|front| tokio::spawn(front.drain(patience))).collect();
        for drain in drains {
            cut += drain.await.unwrap_or_default();
        }
        self.housekeeper.lock().take().iter().for_each(JoinHandle::abort);
        std::mem::take(&mut *self.notifying.lock()).iter().for_each(JoinHandle::abort);
        drop(self.admin.lock().take());
        let exporter = self.exporter.lock().take();
        if let Some(exporter) = exporter {
            exporter.shutdown(EXPORT_PATIENCE).await;
        }
        cut
    }
}

impl Closed {
    /// Begins to answer. `keeper` is control, where applications come by the admin API.
    pub fn open(self, keeper: Option<Arc<Keeper>>) -> Result<Arc<Node>, NodeError> {
        let Self { node, doors, gateway, idle, receivers } = self;
        let admin = Admin::open(Arc::clone(&node), keeper, &node.data, node.operators.clone())
            .map_err(|source| NodeError::AdminFile { folder: node.data.clone(), source })?;
        let fronts = doors.http.into_iter().chain(doors.https).map(|listener| gateway.serve(listener)).collect();
        *node.fronts.lock() = fronts;
        *node.housekeeper.lock() = Some(sweep::start(Arc::downgrade(&node), idle));
        *node.notifying.lock() = notify::start(&node, receivers);
        *node.admin.lock() = Some(admin.serve(doors.admin));
        Ok(node)
    }

    /// The store, for control.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.node.store) as _
    }
}
