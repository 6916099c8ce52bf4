//! Where randomness enters the gateway: ids that nobody outside can predict, cheap enough for every request.

/// Fresh bits for each call. A simulation gives a seeded one.
pub trait Randomness: Send + Sync {
    fn next(&self) -> u128;
}

/// ChaCha per thread, seeded and reseeded from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn next(&self) -> u128 {
        rand::random()
    }
}
