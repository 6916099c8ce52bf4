//! The streams of one HTTP/2 connection: whose client does not read its answer, and how many it gave up early.
//!
//! A client that closes a stream's window stops nobody from writing to the socket, so the pulse of the connection
//! does not notice; and hyper does not ask an answer for its next frame before the last one may go. So each answer
//! notes since when its last frame waits, and the sweep ends the task of one that waits for too long: its stream is
//! reset, and the others on the connection go on.

use std::sync::Arc;

use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use weft_types::Timestamp;

use crate::pulse::Pulse;

/// So many requests given up before the head of their answer, if they are most of all: the client does not want
/// answers, it wants us to work (CVE-2023-44487). It is told to go; after as many again it is cut off.
pub(crate) const GIVEN_UP_MAX: u32 = 500;

#[derive(Default)]
pub(crate) struct Streams(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
    /// Begun, and its task not spawned yet.
    newest: Option<usize>,
}

#[derive(Default)]
struct Slot {
    task: Option<AbortHandle>,
    waits_since: Option<Timestamp>,
}

impl Streams {
    /// An exchange begins; hyper spawns its task next.
    pub(crate) fn begin(&self) -> usize {
        let mut slots = self.0.lock();
        let slot = slots.free.pop().unwrap_or(slots.all.len());
        if slot == slots.all.len() {
            slots.all.push(Slot::default());
        }
        slots.newest = Some(slot);
        slot
    }

    fn spawned(&self, task: AbortHandle) {
        let mut slots = self.0.lock();
        if let Some(slot) = slots.newest.take() {
            slots.all[slot].task = Some(task);
        }
    }

    /// A frame was handed to hyper.
    pub(crate) fn handed(&self, slot: usize, now: Timestamp) {
        self.0.lock().all[slot].waits_since = Some(now);
    }

    /// hyper asks for more: what it had has left.
    pub(crate) fn asked(&self, slot: usize) {
        self.0.lock().all[slot].waits_since = None;
    }

    pub(crate) fn end(&self, slot: usize) {
        let mut slots = self.0.lock();
        slots.all[slot] = Slot::default();
        slots.free.push(slot);
        // Its task is not to be found at the next one.
        if slots.newest == Some(slot) {
            slots.newest = None;
        }
    }

    /// The tasks of streams for which `overdue` holds of the time since when they wait.
    pub(crate) fn overdue(&self, overdue: impl Fn(Timestamp) -> bool) -> Vec<AbortHandle> {
        let slots = self.0.lock();
        let waits = slots.all.iter().filter(|slot| slot.waits_since.is_some_and(&overdue));
        waits.filter_map(|slot| slot.task.clone()).collect()
    }
}

/// Runs the streams of a connection, each as a task of its own that its pulse knows.
#[derive(Clone)]
pub(crate) struct Spawn(pub(crate) Arc<Pulse>);

impl<F> Executor<F> for Spawn
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.streams.spawned(tokio::spawn(stream).abort_handle());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_stream_that_waits_for_its_client_is_overdue() {
        let streams = Streams::default();
        let task = || tokio::spawn(std::future::pending::<()>()).abort_handle();
        let at = Timestamp::from_millis;
        let (slow, quick) = (streams.begin(), {
            streams.spawned(task());
            streams.begin()
        });
        streams.spawned(task());
        streams.handed(slow, at(1));
        streams.handed(quick, at(1));
        streams.asked(quick);
        assert_eq!(streams.overdue(|since| since < at(1)).len(), 0);
        assert_eq!(streams.overdue(|since| since < at(2)).len(), 1);
        streams.end(slow);
        assert_eq!(streams.overdue(|_| true).len(), 0);
        assert_eq!(streams.begin(), slow, "its place is given on, without its past");
        assert_eq!(streams.overdue(|_| true).len(), 0);
    }
}
