//! A service level objective for a load, and whether what was counted meets it.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Serialize, Serializer};
use weft_traffic::units;

use crate::tally::Count;

/// Where an objective says nothing of errors, this share of them is the most: a fast failure is no service.
pub const ERRORS_PRESUMED: f64 = 0.01;

/// What must hold of a load; all clauses of it. One of them is of errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    clauses: Vec<Clause>,
}

/// One sentence of an objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clause {
    /// `p99<50ms`: this share of the requests takes less, from when they were due. 1 is `max`.
    Latency { quantile: f64, below: Duration },
    /// `errors<0.1%`: a smaller share of the requests fails, in whichever way.
    Errors { below: f64 },
}

/// Why a text is no objective, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SloError(String);

/// What an objective says of a load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    pub met: bool,
    pub clauses: Vec<Judged>,
}

/// What one clause says of a load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    #[serde(serialize_with = "as_text")]
    pub clause: Clause,
    pub met: bool,
    /// Milliseconds, or a share of 1.
    pub measured: f64,
    /// How much of what is allowed was taken; 1 and more misses. Not finite where nothing is allowed.
    #[serde(skip)]
    pub taken: f64,
    /// There were too few requests to tell this quantile: the slowest one stands for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub few: bool,
}

fn as_text<S: Serializer>(clause: &Clause, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(clause)
}

impl Slo {
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// How long one request may take by each clause of latency, and which share may take longer.
    pub fn bounds(&self) -> impl Iterator<Item = (Duration, f64)> {
        self.clauses.iter().filter_map(|clause| match clause {
            Clause::Latency { quantile, below } => Some((*below, 1.0 - quantile)),
            Clause::Errors { .. } => None,
        })
    }

    /// The share of errors that is too many.
    pub fn errors_below(&self) -> f64 {
        let errors = self.clauses.iter().find_map(|clause| match clause {
            Clause::Errors { below } => Some(*below),
            Clause::Latency { .. } => None,
        });
        errors.unwrap_or(ERRORS_PRESUMED)
    }

    /// Of no requests nothing is met.
    pub fn judge(&self, count: &Count) -> Judgement {
        let clauses: Vec<_> = self.clauses.iter().map(|clause| clause.judge(count)).collect();
        Judgement { met: clauses.iter().all(|clause| clause.met), clauses }
    }
}

impl Clause {
    fn judge(&self, count: &Count) -> Judged {
        let any = count.ended() > 0;
        match *self {
            Self::Latency { quantile, below } => {
                let measured = count.latency(quantile);
                Judged {
                    clause: *self,
                    met: any && measured < below,
                    measured: measured.as_secs_f64() * 1000.0,
                    taken: measured.as_secs_f64() / below.as_secs_f64(),
                    few: quantile < 1.0 && (count.ended() as f64) * (1.0 - quantile) < 1.0 - 1e-6,
                }
            }
            Self::Errors { below } => {
                let share = count.errors_share();
                // `errors<0%` cannot be meant as impossible: it allows none.
                let met = any && (share < below || share == 0.0);
                Judged { clause: *self, met, measured: share, taken: share / below, few: false }
            }
        }
    }
}

impl FromStr for Slo {
    type Err = SloError;

    /// `p99<50ms,errors<0.1%`; also `max<1s`. What is said of errors is presumed where it is not.
    fn from_str(text: &str) -> Result<Self, SloError> {
        let mut clauses = text.split(',').map(str::parse).collect::<Result<Vec<Clause>, _>>()?;
        match clauses.iter().filter(|clause| matches!(clause, Clause::Errors { .. })).count() {
            0 => clauses.push(Clause::Errors { below: ERRORS_PRESUMED }),
            1 => {}
            _ => return Err(SloError("an objective speaks of errors once".to_owned())),
        }
        Ok(Self { clauses })
    }
}

impl FromStr for Clause {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let shape = || SloError(format!("`{}` is no clause; write `p99<50ms`, `max<1s` or `errors<0.1%`", text.trim()));
        let (what, bound) = text.split_once('<').ok_or_else(shape)?;
        let (what, bound) = (what.trim(), bound.trim());
        if what == "errors" {
            let percent: f64 = bound.strip_suffix('%').ok_or_else(shape)?.trim().parse().map_err(|_| shape())?;
            let good = (0.0..=100.0).contains(&percent);
            return if good { Ok(Self::Errors { below: percent / 100.0 }) } else { Err(shape()) };
        }
        let quantile = match what {
            "max" => 1.0,
            _ => what.strip_prefix('p').and_then(|p| p.parse::<f64>().ok()).ok_or_else(shape)? / 100.0,
        };
        if !(0.0..=1.0).contains(&quantile) || quantile == 0.0 {
            return Err(shape());
        }
        let below = units::parse_duration(bound).map_err(|error| SloError(format!("`{}`: {error}", text.trim())))?;
        Ok(Self::Latency { quantile, below })
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, clause) in self.clauses.iter().enumerate() {
            write!(f, "{}{clause}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { quantile, below } if *quantile == 1.0 => {
                write!(f, "max<{}", units::format_duration(*below))
            }
            Self::Latency { quantile, below } => {
                write!(f, "p{}<{}", percent(*quantile), units::format_duration(*below))
            }
            Self::Errors { below } => write!(f, "errors<{}%", percent(*below)),
        }
    }
}

/// 0.999 → 99.9, without what floating point adds.
pub(crate) fn percent(share: f64) -> f64 {
    (share * 100.0 * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::tests::count_of;

    #[test]
    fn an_objective_is_written_as_it_is_read() {
        for text in ["p99<50ms,errors<0.1%", "p99.9<1s,p50<5ms,errors<1%", "max<2s,errors<0%"] {
            assert_eq!(text.parse::<Slo>().expect(text).to_string(), text);
        }
        assert_eq!(" p99 < 50ms ".parse::<Slo>().expect("good").to_string(), "p99<50ms,errors<1%");
    }

    #[test]
    fn what_is_no_objective_says_what_one_is() {
        for text in ["", "p99", "p99<", "p99<50", "p0<1s", "p101<1s", "errors<1", "errors<-1%", "errors<1%,errors<2%"] {
            assert!(text.parse::<Slo>().is_err(), "{text}");
        }
        assert!("p99>50ms".parse::<Slo>().unwrap_err().to_string().contains("errors<0.1%"));
    }

    #[test]
    fn the_slow_the_failed_and_the_unanswered_miss_it() {
        let slo: Slo = "p99<50ms,errors<1%".parse().expect("good");
        let judged = |ok: &[(u64, u64)], failed, unanswered| {
            let judgement = slo.judge(&count_of(ok, failed, unanswered));
            assert_eq!(judgement.met, judgement.clauses.iter().all(|clause| clause.met));
            judgement.clauses.iter().map(|clause| clause.met).collect::<Vec<_>>()
        };
        assert_eq!(judged(&[(995, 10), (5, 400)], 0, 0), [true, true]);
        assert_eq!(judged(&[(985, 10), (15, 400)], 0, 0), [false, true]);
        assert_eq!(judged(&[(980, 10)], 20, 0), [true, false], "a fast failure is no fast service");
        assert_eq!(judged(&[(980, 10)], 0, 20), [false, false], "who was not answered was not served in time");
        assert_eq!(judged(&[], 0, 0), [false, false], "nothing shows nothing");
    }

    #[test]
    fn too_few_to_tell_are_told() {
        let slo: Slo = "p99.9<50ms".parse().expect("good");
        assert!(slo.judge(&count_of(&[(999, 1)], 0, 0)).clauses[0].few);
        assert!(!slo.judge(&count_of(&[(1000, 1)], 0, 0)).clauses[0].few);
    }
}
