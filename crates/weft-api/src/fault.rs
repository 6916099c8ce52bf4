//! Faults that are put in on purpose: what may be asked for, and what is in force.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weft_types::Name;

/// A fault to be put in. Exactly one of `route`, `component`, `upstream` and `service`; exactly one of `delay`, `abort`,
/// `corrupt`, `bandwidth`, `reset` and `kill`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewFault {
    #[schema(value_type = String, example = "orders")]
    pub application: Name,
    /// The path of its routes, as the manifest has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/orders/*")]
    pub route: Option<String>,
    /// Calls of this component, whoever makes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Each try of this upstream: its name, or its endpoints as `weft status` shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// `store`: what the application's components ask of its stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// It waits before it goes on: `200ms`, at most `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "200ms")]
    pub delay: Option<String>,
    /// It is answered with this status, 400 to 599, and does not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<u16>,
    /// This share of the bytes of its answer's body is changed: `1%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<String>,
    /// Its answer's body comes at most this fast, in bytes a second: `64KiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<String>,
    /// Its connection is lost after so many bytes of its answer's body: `4KiB`; `0B`: before its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<String>,
    /// The instance that serves it is ended, and with it those that are kept warm. Of a component only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kill: bool,
    /// Of how many calls. All, where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "20%")]
    pub share: Option<String>,
    /// Only calls with this header: `name`, or `name: value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// How long it is in force: at most `24h`. It ends by itself.
    #[serde(rename = "for")]
    #[schema(example = "30s")]
    pub lasting: String,
    /// It begins so much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only now and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulse: Option<FaultPulse>,
    /// Calls that are harmed at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
}

/// For the first `on` of each `every`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultPulse {
    #[schema(example = "1s")]
    pub on: String,
    #[schema(example = "10s")]
    pub every: String,
}

/// The faults in force, and those that are yet to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Faults {
    pub faults: Vec<FaultStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FaultStatus {
    pub id: u64,
    #[schema(value_type = String)]
    pub application: Name,
    /// `component api`, `route /orders/*`, `upstream legacy`, `service store`.
    #[schema(example = "component api")]
    pub at: String,
    #[schema(example = "delay 200ms")]
    pub harm: String,
    #[schema(example = "100%")]
    pub share: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulse: Option<FaultPulse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Calls that it has harmed.
    pub harmed: u64,
    /// Until it begins, and until it ends, in milliseconds from now.
    pub begins_in_ms: u64,
    pub ends_in_ms: u64,
}
