//! What is new about objectives that burn. Pure: time is given.
//!
//! Each is told once when it begins, once more when it becomes a page, and once when it has been quiet for a while: whoever
//! is woken wants one message, not one a second.

use std::{collections::BTreeMap, time::Duration};

use weft_telemetry::metrics::LevelReading;
use weft_traffic::slo::Severity;
use weft_types::{Name, Timestamp};

/// So long must it be quiet before it has recovered.
const QUIET: Duration = Duration::from_secs(10);

/// How one objective stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    pub(crate) key: Key,
    pub(crate) target: String,
    pub(crate) window: String,
    pub(crate) remaining: f64,
    pub(crate) burns: Vec<(String, f64)>,
    pub(crate) severity: Option<Severity>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) application: Name,
    pub(crate) component: Name,
    pub(crate) objective: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Firing(Severity),
    /// Of an alert that was this loud.
    Recovered(Severity),
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// The same for every try of telling it.
    pub(crate) id: String,
    /// The same from the first word about an alert to the last.
    pub(crate) alert: String,
    pub(crate) of: Key,
    pub(crate) state: State,
    /// As it stood when it was last seen.
    pub(crate) standing: Standing,
    pub(crate) since: Timestamp,
    pub(crate) at: Timestamp,
}

impl Change {
    pub(crate) fn loudest(&self) -> Severity {
        match self.state {
            State::Firing(severity) | State::Recovered(severity) => severity,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Alerts {
    firing: BTreeMap<Key, Firing>,
    told: u64,
}

#[derive(Debug)]
struct Firing {
    severity: Severity,
    since: Timestamp,
    /// Since when it has been quiet.
    quiet: Option<Timestamp>,
    last: Standing,
}

impl Alerts {
    /// How all objectives stand now. What is no longer among them has been removed, and burns no more.
    pub(crate) fn on(&mut self, now: Timestamp, standings: Vec<Standing>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut seen: BTreeMap<Key, Standing> =
            standings.into_iter().map(|standing| (standing.key.clone(), standing)).collect();
        for (key, firing) in &mut self.firing {
            match seen.remove(key) {
                Some(standing) if standing.severity.is_some() => {
                    firing.quiet = None;
                    if standing.severity > Some(firing.severity) {
                        firing.severity = standing.severity.unwrap_or(firing.severity);
                        changes.push((key.clone(), State::Firing(firing.severity), standing.clone(), firing.since));
                    }
                    firing.last = standing;
                }
                standing => {
                    firing.quiet.get_or_insert(now);
                    if let Some(standing) = standing {
                        firing.last = standing;
                    }
                }
            }
        }
        let over = |firing: &Firing| firing.quiet.is_some_and(|since| now.since(since) >= QUIET);
        self.firing.retain(|key, firing| {
            let over = over(firing);
            if over {
                changes.push((key.clone(), State::Recovered(firing.severity), firing.last.clone(), firing.since));
            }
            !over
        });
        for (key, standing) in seen {
            if let Some(severity) = standing.severity {
                changes.push((key.clone(), State::Firing(severity), standing.clone(), now));
                self.firing.insert(key, Firing { severity, since: now, quiet: None, last: standing });
            }
        }
        changes.into_iter().map(|(of, state, standing, since)| self.change(of, state, standing, since, now)).collect()
    }

    fn change(&mut self, of: Key, state: State, standing: Standing, since: Timestamp, at: Timestamp) -> Change {
        self.told += 1;
        let id = format!("{:x}-{}", at.as_nanos(), self.told);
        let alert = format!("{}/{}/{}/{:x}", of.application, of.component, of.objective, since.as_nanos());
        Change { id, alert, of, state, standing, since, at }
    }
}

impl Standing {
    pub(crate) fn new(reading: LevelReading, target: String, window: String, severity: Option<Severity>) -> Self {
        let LevelReading { application, component, objective, remaining, burns, .. } = reading;
        Self { key: Key { application, component, objective }, target, window, remaining, burns, severity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_millis(s * 1_000)
    }

    fn standing(component: &str, severity: Option<Severity>) -> Standing {
        let name = |text| Name::new(text).expect("a name");
        let key = Key { application: name("shop"), component: name(component), objective: "availability".into() };
        Standing { key, target: "99%".into(), window: "1d".into(), remaining: 0.5, burns: Vec::new(), severity }
    }

    fn states(changes: &[Change]) -> Vec<(&str, State)> {
        changes.iter().map(|change| (change.of.component.as_str(), change.state)).collect()
    }

    #[test]
    fn it_is_told_once_louder_once_and_over_once() {
        let mut alerts = Alerts::default();
        let (ticket, page) = (Some(Severity::Ticket), Some(Severity::Page));
        assert_eq!(alerts.on(at(1), vec![standing("api", None)]), []);
        let first = alerts.on(at(2), vec![standing("api", ticket)]);
        assert_eq!(states(&first), [("api", State::Firing(Severity::Ticket))]);
        for s in 3..30 {
            assert_eq!(alerts.on(at(s), vec![standing("api", ticket)]), []);
        }
        let louder = alerts.on(at(30), vec![standing("api", page)]);
        assert_eq!(states(&louder), [("api", State::Firing(Severity::Page))]);
        assert_eq!(louder[0].alert, first[0].alert);
        assert_ne!(louder[0].id, first[0].id);
        assert_eq!(alerts.on(at(31), vec![standing("api", ticket)]), [], "less loud is no news");
        assert_eq!(alerts.on(at(32), vec![standing("api", None)]), []);
        assert_eq!(alerts.on(at(40), vec![standing("api", ticket)]), [], "it was not quiet for long enough");
        assert_eq!(alerts.on(at(41), vec![standing("api", None)]), []);
        assert_eq!(alerts.on(at(50), vec![standing("api", None)]), []);
        let over = alerts.on(at(51), vec![standing("api", None)]);
        assert_eq!(states(&over), [("api", State::Recovered(Severity::Page))]);
        assert_eq!(over[0].since, at(2));
        assert_eq!(alerts.on(at(99), vec![standing("api", None)]), []);
    }

    #[test]
    fn what_is_removed_has_recovered_and_others_are_told_apart() {
        let mut alerts = Alerts::default();
        let page = Some(Severity::Page);
        let both = alerts.on(at(1), vec![standing("api", page), standing("kitchen", page)]);
        assert_eq!(both.len(), 2);
        assert_eq!(alerts.on(at(2), vec![standing("api", page)]), []);
        let gone = alerts.on(at(12), vec![standing("api", page)]);
        assert_eq!(states(&gone), [("kitchen", State::Recovered(Severity::Page))]);
    }
}
