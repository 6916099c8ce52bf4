//! Adaptive concurrency: how many calls at once a component can take, found from how long its calls take.
//!
//! ```text
//! gradient = tolerance × usual time / recent time,  between ½ and 1           recent: over one round of answers
//! limit   ←  80 % limit + 20 % (limit × gradient + headroom)       each round, if half of the limit was in use
//! ```
//!
//! Gradient2: the *usual* time is a long average (600 answers), and what exceeds it by the tolerance is waiting inside
//! the component, so the limit falls; the headroom lets it rise again while times stay as usual. There is no
//! probing phase in which good traffic is refused.
//!
//! A *round* is as many answers as the limit is high: so many calls were sent before the last change could show. Who
//! changes the limit at each answer changes it many times for one cause, and it swings between its bounds.
//!
//! Four things differ from the original. Two are stricter, since a long overload defeats it; two spare components that
//! wait, since a call that waits takes no core from another:
//!
//! * **What is slow because the limit is in use is not usual.** The original learns the overload within 600 answers,
//!   finds it usual, and goes on to its maximum. Here longer times are learnt only while the limit is not in use, or at
//!   the floor while the node's cores are not busy: then the component waits for something that has become slower.
//!   A component that is slow for want of cores gains nothing by more calls at once. Shorter times are learnt always.
//! * **The headroom is at most an eighth of the limit.** On two cores the floor is 4, and 4 more would double the time
//!   of every call.
//! * **The floor counts calls that compute, not calls that wait.** Of calls that take 31 ms and compute for one of them,
//!   31 times as many keep a core busy: the floor is as many times higher.
//! * **What ran well together may run together again.** A round of more calls than the limit, which its owner let in
//!   because the cores had time, and whose times were as usual, raises the limit to their number.

use std::time::Duration;

/// The bounds of one [`Gradient`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The limit is never below: see [`Options::for_cores`]. At least 1.
    pub min: u32,
    /// The limit is never above.
    pub max: u32,
    /// Answers over which the usual time is averaged.
    pub window: u32,
    /// How much longer than usual a call may take before the limit falls.
    pub tolerance: f64,
    /// The share of one answer in the next limit.
    pub smoothing: f64,
    /// What the limit grows by while times are as usual, before smoothing; at most an eighth of the limit.
    pub headroom: u32,
}

impl Options {
    pub const MAX: u32 = 200;
    pub const WINDOW: u32 = 600;
    pub const TOLERANCE: f64 = 1.5;
    pub const SMOOTHING: f64 = 0.2;
    pub const HEADROOM: u32 = 4;

    /// The defaults, with a floor of twice the cores: a fixed floor of 20 would hide overload on two cores.
    pub fn for_cores(cores: u32) -> Self {
        let min = cores.max(1).saturating_mul(2);
        Self {
            min,
            max: Self::MAX.max(min),
            window: Self::WINDOW,
            tolerance: Self::TOLERANCE,
            smoothing: Self::SMOOTHING,
            headroom: Self::HEADROOM,
        }
    }
}

/// Why the limit is what it is, for `explain` and the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub limit: u32,
    /// The long average; zero before the first answer.
    pub usual: Duration,
    /// The limit does not fall below; more than `min` where calls wait for longer than they compute.
    pub floor: u32,
    /// The last answer's gradient: below 1 the limit falls.
    pub gradient: f64,
}

/// One call that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From its place to its Head.
    pub took: Duration,
    /// Calls running when it began, itself included.
    pub in_flight: u32,
    /// Whether the node's cores had all been in use meanwhile.
    pub busy: bool,
    /// What of it was computing; `None`: not known, as for a call to another service.
    pub cpu: Option<Duration>,
}

/// The state. Constant work, no allocation.
#[derive(Debug, Clone, Copy)]
pub struct Gradient {
    options: Options,
    limit: f64,
    /// The long average. Nanoseconds.
    usual: f64,
    /// The long average of what calls compute, over `known` calls at most [`Options::window`]. Nanoseconds.
    cpu: f64,
    known: u32,
    /// Answers that were averaged plainly so far: at most [`WARM_UP`].
    warm: u32,
    gradient: f64,
    round: Round,
}

/// The answers since the last change.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    answers: u32,
    busy: u32,
    in_flight_max: u32,
    /// Nanoseconds.
    sum: f64,
}

/// Answers that are averaged plainly before the long average starts to move slowly.
const WARM_UP: u32 = 10;
/// Fewer answers are no round.
const ROUND_MIN: u32 = 4;

impl Gradient {
    /// Starts at the floor, where the first times are the truest.
    pub fn new(options: Options) -> Self {
        let limit = f64::from(options.min.max(1));
        Self { options, limit, usual: 0.0, cpu: 0.0, known: 0, warm: 0, gradient: 1.0, round: Round::default() }
    }

    /// Calls that may run at once: whole, from `min` to `max`.
    #[inline]
    pub fn limit(&self) -> u32 {
        self.limit as u32
    }

    pub fn view(&self) -> View {
        let usual = Duration::from_nanos(self.usual as u64);
        View { limit: self.limit(), usual, floor: self.floor(), gradient: self.gradient }
    }

    /// As many calls as keep twice the cores busy.
    fn floor(&self) -> u32 {
        let least = self.options.min.max(1);
        if self.known < WARM_UP || self.warm < WARM_UP {
            return least;
        }
        let waits = (self.usual / self.cpu.max(1.0)).max(1.0);
        ((f64::from(least) * waits) as u32).min(self.options.max.max(least))
    }

    /// A call ended. Not for what was shed or refused. Answers the limit that holds now.
    pub fn record(&mut self, sample: Sample) -> u32 {
        let Round { answers, busy, in_flight_max, sum } = &mut self.round;
        *answers += 1;
        *busy += u32::from(sample.busy);
        *in_flight_max = sample.in_flight.max(*in_flight_max);
        *sum += (sample.took.as_nanos() as f64).max(1.0);
        if let Some(cpu) = sample.cpu {
            self.known = (self.known + 1).min(self.options.window.max(1));
            self.cpu += (cpu.as_nanos() as f64 - self.cpu) / f64::from(self.known);
        }
        if self.round.answers >= self.limit().max(ROUND_MIN) {
            let round = std::mem::take(&mut self.round);
            self.turn(round);
        }
        self.limit()
    }

    fn turn(&mut self, round: Round) {
        let recent = round.sum / f64::from(round.answers);
        // A limit that is not used was not tested either.
        let used = f64::from(round.in_flight_max) >= self.limit / 2.0;
        let warm = self.warm >= WARM_UP;
        self.learn(recent, used, &round);
        if used {
            self.gradient = (self.options.tolerance * self.usual / recent).clamp(0.5, 1.0);
            if warm && self.gradient >= 1.0 && !round.was_busy() {
                self.limit = self.limit.max(f64::from(round.in_flight_max));
            }
            self.follow();
        }
    }

    fn follow(&mut self) {
        let headroom = f64::from(self.options.headroom).min(self.limit / 8.0);
        let aim = self.limit * self.gradient + headroom;
        let next = self.limit * (1.0 - self.options.smoothing) + aim * self.options.smoothing;
        self.limit = next.min(f64::from(self.options.max)).max(f64::from(self.floor()));
    }

    fn learn(&mut self, recent: f64, used: bool, round: &Round) {
        let busy = round.was_busy();
        let answers = f64::from(round.answers);
        if self.warm < WARM_UP {
            let alone = if busy { alone(recent, round.in_flight_max, self.options.min) } else { recent };
            self.warm += round.answers;
            self.usual += (alone - self.usual) * answers / f64::from(self.warm);
        } else if recent < self.usual || !used || (self.limit() <= self.floor() && !busy) {
            let share = answers * 2.0 / (f64::from(self.options.window) + 1.0);
            self.usual += (recent - self.usual) * share.min(1.0);
        }
        // A time learnt in worse days is forgotten faster than it was learnt.
        if self.usual > 2.0 * recent {
            self.usual *= 0.95;
        }
    }
}

impl Round {
    fn was_busy(&self) -> bool {
        self.busy * 2 >= self.answers
    }
}

/// How long a call would have taken with a core to itself. The least limit is twice the cores.
fn alone(took: f64, running: u32, least: u32) -> f64 {
    let cores = (f64::from(least) / 2.0).max(1.0);
    took * cores / f64::from(running).max(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn gradient(cores: u32) -> Gradient {
        Gradient::new(Options::for_cores(cores))
    }

    fn feed(limit: &mut Gradient, times: usize, took: Duration, in_flight: u32) {
        for _ in 0..times {
            record(limit, took, in_flight);
        }
    }

    fn record(limit: &mut Gradient, took: Duration, in_flight: u32) -> u32 {
        limit.record(Sample { took, in_flight, busy: false, cpu: None })
    }

    #[test]
    fn it_grows_while_times_stay_as_usual_and_stops_at_its_bound() {
        let mut limit = gradient(2);
        assert_eq!(limit.limit(), 4);
        for _ in 0..8 {
            let before = limit.limit();
            (0..500).for_each(|_| _ = record(&mut limit, MS(10), before));
            assert!(limit.limit() > before, "it grows: {:?}", limit.view());
        }
        feed(&mut limit, 40_000, MS(10), 200);
        assert_eq!(limit.limit(), 200);
    }

    #[test]
    fn what_ran_well_together_may_run_together_and_what_filled_the_cores_may_not() {
        let mut limit = gradient(2);
        feed(&mut limit, 20, MS(10), 1);
        feed(&mut limit, 4, MS(10), 90);
        assert!(limit.limit() >= 90, "{:?}", limit.view());
        let mut busy = gradient(2);
        feed(&mut busy, 20, MS(10), 1);
        for _ in 0..4 {
            busy.record(Sample { took: MS(10), in_flight: 90, busy: true, cpu: None });
        }
        assert!(busy.limit() < 10, "{:?}", busy.view());
    }

    #[test]
    fn calls_that_wait_are_as_many_as_keep_the_cores_busy() {
        let overloaded = |cpu| {
            let mut limit = gradient(2);
            let mut call = |took, in_flight, busy| _ = limit.record(Sample { took, in_flight, busy, cpu });
            (0..600).for_each(|_| call(MS(31), 1, false));
            (0..4_000).for_each(|_| call(MS(310), 200, true));
            limit.limit()
        };
        assert_eq!(overloaded(Some(MS(31))), 4, "computes all the time");
        assert_eq!(overloaded(None), 4, "nobody knows");
        assert_eq!(overloaded(Some(MS(1))), 124, "twice two cores' worth of it");
    }

    #[test]
    fn it_falls_to_the_floor_when_calls_take_longer() {
        let mut limit = grown();
        feed(&mut limit, 2_000, MS(14), 200);
        assert_eq!(limit.limit(), 200, "nearly half as long again is tolerated");
        (0..4_000).for_each(|_| overloaded(&mut limit));
        assert_eq!(limit.limit(), 4, "{:?}", limit.view());
    }

    #[test]
    fn a_long_overload_does_not_become_usual_and_a_slower_component_does() {
        let mut limit = grown();
        for _ in 0..100_000 {
            let in_flight = limit.limit();
            limit.record(Sample { took: MS(5 * u64::from(in_flight)), in_flight, busy: true, cpu: None });
        }
        assert_eq!(limit.limit(), 4, "{:?}", limit.view());
        let mut slower = grown();
        feed(&mut slower, 10_000, MS(100), 200);
        assert!(slower.limit() >= 30, "it waits for something that is slower now: {:?}", slower.view());
        feed(&mut slower, 2_000, MS(100), 10);
        feed(&mut slower, 40_000, MS(100), 200);
        assert_eq!(slower.limit(), 200, "and after a quieter while that is usual");
    }

    #[test]
    fn a_limit_that_is_not_used_does_not_move() {
        let mut limit = gradient(4);
        (0..100).for_each(|n| assert_eq!(record(&mut limit, MS(1 + n), 3), 8));
        assert!(limit.view().usual > MS(10), "but what is usual is learnt");
    }

    #[test]
    fn an_overload_that_was_learnt_is_forgotten() {
        let mut limit = gradient(2);
        feed(&mut limit, 2_000, MS(500), 1);
        let slow = limit.view().usual;
        feed(&mut limit, 400, MS(10), 1);
        assert!(slow > MS(490) && limit.view().usual < MS(25), "{:?}", limit.view());
    }

    fn overloaded(limit: &mut Gradient) {
        limit.record(Sample { took: MS(60), in_flight: 200, busy: true, cpu: None });
    }

    fn grown() -> Gradient {
        let mut limit = gradient(2);
        feed(&mut limit, 40_000, MS(10), 200);
        assert_eq!(limit.limit(), 200);
        limit
    }
}
