//! Who may call: which declarations of the manifest prove it, and which roles they need.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::parts::Shown;

/// What a route demands of its callers. `auth`, default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Auth {
    /// Declarations of which one has to prove who is calling. None: nobody is asked.
    pub any: Vec<Arc<str>>,
    /// Who presents nothing may call too, as nobody.
    pub optional: bool,
    /// One of these is needed. None: any identity will do.
    pub roles: Vec<Arc<str>>,
    /// The application has policies, which decide about every call.
    pub ruled: bool,
}

impl Auth {
    /// Whether callers are asked who they are.
    pub fn authenticates(&self) -> bool {
        !self.any.is_empty()
    }

    /// Whether anything stands before the route.
    pub fn asks(&self) -> bool {
        self.authenticates() || self.ruled
    }

    /// Whether some who may call by `other` may not by this.
    pub(crate) fn demands_more(&self, other: &Self) -> bool {
        let within = |some: &[Arc<str>], all: &[Arc<str>]| !some.is_empty() && some.iter().all(|one| all.contains(one));
        let proof = self.authenticates() && !within(&other.any, &self.any);
        let nobody = self.authenticates() && !self.optional && other.optional;
        let roles = !self.roles.is_empty() && !within(&other.roles, &self.roles);
        proof || nobody || roles || (self.ruled && !other.ruled)
    }
}

impl Shown for Auth {
    fn shown(&self) -> String {
        if !self.authenticates() {
            return "none".to_owned();
        }
        let mut text = self.any.join(" or ");
        if !self.roles.is_empty() {
            text.push_str(&format!(", role {}", self.roles.join(" or ")));
        }
        if self.optional {
            text.push_str(", optional");
        }
        text
    }
}
