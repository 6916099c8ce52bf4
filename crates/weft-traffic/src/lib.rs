//! Pure traffic decisions: which route, which policy, whether to admit. No IO, no clock, no tokio.

mod policy;
mod route;

pub use policy::{Patch, Policy, Resolution};
pub use route::{Action, Files, HeaderMatch, Place, RouteSpec};
