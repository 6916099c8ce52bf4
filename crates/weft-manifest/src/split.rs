//! Routes that several answer, and those that are copied: as they are written and as they are kept.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weft_traffic::{
    Ratio,
    split::{Arm, Split, SplitError, Sticky},
};
use weft_types::Name;

use crate::values::Share;

/// One of several that answer a route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.split"))]
pub struct SplitArm {
    /// A component.
    #[schemars(extend("x-one-of" = "callee"))]
    pub component: Option<String>,
    /// The name of an `[upstream.NAME]`.
    #[schemars(extend("x-one-of" = "callee"))]
    pub upstream: Option<String>,
    /// Its share of the requests beside the others'. 0: only those that `force` sends there.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
    /// Requests with this header are answered by it, whatever the weights: one name = value, `*` for any value.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "header"}, "examples" = [{"x-canary": "1"}]))]
    pub force: BTreeMap<String, String>,
}

/// Whose requests are answered by the same one each time. Exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.sticky"))]
pub struct StickyBy {
    /// A cookie of this name, which is given to whoever brings none. Its value is random, and names nobody.
    #[schemars(extend("x-form" = "header", "examples" = ["weft-arm"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// The value of this header.
    #[schemars(extend("x-form" = "header", "examples" = ["x-user"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// Who is given a copy of a route's requests: bodies up to 64 KiB, 64 copies at once. Nobody sees its answers, and
/// nothing that it does changes what the client gets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.mirror"))]
pub struct MirrorWritten {
    /// A component.
    #[schemars(extend("x-one-of" = "callee"))]
    pub component: Option<String>,
    /// The name of an `[upstream.NAME]`.
    #[schemars(extend("x-one-of" = "callee"))]
    pub upstream: Option<String>,
    /// How many of the requests are copied.
    #[schemars(extend("default" = "100%"))]
    pub share: Option<Share>,
}

/// Someone of the application who can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    Component(Name),
    Upstream(Name),
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(name) => write!(f, "component {name}"),
            Self::Upstream(name) => write!(f, "upstream {name}"),
        }
    }
}

/// A split, resolved: what is read from anywhere is one that can be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "Stored")]
pub struct SplitBetween {
    pub arms: Vec<ArmTo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickyBy>,
}

/// A split as it is kept, before it is believed.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Stored {
    arms: Vec<ArmTo>,
    #[serde(default)]
    sticky: Option<StickyBy>,
}

impl TryFrom<Stored> for SplitBetween {
    type Error = SplitError;

    fn try_from(Stored { arms, sticky }: Stored) -> Result<Self, SplitError> {
        let between = Self { arms, sticky };
        between.split(0)?;
        Ok(between)
    }
}

/// One of its arms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ArmTo {
    pub to: To,
    pub weight: u32,
    /// `*`: any value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<(String, String)>,
}

/// A mirror, resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MirrorRoute {
    pub to: To,
    pub share: Ratio,
}

impl SplitBetween {
    /// What decides. The seed is the route's own, so that not the same people are the canaries everywhere.
    pub(crate) fn split(&self, seed: u64) -> Result<Split, SplitError> {
        let arm = |arm: &ArmTo| Arm {
            name: arm.to.to_string().into(),
            weight: arm.weight,
            force: arm.force.as_ref().and_then(|(name, value)| crate::application::header_match((name, value))),
        };
        let sticky = match &self.sticky {
            Some(StickyBy { cookie: Some(name), .. }) => Sticky::Cookie(name.as_str().into()),
            Some(StickyBy { header: Some(name), .. }) => name.parse().map_or(Sticky::No, Sticky::Header),
            _ => Sticky::No,
        };
        Split::new(self.arms.iter().map(arm).collect(), sticky, seed)
    }
}
