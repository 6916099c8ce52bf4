//! A stage: one component of one revision with its gate and its meter.

use std::sync::Arc;

use weft_host::Component;
use weft_telemetry::metrics::ComponentMeter;
use weft_traffic::breaker;
use weft_types::Target;

use crate::{
    gate::{Gate, GateOptions},
    guard::Guard,
    objectives::Objectives,
};

/// What stands before a component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageOptions {
    pub gate: GateOptions,
    /// `None`: there is none.
    pub breaker: Option<breaker::Options>,
}

/// Immutable but for its counters. Two revisions of a component are two stages; a call keeps the one it entered.
pub struct Stage {
    pub target: Target,
    pub component: Arc<Component>,
    pub gate: Arc<Gate>,
    pub guard: Option<Arc<Guard>>,
    pub meter: Arc<ComponentMeter>,
    /// `None`: nothing is promised of it.
    pub objectives: Option<Arc<Objectives>>,
}
