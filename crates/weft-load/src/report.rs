//! What a load showed, as it is printed and as programs read it.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{
    cause::Sign,
    schedule::Stage,
    search::Found,
    slo::Judgement,
    tally::{Broken, Count, Tally},
};

/// A load that was run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    pub stages: Vec<StageReport>,
    /// All stages but the warm-up.
    pub whole: Figures,
    /// It was stopped before its end.
    pub interrupted: bool,
    /// What the objective says, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
    /// Of a load that missed its objective: what went wrong, the first first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signs: Vec<Sign>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageReport {
    /// Requests a second, at its start and its end.
    pub from: f64,
    pub to: f64,
    pub lasting_s: f64,
    pub warm_up: bool,
    #[serde(flatten)]
    pub figures: Figures,
}

/// A search for the capacity.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CapacityReport {
    /// Absent where the search was interrupted.
    #[serde(flatten)]
    pub found: Option<Found>,
    /// In the order in which they were tried.
    pub probes: Vec<Probe>,
    /// What went wrong at the lowest rate that missed the objective, the first first.
    pub gave_way: Vec<Sign>,
    pub interrupted: bool,
}

/// One rate that was tried.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Probe {
    /// Requests a second.
    pub rate: f64,
    /// We could send what was due in time.
    pub sent_in_time: bool,
    pub judgement: Judgement,
    #[serde(flatten)]
    pub figures: Figures,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signs: Vec<Sign>,
}

/// Counts and times of a load, or of a part of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Figures {
    /// Those that were due; every one of them ended in one of the ways below.
    pub requests: u64,
    pub ok: u64,
    /// Successes a second, over the time in which requests were due.
    pub ok_per_s: f64,
    /// By status.
    pub statuses: BTreeMap<u16, u64>,
    /// By `weft-error`.
    pub codes: BTreeMap<String, u64>,
    /// Without an answer, by why.
    pub broken: BTreeMap<Broken, u64>,
    /// Sent more than 5 ms after they were due.
    pub late: u64,
    /// Due while as many were in flight as may be.
    pub waited: u64,
    pub body_bytes: u64,
    /// From due to the answer's end; who was not answered counts with the timeout, failed answers not at all.
    pub latency: Times,
    /// From sent to the answer's end, of successes: what a client shows that waits for one answer before it asks again.
    pub from_sent: Times,
    /// From due to sent, where nothing was waited for: how late this generator itself was.
    pub lag_p99_ms: f64,
}

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Times {
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    #[serde(rename = "p99.9-ms")]
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Report {
    pub(crate) fn of(tally: &Tally, stages: &[Stage], warm_up: usize) -> Self {
        let lasting = |stages: &[Stage]| stages.iter().map(|stage| stage.lasting).sum();
        let figures = tally.stages().iter().zip(stages).enumerate();
        let figures = figures.map(|(index, (count, stage))| StageReport {
            from: stage.from,
            to: stage.to,
            lasting_s: stage.lasting.as_secs_f64(),
            warm_up: index < warm_up,
            figures: Figures::of(count, stage.lasting),
        });
        Self {
            stages: figures.collect(),
            whole: Figures::of(&tally.judged(), lasting(&stages[warm_up..])),
            interrupted: false,
            judgement: None,
            signs: Vec::new(),
        }
    }
}

impl Figures {
    /// `lasting`: how long requests were due.
    pub fn of(count: &Count, lasting: Duration) -> Self {
        Self {
            requests: count.ended(),
            ok: count.ok,
            ok_per_s: rounded(count.ok as f64 / lasting.as_secs_f64()),
            statuses: count.statuses.clone(),
            codes: count.codes.clone(),
            broken: count.broken.clone(),
            late: count.late,
            waited: count.waited,
            body_bytes: count.bytes,
            latency: Times::of(|quantile| count.latency(quantile)),
            from_sent: Times::of(|quantile| count.service(quantile)),
            lag_p99_ms: millis(count.lag(0.99)),
        }
    }
}

impl Times {
    fn of(at: impl Fn(f64) -> Duration) -> Self {
        let [p50_ms, p90_ms, p99_ms, p999_ms, max_ms] =
            [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| millis(at(quantile)));
        Self { p50_ms, p90_ms, p99_ms, p999_ms, max_ms }
    }
}

fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1000.0)
}

/// Three digits after the point are what is measured.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
