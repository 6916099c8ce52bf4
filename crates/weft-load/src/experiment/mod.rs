//! An experiment: is it steady, does it bear what is put in, does it recover? Who is harmed, and how, is behind [`Site`].
//!
//! ```text
//! steady ── not met ─► void        inject ─► under fault ─┬─ abort bound missed ─► broken, faults taken out at once
//!    └─ met ──────────────────────────────────────────────┴─► take out ─► steady again in time? ─► stays so? ─► held
//! ```
//!
//! Whatever happens, faults are taken out before anything is said; if the site is lost they end by their own bound.

mod expect;
mod report;

use std::{collections::VecDeque, pin::Pin, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

pub use self::{
    expect::{Expectation, Seen, sum},
    report::{ExperimentReport, Part, Verdict},
};
use crate::{
    driver::{Driver, Load, Request, Stop},
    report::Figures,
    schedule::{Schedule, Spacing, Stage, StageError},
    slo::{Judgement, Slo},
    tally::Count,
};

/// How often a load is looked at, and for how long back an abort bound is judged.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS: usize = 4;
/// Fewer ends than this in the last second say nothing yet.
const ENDS_MIN: u64 = 5;
/// One try at being steady again.
const TRY: Duration = Duration::from_secs(1);
/// A site that does not answer within this is lost.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is asked.
const HEARTBEAT: Duration = Duration::from_millis(500);

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// What is harmed. Errors are sentences.
pub trait Site: Send + Sync {
    /// Puts every fault in, bounded by `lasting` each whatever becomes of us.
    fn inject(&self, lasting: Duration) -> Answer<'_, ()>;
    /// Takes all of them out.
    fn heal(&self) -> Answer<'_, ()>;
    /// Its metrics as text. Also how it is known to be there.
    fn metrics(&self) -> Answer<'_, String>;
}

/// What is believed, and how it is tried.
#[derive(Debug, Clone)]
pub struct Plan {
    pub title: String,
    /// Requests a second.
    pub rate: f64,
    pub steady: Slo,
    /// `None`: whatever comes.
    pub under_fault: Option<Slo>,
    pub abort: Option<Slo>,
    pub steady_for: Duration,
    pub fault_for: Duration,
    pub recovers_within: Duration,
    pub recovery_for: Duration,
    /// Of the stage of faults, and of the recovery.
    pub expected: Vec<Expectation>,
    pub expected_after: Vec<Expectation>,
}

/// Runs experiments at one place.
pub struct Laboratory<'a> {
    pub driver: Driver,
    pub requests: std::sync::Arc<[Request]>,
    pub site: &'a dyn Site,
    /// Becomes true when somebody wants it to end.
    pub interrupted: watch::Receiver<bool>,
}

/// Why a part ended before its time.
enum Cut {
    Interrupted,
    Lost(String),
    Aborted(Judgement),
}

impl Laboratory<'_> {
    /// The whole experiment. `tell` hears what begins.
    pub async fn run(&self, plan: &Plan, mut tell: impl FnMut(&str)) -> Result<ExperimentReport, StageError> {
        let mut report = ExperimentReport::new(plan);
        tell("measuring the steady state");
        match self.part("steady", plan, plan.steady_for, Some(&plan.steady), &[], None).await? {
            (part, None) => {
                let met = part.met();
                report.parts.push(part);
                if !met {
                    return Ok(report.end(Verdict::Void, "it was not steady before anything was put in"));
                }
            }
            (part, Some(cut)) => return Ok(report.cut(part, cut)),
        }
        tell("putting the faults in");
        let bound = plan.fault_for + PATIENCE;
        let put_in = self.answered(self.site.inject(bound)).await;
        if let Err(why) = put_in {
            // Some may be in force already.
            let _ = self.answered(self.site.heal()).await;
            return Ok(report.end(Verdict::Void, &format!("the faults could not be put in: {why}")));
        }
        let slo = plan.under_fault.as_ref();
        let hurt = self.part("fault", plan, plan.fault_for, slo, &plan.expected, plan.abort.as_ref()).await;
        tell("taking the faults out");
        let healed = self.answered(self.site.heal()).await;
        match hurt? {
            (part, None) => report.parts.push(part),
            (part, Some(cut)) => return Ok(report.cut(part, cut)),
        }
        if let Err(why) = healed {
            let why = format!("the faults could not be taken out, and end by themselves: {why}");
            return Ok(report.end(Verdict::Void, &why));
        }
        tell("waiting until it is steady again");
        self.recover(plan, report).await
    }

    async fn recover(&self, plan: &Plan, mut report: ExperimentReport) -> Result<ExperimentReport, StageError> {
        let before = self.answered(self.site.metrics()).await.unwrap_or_default();
        let began = Instant::now();
        loop {
            let (part, cut) = self.part("recovery", plan, TRY, Some(&plan.steady), &[], None).await?;
            if let Some(cut) = cut {
                return Ok(report.cut(part, cut));
            }
            if part.met() {
                break;
            }
            if began.elapsed() >= plan.recovers_within {
                report.parts.push(part);
                return Ok(report.end(Verdict::Broken, "it was not steady again in time"));
            }
        }
        report.recovered_s = Some(began.elapsed().as_secs_f64());
        let (mut part, cut) = self.part("recovery", plan, plan.recovery_for, Some(&plan.steady), &[], None).await?;
        if let Some(cut) = cut {
            return Ok(report.cut(part, cut));
        }
        match self.answered(self.site.metrics()).await {
            Ok(after) => part.seen = plan.expected_after.iter().map(|one| one.judge(&before, &after)).collect(),
            Err(why) => return Ok(report.cut(part, Cut::Lost(why))),
        }
        report.parts.push(part);
        Ok(report.judged())
    }

    /// One part of it, under load and watched.
    async fn part(
        &self,
        name: &'static str,
        plan: &Plan,
        lasting: Duration,
        slo: Option<&Slo>,
        expected: &[Expectation],
        abort: Option<&Slo>,
    ) -> Result<(Part, Option<Cut>), StageError> {
        let schedule = Schedule::new(vec![Stage::constant(plan.rate, lasting)], Spacing::Even)?;
        let load = Load { requests: std::sync::Arc::clone(&self.requests), schedule, warm_up: 0 };
        let before = match self.answered(self.site.metrics()).await {
            Ok(before) => before,
            Err(why) => return Ok((Part::empty(name), Some(Cut::Lost(why)))),
        };
        let stop = Stop::default();
        let (alarm, aborted) = (Notify::new(), Mutex::new(None));
        let mut window = Window::default();
        let run = self.driver.watched(load, slo, &stop, LOOK, |count| {
            let last = window.push(count);
            if let Some(abort) = abort.filter(|_| last.ended() >= ENDS_MIN) {
                let judgement = abort.judge(&last);
                if !judgement.met {
                    aborted.lock().get_or_insert(judgement);
                    alarm.notify_one();
                }
            }
        });
        let mut cut = None;
        let mut interrupted = self.interrupted.clone();
        let tally = {
            tokio::pin!(run);
            let ended = tokio::select! {
                tally = &mut run => Ok(tally),
                () = alarm.notified() => Err(None),
                _ = interrupted.wait_for(|is| *is) => Err(Some(Cut::Interrupted)),
                why = self.lost() => Err(Some(Cut::Lost(why))),
            };
            match ended {
                Ok(tally) => tally,
                Err(why) => {
                    cut = why;
                    // The faults go before what is in flight has ended.
                    let _ = self.answered(self.site.heal()).await;
                    stop.stop();
                    run.await
                }
            }
        };
        let count = tally.judged();
        let mut part = Part {
            name,
            judgement: slo.map(|slo| slo.judge(&count)),
            figures: Figures::of(&count, lasting),
            seen: Vec::new(),
        };
        let cut = cut.or(aborted.into_inner().map(Cut::Aborted));
        if cut.is_none() {
            match self.answered(self.site.metrics()).await {
                Ok(after) => part.seen = expected.iter().map(|one| one.judge(&before, &after)).collect(),
                Err(why) => return Ok((part, Some(Cut::Lost(why)))),
            }
        }
        Ok((part, cut))
    }

    /// Ends when the site does not answer any more, with why.
    async fn lost(&self) -> String {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if let Err(why) = self.answered(self.site.metrics()).await {
                return why;
            }
        }
    }

    async fn answered<T>(&self, answer: Answer<'_, T>) -> Result<T, String> {
        timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err("it does not answer".to_owned()))
    }
}

/// What came of the last second.
#[derive(Default)]
struct Window(VecDeque<Count>);

impl Window {
    fn push(&mut self, count: Count) -> Count {
        let last = match self.0.front() {
            Some(before) => count.since(before),
            None => count.clone(),
        };
        self.0.push_back(count);
        if self.0.len() > LOOKS {
            self.0.pop_front();
        }
        last
    }
}
