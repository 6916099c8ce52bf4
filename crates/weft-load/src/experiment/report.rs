//! What an experiment showed.

use serde::Serialize;

use super::{Cut, Plan, Seen};
use crate::{report::Figures, slo::Judgement, tally::Count};

/// The answer to what was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All of it held.
    Held,
    /// Some of it did not.
    Broken,
    /// Nothing can be said: it was not steady before, was interrupted, or the site was lost.
    Void,
}

/// An experiment from its begin to its end.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExperimentReport {
    pub title: String,
    pub verdict: Verdict,
    /// Why, where it did not hold: one sentence a reason.
    pub because: Vec<String>,
    pub parts: Vec<Part>,
    /// From when the faults were taken out until it was steady again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered_s: Option<f64>,
}

/// One part of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Part {
    /// `steady`, `fault` or `recovery`.
    pub name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
    pub seen: Vec<Seen>,
    #[serde(flatten)]
    pub figures: Figures,
}

impl Part {
    pub(super) fn empty(name: &'static str) -> Self {
        let figures = Figures::of(&Count::default(), std::time::Duration::from_secs(1));
        Self { name, judgement: None, seen: Vec::new(), figures }
    }

    /// Whether all that was to hold did.
    pub fn met(&self) -> bool {
        self.judgement.as_ref().is_none_or(|judgement| judgement.met) && self.seen.iter().all(|seen| seen.met)
    }

    fn reasons(&self) -> impl Iterator<Item = String> {
        let missed = self.judgement.iter().flat_map(|judgement| &judgement.clauses).filter(|clause| !clause.met);
        let unseen = self.seen.iter().filter(|seen| !seen.met);
        let missed = missed.map(|clause| format!("{}: {} was {}", self.name, clause.clause, measured(clause)));
        missed.chain(unseen.map(|seen| format!("{}: {} was {}", self.name, seen.expected, seen.measured)))
    }
}

fn measured(judged: &crate::slo::Judged) -> String {
    match judged.clause {
        crate::slo::Clause::Errors { .. } => format!("{:.2}%", judged.measured * 100.0),
        crate::slo::Clause::Latency { .. } => format!("{:.1} ms", judged.measured),
    }
}

impl ExperimentReport {
    pub(super) fn new(plan: &Plan) -> Self {
        let (title, because, parts) = (plan.title.clone(), Vec::new(), Vec::new());
        Self { title, verdict: Verdict::Void, because, parts, recovered_s: None }
    }

    pub(super) fn end(mut self, verdict: Verdict, why: &str) -> Self {
        self.verdict = verdict;
        self.because.push(why.to_owned());
        self.because.extend(self.parts.iter().flat_map(Part::reasons).collect::<Vec<_>>());
        self
    }

    pub(super) fn cut(mut self, part: Part, cut: Cut) -> Self {
        self.parts.push(part);
        match cut {
            Cut::Interrupted => self.end(Verdict::Void, "it was interrupted; the faults are taken out"),
            Cut::Lost(why) => {
                let why = format!("the node was lost, where the faults end by themselves: {why}");
                self.end(Verdict::Void, &why)
            }
            Cut::Aborted(judgement) => {
                let missed = judgement.clauses.iter().filter(|clause| !clause.met);
                let missed: Vec<String> =
                    missed.map(|clause| format!("{} was {}", clause.clause, measured(clause))).collect();
                let why = format!("it was stopped by its abort bound: {}", missed.join(", "));
                self.end(Verdict::Broken, &why)
            }
        }
    }

    pub(super) fn judged(mut self) -> Self {
        self.because = self.parts.iter().flat_map(Part::reasons).collect();
        self.verdict = if self.because.is_empty() { Verdict::Held } else { Verdict::Broken };
        self
    }
}
