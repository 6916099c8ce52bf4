//! Applications as a node keeps them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weft_types::{Digest, Name};

/// Every application of the node, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Applications {
    pub applications: Vec<ApplicationSummary>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ApplicationSummary {
    #[schema(value_type = String)]
    pub name: Name,
    /// The revision that serves.
    #[schema(value_type = String)]
    pub revision: Digest,
    /// The number of the change that made it serve.
    pub number: u64,
    /// Milliseconds since the Unix epoch.
    pub applied_ms: u64,
    pub state: State,
}

/// Whether an application answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Being compiled or linked; the revision before serves meanwhile.
    Preparing,
    Serving,
    /// It could not be made to serve; `detail` of its components says why.
    Failed,
}

/// One application in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Application {
    pub summary: ApplicationSummary,
    /// The resolved application as it was applied.
    #[schema(value_type = Object)]
    pub manifest: serde_json::Value,
    pub components: Vec<Component>,
    pub routes: Vec<Route>,
}

/// One component of the revision that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Component {
    #[schema(value_type = String)]
    pub name: Name,
    #[schema(value_type = String)]
    pub source: Digest,
    pub state: State,
    /// Why it failed; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Every route of the node in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Routes {
    pub routes: Vec<Route>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    #[schema(value_type = String)]
    pub application: Name,
    /// Absent: any host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[schema(example = "/orders/:id")]
    pub path: String,
    /// Empty: any method.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Headers that must be there: `name`, or `name: value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// `component api`, `files assets`, `redirect 308 /new`.
    #[schema(example = "component api")]
    pub action: String,
    /// Where it is written: `orders/weft.toml:31`.
    pub place: String,
}

/// The kept revisions of one application, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Revisions {
    #[schema(value_type = String)]
    pub application: Name,
    pub revisions: Vec<Revision>,
}

/// An immutable revision, at one of the times when it began to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Revision {
    pub number: u64,
    #[schema(value_type = String)]
    pub revision: Digest,
    /// Milliseconds since the Unix epoch.
    pub applied_ms: u64,
    pub by: Change,
    /// Whether it serves now.
    pub current: bool,
}

/// What made a revision serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Apply,
    Rollback,
    /// `weft up` saw its sources change.
    Watch,
}
