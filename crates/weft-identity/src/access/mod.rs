//! Who may do what: an application's Cedar policies, compiled once, and asked before each of its requests.
//!
//! ```text
//! text ─► weigh (bounds) ─► parse ─► names that are known? ─► validated against our schema ─► Policies
//! request + identity ─► principal, action, resource ─► permit · forbid · nothing permits · cannot be told
//! ```
//!
//! Whoever asks names who is calling, never in text that is parsed: an id is data, whatever it holds.

#[cfg(feature = "cedar")]
mod compile;
#[cfg(feature = "cedar")]
mod decide;
#[cfg(not(feature = "cedar"))]
mod none;
#[cfg(feature = "cedar")]
mod schema;
#[cfg(feature = "cedar")]
mod weigh;

use std::{fmt, net::IpAddr, ops::Range};

use http::Method;

#[cfg(feature = "cedar")]
pub use compile::Policies;
#[cfg(feature = "cedar")]
pub use decide::RouteRules;
#[cfg(not(feature = "cedar"))]
pub use none::{Policies, RouteRules};

/// Bytes of one application's policies, all files together.
pub const POLICY_BYTES_MAX: usize = 256 << 10;

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// As people know it.
    pub name: String,
    pub text: String,
}

/// What policies may speak of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    pub application: String,
    /// The declarations by which callers are proven.
    pub auths: Vec<String>,
    pub routes: Vec<RouteFact>,
    /// Some route lets in who shows nothing.
    pub nobody: bool,
}

/// A route, as policies know it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteFact {
    /// Host and path as they are written: `/orders/:id`, `shop.example/orders/:id`.
    pub name: String,
    /// None: any.
    pub methods: Vec<Method>,
    /// Names of its path's parameters.
    pub params: Vec<String>,
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// Which file, by its place among those that were given.
    pub file: usize,
    /// Bytes of it.
    pub span: Range<usize>,
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Something that somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub method: &'a Method,
    /// Without port. May be empty.
    pub host: &'a str,
    /// As it was sent.
    pub path: &'a str,
    /// Decoded parameters of the route's path.
    pub params: &'a [(&'a str, &'a str)],
    pub address: Option<IpAddr>,
}

/// What policies say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    pub decision: Decision,
    /// Which decided: `ID (FILE:LINE)`, or `FILE:LINE` of those without an `@id`. In the order of their names.
    pub policies: Vec<String>,
    /// What could not be evaluated.
    pub errors: Vec<String>,
}

/// Only the first lets anybody through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Permitted,
    /// Some `forbid` applies, whatever else permits.
    Forbidden,
    /// No `permit` applies.
    Unpermitted,
    /// A policy that might forbid cannot be evaluated.
    Failed,
}

impl Ruling {
    pub(crate) fn failed(error: impl fmt::Display) -> Self {
        Self { decision: Decision::Failed, policies: Vec::new(), errors: vec![error.to_string()] }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policies = self.policies.join(", ");
        match self.decision {
            Decision::Permitted => write!(f, "permitted by {policies}"),
            Decision::Forbidden => write!(f, "forbidden by {policies}"),
            Decision::Unpermitted => f.write_str("no policy permits it"),
            Decision::Failed => write!(f, "policies cannot be evaluated: {}", self.errors.join("; ")),
        }
    }
}
