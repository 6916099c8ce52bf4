//! What cores make of the random numbers they are given. They draw none themselves.

use std::time::Duration;

use crate::Ratio;

/// Uniform from 0 to below 1.
pub(crate) fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// Uniform from 0 to below `bound`; 0 for 0. By multiplication, since a remainder favours small numbers.
pub(crate) fn below(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

/// Uniform from zero to `longest`, both included.
pub(crate) fn up_to(random: u64, longest: Duration) -> Duration {
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(below(random, nanos.saturating_add(1)))
}

/// True for this share of all random numbers.
pub(crate) fn hits(random: u64, share: Ratio) -> bool {
    below(random, 1_000_000) < u64::from(share.as_millionths())
}

/// One more number from one (splitmix64's finish): every bit of the answer depends on every bit given.
pub(crate) fn mix(from: u64) -> u64 {
    let z = from.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_are_the_ends_of_the_answer() {
        assert_eq!((unit(0), below(0, 10), below(u64::MAX, 10), below(u64::MAX, 0)), (0.0, 0, 9, 0));
        assert!(unit(u64::MAX) < 1.0);
        let second = Duration::from_secs(1);
        assert_eq!((up_to(0, second), up_to(u64::MAX, second)), (Duration::ZERO, second));
        assert!(!hits(0, Ratio::ZERO) && hits(u64::MAX, Ratio::ALL));
    }

    #[test]
    fn a_share_is_hit_as_often_as_it_says() {
        let hit = (0..100_000).filter(|n| hits(mix(*n), Ratio::percent(5))).count();
        assert!((4_800..5_200).contains(&hit), "{hit}");
    }
}
