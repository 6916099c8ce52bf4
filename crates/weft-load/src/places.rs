//! Who may be sent now: places for what is in flight, and who waits for one. Pure; time is an argument.
//!
//! A request that finds no place waits, is sent late and timed from when it was due; or it is not sent at all, once its
//! patience is over, and counted. In no case does the load become slower in silence.

use std::{collections::VecDeque, time::Duration};

use crate::schedule::Arrival;

/// How many wait for a place at most. What is due beyond is not sent.
pub const WAITING_MAX: usize = 100_000;

/// What becomes of a request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It has a place: send it.
    Now,
    /// It will come out of [`Places::leave`] or [`Places::expired`].
    Waits,
    /// It is not sent.
    Never,
}

/// The places, bounded, and the queue for them.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    taken: usize,
    patience: Duration,
    waiting: VecDeque<Arrival>,
}

impl Places {
    /// `limit` in flight at most, at least one; who is due waits for `patience` at most.
    pub fn new(limit: usize, patience: Duration) -> Self {
        Self { limit: limit.max(1), taken: 0, patience, waiting: VecDeque::new() }
    }

    pub fn arrive(&mut self, arrival: Arrival) -> Admitted {
        if self.taken < self.limit {
            debug_assert!(self.waiting.is_empty(), "a place is free while someone waits");
            self.taken += 1;
            return Admitted::Now;
        }
        if self.waiting.len() == WAITING_MAX {
            return Admitted::Never;
        }
        self.waiting.push_back(arrival);
        Admitted::Waits
    }

    /// Gives a place on to the first who still has patience. `None`: the place is free.
    ///
    /// Call [`Self::expired`] first: who has none left stands at the front.
    pub fn leave(&mut self) -> Option<Arrival> {
        debug_assert!(self.taken > 0, "a place is given back once");
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.taken -= 1;
        }
        next
    }

    /// One who waited for longer than its patience, until there is none: it is not sent.
    pub fn expired(&mut self, now: Duration) -> Option<Arrival> {
        self.waiting.pop_front_if(|first| first.due + self.patience <= now)
    }

    pub fn in_flight(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(number: u64) -> Arrival {
        Arrival { number, stage: 0, due: Duration::from_millis(number) }
    }

    #[test]
    fn beyond_the_limit_who_is_due_waits_in_turn() {
        let mut places = Places::new(2, Duration::from_secs(1));
        assert_eq!([0, 1, 2, 3].map(|n| places.arrive(arrival(n))), {
            use Admitted::{Now, Waits};
            [Now, Now, Waits, Waits]
        });
        assert_eq!(places.leave(), Some(arrival(2)));
        assert_eq!((places.leave(), places.leave(), places.in_flight()), (Some(arrival(3)), None, 1));
        assert_eq!(places.arrive(arrival(4)), Admitted::Now);
    }

    #[test]
    fn who_waited_for_too_long_is_told_apart_and_never_sent() {
        let mut places = Places::new(1, Duration::from_millis(10));
        for number in 0..5 {
            places.arrive(arrival(number));
        }
        assert_eq!(places.expired(Duration::from_millis(10)), None);
        let gone: Vec<u64> =
            std::iter::from_fn(|| places.expired(Duration::from_millis(12))).map(|gone| gone.number).collect();
        assert_eq!(gone, [1, 2]);
        assert_eq!(places.leave(), Some(arrival(3)));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut places = Places::new(1, Duration::from_secs(1));
        places.arrive(arrival(0));
        for number in 0..WAITING_MAX as u64 {
            assert_eq!(places.arrive(arrival(number)), Admitted::Waits);
        }
        assert_eq!(places.arrive(arrival(0)), Admitted::Never);
    }
}
