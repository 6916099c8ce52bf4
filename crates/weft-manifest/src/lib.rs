//! `weft.toml` and `node.toml`: parsed strictly, every mistake told at once with its place, resolved to what runs.
//!
//! ```text
//! text ─► tree with spans ─► held against the schema ─► author's structs ─► resolved, with defaults
//!           (toml_edit)        (generated from the structs)  (author, node)     (Application, NodeConfig)
//! ```
//!
//! # How others use it
//!
//! ```text
//! load(path)                      folder or weft.toml ─► Result<Application, Report>   files must be there
//! load_text(file, text, folder, Disk::Skip)               the same for text
//! load_node(path, disk)           node.toml ─► Result<NodeConfig, Report>;  none: NodeConfig::default()
//! Application::bare(name, wasm, folder, BareGrants { .. })         `weft up x.wasm`: one route, `/*`
//!
//! report.render(Look { colour, width })     for people       report.to_json()     [{code,file,line,column,message,help}]
//! Report::from(route_errors)                for conflicts between applications, from Table::compile
//!
//! app.components[&name]: Component { source, build, isolation, limits, grants, policy, slo }
//!     app.locate(&component.source)         absolute path of anything that the manifest names
//!     component.grants: Grants { stores, files, secrets, config, env, outbound }
//!     grants.outbound.allows(scheme, host, port), .allows_address(host, ip)
//!     app.component_policy(&name).policy    concurrency and queue of its gate, for calls through no route
//! app.destination(&route) ─► Destination { name, upstream, policy }    of a route that is passed on
//! app.revision(&sources, &files) ─► Digest;  app.lower(revision) ─► Vec<RouteSpec> ─► Table::compile
//! app.to_json() / Application::from_json    canonical: equal applications are equal bytes
//! app.check_secrets(&names the node has)     a problem for each that is missing, with the nearest name
//! grant_line(component, Wanted::Store(..))  the line that a denial at run time names
//! ```
//!
//! What the format plans and this version does not serve is known and refused with `manifest-unsupported`: nothing
//! is ignored.

pub mod author;
pub mod experiment;
pub mod node;

mod access;
mod application;
mod auth;
mod auth_resolve;
mod check;
mod disk;
mod feature;
mod feature_check;
mod feature_lower;
mod grant;
mod near;
mod node_resolve;
mod operator;
mod outbound;
mod parse;
mod policy;
mod problem;
mod reference;
mod resolve;
mod resolve_split;
mod resolve_upstream;
mod schema;
mod secrets;
mod slo;
mod source;
mod split;
mod tree;
mod upstream;
mod values;
mod variable;

use std::path::{Path, PathBuf};

pub use application::{Answer, Application, BareGrants, Component, Grants, Limits, Origin, Route};
pub use auth::{Algorithm, AuthUse, CertificateName, KeyHash};
pub use auth_resolve::{ApiKeys, Auth, Jwt, Keys, Mtls, Oidc, Published};
pub use author::{Build, Files, Folder, Isolation, Language, Redirect, Store, StoreKind};
pub use disk::Disk;
pub use feature::{Cache, Coding, Compression, Cors, Features, RequestHeaders, ResponseHeaders, Rewrite};
pub use grant::{Wanted, grant_line};
pub use near::nearest;
pub use node::{Clients, NodeConfig};
pub use operator::{Operator, Operators, Role};
pub use outbound::{HostRule, Outbound, OutboundError, OutboundRule, Scheme, is_private};
pub use policy::{Breaker, PriorityWord, RateBy, RateLimit, Retry, Shedding};
pub use problem::{Look, Problem, Report};
pub use reference::reference;
pub use schema::{application_schema, experiment_schema, node_schema};
pub use slo::{Latency, Slo};
pub use source::Source;
pub use split::{ArmTo, MirrorRoute, SplitBetween, StickyBy, To};
pub use upstream::{Destination, Ejection, Endpoint, Forward, Health, Upstream, UpstreamTls, Weighted};
pub use values::{Frequency, Later, Share, Size, Time};
pub use weft_traffic::Network;

/// Reads, checks and resolves an application. `path` is its folder or its `weft.toml`.
pub fn load(path: &Path) -> Result<Application, Report> {
    let file = if path.is_dir() { path.join("weft.toml") } else { path.to_owned() };
    let source = disk::read(&file)?;
    load_source(&source, &folder_of(&file), Disk::Check)
}

/// Checks and resolves an application's text. `file` is what people are shown; paths are relative to `folder`.
pub fn load_text(file: &str, text: &str, folder: &Path, disk: Disk) -> Result<Application, Report> {
    load_source(&Source::new(file, text), folder, disk)
}

fn load_source(source: &Source, folder: &Path, disk: Disk) -> Result<Application, Report> {
    let parsed = parse::parse(source, application_schema())?;
    resolve::resolve(source, parsed, folder, disk)
}

/// Reads, checks and resolves a `node.toml`. The files that it names are looked for, unless they are yet to be made.
pub fn load_node(path: &Path, disk: Disk) -> Result<NodeConfig, Report> {
    let source = disk::read(path)?;
    load_node_source(&source, &folder_of(path), disk)
}

/// Checks and resolves the text of a `node.toml`.
pub fn load_node_text(file: &str, text: &str, folder: &Path, disk: Disk) -> Result<NodeConfig, Report> {
    load_node_source(&Source::new(file, text), folder, disk)
}

fn load_node_source(source: &Source, folder: &Path, disk: Disk) -> Result<NodeConfig, Report> {
    let parsed = parse::parse(source, node_schema())?;
    node_resolve::resolve(source, parsed, folder, disk)
}

/// Absolute, so that a later change of the current folder moves nothing.
fn folder_of(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    parent.canonicalize().unwrap_or_else(|_| parent.to_owned())
}
