//! Who answers a route: one callee, or several by weight, and a mirror that is given copies.

use std::{fmt, sync::Arc};

use weft_types::Context;

use crate::{Upstream, mirror, split::Split};

/// Someone who can be called: by its context the door finds it.
#[derive(Debug, Clone)]
pub enum Callee {
    /// A component's HTTP handler.
    Component(Arc<Context>),
    Upstream(Upstream),
}

impl Callee {
    pub fn context(&self) -> &Arc<Context> {
        match self {
            Self::Component(context) | Self::Upstream(Upstream { context, .. }) => context,
        }
    }

    /// Its name in the manifest.
    pub fn name(&self) -> &str {
        match self {
            Self::Component(context) => context.target.component.as_str(),
            Self::Upstream(upstream) => &upstream.name,
        }
    }
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if matches!(self, Self::Component(_)) { "component" } else { "upstream" };
        write!(f, "{what} {}", self.name())
    }
}

/// A route's requests, split between several.
#[derive(Debug, Clone)]
pub struct Arms {
    pub split: Split,
    /// One for each arm of the split, in its order.
    pub callees: Vec<Callee>,
}

impl Arms {
    /// The callee of an arm that the split has chosen.
    pub fn callee(&self, arm: usize) -> Option<&Callee> {
        self.callees.get(arm)
    }
}

impl fmt::Display for Arms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (arm, callee) in self.split.arms().iter().zip(&self.callees) {
            write!(f, "{between}{callee} {}", arm.weight)?;
            between = ", ";
        }
        Ok(())
    }
}

/// Who is given a copy of a route's requests. Nobody sees its answers.
#[derive(Debug, Clone)]
pub struct MirrorTo {
    pub callee: Callee,
    pub options: mirror::Options,
}
