//! A host with services, and calls to its guests without a gateway.

use std::{num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use weft_host::{
    Component, ComponentSpec, Grants, GuestLine, GuestLog, GuestLogs, Host, HostOptions, Isolation, Limits, LoadError,
    LogLevel, LogSource, Secret, Services,
};
use weft_store_local::LocalStore;
use weft_types::{
    Clock, Context, Invocation, InvocationId, Name, Origin, Payload, Reply, SpanId, SystemClock, Target, Timestamp,
    Trace, TraceId, empty,
};

pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) store: Arc<LocalStore>,
    pub(crate) lines: Arc<Lines>,
    clock: Arc<dyn Clock>,
    _data: tempfile::TempDir,
}

/// What a guest answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim_end().to_owned()
    }
}

/// One captured line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) component: String,
    pub(crate) source: LogSource,
    pub(crate) level: LogLevel,
    pub(crate) context: String,
    pub(crate) message: String,
    pub(crate) invocation: Option<InvocationId>,
    pub(crate) trace: Option<Trace>,
}

#[derive(Default)]
pub(crate) struct Lines {
    all: Mutex<Vec<Captured>>,
    pub(crate) secrets: Mutex<Vec<String>>,
}

struct Log(Arc<Lines>, Name);

struct Capture(Arc<Lines>);

impl GuestLogs for Capture {
    fn open(&self, _: &Name, component: &Name, secrets: &[Secret]) -> Arc<dyn GuestLog> {
        self.0.secrets.lock().extend(secrets.iter().map(|secret| secret.expose().to_owned()));
        Arc::new(Log(Arc::clone(&self.0), component.clone()))
    }
}

impl GuestLog for Log {
    fn wants(&self, level: LogLevel) -> bool {
        level >= LogLevel::Debug
    }
    fn log(&self, line: &GuestLine<'_>) {
        self.0.all.lock().push(Captured {
            component: self.1.to_string(),
            source: line.source,
            level: line.level,
            context: line.context.to_owned(),
            message: line.message.to_owned(),
            invocation: line.invocation,
            trace: line.trace.cloned(),
        });
    }
    fn clean(&self, text: &str) -> String {
        let secrets = self.0.secrets.lock();
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}

impl Lines {
    pub(crate) fn take(&self) -> Vec<Captured> {
        std::mem::take(&mut self.all.lock())
    }
}

/// The bytes of a guest that `cargo xtask guests` built.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/guests/{name}.wasm"));
    let bytes = std::fs::read(&path);
    bytes.unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests` first", path.display()))
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Services)) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let store = LocalStore::open(&data.path().join("store"), Default::default()).expect("the store opens");
        let (store, lines) = (Arc::new(store), Arc::new(Lines::default()));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut options = HostOptions::new(Arc::clone(&clock));
        options.instances_max = 16;
        // Compiled once for all tests: most of their time would be compiling.
        options.cache = Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("services-code"));
        options.services.stores = Arc::new(Arc::clone(&store));
        options.services.logs = Arc::new(Capture(Arc::clone(&lines)));
        change(&mut options.services);
        Self { host: Host::new(options).expect("the engine starts"), store, lines, clock, _data: data }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn load(&self, name: &str, grants: Grants) -> Arc<Component> {
        self.try_load(name, Isolation::Request, grants).expect("the guest loads")
    }

    pub(crate) fn load_as(&self, application: &str, name: &str, grants: Grants) -> Arc<Component> {
        self.try_load_as(application, name, Isolation::Request, grants).expect("the guest loads")
    }

    pub(crate) fn try_load(
        &self,
        name: &str,
        isolation: Isolation,
        grants: Grants,
    ) -> Result<Arc<Component>, LoadError> {
        self.try_load_as("shop", name, isolation, grants)
    }

    fn try_load_as(
        &self,
        application: &str,
        name: &str,
        isolation: Isolation,
        grants: Grants,
    ) -> Result<Arc<Component>, LoadError> {
        let wasm = guest(name);
        self.host.load(ComponentSpec {
            application: Name::new(application).expect("a name"),
            component: Name::new("api").expect("a name"),
            revision: ComponentSpec::digest_of(&wasm),
            wasm: wasm.into(),
            isolation,
            limits: Limits::default(),
            grants: Arc::new(grants),
        })
    }

    pub(crate) fn call(&self, component: &Component, path: &str) -> Invocation {
        let target = Target {
            application: component.application().clone(),
            revision: *component.digest(),
            component: component.name().clone(),
            function: None,
        };
        let now = self.clock.now();
        let uri = format!("http://test.example{path}");
        Invocation {
            id: InvocationId::new(now, 7),
            key: None,
            payload: Payload::Http(Box::new(http::Request::get(uri).body(empty()).expect("a valid request"))),
            deadline: now.saturating_add(Duration::from_secs(60)),
            attempt: NonZeroU32::MIN,
            idempotency: None,
            origin: Origin::Http,
            trace: Trace { trace: TraceId(7), parent: None, span: SpanId(9), flags: 1, state: None },
            context: Arc::new(Context::anonymous(target)),
        }
    }

    /// One GET, read to its end.
    pub(crate) async fn get(&self, component: &Arc<Component>, path: &str) -> Answer {
        self.answer(component, self.call(component, path)).await
    }

    pub(crate) async fn text(&self, component: &Arc<Component>, path: &str) -> String {
        self.get(component, path).await.text()
    }

    /// `/kv/…` or `/kv2/…`
    pub(crate) async fn text_of(&self, component: &Arc<Component>, kv: &str, rest: &str) -> String {
        self.text(component, &format!("/{kv}/{rest}")).await
    }

    pub(crate) async fn answer(&self, component: &Arc<Component>, call: Invocation) -> Answer {
        let outcome = component.invoke(call).await;
        let Ok(Reply::Http(response)) = outcome.reply else { panic!("no answer: {:?}", outcome.reply.err()) };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer { status: parts.status.as_u16(), body }
    }
}

/// Grants of one store: `default` is our `orders`.
pub(crate) fn stored() -> Grants {
    let mut grants = Grants::default();
    grants.stores.insert("default".into(), "orders".into());
    grants
}

/// `text` as a value of a query.
pub(crate) fn query(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
