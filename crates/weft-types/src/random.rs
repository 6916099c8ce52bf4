//! Where randomness enters: one seam for the whole process, so that a simulation can seed it.

/// Fresh bits for each call. A simulation gives a seeded one.
pub trait Randomness: Send + Sync {
    fn next(&self) -> u128;
}
