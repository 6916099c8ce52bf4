//! Mirroring: a share of the requests is sent to a second target as well, whose answer nobody sees.

use crate::{Ratio, chance};

/// What is mirrored of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    pub share: Ratio,
    /// Copies under way at once; more are left out, since a slow mirror must not hold the memory of the true route.
    pub in_flight_max: u32,
}

impl Options {
    pub const IN_FLIGHT_MAX: u32 = 64;
    /// A longer body is not copied. Bytes.
    pub const BODY_MAX: u64 = 64 << 10;

    pub fn new(share: Ratio) -> Self {
        Self { share, in_flight_max: Self::IN_FLIGHT_MAX }
    }
}

/// Which requests are copied. Not shared.
#[derive(Debug, Clone)]
pub struct Mirror {
    options: Options,
    in_flight: u32,
    left_out: u64,
}

impl Mirror {
    pub fn new(options: Options) -> Self {
        Self { options, in_flight: 0, left_out: 0 }
    }

    /// Whether this request is copied too; then [`Mirror::done`] follows when the copy has ended. `body`: its length
    /// where it is held whole. `random` is uniform.
    pub fn takes(&mut self, body: Option<u64>, random: u64) -> bool {
        if !chance::hits(random, self.options.share) {
            return false;
        }
        let fits = body.is_some_and(|bytes| bytes <= Options::BODY_MAX) && self.in_flight < self.options.in_flight_max;
        match fits {
            true => self.in_flight += 1,
            false => self.left_out += 1,
        }
        fits
    }

    pub fn done(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Copies under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }
    /// Copies that were due but not made since the start.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_copied_within_its_bounds() {
        let mut mirror = Mirror::new(Options { share: Ratio::percent(10), in_flight_max: 2 });
        let copied = (0..10_000u64).filter(|n| {
            let taken = mirror.takes(Some(0), chance::mix(*n));
            (0..u32::from(taken)).for_each(|_| mirror.done());
            taken
        });
        let copied = copied.count();
        assert!((900..1_100).contains(&copied), "{copied}");
        assert!(!mirror.takes(Some(Options::BODY_MAX + 1), 0) && !mirror.takes(None, 0));
        assert!(mirror.takes(Some(1), 0) && mirror.takes(Some(1), 0) && !mirror.takes(Some(1), 0));
        assert_eq!((mirror.in_flight(), mirror.left_out()), (2, 3));
        mirror.done();
        assert!(mirror.takes(Some(1), 0));
    }
}
