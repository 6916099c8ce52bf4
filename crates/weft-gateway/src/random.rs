//! Where randomness enters the gateway: ids that nobody outside can predict, cheap enough for every request.

pub use weft_types::Randomness;

/// ChaCha per thread, seeded and reseeded from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn next(&self) -> u128 {
        rand::random()
    }
}
