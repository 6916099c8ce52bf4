//! Limits on calls at once, read when they are scraped.

use weft_types::Name;

/// Says what limits hold before every component. Asked at each scrape, off the threads that serve.
pub trait LimitSource: Send + Sync {
    /// Each pair of application and component once.
    fn read(&self) -> Vec<LimitReading>;
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitReading {
    pub application: Name,
    pub component: Name,
    /// Calls that may be inside now.
    pub places: u32,
    /// What was found from how long calls take, whether it holds now or not; `None`: the limit is fixed.
    pub adaptive: Option<u32>,
}
