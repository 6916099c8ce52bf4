//! One process, assembled: the only place that names drivers and knows every floor.
//!
//! ```text
//! Application ─▶ lower ─▶ Deployment ─▶ prepare ─▶ adopt ─▶ table, stages, meters swapped
//! Node::start ─▶ Closed (bound, nothing answered) ─▶ open ─▶ Node ─▶ drain
//! ```

mod admin;
mod deploy;
mod door;
mod explain;
mod explain_access;
mod faults;
mod faulty;
mod guest_logs;
mod guest_meters;
mod guest_spans;
mod identity;
mod keeper;
mod levels;
mod limits;
mod load;
mod lower;
mod metered;
mod node;
mod notify;
mod observe;
mod requests;
mod sampling;
mod secrets;
mod sweep;
mod telemetry;
mod tries;
mod upstreams;

pub use admin::{AdminFile, AuditLine, Audited};
pub use deploy::{DeployError, Deployment, PolicyProblem, Refusal, check};
pub use door::{UpstreamShared, UpstreamSpec};
pub use explain::{AskError, explain};
pub use faults::{FaultError, injection};
pub use keeper::{KeepError, Keeper};
pub use lower::{Sources, lower, revision, source, sources};
pub use node::{Addresses, Closed, Node, NodeError};
pub use secrets::{AuthSecrets, Given, Granted, SecretError, Secrets, Security};
pub use telemetry::Telemetry;
pub use weft_host::LoadError;
pub use weft_identity::{KeyError, new_api_key};
