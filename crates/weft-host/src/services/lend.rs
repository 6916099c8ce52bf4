//! What one component was lent: its grants, bound to what this node has. Made when it is deployed, so that what is
//! missing refuses the deploy and not a request.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use http::{Request, Response};
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody};
use weft_store::{Shard, Space, Store};
use weft_types::{Clock, Code, Name, Randomness, code};

use super::{
    keyvalue::Bucket,
    log::{GuestLog, GuestLogs, NoLogs},
    meter::{InstanceMeter, Meters, NoMeters},
    otel::{GuestSpans, NoSpans},
    outbound::{Outbound, OutboundOptions, Sender, Told},
    refusal::{self, Refusals},
};
use crate::{
    call::Call,
    cores::{Computing, Cores},
    grants::Grants,
};

/// What this node has to lend. Without more said: nothing.
#[derive(Clone)]
pub struct Services {
    pub stores: Arc<dyn Stores>,
    pub logs: Arc<dyn GuestLogs>,
    pub spans: Arc<dyn GuestSpans>,
    /// What guests draw from; `None`: the operating system's, as `wasi:random` asks. For simulation.
    pub randomness: Option<Arc<dyn Randomness>>,
    pub meters: Arc<dyn Meters>,
    pub outbound: OutboundOptions,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            stores: Arc::new(NoStores),
            logs: Arc::new(NoLogs),
            spans: Arc::new(NoSpans),
            randomness: None,
            meters: Arc::new(NoMeters),
            outbound: OutboundOptions::default(),
        }
    }
}

/// What this node has to lend, and what all of its components share of it.
pub(crate) struct Ready {
    services: Services,
    outbound: Arc<Outbound>,
    cores: Arc<Cores>,
}

impl Ready {
    pub(crate) fn new(services: Services, cores: Arc<Cores>) -> Self {
        Self { outbound: Outbound::new(services.outbound.clone()), services, cores }
    }

    pub(crate) fn meters(&self) -> &dyn Meters {
        &*self.services.meters
    }
}

/// Which engine keeps what. The same engine must be the same `Arc`: only then can one commit span two stores of it.
pub trait Stores: Send + Sync {
    /// The engine that keeps a store which an application declares.
    fn open(&self, application: &Name, store: &str) -> Option<Arc<dyn Store>>;

    /// The engine of the application's logs and timers.
    fn home(&self, application: &Name) -> Option<Arc<dyn Store>>;
}

struct NoStores;

impl Stores for NoStores {
    fn open(&self, _: &Name, _: &str) -> Option<Arc<dyn Store>> {
        None
    }
    fn home(&self, _: &Name) -> Option<Arc<dyn Store>> {
        None
    }
}

/// One engine for everything: a node without configuration.
impl<S: Store + 'static> Stores for Arc<S> {
    fn open(&self, _: &Name, _: &str) -> Option<Arc<dyn Store>> {
        Some(Arc::clone(self) as _)
    }
    fn home(&self, _: &Name) -> Option<Arc<dyn Store>> {
        Some(Arc::clone(self) as _)
    }
}

/// Why a component's grants cannot be kept here.
#[derive(Debug, thiserror::Error)]
pub enum LendError {
    #[error("it is granted store `{store}`, which no engine of this node keeps")]
    NoEngine { store: String },
    #[error("`{store}` is no name of a store: {reason}")]
    StoreName { store: String, reason: String },
    #[error("`{key}` is both in its `config` and in its `secrets`: one key has one value")]
    KeyTwice { key: String },
    #[error("the environment variable `{name}` is given twice, by `env` and by a secret")]
    VariableTwice { name: String },
    #[error("the granted folder {} cannot be opened: {source}", .from.display())]
    Folder { from: PathBuf, source: std::io::Error },
    #[error("the granted path {} is not a folder: `files` grants folders", .from.display())]
    NotAFolder { from: PathBuf },
    #[error("two folders are granted at `{to}`: give each a place of its own")]
    FolderTwice { to: String },
}

impl LendError {
    pub fn code(&self) -> Code {
        match self {
            Self::NoEngine { .. } | Self::StoreName { .. } => code::MANIFEST_REFERENCE,
            Self::KeyTwice { .. } | Self::VariableTwice { .. } | Self::FolderTwice { .. } => code::MANIFEST_DUPLICATE,
            Self::Folder { .. } | Self::NotAFolder { .. } => code::FILE_MISSING,
        }
    }
}

pub(crate) struct Lent {
    pub(crate) application: Name,
    pub(crate) component: Name,
    pub(crate) grants: Arc<Grants>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(super) randomness: Option<Arc<dyn Randomness>>,
    pub(super) shard: Shard,
    /// By the name that the guest opens.
    stores: BTreeMap<String, Arc<Bucket>>,
    pub(super) home: Option<Arc<dyn Store>>,
    log: Arc<dyn GuestLog>,
    pub(crate) meter: Arc<dyn InstanceMeter>,
    pub(super) spans: Arc<dyn GuestSpans>,
    sender: Sender,
    refusals: Arc<Refusals>,
    pub(crate) computing: Arc<Computing>,
}

impl Lent {
    /// Binds `grants` to what `services` has.
    pub(crate) fn new(
        ready: &Ready,
        application: &Name,
        component: &Name,
        grants: &Arc<Grants>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, LendError> {
        let Ready { services, outbound, cores } = ready;
        keys_are_single(grants)?;
        folders_are_there(grants)?;
        let shard = Shard::of(application);
        let mut stores = BTreeMap::new();
        for (opened, store) in &grants.stores {
            let space = Space::new(store.as_str())
                .map_err(|error| LendError::StoreName { store: store.clone(), reason: error.to_string() })?;
            let engine = services.stores.open(application, store);
            let engine = engine.ok_or_else(|| LendError::NoEngine { store: store.clone() })?;
            let bucket = Bucket { store: engine, shard: shard.clone(), space, clock: Arc::clone(clock) };
            stores.insert(opened.clone(), Arc::new(bucket));
        }
        let secrets: Vec<_> = grants.secrets.values().chain(grants.secret_env.values()).cloned().collect();
        let log = services.logs.open(application, component, &secrets);
        Ok(Self {
            application: application.clone(),
            component: component.clone(),
            grants: Arc::clone(grants),
            clock: Arc::clone(clock),
            randomness: services.randomness.clone(),
            home: if stores.is_empty() { None } else { services.stores.home(application) },
            shard,
            stores,
            refusals: Refusals::new(&log),
            log,
            meter: services.meters.open(application, component),
            spans: Arc::clone(&services.spans),
            sender: Sender::new(Arc::clone(outbound), grants.outbound.clone()),
            computing: Computing::new(cores),
        })
    }

    /// Sends a guest's request if it may be sent; the refusal is told to the operator.
    pub(crate) fn send(
        &self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        call: Option<Arc<Call>>,
    ) -> Result<impl Future<Output = Result<Response<WasiBody>, HttpError>> + Send + 'static, HttpError> {
        match self.sender.judge(&self.component, &request) {
            Ok(granted) => {
                let (application, component) = (self.application.clone(), self.component.clone());
                let told = Told {
                    application,
                    component,
                    refusals: Arc::clone(&self.refusals),
                    spans: Arc::clone(&self.spans),
                };
                Ok(granted.send(request, options, call, told))
            }
            Err((error, text)) => {
                text.map(|text| self.refuse(text));
                Err(error)
            }
        }
    }

    pub(crate) fn log(&self) -> &Arc<dyn GuestLog> {
        &self.log
    }

    /// A value of the component's configuration, or of a secret under that key.
    pub(super) fn config(&self, key: &str) -> Option<&str> {
        let secret = || self.grants.secrets.get(key).map(super::Secret::expose);
        self.grants.config.get(key).map(String::as_str).or_else(secret)
    }

    /// A granted store, or the text of the refusal, which its operator is told too.
    pub(super) fn store(&self, asked: &str) -> Result<&Arc<Bucket>, String> {
        self.stores.get(asked).ok_or_else(|| self.refuse(refusal::store(&self.component, asked)))
    }

    pub(crate) fn refuse(&self, text: String) -> String {
        self.refusals.tell(&self.application, &self.component, &text);
        text
    }
}

fn keys_are_single(grants: &Grants) -> Result<(), LendError> {
    if let Some(key) = grants.secrets.keys().find(|key| grants.config.contains_key(*key)) {
        return Err(LendError::KeyTwice { key: key.clone() });
    }
    match grants.env.iter().find(|(name, _)| grants.secret_env.contains_key(name)) {
        Some((name, _)) => Err(LendError::VariableTwice { name: name.clone() }),
        None => Ok(()),
    }
}

fn folders_are_there(grants: &Grants) -> Result<(), LendError> {
    for (at, folder) in grants.files.iter().enumerate() {
        let from = || folder.from.clone();
        let is = std::fs::metadata(&folder.from).map_err(|source| LendError::Folder { from: from(), source })?;
        if !is.is_dir() {
            return Err(LendError::NotAFolder { from: from() });
        }
        std::fs::read_dir(&folder.from).map_err(|source| LendError::Folder { from: from(), source })?;
        if grants.files[..at].iter().any(|other| other.to == folder.to) {
            return Err(LendError::FolderTwice { to: folder.to.clone() });
        }
    }
    Ok(())
}
