//! Service levels, read when they are scraped.

use weft_types::Name;

/// Says how every objective of every component stands. Asked at each scrape, off the threads that serve.
pub trait LevelSource: Send + Sync {
    /// Each application, component and objective once.
    fn read(&self) -> Vec<LevelReading>;
}

/// One objective.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelReading {
    pub application: Name,
    pub component: Name,
    /// `availability`, `latency-p99`.
    pub objective: String,
    /// 1: the budget is untouched; 0: spent; below: overspent.
    pub remaining: f64,
    /// The burn rate of each window, such as `5m`.
    pub burns: Vec<(String, f64)>,
    /// `page` or `ticket`; `None` where nothing burns.
    pub severity: Option<&'static str>,
}
