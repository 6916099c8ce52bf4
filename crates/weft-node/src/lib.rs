//! One process, assembled: the only place that names drivers and knows every floor.

mod deploy;
mod node;

pub use deploy::{Deployment, DeployError};
pub use node::{Node, NodeError, NodeOptions};
