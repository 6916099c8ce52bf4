//! Guests, a host, and calls, without a gateway.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use weft_host::{Component, ComponentSpec, Grants, Host, HostOptions, Isolation, Limits, Services};
use weft_types::{
    Body, Clock, Context, Fault, Invocation, InvocationId, Name, Origin, Outcome, Payload, Randomness, Reply,
    SystemClock, Target, Trace, empty,
};

pub struct Bench {
    pub clock: Arc<dyn Clock>,
    pub host: Host,
    _code: tempfile::TempDir,
}

/// The bytes of a guest that `cargo xtask guests` built.
pub fn guest(name: &str) -> Arc<[u8]> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/guests/{name}.wasm"));
    let bytes = std::fs::read(&path);
    bytes.unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests` first", path.display())).into()
}

impl Bench {
    pub fn new() -> Self {
        Self::with(None, Services::default())
    }

    /// Guests draw from `randomness`.
    pub fn random(randomness: Option<Arc<dyn Randomness>>) -> Self {
        Self::with(None, Services { randomness, ..Services::default() })
    }

    /// Guests that compute for long go on there.
    pub fn away(runtime: tokio::runtime::Handle) -> Self {
        Self::with(Some(runtime), Services::default())
    }

    fn with(away: Option<tokio::runtime::Handle>, services: Services) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let code = tempfile::tempdir().expect("a temporary folder");
        let mut options = HostOptions::new(Arc::clone(&clock));
        options.cache = Some(code.path().join("code"));
        options.instances_max = 32;
        options.away = away;
        options.services = services;
        Self { clock, host: Host::new(options).expect("the engine starts"), _code: code }
    }

    pub fn load(&self, name: &str, isolation: Isolation, limits: Limits) -> Arc<Component> {
        self.load_with(name, isolation, limits, Grants::default())
    }

    pub fn load_with(&self, name: &str, isolation: Isolation, limits: Limits, grants: Grants) -> Arc<Component> {
        let wasm = guest(name);
        let spec = ComponentSpec {
            application: Name::nearest("test"),
            component: Name::nearest(name),
            revision: ComponentSpec::digest_of(&wasm),
            wasm: wasm.to_vec().into(),
            isolation,
            limits,
            grants: Arc::new(grants),
        };
        self.host.load(spec).expect("the guest loads")
    }

    pub fn call(&self, component: &Component, request: http::Request<Body>, time: Duration) -> Invocation {
        let target = Target {
            application: component.application().clone(),
            revision: *component.digest(),
            component: component.name().clone(),
            function: None,
        };
        let now = self.clock.now();
        Invocation {
            id: InvocationId::new(now, 7),
            key: None,
            payload: Payload::Http(Box::new(request)),
            deadline: now.saturating_add(time),
            attempt: NonZeroU32::MIN,
            idempotency: None,
            origin: Origin::Http,
            trace: Trace::default(),
            context: Arc::new(Context::anonymous(target)),
        }
    }

    /// One GET, read to its end.
    pub async fn get(&self, component: &Arc<Component>, path: &str) -> Answer {
        self.get_within(component, path, Duration::from_secs(10)).await
    }

    pub async fn get_within(&self, component: &Arc<Component>, path: &str, time: Duration) -> Answer {
        answer(component.invoke(self.call(component, request("GET", path, empty()), time)).await).await
    }
}

pub fn request(method: &str, path: &str, body: Body) -> http::Request<Body> {
    let uri = format!("http://test.example{path}");
    http::Request::builder().method(method).uri(uri).body(body).expect("a valid request")
}

#[derive(Debug)]
pub enum Answer {
    Whole {
        status: u16,
        body: Bytes,
    },
    /// The Head was there, and the body broke off.
    Broken {
        status: u16,
        fault: Fault,
    },
    Failed(Fault),
}

impl Answer {
    #[track_caller]
    pub fn text(self) -> String {
        match self {
            Self::Whole { status: 200, body } => String::from_utf8(body.to_vec()).expect("text"),
            other => panic!("not a whole answer: {other:?}"),
        }
    }

    #[track_caller]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed(fault) => fault.code.as_str(),
            Self::Broken { fault, .. } => fault.code.as_str(),
            Self::Whole { .. } => panic!("an answer where a failure was expected: {self:?}"),
        }
    }
}

pub async fn answer(outcome: Outcome) -> Answer {
    let response = match outcome.reply {
        Ok(Reply::Http(response)) => response,
        Ok(other) => panic!("not HTTP: {other:?}"),
        Err(fault) => return Answer::Failed(fault),
    };
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Answer::Whole { status: parts.status.as_u16(), body: body.to_bytes() },
        Err(fault) => Answer::Broken { status: parts.status.as_u16(), fault },
    }
}
