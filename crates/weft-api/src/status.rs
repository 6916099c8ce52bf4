//! The node at one moment.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weft_types::Name;

use crate::{
    application::{ApplicationSummary, State},
    upstream::{BreakerStatus, UpstreamStatus},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    pub version: String,
    /// Milliseconds since the Unix epoch.
    pub started_ms: u64,
    pub node: NodeState,
    pub listeners: Vec<Listener>,
    /// The folder in which it keeps everything.
    pub data: String,
    pub stores: Vec<StoreStatus>,
    pub applications: Vec<ApplicationStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    Starting,
    Ready,
    /// Finishes what it has begun, takes nothing new.
    Draining,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Listener {
    #[schema(example = "https://127.0.0.1:3443")]
    pub url: String,
    pub serves: Serves,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Serves {
    Applications,
    Admin,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoreStatus {
    #[schema(example = "embedded")]
    pub engine: String,
    pub writable: bool,
    /// Why it refuses writes; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ApplicationStatus {
    pub summary: ApplicationSummary,
    pub components: Vec<ComponentStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<UpstreamStatus>,
    /// Routes that several answer, or that are copied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<SplitStatus>,
}

/// A route that several answer, or that is copied: how each of them did since it was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SplitStatus {
    #[schema(example = "shop.example/orders/:id")]
    pub route: String,
    pub place: String,
    pub arms: Vec<ArmStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ArmStatus {
    #[schema(example = "component api")]
    pub callee: String,
    /// Absent: it is the mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Good answers, and those that were the caller's mistake.
    pub ok: u64,
    pub failures: u64,
    /// Refused to protect something.
    pub shed: u64,
}

/// A component's counts since it was deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ComponentStatus {
    #[schema(value_type = String)]
    pub name: Name,
    pub state: State,
    pub invocations: u64,
    /// Of these, the component's own failures.
    pub failures: u64,
    /// Refused to protect something.
    pub shed: u64,
    pub active: u64,
    pub waiting: u64,
    /// Calls that may be inside at once, as it stands.
    #[serde(default)]
    pub places: u64,
    /// The limit that is found from how long calls take. Absent: the limit is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveStatus>,
    pub instances: u64,
    /// Absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerStatus>,
    /// How its service levels are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slo: Vec<SloStatus>,
}

/// A limit on calls at once that is found from how long they take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AdaptiveStatus {
    /// Calls at once that are yet to answer.
    pub limit: u64,
    /// It does not fall below.
    pub floor: u64,
    /// It is what holds now.
    pub binds: bool,
    /// How long calls take where they do not wait for each other. Microseconds.
    pub usual_us: u64,
}

/// One objective, over its window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SloStatus {
    #[schema(example = "latency-p99")]
    pub objective: String,
    /// This share of calls is to be good.
    #[schema(example = "99%")]
    pub target: String,
    /// A call that takes longer is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "200ms")]
    pub latency: Option<String>,
    #[schema(example = "28d")]
    pub window: String,
    pub good: u64,
    pub bad: u64,
    /// What is left of the budget: 1 all, 0 nothing, less where it is overspent.
    pub remaining: f64,
    /// `page` or `ticket`, while the budget burns so fast that somebody should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burning: Option<String>,
}
