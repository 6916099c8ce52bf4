//! What became of one request: kept by a node for a while, and found by its id.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{explain::Candidate, logs::LogLine, upstream::UpstreamStatus};

/// A request that is over. Durations are microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RequestReport {
    #[schema(example = "inv_01a1fd2b…")]
    pub id: String,
    pub trace_id: String,
    /// Milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// To the last byte of the answer; of a WebSocket, to its 101.
    pub took_us: u64,
    /// How long it was a WebSocket, if it became one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_us: Option<u64>,
    pub method: String,
    #[schema(example = "HTTP/1.1")]
    pub version: String,
    /// 499: its client left before the head of the answer.
    pub status: u16,
    /// `ok`, `caller-fault`, `failure` or `shed`.
    pub class: String,
    /// Our failure, or why the answer broke off; absent for what was answered in peace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether the answer was handed over to its last byte.
    pub complete: bool,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Who was proven to be calling, as `AUTH/SUBJECT`. Absent: nobody was, or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What the route's rate limit said. Absent: it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitReport>,
    /// The route that was matched, with the policy that it had. Absent: none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Candidate>,
    /// Of a split route: who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "upstream legacy")]
    pub arm: Option<String>,
    /// Of upstreams, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<TryReport>,
    /// How the route's upstream stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamStatus>,
    /// What was logged meanwhile, as far as it is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
}

/// What a rate limit said to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LimitReport {
    pub allowed: bool,
    /// Requests at once, and those that were left after this one.
    pub burst: u32,
    pub remaining: u32,
}

/// One try of an upstream, until the head of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TryReport {
    /// 1 for the first.
    pub attempt: u32,
    #[schema(example = "http://10.1.0.4:8080")]
    pub endpoint: String,
    /// Since the request's head.
    pub after_us: u64,
    pub took_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}
