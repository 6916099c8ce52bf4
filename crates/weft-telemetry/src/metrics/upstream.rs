//! What upstreams count by themselves, read when it is scraped.

use std::sync::Arc;

use weft_types::Name;

use super::OTHERS;

/// Endpoints of one upstream that have series of their own; all further ones share [`OTHERS`].
pub const ENDPOINTS_MAX: usize = 64;

/// Says how every deployed upstream stands. Asked at each scrape, off the threads that serve.
pub trait UpstreamSource: Send + Sync {
    /// Each pair of application and upstream once.
    fn read(&self) -> Vec<UpstreamReading>;
}

/// One upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamReading {
    pub application: Name,
    pub upstream: Arc<str>,
    pub retries: u64,
    pub retries_refused: u64,
    /// `None`: nothing is hedged.
    pub hedges: Option<HedgeReading>,
    pub active: u64,
    pub waiting: u64,
    /// Calls that may be inside now.
    pub places: u64,
    /// `None`: it has none.
    pub breaker: Option<BreakerReading>,
    pub endpoints: Vec<EndpointReading>,
}

/// Second tries beside a late first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HedgeReading {
    pub sent: u64,
    /// Of these, those whose answer counted.
    pub won: u64,
    /// Not sent: a budget had nothing left.
    pub refused: u64,
}

/// Its breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerReading {
    /// `closed`, `open` or `probing`.
    pub state: &'static str,
    pub opens: u64,
    pub refused: u64,
}

/// One of its endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointReading {
    pub endpoint: Arc<str>,
    pub ok: u64,
    pub failures: u64,
    pub ejections: u64,
    /// Calls may go there now.
    pub up: bool,
    pub active: u64,
}

impl UpstreamReading {
    /// With the endpoints beyond the bound taken together: their counts summed, up if one of them is.
    pub(crate) fn bounded(mut self) -> Self {
        if self.endpoints.len() <= ENDPOINTS_MAX {
            return self;
        }
        let rest = self.endpoints.split_off(ENDPOINTS_MAX - 1);
        let sum = |of: fn(&EndpointReading) -> u64| rest.iter().map(of).sum();
        self.endpoints.push(EndpointReading {
            endpoint: OTHERS.into(),
            ok: sum(|one| one.ok),
            failures: sum(|one| one.failures),
            ejections: sum(|one| one.ejections),
            up: rest.iter().any(|one| one.up),
            active: sum(|one| one.active),
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_beyond_the_bound_are_taken_together() {
        let endpoint = |n: usize| EndpointReading {
            endpoint: format!("http://{n}").into(),
            ok: 1,
            failures: 2,
            ejections: 3,
            up: n == 99,
            active: 4,
        };
        let reading = UpstreamReading {
            application: Name::new("shop").expect("a name"),
            upstream: "legacy".into(),
            retries: 0,
            retries_refused: 0,
            hedges: None,
            active: 0,
            waiting: 0,
            places: 256,
            breaker: None,
            endpoints: (0..100).map(endpoint).collect(),
        };
        let bounded = reading.bounded();
        assert_eq!(bounded.endpoints.len(), ENDPOINTS_MAX);
        let last = bounded.endpoints.last().expect("some");
        assert_eq!((&*last.endpoint, last.ok, last.failures, last.up), (OTHERS, 37, 74, true));
    }
}
