//! The service levels of one component, counted call by call.

use std::time::Duration;

use parking_lot::Mutex;
use weft_traffic::slo::{Burn, Objective, Remaining, Severity, Slo};
use weft_types::{Class, Timestamp};

/// What is promised of a component, and how it is kept. It outlives revisions: a new one does not begin with a budget
/// of its own.
#[derive(Debug)]
pub struct Objectives(Mutex<Vec<(String, Slo)>>);

/// How one objective stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// `availability`, `latency-p99`.
    pub name: String,
    pub objective: Objective,
    pub remaining: Remaining,
    /// The fastest first.
    pub burns: [Burn; 4],
    /// How loud it should be said, if at all.
    pub severity: Option<Severity>,
}

impl Objectives {
    pub fn new(objectives: Vec<(String, Objective)>) -> Self {
        Self(Mutex::new(objectives.into_iter().map(|(name, objective)| (name, Slo::new(objective))).collect()))
    }

    /// Whether it judges by exactly these.
    pub fn is(&self, objectives: &[(String, Objective)]) -> bool {
        let all = self.0.lock();
        all.len() == objectives.len()
            && all
                .iter()
                .zip(objectives)
                .all(|((name, slo), (other, objective))| name == other && slo.objective() == objective)
    }

    /// One call ended. What its caller did wrong is no failure of the component; whoever was shed was not served.
    pub(crate) fn record(&self, now: Timestamp, class: Class, took: Duration) {
        let good = matches!(class, Class::Ok | Class::CallerFault);
        self.0.lock().iter_mut().for_each(|(_, slo)| slo.record(now, good, took));
    }

    pub fn standing(&self, now: Timestamp) -> Vec<Standing> {
        let mut all = self.0.lock();
        let standing = |(name, slo): &mut (String, Slo)| Standing {
            name: name.clone(),
            objective: *slo.objective(),
            remaining: slo.remaining(now),
            burns: slo.burns(now),
            severity: slo.severity(now),
        };
        all.iter_mut().map(standing).collect()
    }
}

#[cfg(test)]
mod tests {
    use weft_traffic::Ratio;

    use super::*;

    #[test]
    fn failures_and_sheds_burn_and_callers_faults_do_not() {
        let promised = vec![("availability".to_owned(), Objective::new(Ratio::percent(90)))];
        let objectives = Objectives::new(promised.clone());
        assert!(objectives.is(&promised) && !objectives.is(&[]));
        let now = Timestamp::from_millis(1_000);
        for class in [Class::Ok, Class::CallerFault, Class::Failure, Class::Shed] {
            for _ in 0..5 {
                objectives.record(now, class, Duration::ZERO);
            }
        }
        let [standing] = &objectives.standing(now)[..] else { panic!("one") };
        assert_eq!((standing.remaining.counts.good, standing.remaining.counts.bad), (10, 10));
        // Half of the calls where a tenth may be: five times as fast as allowed.
        assert!((standing.burns[0].short - 5.0).abs() < 1e-9 && standing.remaining.share < 0.0, "{standing:?}");
        assert_eq!(standing.severity, Some(Severity::Ticket));
    }
}
