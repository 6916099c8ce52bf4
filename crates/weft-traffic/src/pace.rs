//! How fast a queue moves, so that whoever is shed can be told when to come back.

use std::time::Duration;

use weft_types::Timestamp;

/// The time between two places freed while someone waited, smoothed over about eight of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    freed: Option<Timestamp>,
    smooth: Duration,
}

pub(crate) const RETRY_MAX: Duration = Duration::from_secs(30);

impl Pace {
    /// A place went to a waiter; `more`: others wait still. A pause in which nobody waits says nothing.
    pub(crate) fn freed(&mut self, now: Timestamp, more: bool) {
        if let Some(before) = self.freed {
            self.smooth = self.smooth * 7 / 8 + now.since(before) / 8;
        }
        self.freed = more.then_some(now);
    }

    /// When a queue of this length should have drained: whole seconds, 1 to 30.
    pub(crate) fn drained(&self, waiting: u32) -> Duration {
        let drained = self.smooth.saturating_mul(waiting.saturating_add(1));
        let seconds = drained.as_secs() + u64::from(drained.subsec_nanos() > 0);
        Duration::from_secs(seconds).clamp(Duration::from_secs(1), RETRY_MAX)
    }
}
