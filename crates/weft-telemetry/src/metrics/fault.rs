//! Faults put in on purpose, read when they are scraped.

/// Says what was done on purpose. Asked at each scrape, off the threads that serve.
pub trait FaultSource: Send + Sync {
    /// Each application, place and harm once.
    fn read(&self) -> Vec<FaultReading>;

    /// Faults in force, or yet to begin.
    fn standing(&self) -> usize;
}

/// One kind of harm at one place, since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultReading {
    pub application: String,
    /// `component api`, `route /orders/*`, `upstream legacy`, `service store`.
    pub at: String,
    /// `delay`, `abort`, `corrupt`, `bandwidth`, `reset`, `kill`.
    pub harm: &'static str,
    pub count: u64,
}
