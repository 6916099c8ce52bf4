//! `weft.toml` as its author writes it: plain structs, from which the schema and the reference are generated.
//!
//! Keys that INTERFACES plans and this version does not serve are here too, as [`Later`] with `x-unsupported`:
//! writing one is an error that says so, never silence.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weft_traffic::policy::{BalancePatch, HedgePatch};

pub use crate::{access::Access, auth::Auth};
use crate::{
    auth::AuthUse,
    feature::{Cache, Compression, Cors, RequestHeaders, ResponseHeaders, Rewrite},
    policy::{Adaptive, Breaker, Hedge, LocalityWord, PriorityWord, RateLimit, Retry, Shedding},
    slo::Slo,
    split::{MirrorWritten, SplitArm, StickyBy},
    upstream::{Upstream, Written},
    values::{Later, Size, Time},
    variable::Variable,
};

/// An application: components, what may reach them, and what they may reach.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "weft.toml"))]
pub struct Manifest {
    /// Version of this format. Always 1.
    #[schemars(extend("const" = 1))]
    pub manifest: u32,
    /// Name of the application, and the namespace of all that follows.
    #[schemars(extend("x-form" = "name", "examples" = ["orders"]))]
    pub name: String,
    /// Defaults for every component and route.
    pub policy: Option<Policy>,
    /// Stores that the application needs, by name. The node's `node.toml` says which engine keeps them.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "name"}))]
    pub store: BTreeMap<String, Store>,
    /// The WebAssembly components, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "name"}))]
    pub component: BTreeMap<String, Component>,
    /// Services that are not WebAssembly, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "name"}))]
    pub upstream: BTreeMap<String, Upstream>,
    /// How callers prove who they are, by name. Routes name what they demand in `policy`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "name"}))]
    pub auth: BTreeMap<String, Auth>,
    /// What callers may do.
    pub access: Option<Access>,
    /// What answers HTTP requests: one `[[route]]` table each.
    #[serde(default)]
    pub route: Vec<Route>,
    /// Topics.
    #[schemars(extend("x-unsupported" = "topics are not served by this version yet"))]
    pub topic: Option<Later>,
    /// Queues.
    #[schemars(extend("x-unsupported" = "queues are not served by this version yet"))]
    pub queue: Option<Later>,
    /// Contracts.
    #[schemars(extend("x-unsupported" = "contracts are not checked by this version yet"))]
    pub contract: Option<Later>,
    /// Consumers of topics and queues.
    #[schemars(extend("x-unsupported" = "consumers are not run by this version yet"))]
    pub consumer: Option<Later>,
    /// Schedules.
    #[schemars(extend("x-unsupported" = "schedules are not run by this version yet"))]
    pub schedule: Option<Later>,
    /// Actors.
    #[schemars(extend("x-unsupported" = "actors are not run by this version yet"))]
    pub actor: Option<Later>,
    /// Workflows.
    #[schemars(extend("x-unsupported" = "workflows are not run by this version yet"))]
    pub workflow: Option<Later>,
    /// How a new revision replaces the old one.
    #[schemars(extend("x-unsupported" = "a new revision replaces the old one at once in this version; there are no steps yet"))]
    pub rollout: Option<Later>,
    /// Cells.
    #[schemars(extend("x-unsupported" = "cells are not built by this version yet"))]
    pub cells: Option<Later>,
}

/// Limits on calls. The most specific level wins for each key: route, component, application.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "policy"))]
pub struct Policy {
    /// Longest time from the request's head to the head of the answer.
    #[schemars(extend("default" = "15s"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Time>,
    /// Longest pause between two parts of a body, either way.
    #[schemars(extend("default" = "60s"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Time>,
    /// Longest time from the request's head to the last byte of the answer.
    #[schemars(extend("default" = "1h"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Time>,
    /// Largest request body.
    #[schemars(extend("default" = "10MiB"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Size>,
    /// Calls in progress at once, for each component. Not on a route, since a component's routes share it.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Calls that may wait for a place, for each component. Not on a route.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 1024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// WebSockets open at once, for each route. One more is answered 503 `overloaded`.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<u32>,
    /// Who is served first where calls wait for a place, and shed last. A route's is that of its requests.
    #[schemars(extend("default" = "default"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<PriorityWord>,
    /// How far below `concurrency` calls at once are held while there is too much to do. Not on a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<Adaptive>,
    /// When the queue of a component counts as standing. Not on a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shedding: Option<Shedding>,
    /// Retries of calls to upstreams. Not on a component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The circuit breaker of an upstream, which has one anyway, or of a component, which has one where this is said.
    /// Not on a route, unless it has an upstream of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// How often a route may be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// A second try of a call to an upstream beside a first that is late. Not on a component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<Hedge>,
    /// Which endpoints of an upstream are used, by where they and the node are. Not on a component.
    #[schemars(extend("default" = "any"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<LocalityWord>,
    /// Who may call: the name of a declaration of `[auth]`, a list of names of which one must prove the caller, a table,
    /// or `"none"` where the level above demands one.
    #[schemars(extend("examples" = ["staff"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthUse>,
    /// Faults injected on purpose.
    #[schemars(extend("x-unsupported" = "faults are not injected by this version yet"))]
    #[serde(skip_serializing)]
    pub fault: Option<Later>,
}

/// A store that the application needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "store.NAME"))]
pub struct Store {
    /// What it is. This version has `key-value`.
    #[schemars(extend("x-later" = {
        "blob": "blob stores are not served by this version yet",
        "sql": "SQL databases are not served by this version yet",
        "queue": "queues are not served by this version yet",
        "topic": "topics are not served by this version yet",
    }))]
    pub kind: StoreKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum StoreKind {
    KeyValue,
}

/// A WebAssembly component: where it comes from, what it may use and what it may touch. Nothing is granted by
/// default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "component.NAME"))]
pub struct Component {
    /// The component's file, relative to the folder of `weft.toml`.
    #[schemars(extend("x-form" = "path", "examples" = ["api/target/wasm32-wasip2/release/api.wasm"]))]
    pub source: String,
    /// How `weft build` and `weft up` make the file.
    pub build: Option<Build>,
    /// Whether calls share an instance.
    #[serde(default)]
    #[schemars(extend("default" = "request"))]
    pub isolation: Isolation,
    /// What one instance or call may use.
    pub limits: Option<Limits>,
    /// Stores it may open: the name that the guest opens = a store of ours.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "text"}, "examples" = [{"default": "orders"}]))]
    pub stores: BTreeMap<String, String>,
    /// Folders that it sees.
    #[serde(default)]
    pub files: Vec<Folder>,
    /// Secrets it may read: the key that the guest reads = the secret's name at the node.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "text"}, "examples" = [{"payment-key": "stripe"}]))]
    pub secrets: BTreeMap<String, String>,
    /// Settings that it reads through `wasi:config`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "text"}, "examples" = [{"currency": "EUR"}]))]
    pub config: BTreeMap<String, String>,
    /// Environment variables: text, or the name of a secret of the node as `{ secret = "…" }`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "variable"}, "examples" = [{"RUST_LOG": "info", "DB_PASSWORD": {"secret": "db"}}]))]
    pub env: BTreeMap<String, Variable>,
    /// Servers it may call over HTTP: scheme, host (`*.` for one label) and port (that of the scheme by default,
    /// `:*` for any).
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "outbound"}, "examples" = [["https://api.payments.example"]]))]
    pub outbound: Vec<String>,
    /// Private networks that the names in `outbound` may resolve to. An IP address or `localhost` written in
    /// `outbound` needs no entry here.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "network"}, "examples" = [["10.1.0.0/16"]]))]
    pub private_networks: Vec<String>,
    /// Overrides the application's policy for this component.
    pub policy: Option<Policy>,
    /// Imports answered by other components, actors and workflows.
    #[schemars(extend("x-unsupported" = "components cannot be linked to each other in this version yet"))]
    pub link: Option<Later>,
    /// Topics that it may publish to.
    #[schemars(extend("x-unsupported" = "topics are not served by this version yet"))]
    pub publish: Option<Later>,
    /// Queues that it may send to.
    #[schemars(extend("x-unsupported" = "queues are not served by this version yet"))]
    pub send: Option<Later>,
    /// Service level objectives.
    pub slo: Option<Slo>,
    /// The unit of work of a call.
    #[schemars(extend("x-unsupported" = "each service call of an HTTP handler is its own commit in this version"))]
    pub transaction: Option<Later>,
}

/// Whether calls share an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Isolation {
    /// A fresh instance for each call.
    #[default]
    Request,
    /// Warm instances answer one call after another; memory survives between them.
    Instance,
}

/// How a component is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "component.NAME.build"))]
pub struct Build {
    /// Run by the shell.
    #[schemars(extend("x-form" = "text", "examples" = ["cargo build --release --target wasm32-wasip2"]))]
    pub command: String,
    /// Where it runs, relative to the folder of `weft.toml`.
    #[schemars(extend("x-form" = "path", "default" = "."))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// What `weft up` watches: globs relative to `dir`. Without any, everything in `dir` but build output.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}, "examples" = [["src/**", "wit/**"]]))]
    pub watch: Vec<String>,
    /// The toolchain that is needed, for a clear error where it is missing. Known without it from `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

/// A toolchain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Language {
    Rust,
    Js,
    Python,
    Go,
    C,
}

/// What one instance or call of a component may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "component.NAME.limits"))]
pub struct Limits {
    /// Linear memory of one instance, all of its memories together.
    #[schemars(extend("default" = "128MiB"))]
    pub memory: Option<Size>,
    /// CPU time of one call.
    #[schemars(extend("default" = "10s"))]
    pub cpu: Option<Time>,
    /// Calls in progress at once. The same as `concurrency` in the component's `policy`; give only one of them.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 256))]
    pub concurrency: Option<u32>,
    /// Warm instances kept at most. Only with `isolation = "instance"`.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 64))]
    pub instances: Option<u32>,
    /// Calls that one warm instance answers before it is replaced. Only with `isolation = "instance"`.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("default" = 100_000))]
    pub reuse: Option<u32>,
    /// Calls that one WASI 0.3 instance serves at once, while those before wait. They share its fate: `1` serves one
    /// after another. Only with `isolation = "instance"`.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 16))]
    pub share: Option<u32>,
    /// A warm instance older than this is replaced. Only with `isolation = "instance"`.
    #[schemars(extend("default" = "1h"))]
    pub age: Option<Time>,
}

/// A folder of the node that a component sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "component.NAME.files"))]
pub struct Folder {
    /// The folder, relative to that of `weft.toml`.
    #[schemars(extend("x-form" = "path", "examples" = ["assets"]))]
    pub from: String,
    /// Where the component sees it.
    #[schemars(extend("x-form" = "guest-path", "examples" = ["/assets"]))]
    pub to: String,
    /// Whether it may write there.
    #[serde(default)]
    pub write: bool,
}

/// What answers an HTTP request. Of all routes that match, the most specific answers: by host, then path (a literal
/// over `:param` over a final `*`), then method, then the number of headers. A tie is an error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "[route]"))]
pub struct Route {
    /// Host in lower case, without port; `*.example.com` stands for one label. Absent: any host.
    #[schemars(extend("examples" = ["shop.example.com"]))]
    pub host: Option<String>,
    /// `/orders` exactly, `:id` for one segment, a last `*` for all that follows.
    #[schemars(extend("examples" = ["/orders/:id"]))]
    pub path: String,
    /// Absent: any method. GET stands for HEAD too.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "method"}, "examples" = [["GET", "POST"]]))]
    pub methods: Vec<String>,
    /// Headers that the request must have: name = value, `*` for any value.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "header"}, "examples" = [{"x-beta": "*"}]))]
    pub headers: BTreeMap<String, String>,
    /// The component that answers. Exactly one of `component`, `files`, `redirect`, `split` and `upstream` is
    /// given.
    #[schemars(extend("x-one-of" = "action"))]
    pub component: Option<String>,
    /// A folder of static files.
    #[schemars(extend("x-one-of" = "action"))]
    pub files: Option<Files>,
    /// Another address.
    #[schemars(extend("x-one-of" = "action"))]
    pub redirect: Option<Redirect>,
    /// Overrides the component's policy for this route.
    pub policy: Option<Policy>,
    /// Another path or host for the component.
    pub rewrite: Option<Rewrite>,
    /// Changes to the headers that the component sees.
    pub request_headers: Option<RequestHeaders>,
    /// Changes to the headers of every answer of this route.
    pub response_headers: Option<ResponseHeaders>,
    /// Which pages of other origins may read the answers.
    pub cors: Option<Cors>,
    /// Compression of answers. `{}`: as is best for most.
    pub compression: Option<Compression>,
    /// Answers kept for others.
    pub cache: Option<Cache>,
    /// Networks that alone are answered. Absent: all are, but those in `deny`.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "network"}, "examples" = [["10.0.0.0/8", "fd00::/8"]]))]
    pub allow: Vec<String>,
    /// Networks that are refused, though they may be in `allow`.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "network"}, "examples" = [["10.9.0.0/16"]]))]
    pub deny: Vec<String>,
    /// Components and upstreams by weight.
    #[serde(default)]
    #[schemars(extend("x-one-of" = "action"))]
    pub split: Vec<SplitArm>,
    /// Whose requests are answered by the same arm of `split` each time.
    pub sticky: Option<StickyBy>,
    /// Who is given a copy of the requests.
    pub mirror: Option<MirrorWritten>,
    /// A service that is not WebAssembly: the name of an `[upstream.NAME]`, or a list of endpoints. The request's own
    /// path is sent.
    #[schemars(extend("x-one-of" = "action", "examples" = [["http://10.1.0.4:8080", "http://10.1.0.5:8080"]]))]
    pub upstream: Option<Written>,
    /// The contract that requests and answers keep.
    #[schemars(extend("x-unsupported" = "contracts are not checked by this version yet"))]
    pub contract: Option<Later>,
    /// The unit of work of a call.
    #[schemars(extend("x-unsupported" = "each service call of an HTTP handler is its own commit in this version"))]
    pub transaction: Option<Later>,
}

/// A folder served as static files. The route's path ends in `/*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.files"))]
pub struct Files {
    /// The folder, relative to that of `weft.toml`.
    #[schemars(extend("x-form" = "path", "examples" = ["public"]))]
    pub from: String,
    /// Served for a folder.
    #[schemars(extend("x-form" = "path", "default" = "index.html"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Served with 200 where there is no such file, for applications that route in the browser.
    #[schemars(extend("x-form" = "path", "examples" = ["index.html"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The `Cache-Control` header of every file.
    #[schemars(extend("x-form" = "header-value", "examples" = ["public, max-age=3600"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
}

/// Another address for the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.redirect"))]
pub struct Redirect {
    /// A path or a URL. A segment `:id` is filled from the route's path, a last `*` by what its `*` matched.
    #[schemars(extend("x-form" = "text", "examples" = ["https://shop.example.com/orders/:id"]))]
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "permanent")]
    #[schemars(extend("enum" = [301, 302, 303, 307, 308]))]
    pub status: u16,
}

fn permanent() -> u16 {
    308
}

impl From<&Policy> for weft_traffic::Patch {
    fn from(policy: &Policy) -> Self {
        Self {
            timeout: policy.timeout.map(|time| time.0),
            idle: policy.idle_timeout.map(|time| time.0),
            lifetime: policy.lifetime.map(|time| time.0),
            body_max: policy.body.map(|size| size.0),
            concurrency: policy.concurrency,
            queue: policy.queue,
            sockets: policy.sockets,
            priority: policy.priority.map(Into::into),
            adaptive: policy.adaptive.unwrap_or_default().into(),
            shedding: policy.shedding.unwrap_or_default().into(),
            retry: policy.retry.unwrap_or_default().into(),
            breaker: policy.breaker.unwrap_or_default().into(),
            rate_limit: policy.rate_limit.unwrap_or_default().into(),
            hedge: policy.hedge.map(HedgePatch::from).unwrap_or_default(),
            balance: BalancePatch { locality: policy.locality.map(Into::into), ..BalancePatch::default() },
            auth: policy.auth.as_ref().map(Into::into),
            ..Self::default()
        }
    }
}
