//! What one route answers, by method and status, in OpenTelemetry's words.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use weft_types::Name;

use super::{
    latency::{LatencyShard, Reading},
    shard::Sharded,
};

/// Distinct pairs of method and status that a route keeps apart; whatever comes later is counted together.
const PAIRS_MAX: usize = 32;

/// The methods that have a label of their own; any other text is `_OTHER`, as OpenTelemetry asks.
const METHODS: [&str; 11] =
    ["_OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

/// A method as a label: one of a fixed set, whatever the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method(u8);

impl Method {
    pub fn of(text: &str) -> Self {
        Self(METHODS.iter().position(|known| *known == text).unwrap_or(0) as u8)
    }

    pub fn as_str(self) -> &'static str {
        METHODS[usize::from(self.0)]
    }
}

/// Which route a series is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouteLabels {
    /// `None` for requests that no route matched.
    pub(crate) application: Option<Name>,
    /// The host pattern as written; empty for any host.
    pub(crate) host: Arc<str>,
    /// The path pattern as written, such as `/orders/:id`.
    pub(crate) path: Arc<str>,
}

/// The meter of one route. Resolve it once, at deploy; recording never looks up by label.
///
/// Its series live as long as a handle to it.
#[derive(Debug)]
pub struct RouteMeter {
    pub(crate) labels: RouteLabels,
    shards: usize,
    active: Sharded<Active>,
    /// WebSockets. They come and go seldom.
    sockets: AtomicU64,
    pairs: Box<[Pair]>,
    others: Series,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Active(AtomicU64);

/// A histogram that exists from its first observation on.
#[derive(Debug, Default)]
struct Series(OnceLock<Box<Sharded<LatencyShard>>>);

#[derive(Debug, Default)]
struct Pair {
    /// Zero while free, then [`pair_key`] for ever.
    key: AtomicU32,
    series: Series,
}

impl Series {
    fn observe(&self, shards: usize, took: Duration) {
        self.0.get_or_init(|| Box::new(Sharded::new(shards))).here().0.observe(took);
    }

    fn read(&self) -> Option<Reading> {
        self.0.get().map(|sharded| Reading::of(sharded.all().map(|shard| &shard.0)))
    }
}

impl RouteMeter {
    pub(crate) fn new(labels: RouteLabels, shards: usize) -> Self {
        Self {
            labels,
            shards,
            active: Sharded::new(shards),
            sockets: AtomicU64::new(0),
            pairs: (0..PAIRS_MAX).map(|_| Pair::default()).collect(),
            others: Series::default(),
        }
    }

    /// A request's head was matched to this route. Pair it with [`Self::ended`].
    pub fn began(&self) {
        self.active.here().0.fetch_add(1, Relaxed);
    }

    /// The response's last byte left, or its body was dropped, `took` after the request's head was read.
    ///
    /// `status` is what was sent, or would have been; 499 for a client that left before the head.
    pub fn ended(&self, method: Method, status: u16, took: Duration) {
        self.active.here().0.fetch_sub(1, Relaxed);
        self.series(method, status).observe(self.shards, took);
    }

    /// A request became a WebSocket, or such a one has ended.
    pub fn socket(&self, open: bool) {
        match open {
            true => self.sockets.fetch_add(1, Relaxed),
            false => self.sockets.fetch_sub(1, Relaxed),
        };
    }

    pub(crate) fn sockets(&self) -> u64 {
        self.sockets.load(Relaxed)
    }

    fn series(&self, method: Method, status: u16) -> &Series {
        let key = pair_key(method, status);
        let start = (key as usize).wrapping_mul(0x9E37_79B1) >> 7;
        for step in 0..PAIRS_MAX {
            let pair = &self.pairs[(start + step) % PAIRS_MAX];
            let seen = match pair.key.load(Relaxed) {
                0 => pair.key.compare_exchange(0, key, Relaxed, Relaxed).err().unwrap_or(key),
                seen => seen,
            };
            if seen == key {
                return &pair.series;
            }
        }
        &self.others
    }

    pub(crate) fn active(&self) -> u64 {
        self.active.level(|shard| shard.0.load(Relaxed))
    }

    /// Method, status and histogram of everything observed; the status is `other` past the bound.
    pub(crate) fn read(&self) -> Vec<(&'static str, String, Reading)> {
        let mut all: Vec<_> = self
            .pairs
            .iter()
            .filter_map(|pair| {
                let (method, status) = pair_of(pair.key.load(Relaxed))?;
                Some((method.as_str(), status.to_string(), pair.series.read()?))
            })
            .collect();
        all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        all.extend(self.others.read().map(|reading| ("_OTHER", "other".to_owned(), reading)));
        all
    }
}

/// Never zero, since the lowest bit is set.
fn pair_key(method: Method, status: u16) -> u32 {
    u32::from(method.0) << 17 | u32::from(status) << 1 | 1
}

fn pair_of(key: u32) -> Option<(Method, u16)> {
    (key != 0).then_some((Method((key >> 17) as u8), (key >> 1) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> RouteMeter {
        let labels = RouteLabels { application: Some(Name::new("orders").unwrap()), host: "".into(), path: "/".into() };
        RouteMeter::new(labels, 2)
    }

    #[test]
    fn a_method_is_one_of_a_fixed_set() {
        let cases = [("GET", "GET"), ("QUERY", "QUERY"), ("get", "_OTHER"), ("BREW", "_OTHER"), ("", "_OTHER")];
        for (text, label) in cases {
            assert_eq!(Method::of(text).as_str(), label, "{text}");
        }
    }

    #[test]
    fn each_pair_has_its_own_histogram() {
        let meter = meter();
        for (method, status) in [("GET", 200), ("GET", 200), ("GET", 404), ("POST", 200)] {
            meter.began();
            meter.ended(Method::of(method), status, Duration::from_millis(1));
        }
        meter.began();
        let read: Vec<_> = meter.read().into_iter().map(|(m, s, r)| (m, s, r.count)).collect();
        let expected = [("GET", "200", 2), ("GET", "404", 1), ("POST", "200", 1)];
        assert_eq!(read, expected.map(|(m, s, c)| (m, s.to_owned(), c)));
        assert_eq!(meter.active(), 1);
    }

    #[test]
    fn more_pairs_than_the_bound_are_counted_together() {
        let meter = meter();
        for status in 100..600 {
            meter.began();
            meter.ended(Method::of("GET"), status, Duration::ZERO);
        }
        let read = meter.read();
        assert_eq!(read.len(), PAIRS_MAX + 1);
        let last = read.last().unwrap();
        assert_eq!((last.0, last.1.as_str(), last.2.count), ("_OTHER", "other", 500 - PAIRS_MAX as u64));
    }

    #[test]
    fn threads_that_meet_at_a_new_pair_lose_nothing() {
        let meter = meter();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for status in 200..220 {
                        meter.began();
                        meter.ended(Method::of("GET"), status, Duration::ZERO);
                    }
                });
            }
        });
        let counts: Vec<_> = meter.read().iter().map(|(.., reading)| reading.count).collect();
        assert_eq!(counts, vec![4; 20]);
    }
}
