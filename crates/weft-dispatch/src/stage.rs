//! A stage: one component of one revision with its gate and its meter.

use std::sync::Arc;

use weft_host::Component;
use weft_telemetry::metrics::ComponentMeter;
use weft_types::{Clock, Target};

use crate::gate::{Gate, GateOptions};

/// Immutable but for its counters. Two revisions of a component are two stages; a call keeps the one it entered.
pub struct Stage {
    pub target: Target,
    pub component: Arc<Component>,
    pub gate: Arc<Gate>,
    pub meter: Arc<ComponentMeter>,
}

impl Stage {
    pub fn new(
        target: Target,
        component: Arc<Component>,
        options: GateOptions,
        meter: Arc<ComponentMeter>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self { target, component, gate: Gate::new(options, clock), meter })
    }
}
