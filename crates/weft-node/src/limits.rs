//! How many calls at once are let in: for people, and for the metrics.

use std::sync::Weak;

use weft_api::AdaptiveStatus;
use weft_dispatch::Load;
use weft_telemetry::metrics::{LimitReading, LimitSource};

use crate::node::Node;

/// `None`: the limit is fixed.
pub(crate) fn status(load: &Load) -> Option<AdaptiveStatus> {
    let view = load.adaptive?;
    Some(AdaptiveStatus {
        limit: view.gradient.limit.into(),
        floor: view.gradient.floor.into(),
        binds: load.binds,
        usual_us: view.gradient.usual.as_micros() as u64,
    })
}

/// Reads the gates of a node's components.
pub(crate) struct Read(pub(crate) Weak<Node>);

impl LimitSource for Read {
    fn read(&self) -> Vec<LimitReading> {
        let Some(node) = self.0.upgrade() else { return Vec::new() };
        let world = node.world.lock();
        let parts = world.running.values().flat_map(|running| &running.parts);
        let read = parts.map(|part| {
            let (load, target) = (part.stage.gate.load(), &part.stage.target);
            LimitReading {
                application: target.application.clone(),
                component: target.component.clone(),
                places: load.places,
                adaptive: load.adaptive.map(|view| view.gradient.limit),
            }
        });
        read.collect()
    }
}
