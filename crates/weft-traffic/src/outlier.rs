//! Outlier ejection: an endpoint that fails where its peers do not is left out for a while.
//!
//! ```text
//! every 10 s:  < 80 % good of ≥ 10 answers ─► out for 30 s × times, at most 300 s       worst first,
//!              a clean sweep             ─► one time less                               at most half, never the last
//! at once:     5 failures in a row       ─► out, just so
//! ```

use std::time::Duration;

use weft_types::Timestamp;

use crate::{Counts, Ratio};

/// Who is ejected and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// An endpoint below this share of good answers in one sweep is ejected.
    pub success_min: Ratio,
    /// But only after so many answers in the sweep.
    pub calls_min: u32,
    /// Or after so many failures in a row, at once. 0: never for that.
    pub failures_max: u32,
    /// The time between sweeps.
    pub sweep: Duration,
    /// How long it is out, multiplied by how often it was.
    pub ejection: Duration,
    pub ejection_max: Duration,
    /// At most this share of all endpoints is out at once, and never the last healthy one.
    pub ejected_max: Ratio,
}

impl Options {
    pub const SUCCESS_MIN: Ratio = Ratio::percent(80);
    pub const CALLS_MIN: u32 = 10;
    pub const FAILURES_MAX: u32 = 5;
    pub const SWEEP: Duration = Duration::from_secs(10);
    pub const EJECTION: Duration = Duration::from_secs(30);
    pub const EJECTION_MAX: Duration = Duration::from_secs(300);
    pub const EJECTED_MAX: Ratio = Ratio::percent(50);
}

impl Default for Options {
    fn default() -> Self {
        Self {
            success_min: Self::SUCCESS_MIN,
            calls_min: Self::CALLS_MIN,
            failures_max: Self::FAILURES_MAX,
            sweep: Self::SWEEP,
            ejection: Self::EJECTION,
            ejection_max: Self::EJECTION_MAX,
            ejected_max: Self::EJECTED_MAX,
        }
    }
}

/// What is known of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// Answers since the last sweep.
    pub counts: Counts,
    /// Failures since the last good answer.
    pub in_a_row: u32,
    /// How often it was ejected since the start.
    pub ejections: u64,
    /// How often it was ejected, less one for each clean sweep since.
    pub times: u32,
    /// Out until then.
    pub ejected: Option<Timestamp>,
    /// Found unhealthy by other means: not in use, so it neither can be ejected nor counts as one that is left.
    pub down: bool,
}

impl Record {
    pub fn count(&mut self, good: bool) {
        match good {
            true => self.counts.good += 1,
            false => self.counts.bad += 1,
        }
        self.in_a_row = if good { 0 } else { self.in_a_row.saturating_add(1) };
    }

    fn eject(&mut self, options: &Options, now: Timestamp) {
        self.times = self.times.saturating_add(1);
        self.ejections += 1;
        self.in_a_row = 0;
        let wait = options.ejection.saturating_mul(self.times).min(options.ejection_max);
        self.ejected = Some(now.saturating_add(wait));
    }

    pub fn in_use(&self) -> bool {
        self.ejected.is_none() && !self.down
    }
}

/// Brings back whose time is over and ejects the worst. Answers whether anything changed. To be called once a
/// [`Options::sweep`], with all endpoints of one callee; sorts those that fail.
pub fn sweep(options: &Options, now: Timestamp, records: &mut [Record]) -> bool {
    let back = release(options, now, records);
    let mut bad: Vec<usize> = (0..records.len()).filter(|at| is_bad(options, &records[*at])).collect();
    bad.sort_by(|a, b| worse(records[*a].counts, records[*b].counts).then(a.cmp(b)));
    let mut room = room(options, records);
    let ejected = bad.len().min(room);
    for at in bad {
        if room == 0 {
            break;
        }
        room -= 1;
        records[at].eject(options, now);
    }
    records.iter_mut().for_each(|record| record.counts = Counts::default());
    back || ejected > 0
}

/// Ejects one that has failed so often in a row that no sweep needs to be waited for. Answers whether it did.
pub fn strike(options: &Options, now: Timestamp, records: &mut [Record], at: usize) -> bool {
    let record = records[at];
    let struck = options.failures_max > 0 && record.in_a_row >= options.failures_max && record.in_use();
    let out = struck && room(options, records) > 0;
    if out {
        records[at].eject(options, now);
    }
    out
}

fn release(options: &Options, now: Timestamp, records: &mut [Record]) -> bool {
    let mut any = false;
    for record in records {
        match record.ejected {
            Some(until) if until <= now => {
                record.ejected = None;
                any = true;
            }
            None if is_clean(options, record) => record.times = record.times.saturating_sub(1),
            _ => {}
        }
    }
    any
}

/// One that was asked, and does not fail.
fn is_clean(options: &Options, record: &Record) -> bool {
    record.in_a_row == 0 && record.counts.good > 0 && !is_bad(options, record)
}

fn is_bad(options: &Options, record: &Record) -> bool {
    let Counts { good, bad } = record.counts;
    record.in_use() && good + bad >= u64::from(options.calls_min) && options.success_min.exceeds(good, good + bad)
}

/// The smaller share of good answers first, compared exactly.
fn worse(one: Counts, other: Counts) -> std::cmp::Ordering {
    let share = |part: Counts, whole: Counts| u128::from(part.good) * u128::from(whole.total());
    share(one, other).cmp(&share(other, one))
}

fn room(options: &Options, records: &[Record]) -> usize {
    let out = records.iter().filter(|record| record.ejected.is_some()).count();
    let most = options.ejected_max.of(records.len() as u64) as usize;
    let in_use = records.iter().filter(|record| record.in_use()).count();
    most.saturating_sub(out).min(in_use.saturating_sub(1))
}
