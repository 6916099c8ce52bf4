//! How long an answer may stand still, and how long it may last: its route's `idle-timeout` and `lifetime`.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};
use weft_traffic::Policy;
use weft_types::{Code, code};

/// Costs nothing for an answer that is there at once: the clock is read when a frame is awaited, and at every frame
/// after the first one, because a client that reads slowly is never awaited here; a timer is armed to wait only.
pub(crate) struct Patience {
    idle: Duration,
    lifetime: Duration,
    begun: bool,
    waiting: Option<Waiting>,
    end: Option<Instant>,
}

struct Waiting {
    timer: Pin<Box<Sleep>>,
    /// Whether the timer stands for the pause that is going on; else only for an earlier one.
    armed: bool,
}

impl Patience {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self { idle: policy.idle, lifetime: policy.lifetime, begun: false, waiting: None, end: None }
    }

    /// A frame has come: the pause is over.
    pub(crate) fn moved(&mut self) -> Option<Code> {
        if let Some(waiting) = &mut self.waiting {
            waiting.armed = false;
        }
        if !std::mem::replace(&mut self.begun, true) {
            return None;
        }
        let now = Instant::now();
        (now >= *self.end.get_or_insert(now + self.lifetime)).then_some(code::LIFETIME_EXCEEDED)
    }

    /// No frame yet: says when that has gone on for too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Code> {
        let lifetime = self.lifetime;
        let until = |end: Instant, idle: Duration| (Instant::now() + idle).min(end);
        let end = *self.end.get_or_insert_with(|| Instant::now() + lifetime);
        let idle = self.idle;
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            timer: Box::pin(tokio::time::sleep_until(until(end, idle))),
            armed: true,
        });
        if !waiting.armed {
            waiting.timer.as_mut().reset(until(end, idle));
            waiting.armed = true;
        }
        let due = waiting.timer.deadline();
        waiting.timer.as_mut().poll(cx).map(|()| if due >= end { code::LIFETIME_EXCEEDED } else { code::IDLE_TIMEOUT })
    }
}
