//! Services that are not WebAssembly, as a node sees them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AdaptiveStatus;

/// An upstream at one moment. Counts are since it was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct UpstreamStatus {
    /// As the manifest names it, or its endpoints.
    #[schema(example = "legacy")]
    pub name: String,
    pub active: u64,
    pub waiting: u64,
    /// Calls that may be inside at once, as it stands.
    #[serde(default)]
    pub places: u64,
    /// The limit that is found from how long calls take. Absent: the limit is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveStatus>,
    /// Tries after the first.
    pub retries: u64,
    /// Retries for which the budget had nothing left.
    pub retries_refused: u64,
    /// Absent: nothing is hedged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedges: Option<HedgeStatus>,
    /// Absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerStatus>,
    pub endpoints: Vec<EndpointStatus>,
}

/// Second tries beside a late first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct HedgeStatus {
    pub sent: u64,
    /// Of these, those whose answer counted.
    pub won: u64,
    /// Not sent: a budget had nothing left.
    pub refused: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BreakerStatus {
    /// `closed`, `open` or `probing`.
    #[schema(example = "closed")]
    pub state: String,
    /// Why it opened last; empty if it never did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(example = "7 failures in a row")]
    pub cause: String,
    /// How long it stays open at most, in milliseconds; 0 unless it is open.
    pub open_ms: u64,
    pub opens: u64,
    /// Calls that it refused.
    pub refused: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EndpointStatus {
    #[schema(example = "http://10.1.0.4:8080")]
    pub address: String,
    /// `in use`, `starting`, `standby` (others are nearer), `ejected`, `unhealthy` or `idle`.
    #[schema(example = "in use")]
    pub state: String,
    pub weight: u32,
    /// Where it runs; absent where the manifest does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "eu-1a")]
    pub zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "eu-1")]
    pub region: Option<String>,
    /// Answers, and failures to answer.
    pub requests: u64,
    pub failures: u64,
    pub ejections: u64,
    pub active: u64,
    /// The average time to the first byte of an answer, with a penalty for failures, in microseconds.
    pub latency_us: u64,
}
