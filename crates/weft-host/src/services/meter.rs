//! Where what the engine does is counted: instances of each component, and code. The node provides it.

use std::{sync::Arc, time::Duration};

use weft_types::Name;

/// Makes the meter of each component, and counts what happens to code.
pub trait Meters: Send + Sync {
    fn open(&self, application: &Name, component: &Name) -> Arc<dyn InstanceMeter>;

    /// A component's code is in memory, `took` after it was asked for. Paired with [`Self::code_gone`].
    fn code_ready(&self, from: CodeFrom, took: Duration);

    /// It no longer is: `evicted` because nobody used it, else because the component is gone.
    fn code_gone(&self, evicted: bool);
}

/// Counts the instances of one component. Called on every request: it adds to a cell and returns.
pub trait InstanceMeter: Send + Sync {
    /// Paired with [`Self::dropped`].
    fn created(&self);
    /// A call met an instance that had served before.
    fn reused(&self);
    /// `lost`: by a failure of its guest.
    fn dropped(&self, lost: bool);
}

/// Where compiled code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFrom {
    Cache,
    Compiler,
    /// It was in the cache and of no use: damaged, or of another version.
    StaleCache,
}

/// Counts nothing: for hosts that nobody watches.
pub(super) struct NoMeters;

impl Meters for NoMeters {
    fn open(&self, _: &Name, _: &Name) -> Arc<dyn InstanceMeter> {
        Arc::new(Self)
    }
    fn code_ready(&self, _: CodeFrom, _: Duration) {}
    fn code_gone(&self, _: bool) {}
}

impl InstanceMeter for NoMeters {
    fn created(&self) {}
    fn reused(&self) {}
    fn dropped(&self, _: bool) {}
}

/// One instance, counted from its making to its end, whoever ends it.
pub(crate) struct Counted {
    meter: Arc<dyn InstanceMeter>,
    pub(crate) lost: bool,
}

impl Counted {
    pub(crate) fn new(meter: &Arc<dyn InstanceMeter>) -> Self {
        meter.created();
        Self { meter: Arc::clone(meter), lost: false }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.meter.dropped(self.lost);
    }
}
