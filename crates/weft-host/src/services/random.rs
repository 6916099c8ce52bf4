//! A guest's randomness, where the host was given a source of its own: what a simulation replays.

use std::{convert::Infallible, sync::Arc};

use rand_core::TryRng;
use weft_types::Randomness;

/// Draws from the host's source.
pub(super) struct Draw(pub(super) Arc<dyn Randomness>);

impl TryRng for Draw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next() as u64)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(16) {
            chunk.copy_from_slice(&self.0.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
