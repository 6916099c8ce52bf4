//! One process, assembled: the only place that names drivers and knows every floor.
//!
//! ```text
//! Application ─▶ lower ─▶ Deployment ─▶ prepare ─▶ adopt ─▶ table, stages, meters swapped
//! Node::start ─▶ Closed (bound, nothing answered) ─▶ open ─▶ Node ─▶ drain
//! ```

mod deploy;
mod guest_logs;
mod load;
mod lower;
mod node;
mod observe;
mod sweep;
mod telemetry;

pub use deploy::{DeployError, Deployment, Refusal};
pub use lower::{Sources, lower, revision, source, sources};
pub use node::{Addresses, Closed, Node, NodeError};
pub use sweep::Idle;
pub use telemetry::Telemetry;
