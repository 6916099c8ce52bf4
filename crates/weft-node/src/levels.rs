//! How service levels are kept: for people, and for the metrics.

use std::sync::Weak;

use weft_api::SloStatus;
use weft_dispatch::{Stage, Standing};
use weft_telemetry::metrics::{LevelReading, LevelSource};
use weft_traffic::units::format_duration;
use weft_types::{Target, Timestamp};

use crate::{node::Node, notify};

/// Of one component. Nothing is promised: nothing is told.
pub(crate) fn status(stage: &Stage, now: Timestamp) -> Vec<SloStatus> {
    let told = |standing: Standing| SloStatus {
        window: format_duration(standing.objective.window),
        target: standing.objective.target.to_string(),
        latency: standing.objective.latency.map(format_duration),
        good: standing.remaining.counts.good,
        bad: standing.remaining.counts.bad,
        remaining: standing.remaining.share,
        burning: standing.severity.map(|severity| severity.as_str().to_owned()),
        objective: standing.name,
    };
    let objectives = stage.objectives.as_ref();
    objectives.map(|objectives| objectives.standing(now).into_iter().map(told).collect()).unwrap_or_default()
}

/// How every objective of a node stands, for those who are told.
pub(crate) fn standings(node: &Node, now: Timestamp) -> Vec<notify::Standing> {
    let told = |(target, standing): (&Target, Standing)| {
        let (promised, window) = (standing.objective.target.to_string(), format_duration(standing.objective.window));
        let severity = standing.severity;
        notify::Standing::new(reading(target, standing), promised, window, severity)
    };
    let world = node.world.lock();
    let promised = world.running.values().flat_map(|running| &running.parts);
    let promised = promised.filter_map(|part| Some((&part.stage.target, part.stage.objectives.as_ref()?)));
    promised
        .flat_map(|(target, objectives)| objectives.standing(now).into_iter().map(move |one| told((target, one))))
        .collect()
}

fn reading(target: &Target, standing: Standing) -> LevelReading {
    LevelReading {
        application: target.application.clone(),
        component: target.component.clone(),
        remaining: standing.remaining.share,
        burns: burns(&standing),
        severity: standing.severity.map(|severity| severity.as_str()),
        objective: standing.name,
    }
}

/// Reads the objectives of a node's components.
pub(crate) struct Read(pub(crate) Weak<Node>);

impl LevelSource for Read {
    fn read(&self) -> Vec<LevelReading> {
        let Some(node) = self.0.upgrade() else { return Vec::new() };
        let now = node.telemetry.clock.now();
        let world = node.world.lock();
        let parts = world.running.values().flat_map(|running| &running.parts);
        let promised = parts.filter_map(|part| Some((&part.stage.target, part.stage.objectives.as_ref()?)));
        let read = promised.flat_map(|(target, objectives)| {
            objectives.standing(now).into_iter().map(|standing| reading(target, standing))
        });
        read.collect()
    }
}

/// Each window once, the shortest first.
fn burns(standing: &Standing) -> Vec<(String, f64)> {
    let pairs = standing.burns.iter().flat_map(|burn| [(burn.rule.short(), burn.short), (burn.rule.long(), burn.long)]);
    let mut all: Vec<_> = pairs.collect();
    all.sort_by_key(|(window, _)| *window);
    all.dedup_by_key(|(window, _)| *window);
    all.into_iter().map(|(window, rate)| (format_duration(window), rate)).collect()
}
