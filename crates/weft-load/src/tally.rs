//! What became of every request, counted. Pure: each end is told with its times.
//!
//! A latency runs from when a request was *due* to the end of its answer, so that a server that stalls is charged for
//! everyone who would have come meanwhile. Who got no answer counts as having taken the whole timeout, at least. Answers
//! that are failures are counted, not timed: a shed in a millisecond would make the rest look fast.

use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    schedule::{Arrival, Stage},
    slo::Slo,
};

/// Who is sent this much after it was due is late, and said to be.
pub const LATE: Duration = Duration::from_millis(5);
/// Codes of a server that are told apart; it may invent more.
const CODES_MAX: usize = 64;
/// What is seen to go wrong in different ways.
const SIGNALS_MAX: usize = 256;
/// How finely the start of a slowness is told.
const SLICES_MAX: u32 = 600;
const SLICE_MIN: Duration = Duration::from_millis(100);

/// How a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Broken {
    /// No connection: refused, or no way there.
    Connect,
    Tls,
    /// The connection ended before the answer was complete.
    Lost,
    /// What came is not HTTP.
    Malformed,
    /// No complete answer within the timeout.
    Timeout,
    /// It found no free connection within the timeout, and was never sent.
    Unsent,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a complete answer. `ok`: as it should be; `code`: its `weft-error`.
    Answered {
        status: u16,
        ok: bool,
        code: Option<String>,
    },
    Broken(Broken),
}

/// The end of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub arrival: Arrival,
    /// It was due while no place was free.
    pub waited: bool,
    /// `None`: never.
    pub sent: Option<Duration>,
    pub ended: Duration,
    pub outcome: Outcome,
    /// Bytes of the answer's body.
    pub bytes: u64,
}

/// What can be seen to go wrong, told apart for finding what did first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// An answer with this `weft-error`.
    Code(String),
    /// A failed answer without one.
    Status(u16),
    Broken(Broken),
    /// No place was free when it was due.
    Waited,
    /// We were late to send, though a place was free.
    Behind,
}

/// When a signal was met first, by the due time of the request, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    pub first: Duration,
    pub count: u64,
}

/// Counts of one stage, or of several.
#[derive(Clone)]
pub struct Count {
    pub ok: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub codes: BTreeMap<String, u64>,
    pub broken: BTreeMap<Broken, u64>,
    /// Failed answers, whatever their status.
    pub failed: u64,
    /// Sent more than [`LATE`] after it was due.
    pub late: u64,
    /// Due while no place was free; some of them were sent in time nonetheless.
    pub waited: u64,
    pub bytes: u64,
    /// In microseconds: from due to end, of what went well and of what got no answer.
    due_to_end: Histogram<u64>,
    /// From sent to end, of what went well: what a closed loop would have shown.
    sent_to_end: Histogram<u64>,
    /// From due to sent, of all that were sent without waiting for a place: our own lateness.
    lag: Histogram<u64>,
}

/// Counts by stage, and what was seen when.
#[derive(Debug, Clone)]
pub struct Tally {
    timeout: Duration,
    stages: Vec<Count>,
    /// How many stages at the start are not judged, and when they are over.
    warm_up: usize,
    judged_from: Duration,
    sightings: BTreeMap<Signal, Sighting>,
    slice: Duration,
    /// By slice of due time: how many, and how many took longer than each bound of latency.
    slices: Vec<(u64, Vec<u64>)>,
    bounds: Vec<(Duration, f64)>,
}

impl Tally {
    /// The first `warm_up` stages are counted, but not judged: of them no signal is seen.
    pub fn new(stages: &[Stage], warm_up: usize, timeout: Duration, slo: Option<&Slo>) -> Self {
        let lasting: Duration = stages.iter().map(|stage| stage.lasting).sum();
        let bounds: Vec<_> = slo.into_iter().flat_map(Slo::bounds).collect();
        Self {
            timeout,
            stages: stages.iter().map(|_| Count::default()).collect(),
            warm_up,
            judged_from: stages[..warm_up].iter().map(|stage| stage.lasting).sum(),
            sightings: BTreeMap::new(),
            slice: (lasting / SLICES_MAX).max(SLICE_MIN),
            slices: Vec::new(),
            bounds,
        }
    }

    pub fn record(&mut self, ended: &Ended) {
        let took = ended.ended.saturating_sub(ended.arrival.due);
        let took = if matches!(ended.outcome, Outcome::Broken(_)) { took.max(self.timeout) } else { took };
        self.stages[ended.arrival.stage].record(ended, took);
        if ended.arrival.stage < self.warm_up {
            return;
        }
        for signal in signals(ended) {
            if self.sightings.len() >= SIGNALS_MAX && !self.sightings.contains_key(&signal) {
                continue;
            }
            let first = ended.arrival.due;
            let sighting = self.sightings.entry(signal).or_insert(Sighting { first, count: 0 });
            sighting.first = sighting.first.min(first);
            sighting.count += 1;
        }
        self.record_slice(ended, took);
    }

    fn record_slice(&mut self, ended: &Ended, took: Duration) {
        let index = (ended.arrival.due.as_nanos() / self.slice.as_nanos()) as usize;
        if self.slices.len() <= index {
            self.slices.resize_with(index + 1, || (0, vec![0; self.bounds.len()]));
        }
        let (all, slow) = &mut self.slices[index];
        *all += 1;
        if !matches!(ended.outcome, Outcome::Answered { ok: false, .. }) {
            for (slow, (bound, _)) in slow.iter_mut().zip(&self.bounds) {
                *slow += u64::from(took >= *bound);
            }
        }
    }

    /// By stage.
    pub fn stages(&self) -> &[Count] {
        &self.stages
    }

    /// All stages but those of the warm-up together.
    pub fn judged(&self) -> Count {
        let mut sum = Count::default();
        self.stages[self.warm_up..].iter().for_each(|count| sum.add(count));
        sum
    }

    /// When the warm-up is over.
    pub fn judged_from(&self) -> Duration {
        self.judged_from
    }

    pub fn sightings(&self) -> &BTreeMap<Signal, Sighting> {
        &self.sightings
    }

    /// Since when more requests than allowed took as long as the objective's `index`th bound of latency.
    pub fn slow_since(&self, index: usize) -> Option<Duration> {
        let (_, allowed) = *self.bounds.get(index)?;
        let over = |(all, slow): &(u64, Vec<u64>)| slow[index] as f64 > allowed * *all as f64;
        let slice = self.slices.iter().position(over)?;
        Some(self.slice * u32::try_from(slice).unwrap_or(u32::MAX))
    }
}

fn signals(ended: &Ended) -> impl Iterator<Item = Signal> {
    let outcome = match &ended.outcome {
        Outcome::Answered { ok: true, .. } => None,
        Outcome::Answered { code: Some(code), .. } => Some(Signal::Code(code.clone())),
        Outcome::Answered { status, .. } => Some(Signal::Status(*status)),
        Outcome::Broken(broken) => Some(Signal::Broken(*broken)),
    };
    let behind = !ended.waited && ended.sent.is_some_and(|sent| sent.saturating_sub(ended.arrival.due) > LATE);
    let held = ended.waited.then_some(Signal::Waited);
    [outcome, held, behind.then_some(Signal::Behind)].into_iter().flatten()
}

impl Default for Count {
    fn default() -> Self {
        // Three digits; grows with what it is told, to a day at most.
        let histogram = || Histogram::new(3).expect("0 to 5 digits");
        Self {
            ok: 0,
            statuses: BTreeMap::new(),
            codes: BTreeMap::new(),
            broken: BTreeMap::new(),
            failed: 0,
            late: 0,
            waited: 0,
            bytes: 0,
            due_to_end: histogram(),
            sent_to_end: histogram(),
            lag: histogram(),
        }
    }
}

impl fmt::Debug for Count {
    /// Without the thousands of counts of a histogram.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, failed, late, waited, statuses, codes, broken, .. } = self;
        write!(f, "{ok} ok, {failed} failed {statuses:?} {codes:?}, {broken:?}, {late} late, {waited} waited, ")?;
        write!(f, "p50 {:?}, p99 {:?}, max {:?}", self.latency(0.5), self.latency(0.99), self.latency(1.0))
    }
}

impl Count {
    fn record(&mut self, ended: &Ended, took: Duration) {
        self.bytes += ended.bytes;
        self.waited += u64::from(ended.waited);
        if let Some(sent) = ended.sent {
            let lag = sent.saturating_sub(ended.arrival.due);
            self.late += u64::from(lag > LATE);
            if !ended.waited {
                note(&mut self.lag, lag);
            }
        }
        match &ended.outcome {
            Outcome::Answered { status, ok, code } => {
                *self.statuses.entry(*status).or_default() += 1;
                if let Some(code) = code {
                    self.code(code);
                }
                if !ok {
                    self.failed += 1;
                    return;
                }
                self.ok += 1;
                let sent = ended.sent.unwrap_or(ended.arrival.due);
                note(&mut self.sent_to_end, ended.ended.saturating_sub(sent));
            }
            Outcome::Broken(broken) => *self.broken.entry(*broken).or_default() += 1,
        }
        note(&mut self.due_to_end, took);
    }

    fn code(&mut self, code: &str) {
        let known = self.codes.len() < CODES_MAX || self.codes.contains_key(code);
        *self.codes.entry(if known { code } else { "others" }.to_owned()).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        fn sum<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, of: &BTreeMap<K, u64>) {
            of.iter().for_each(|(key, count)| *to.entry(key.clone()).or_default() += count);
        }
        self.ok += other.ok;
        self.failed += other.failed;
        self.late += other.late;
        self.waited += other.waited;
        self.bytes += other.bytes;
        sum(&mut self.statuses, &other.statuses);
        sum(&mut self.codes, &other.codes);
        sum(&mut self.broken, &other.broken);
        for (to, of) in [
            (&mut self.due_to_end, &other.due_to_end),
            (&mut self.sent_to_end, &other.sent_to_end),
            (&mut self.lag, &other.lag),
        ] {
            to.add(of).expect("it grows");
        }
    }

    /// What came after `before`, which is an earlier reading of the same count.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        fn less<K: Ord + Clone>(of: &BTreeMap<K, u64>, before: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
            let left = |(key, count): (&K, &u64)| (key.clone(), count - before.get(key).copied().unwrap_or_default());
            of.iter().map(left).filter(|(_, count)| *count > 0).collect()
        }
        let mut since = Self {
            ok: self.ok - before.ok,
            failed: self.failed - before.failed,
            late: self.late - before.late,
            waited: self.waited - before.waited,
            bytes: self.bytes - before.bytes,
            statuses: less(&self.statuses, &before.statuses),
            codes: less(&self.codes, &before.codes),
            broken: less(&self.broken, &before.broken),
            ..self.clone()
        };
        for (of, before) in [
            (&mut since.due_to_end, &before.due_to_end),
            (&mut since.sent_to_end, &before.sent_to_end),
            (&mut since.lag, &before.lag),
        ] {
            of.subtract(before).expect("it held as much before");
        }
        since
    }

    /// All that were due and came to an end, sent or not.
    pub fn ended(&self) -> u64 {
        self.ok + self.failed + self.broken.values().sum::<u64>()
    }

    pub fn unsent(&self) -> u64 {
        self.broken.get(&Broken::Unsent).copied().unwrap_or_default()
    }

    /// Of all that were due. None of none.
    pub fn errors_share(&self) -> f64 {
        let ended = self.ended();
        if ended == 0 { 0.0 } else { (ended - self.ok) as f64 / ended as f64 }
    }

    /// From due to end. Zero where nothing was timed.
    pub fn latency(&self, quantile: f64) -> Duration {
        at(&self.due_to_end, quantile)
    }

    /// From sent to end.
    pub fn service(&self, quantile: f64) -> Duration {
        at(&self.sent_to_end, quantile)
    }

    /// From due to sent, where a place was free.
    pub fn lag(&self, quantile: f64) -> Duration {
        at(&self.lag, quantile)
    }

    pub fn latency_mean(&self) -> Duration {
        Duration::from_secs_f64(self.due_to_end.mean() / 1e6)
    }
}

fn note(histogram: &mut Histogram<u64>, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).clamp(1, 86_400_000_000);
    histogram.record(micros).expect("it grows");
}

fn at(histogram: &Histogram<u64>, quantile: f64) -> Duration {
    if histogram.is_empty() { Duration::ZERO } else { Duration::from_micros(histogram.value_at_quantile(quantile)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn ended(due_ms: u64, sent_ms: Option<u64>, ended_ms: u64, outcome: Outcome) -> Ended {
        let ms = Duration::from_millis;
        let arrival = Arrival { number: due_ms, stage: 0, due: ms(due_ms) };
        Ended { arrival, waited: false, sent: sent_ms.map(ms), ended: ms(ended_ms), outcome, bytes: 0 }
    }

    fn answered(status: u16, code: Option<&str>) -> Outcome {
        Outcome::Answered { status, ok: status < 400, code: code.map(str::to_owned) }
    }

    fn tally(slo: &str) -> Tally {
        let slo = slo.parse().expect("an objective");
        Tally::new(&[Stage::constant(1.0, Duration::from_secs(10))], 0, MS * 1000, Some(&slo))
    }

    /// Pairs of how many and after how many milliseconds, fast failures, and requests without an answer.
    pub(crate) fn count_of(ok: &[(u64, u64)], failed: u64, unanswered: u64) -> Count {
        let mut tally = tally("p99<50ms");
        let each =
            |count: u64, took: u64, outcome: Outcome| (0..count).map(move |_| ended(0, Some(0), took, outcome.clone()));
        let good = ok.iter().flat_map(|(count, took)| each(*count, *took, answered(200, None)));
        let bad = each(failed, 1, answered(503, None)).chain(each(unanswered, 1, Outcome::Broken(Broken::Lost)));
        good.chain(bad).for_each(|ended| tally.record(&ended));
        tally.judged()
    }

    #[test]
    fn time_runs_from_when_it_was_due() {
        let mut tally = tally("p99<50ms");
        tally.record(&ended(100, Some(900), 910, answered(200, None)));
        let count = &tally.stages()[0];
        assert!(count.latency(0.5).abs_diff(MS * 810) < MS);
        assert!(count.service(0.5).abs_diff(MS * 10) < MS);
        assert_eq!((count.late, count.ok, count.ended()), (1, 1, 1));
        assert_eq!(tally.sightings()[&Signal::Behind], Sighting { first: MS * 100, count: 1 });
    }

    #[test]
    fn who_got_no_answer_took_the_whole_timeout_at_least() {
        let mut tally = tally("p99<50ms");
        tally.record(&ended(0, Some(0), 3, Outcome::Broken(Broken::Lost)));
        tally.record(&ended(0, None, 1500, Outcome::Broken(Broken::Unsent)));
        let count = &tally.stages()[0];
        assert!(count.latency(0.0).abs_diff(MS * 1000) < MS * 2, "{:?}", count.latency(0.0));
        assert!(count.latency(1.0).abs_diff(MS * 1500) < MS * 2);
        assert_eq!((count.errors_share(), count.unsent()), (1.0, 1));
    }

    #[test]
    fn failures_are_counted_by_status_and_code_and_seen_with_their_first_due_time() {
        let mut tally = tally("p99<50ms");
        for due in [700, 300, 500] {
            tally.record(&ended(due, Some(due), due + 1, answered(503, Some("overloaded"))));
        }
        tally.record(&ended(100, Some(100), 101, answered(500, None)));
        tally.record(&ended(0, Some(0), 1, answered(304, None)));
        let count = &tally.stages()[0];
        assert_eq!(count.statuses, BTreeMap::from([(304, 1), (500, 1), (503, 3)]));
        assert_eq!(count.codes, BTreeMap::from([("overloaded".to_owned(), 3)]));
        assert_eq!((count.failed, count.ok), (4, 1));
        let seen = tally.sightings();
        assert_eq!(seen[&Signal::Code("overloaded".to_owned())], Sighting { first: MS * 300, count: 3 });
        assert_eq!(seen[&Signal::Status(500)], Sighting { first: MS * 100, count: 1 });
    }

    #[test]
    fn a_server_cannot_invent_codes_without_end() {
        let mut tally = tally("p99<50ms");
        for number in 0..1000 {
            tally.record(&ended(0, Some(0), 1, answered(500, Some(&number.to_string()))));
        }
        let codes = &tally.stages()[0].codes;
        assert_eq!((codes.len(), codes["others"]), (CODES_MAX + 1, 1000 - CODES_MAX as u64));
    }

    #[test]
    fn slowness_has_a_beginning() {
        let mut tally = tally("p90<50ms,max<10s");
        for due in (0..5000).step_by(10) {
            let took = if due < 3000 { 5 } else { 200 };
            tally.record(&ended(due, Some(due), due + took, answered(200, None)));
        }
        assert_eq!((tally.slow_since(0), tally.slow_since(1)), (Some(MS * 3000), None));
    }

    #[test]
    fn a_warm_up_is_counted_and_not_judged() {
        let slo = "p99<50ms".parse().expect("an objective");
        let stages = [Stage::constant(1.0, MS * 1000), Stage::constant(1.0, MS * 1000)];
        let mut tally = Tally::new(&stages, 1, MS * 1000, Some(&slo));
        tally.record(&ended(0, Some(0), 900, answered(500, None)));
        assert_eq!((tally.stages()[0].failed, tally.judged().ended(), tally.judged_from()), (1, 0, MS * 1000));
        assert!(tally.sightings().is_empty() && tally.slow_since(0).is_none());
    }

    #[test]
    fn stages_add_up() {
        let mut sum = count_of(&[(10, 1)], 1, 2);
        sum.add(&count_of(&[(10, 100)], 3, 0));
        assert_eq!((sum.ok, sum.failed, sum.ended()), (20, 4, 26));
        assert!(sum.latency(0.5) >= MS * 100);
    }
}
