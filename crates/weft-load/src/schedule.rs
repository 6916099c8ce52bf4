//! When each request is due: a pure function of the stages, the spacing and its seed.
//!
//! Nothing that a server does moves a due time. That is what makes the load open-loop: whoever asks in the real world
//! does not wait for the answers that others get.

use std::{str::FromStr, time::Duration};

use weft_traffic::units;

/// Requests a second beyond which nothing is tried.
pub const RATE_MAX: f64 = 1_000_000.0;
pub const STAGES_MAX: usize = 100;
pub const LASTING_MAX: Duration = Duration::from_secs(24 * 3600);

/// A part of the load, in which the rate moves evenly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Requests a second at its start; 0 and more.
    pub from: f64,
    /// Requests a second at its end.
    pub to: f64,
    /// 1 ns to [`LASTING_MAX`].
    pub lasting: Duration,
}

/// How requests lie in their stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spacing {
    /// As evenly as the rate allows.
    #[default]
    Even,
    /// As independent clients would: exponential gaps. The same seed is the same schedule, on every machine.
    Poisson { seed: u64 },
}

/// One request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// From 0, in order of time.
    pub number: u64,
    /// Index of its stage.
    pub stage: usize,
    /// Since the start of the load.
    pub due: Duration,
}

/// Why stages cannot be run, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StageError(String);

impl Stage {
    pub fn constant(rate: f64, lasting: Duration) -> Self {
        Self { from: rate, to: rate, lasting }
    }

    /// How many requests it is meant to send.
    pub fn requests(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.lasting.as_secs_f64()
    }

    /// The time at which `count` requests are due, from its start.
    fn when(&self, count: f64) -> f64 {
        let slope = (self.to - self.from) / self.lasting.as_secs_f64();
        // Of t in `from·t + slope·t²/2 = count`, the form that neither cancels nor divides by a slope of zero.
        let root = (self.from * self.from + 2.0 * slope * count).max(0.0).sqrt();
        let divisor = self.from + root;
        if divisor > 0.0 { 2.0 * count / divisor } else { 0.0 }
    }

    fn check(&self) -> Result<(), StageError> {
        let good = |rate: f64| rate.is_finite() && (0.0..=RATE_MAX).contains(&rate);
        if !good(self.from) || !good(self.to) {
            return Err(StageError(format!("a rate is 0 to {RATE_MAX} requests a second")));
        }
        if self.lasting.is_zero() || self.lasting > LASTING_MAX {
            return Err(StageError("a stage lasts at most 24h".to_owned()));
        }
        Ok(())
    }
}

impl FromStr for Stage {
    type Err = StageError;

    /// `30s:500` holds a rate, `30s:100..500` moves from one to another.
    fn from_str(text: &str) -> Result<Self, StageError> {
        let shape =
            || StageError(format!("`{text}` is no stage; write `30s:500` to hold a rate, `30s:100..500` to move"));
        let (lasting, rates) = text.trim().split_once(':').ok_or_else(shape)?;
        let lasting =
            units::parse_duration(lasting.trim()).map_err(|error| StageError(format!("`{text}`: {error}")))?;
        let rate = |text: &str| text.trim().parse::<f64>().map_err(|_| shape());
        let (from, to) = match rates.split_once("..") {
            Some((from, to)) => (rate(from)?, rate(to)?),
            None => (rate(rates)?, rate(rates)?),
        };
        let stage = Self { from, to, lasting };
        stage.check().map(|()| stage)
    }
}

/// Reads `10s:100..500,30s:500`.
pub fn parse_stages(text: &str) -> Result<Vec<Stage>, StageError> {
    text.split(',').map(str::parse).collect()
}

/// Every request of a load, in order.
#[derive(Debug, Clone)]
pub struct Schedule {
    stages: Vec<Stage>,
    spacing: Spacing,
    random: u64,
    number: u64,
    /// How many requests of the mean rate come before the next one.
    mark: f64,
    /// The stage that is current, how many requests come before it, and when it begins.
    stage: usize,
    before: f64,
    begins: Duration,
}

impl Schedule {
    pub fn new(stages: Vec<Stage>, spacing: Spacing) -> Result<Self, StageError> {
        if stages.is_empty() || stages.len() > STAGES_MAX {
            return Err(StageError(format!("a load has 1 to {STAGES_MAX} stages")));
        }
        stages.iter().try_for_each(Stage::check)?;
        let random = if let Spacing::Poisson { seed } = spacing { seed } else { 0 };
        let mut schedule =
            Self { stages, spacing, random, number: 0, mark: 0.0, stage: 0, before: 0.0, begins: Duration::ZERO };
        if let Spacing::Poisson { .. } = spacing {
            schedule.mark = schedule.gap();
        }
        Ok(schedule)
    }

    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// From the first due time to the end of the last stage.
    pub fn lasting(&self) -> Duration {
        self.stages.iter().map(|stage| stage.lasting).sum()
    }

    /// To the next request, in requests of the mean rate.
    fn gap(&mut self) -> f64 {
        match self.spacing {
            Spacing::Even => 1.0,
            Spacing::Poisson { .. } => -(1.0 - unit(&mut self.random)).ln(),
        }
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let stage = *self.stages.get(self.stage)?;
            let count = self.mark - self.before;
            // What rounding lets fall onto a stage's end is the next one's.
            if count < stage.requests() - 1e-9 {
                let due = self.begins + Duration::from_secs_f64(stage.when(count)).min(stage.lasting);
                let arrival = Arrival { number: self.number, stage: self.stage, due };
                self.number += 1;
                self.mark += self.gap();
                return Some(arrival);
            }
            self.before += stage.requests();
            self.begins += stage.lasting;
            self.stage += 1;
        }
    }
}

/// SplitMix64 as a number of [0, 1): written out, so that a seed means the same in every version.
fn unit(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn due(stages: &[Stage], spacing: Spacing) -> Vec<Arrival> {
        Schedule::new(stages.to_vec(), spacing).expect("good").collect()
    }

    #[test]
    fn a_constant_rate_is_even() {
        let all = due(&[Stage::constant(100.0, SECOND * 10)], Spacing::Even);
        assert_eq!(all.len(), 1000);
        for arrival in &all {
            let exact = Duration::from_millis(10 * arrival.number);
            assert!(arrival.due.abs_diff(exact) < Duration::from_nanos(10), "{arrival:?}");
        }
    }

    #[test]
    fn a_ramp_has_its_area_and_is_denser_at_its_higher_end() {
        for (from, to) in [(0.0, 200.0), (200.0, 0.0), (50.0, 150.0)] {
            let all = due(&[Stage { from, to, lasting: SECOND * 10 }], Spacing::Even);
            assert_eq!(all.len(), 1000, "{from}..{to}");
            let first_half = all.iter().filter(|arrival| arrival.due < SECOND * 5).count() as f64;
            let exact = (from + (from + to) / 2.0) / 2.0 * 5.0;
            assert!((first_half - exact).abs() <= 1.0, "{from}..{to}: {first_half} of {exact}");
            assert!(all.is_sorted_by_key(|arrival| arrival.due) && all[999].due <= SECOND * 10);
        }
    }

    #[test]
    fn stages_follow_each_other_and_an_empty_one_is_a_pause() {
        let stages = parse_stages("1s:10, 2s:0 ,1s:10..30").expect("good");
        let all = due(&stages, Spacing::Even);
        let of = |stage| all.iter().filter(|arrival| arrival.stage == stage).collect::<Vec<_>>();
        assert_eq!([0, 1, 2].map(|stage| of(stage).len()), [10, 0, 20]);
        assert!(of(2).iter().all(|arrival| arrival.due >= SECOND * 3));
        assert_eq!(of(2)[0].due, SECOND * 3);
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread_and_obey_their_seed() {
        let stage = [Stage::constant(1000.0, SECOND * 20)];
        let all = due(&stage, Spacing::Poisson { seed: 7 });
        assert_eq!(all, due(&stage, Spacing::Poisson { seed: 7 }));
        assert_ne!(all, due(&stage, Spacing::Poisson { seed: 8 }));
        // 20,000 expected, deviation 141.
        assert!((19_300..20_700).contains(&all.len()), "{}", all.len());
        let gaps: Vec<f64> = all.windows(2).map(|pair| (pair[1].due - pair[0].due).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Exponential gaps deviate by their mean; even ones by nothing.
        assert!((0.9..1.1).contains(&(variance.sqrt() / mean)), "{mean} {variance}");
    }

    #[test]
    fn the_first_draws_of_a_seed_never_change() {
        let first: Vec<u128> = due(&[Stage::constant(1.0, SECOND * 60)], Spacing::Poisson { seed: 1 })
            .iter()
            .take(3)
            .map(|arrival| arrival.due.as_millis())
            .collect();
        assert_eq!(first, [836, 2205, 5746]);
    }

    #[test]
    fn what_is_no_stage_says_what_one_is() {
        for text in ["", "500", "30s", "30s:x", "30s:1..", "30:5", "0s:5", "30s:-1", "30s:inf", "25h:1", "30s:NaN"] {
            assert!(parse_stages(text).is_err(), "{text}");
        }
        assert!(Schedule::new(Vec::new(), Spacing::Even).is_err());
        let wrong = parse_stages("30s").unwrap_err().to_string();
        assert!(wrong.contains("30s:100..500"), "{wrong}");
    }
}
