//! Whether guests keep the node's cores busy: who computes when the epoch's clock ticks is counted, and averaged.
//!
//! Every 10 ms each guest that computes is asked to yield. How many those are is a sample of how many want a core: it
//! needs no look at the system, and holds beside neighbours that use the cores too.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use parking_lot::Mutex;

/// Ticks over which it is averaged.
const TICKS: u32 = 4;
/// From here on the cores count as in use. What guests cost besides computing is not seen.
const SHARE: f32 = 0.6;
/// From here on one component has to do with it.
const PART: f32 = 0.3;

/// Those of a node, shared by all of its guests.
#[derive(Debug)]
pub(crate) struct Cores {
    number: u32,
    ticks: AtomicU32,
    interrupted: AtomicU32,
    in_use: AtomicBool,
}

/// One component's part in it.
#[derive(Debug)]
pub struct Computing {
    cores: Arc<Cores>,
    interrupted: AtomicU32,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    tick: u32,
    /// Guests at a tick, lately.
    mean: f32,
}

impl Cores {
    pub(crate) fn new(number: u32) -> Self {
        let (number, in_use) = (number.max(1), AtomicBool::new(false));
        Self { number, ticks: AtomicU32::new(0), interrupted: AtomicU32::new(0), in_use }
    }

    /// The clock ticks. `mean` is the caller's, and its own alone.
    pub(crate) fn tick(&self, mean: &mut f32) {
        let interrupted = self.interrupted.swap(0, Relaxed);
        self.ticks.fetch_add(1, Relaxed);
        *mean += (interrupted as f32 - *mean) / TICKS as f32;
        self.in_use.store(*mean >= SHARE * self.number as f32, Relaxed);
    }
}

impl Computing {
    pub(crate) fn new(cores: &Arc<Cores>) -> Arc<Self> {
        Arc::new(Self { cores: Arc::clone(cores), interrupted: AtomicU32::new(0), seen: Mutex::default() })
    }

    /// Of a component that nobody runs, on so many cores; `in_use` is what it says for ever. For tests of who asks.
    pub fn fixed(number: u32, in_use: bool) -> Arc<Self> {
        let this = Self::new(&Arc::new(Cores::new(number)));
        this.cores.in_use.store(in_use, Relaxed);
        this.seen.lock().mean = f32::MAX;
        this
    }

    /// Whether about as many guests compute as the node has cores, or more, and this component's are among them.
    ///
    /// Another's that wait are not: to hold them back would free no core.
    #[inline]
    pub fn fills_cores(&self) -> bool {
        self.cores.in_use.load(Relaxed) && self.takes_part()
    }

    fn takes_part(&self) -> bool {
        let tick = self.cores.ticks.load(Relaxed);
        let mut seen = self.seen.lock();
        let passed = tick.wrapping_sub(seen.tick);
        if passed >= TICKS {
            let interrupted = self.interrupted.swap(0, Relaxed);
            *seen = Seen { tick, mean: interrupted as f32 / passed as f32 };
        }
        seen.mean >= PART * self.cores.number as f32
    }

    /// One of its guests was computing when the clock ticked.
    pub(crate) fn computes(&self) {
        self.interrupted.fetch_add(1, Relaxed);
        self.cores.interrupted.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each tick with as many guests as are said, and what is said after it.
    fn run(cores: &Cores, of: &Computing, mean: &mut f32, guests: &[u32]) -> Vec<bool> {
        let tick = |guests: &u32| {
            (0..*guests).for_each(|_| of.computes());
            cores.tick(mean);
            of.fills_cores()
        };
        guests.iter().map(tick).collect()
    }

    #[test]
    fn they_are_full_after_some_ticks_and_not_of_one_call() {
        let (cores, mut mean) = (Arc::new(Cores::new(2)), 0.0);
        let of = Computing::new(&cores);
        assert_eq!(run(&cores, &of, &mut mean, &[1; 20]), [false; 20], "one call on two cores");
        assert_eq!(run(&cores, &of, &mut mean, &[2; 12]).last(), Some(&true));
        assert_eq!(run(&cores, &of, &mut mean, &[0; 12]).last(), Some(&false));
    }

    #[test]
    fn who_waits_while_another_computes_does_not_fill_them() {
        let (cores, mut mean) = (Arc::new(Cores::new(2)), 0.0);
        let (one, other) = (Computing::new(&cores), Computing::new(&cores));
        for _ in 0..20 {
            run(&cores, &one, &mut mean, &[4]);
            other.fills_cores();
        }
        assert!(one.fills_cores() && !other.fills_cores());
    }
}
