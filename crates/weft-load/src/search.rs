//! The search for the capacity: which rate to try next, by what the ones before showed. Pure.
//!
//! It doubles until a rate misses the objective, or halves until one meets it, then halves the gap until the gap is as
//! small as the precision asked for. One unlucky moment is not the end: a rate that misses by little is tried once more.

use serde::Serialize;

use crate::schedule::RATE_MAX;

/// Below this many requests a second nothing is tried.
pub const RATE_MIN: f64 = 1.0;
/// A clause that took this much of what is allowed is missed beyond doubt.
const BEYOND_DOUBT: f64 = 2.0;

/// What one probe showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shown {
    Met,
    /// The worst clause took `taken` times what it allows, 1 and more.
    Missed {
        taken: f64,
    },
    /// The load was not what it was meant to be: we could not send it in time.
    NotSent,
}

/// What the search found. Rates are requests a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "found")]
pub enum Found {
    /// `rate` met the objective; `missed`, within the precision above, did not.
    Capacity { rate: f64, missed: f64 },
    /// `rate` met it, and more was not tried, or could not be sent.
    AtLeast { rate: f64 },
    /// Even this missed it.
    Below { rate: f64 },
    /// Even this could not be sent.
    NotSent { rate: f64 },
}

/// The search, one probe after the other.
#[derive(Debug, Clone)]
pub struct Search {
    next: f64,
    most: f64,
    precision: f64,
    met: Option<f64>,
    missed: Option<f64>,
    doubted: bool,
    /// The load reached the end of what we can send.
    ours: bool,
}

impl Search {
    /// Begins at `start`, never exceeds `most`, ends when the gap is below `precision` of the rate (0.01 to 1).
    pub fn new(start: f64, most: f64, precision: f64) -> Self {
        let most = most.clamp(RATE_MIN, RATE_MAX);
        let next = start.clamp(RATE_MIN, most);
        Self { next, most, precision: precision.clamp(0.01, 1.0), met: None, missed: None, doubted: false, ours: false }
    }

    /// What the last probe showed; the next rate, or the end.
    pub fn on(&mut self, shown: Shown) -> Result<f64, Found> {
        let doubtful = matches!(shown, Shown::Missed { taken } if taken < BEYOND_DOUBT) || shown == Shown::NotSent;
        if doubtful && !self.doubted {
            self.doubted = true;
            return Ok(self.next);
        }
        self.doubted = false;
        match shown {
            Shown::Met => self.met = Some(self.next),
            Shown::Missed { .. } => {
                self.missed = Some(self.next);
                self.ours = false;
            }
            Shown::NotSent => {
                self.missed = Some(self.next);
                self.ours = true;
            }
        }
        self.step()
    }

    pub fn next(&self) -> f64 {
        self.next
    }

    fn step(&mut self) -> Result<f64, Found> {
        let next = match (self.met, self.missed) {
            (Some(met), None) if met >= self.most => return Err(Found::AtLeast { rate: met }),
            (Some(met), None) => (met * 2.0).min(self.most),
            (None, Some(missed)) if missed <= RATE_MIN => return Err(self.nothing(missed)),
            (None, Some(missed)) => (missed / 2.0).max(RATE_MIN),
            (Some(met), Some(missed)) if missed - met <= (met * self.precision).max(1.0) => {
                let found =
                    if self.ours { Found::AtLeast { rate: met } } else { Found::Capacity { rate: met, missed } };
                return Err(found);
            }
            (Some(met), Some(missed)) => f64::midpoint(met, missed),
            (None, None) => self.next,
        };
        // Whole rates are easier to read and to type again.
        self.next = next.round().clamp(RATE_MIN, self.most);
        Ok(self.next)
    }

    fn nothing(&self, rate: f64) -> Found {
        if self.ours { Found::NotSent { rate } } else { Found::Below { rate } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches with a server that answers by its own rule; the rates that were tried and what was found.
    fn run(mut search: Search, mut shows: impl FnMut(f64) -> Shown) -> (Vec<f64>, Found) {
        let mut tried = vec![search.next()];
        loop {
            match search.on(shows(search.next())) {
                Ok(rate) => tried.push(rate),
                Err(found) => return (tried, found),
            }
            assert!(tried.len() < 60, "it does not end: {tried:?}");
        }
    }

    fn capacity(of: f64) -> impl FnMut(f64) -> Shown {
        move |rate| if rate <= of { Shown::Met } else { Shown::Missed { taken: 10.0 } }
    }

    #[test]
    fn every_capacity_is_found_from_every_start() {
        for of in [1.0, 2.0, 7.0, 100.0, 1234.0, 99_999.0] {
            for start in [0.1, 1.0, 64.0, 100_000.0] {
                let (tried, found) = run(Search::new(start, 1e6, 0.05), capacity(of));
                let Found::Capacity { rate, missed } = found else { panic!("{of} from {start}: {found:?}, {tried:?}") };
                assert!(rate <= of && missed > of && missed - rate <= (rate * 0.05).max(1.0), "{of}: {found:?}");
                assert!(tried.len() <= 24, "{of} from {start}: {tried:?}");
            }
        }
    }

    #[test]
    fn the_bounds_are_said_as_bounds() {
        assert_eq!(run(Search::new(10.0, 100.0, 0.05), capacity(1e9)).1, Found::AtLeast { rate: 100.0 });
        assert_eq!(run(Search::new(10.0, 100.0, 0.05), capacity(0.0)).1, Found::Below { rate: 1.0 });
    }

    #[test]
    fn one_unlucky_probe_is_tried_again_and_two_are_believed() {
        let mut unlucky = 0;
        let shows = |rate: f64| {
            unlucky += usize::from(rate == 200.0);
            let missed = Shown::Missed { taken: 1.2 };
            if rate <= 150.0 || (rate == 200.0 && unlucky == 2) { Shown::Met } else { missed }
        };
        let (tried, found) = run(Search::new(100.0, 400.0, 0.5), shows);
        assert_eq!(tried, [100.0, 200.0, 200.0, 400.0, 400.0, 300.0, 300.0]);
        assert_eq!(found, Found::Capacity { rate: 200.0, missed: 300.0 });
    }

    #[test]
    fn what_we_could_not_send_is_not_held_against_the_server() {
        let shows = |rate: f64| if rate <= 800.0 { Shown::Met } else { Shown::NotSent };
        let (_, found) = run(Search::new(100.0, 1e6, 0.05), shows);
        let Found::AtLeast { rate } = found else { panic!("{found:?}") };
        assert!((760.0..=800.0).contains(&rate));
    }
}
