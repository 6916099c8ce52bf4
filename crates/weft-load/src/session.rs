//! A load and its judgement, and a search by many: what the command does, without its words.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    cause::{Sample, signs},
    driver::{Driver, Load, Request, Stop},
    report::{CapacityReport, Figures, Probe, Report},
    schedule::{RATE_MAX, Schedule, Spacing, Stage, StageError},
    search::{Search, Shown},
    slo::Slo,
    tally::{LATE, Tally},
};

/// How often a node is asked how it is.
const LOOK: Duration = Duration::from_millis(250);
/// A probe has so many requests beyond the highest quantile that it is judged by, if it is not to last too long.
const BEYOND_QUANTILE: f64 = 10.0;
/// A probe is prolonged to this many times what was asked for at most.
const PROLONGED_MAX: u32 = 5;

/// Tells how a node is while it is loaded. `None`: it does not say.
pub trait Look: Send + Sync {
    fn look(&self) -> Pin<Box<dyn Future<Output = Option<Sample>> + Send + '_>>;
}

/// What every load of a session shares.
#[derive(Clone)]
pub struct Session {
    pub driver: Driver,
    pub requests: Arc<[Request]>,
    pub spacing: Spacing,
    /// Before what is judged, at its first rate. Zero: none.
    pub warm_up: Duration,
    pub look: Option<Arc<dyn Look>>,
    pub stop: Stop,
}

/// How a capacity is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// The first rate, in requests a second.
    pub start: f64,
    pub most: f64,
    /// How close to the true capacity, as a share of it.
    pub precision: f64,
    /// Of each probe, without its warm-up.
    pub lasting: Duration,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { start: 100.0, most: RATE_MAX, precision: 0.05, lasting: Duration::from_secs(10) }
    }
}

impl Session {
    /// Runs the stages, and judges them where there is an objective.
    pub async fn run(&self, stages: Vec<Stage>, slo: Option<&Slo>) -> Result<Report, StageError> {
        let (stages, warm_up) = self.warmed(stages);
        let schedule = Schedule::new(stages.clone(), self.spacing)?;
        let (tally, samples) = self.watched(schedule, warm_up, slo).await;
        let mut report = Report::of(&tally, &stages, warm_up);
        report.interrupted = self.stop.is_stopped();
        if let Some(slo) = slo {
            let judgement = slo.judge(&tally.judged());
            if !judgement.met {
                report.signs = signs(&tally, slo, &samples);
            }
            report.judgement = Some(judgement);
        }
        Ok(report)
    }

    /// Searches for the highest rate that meets the objective. `tell` hears of each probe when it is over.
    pub async fn capacity(
        &self,
        of: Capacity,
        slo: &Slo,
        mut tell: impl FnMut(&Probe),
    ) -> Result<CapacityReport, StageError> {
        let mut search = Search::new(of.start, of.most, of.precision);
        let mut report = CapacityReport { found: None, probes: Vec::new(), gave_way: Vec::new(), interrupted: false };
        loop {
            let rate = search.next();
            let probe = self.probe(rate, prolonged(of.lasting, rate, slo), slo).await?;
            if self.stop.is_stopped() {
                report.interrupted = true;
                break;
            }
            tell(&probe);
            let shown = shown(&probe);
            report.probes.push(probe);
            if let Err(found) = search.on(shown) {
                report.found = Some(found);
                break;
            }
        }
        let missed = report.probes.iter().filter(|probe| !probe.judgement.met || !probe.sent_in_time);
        // Where nothing was seen to go wrong, nothing gave way.
        let lowest = missed.filter(|probe| !probe.signs.is_empty()).min_by(|a, b| a.rate.total_cmp(&b.rate));
        report.gave_way = lowest.map(|probe| probe.signs.clone()).unwrap_or_default();
        Ok(report)
    }

    async fn probe(&self, rate: f64, lasting: Duration, slo: &Slo) -> Result<Probe, StageError> {
        let (stages, warm_up) = self.warmed(vec![Stage::constant(rate, lasting)]);
        let (tally, samples) = self.watched(Schedule::new(stages, self.spacing)?, warm_up, Some(slo)).await;
        let count = tally.judged();
        let judgement = slo.judge(&count);
        let sent_in_time = count.lag(0.99) <= lag_allowed(slo);
        let signs = if judgement.met && sent_in_time { Vec::new() } else { signs(&tally, slo, &samples) };
        Ok(Probe { rate, sent_in_time, judgement, figures: Figures::of(&count, lasting), signs })
    }

    fn warmed(&self, mut stages: Vec<Stage>) -> (Vec<Stage>, usize) {
        match stages.first() {
            Some(first) if !self.warm_up.is_zero() => {
                let rate = if first.from > 0.0 { first.from } else { first.to };
                stages.insert(0, Stage::constant(rate, self.warm_up));
                (stages, 1)
            }
            _ => (stages, 0),
        }
    }

    /// Runs a load while the node is asked how it is.
    async fn watched(&self, schedule: Schedule, warm_up: usize, slo: Option<&Slo>) -> (Tally, Vec<Sample>) {
        let load = Load { requests: Arc::clone(&self.requests), schedule, warm_up };
        let run = self.driver.run(load, slo, &self.stop);
        let Some(look) = &self.look else { return (run.await, Vec::new()) };
        let mut samples = Vec::new();
        let start = Instant::now();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(run);
        loop {
            let sample = async {
                tick.tick().await;
                let at = start.elapsed();
                look.look().await.map(|sample| Sample { at, ..sample })
            };
            tokio::select! {
                tally = &mut run => return (tally, samples),
                sample = sample => samples.extend(sample),
            }
        }
    }
}

/// Requests of a probe, at the least.
const REQUESTS_MIN: f64 = 2.0;

/// How late we may send for the objective to be judged by what we sent.
fn lag_allowed(slo: &Slo) -> Duration {
    slo.bounds().map(|(bound, _)| bound / 4).min().map_or(LATE, |quarter| quarter.max(LATE))
}

/// Long enough to be judged: for a bound on a quantile so many requests beyond it, and never without any.
fn prolonged(lasting: Duration, rate: f64, slo: &Slo) -> Duration {
    let lasting = lasting.max(Duration::from_secs_f64(REQUESTS_MIN / rate));
    let shares = slo.bounds().map(|(_, share)| share).filter(|share| *share > 0.0);
    let Some(beyond) = shares.reduce(f64::min) else { return lasting };
    let needed = BEYOND_QUANTILE / beyond / rate;
    lasting.max(Duration::from_secs_f64(needed).min(lasting * PROLONGED_MAX))
}

fn shown(probe: &Probe) -> Shown {
    if !probe.sent_in_time {
        return Shown::NotSent;
    }
    let taken = probe.judgement.clauses.iter().filter(|clause| !clause.met).map(|clause| clause.taken);
    match taken.reduce(f64::max) {
        None => Shown::Met,
        Some(taken) => Shown::Missed { taken },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_lasts_until_its_quantile_can_be_told_within_reason() {
        let slo = |text: &str| text.parse::<Slo>().expect("good");
        let ten = Duration::from_secs(10);
        assert_eq!(prolonged(ten, 1000.0, &slo("p99<50ms")), ten);
        assert_eq!(prolonged(ten, 50.0, &slo("p99<50ms")), ten * 2);
        assert_eq!(prolonged(ten, 1.0, &slo("p99.9<50ms")), ten * 5);
        assert_eq!(prolonged(ten, 10.0, &slo("max<50ms")), ten);
    }
}
