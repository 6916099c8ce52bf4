//! The admin API: what is asked of a node and what it answers, and the OpenAPI document made from that.
//!
//! Types only: `weft-control` answers, the command line asks, and both find the addresses in [`path`].

mod application;
mod apply;
mod explain;
mod fault;
mod logs;
pub mod openapi;
pub mod path;
mod problem;
mod request;
mod status;
mod upstream;

pub use application::{
    Application, ApplicationSummary, Applications, Change, Component, Revision, Revisions, Route, Routes, State,
};
pub use apply::{ARTEFACT_BYTES_MAX, Applied, Apply, Artefact, Folder, REQUEST_BYTES_MAX, Removed, Rollback};
pub use explain::{Access, Candidate, ExplainQuery, Explanation, Param, PolicyField, QueryError, Service, Who};
pub use fault::{FaultPulse, FaultStatus, Faults, NewFault};
pub use logs::{LOG_LINES_MAX, LOG_WAIT_MAX, LogLevel, LogLine, LogPage, LogQuery, LogQueryError};
pub use problem::{Place, Problem};
pub use request::{LimitReport, RequestReport, TryReport};
pub use status::{
    AdaptiveStatus, ApplicationStatus, ArmStatus, ComponentStatus, Listener, NodeState, Serves, SloStatus, SplitStatus,
    Status, StoreStatus,
};
pub use upstream::{BreakerStatus, EndpointStatus, HedgeStatus, UpstreamStatus};
