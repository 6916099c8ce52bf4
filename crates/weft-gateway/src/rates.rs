//! Rate limits of routes: one limiter for each route that has one, and the header fields that tell of it.
//!
//! A limiter belongs to a route, not to a table: when a table is swapped, a route that is there as before, with the
//! same options, keeps what was counted. A request of a route without a limit never comes here.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use weft_traffic::{
    CompiledRoute, RouteSpec, Table,
    gcra::{Limiter, Options, Subject, Verdict},
};
use weft_types::Timestamp;

use crate::Randomness;

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limiters of the table that is served. Shared by all listeners of a gateway.
pub(crate) struct Rates {
    bound: ArcSwap<Bound>,
    /// Held while the limiters of a new table are found.
    turn: Mutex<()>,
}

/// The limiters of one table, by a route's index.
#[derive(Default)]
struct Bound {
    /// Not held: a table that nobody serves any more must be able to go.
    table: Weak<Table>,
    limiters: Vec<Option<Arc<Limited>>>,
}

/// A route's limiter, with what it is found by when the table is replaced.
struct Limited {
    spec: RouteSpec,
    options: Options,
    limiter: Mutex<Limiter>,
}

/// What a request of a limited route was told, for its answer's header fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) verdict: Verdict,
    options: Options,
}

impl Rates {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { bound: ArcSwap::default(), turn: Mutex::default() })
    }

    /// Counts a request. `None`: the route, which its table says is limited, has no limiter; only a request that was
    /// matched by a table that has just been replaced can find that.
    pub(crate) fn check(
        &self,
        table: &Arc<Table>,
        current: impl Fn() -> Arc<Table>,
        route: &CompiledRoute,
        now: Timestamp,
        subject: &Subject<'_>,
        randomness: &dyn Randomness,
    ) -> Option<Quota> {
        let mut bound = self.bound.load_full();
        if !bound.is_of(table) {
            let newest = current();
            bound = self.follow(&newest, randomness);
        }
        let limited = match bound.is_of(table) {
            true => bound.limiters.get(route.index as usize)?.as_ref()?,
            false => bound.limiters.iter().flatten().find(|limited| same(&limited.spec, &route.spec))?,
        };
        let verdict = limited.limiter.lock().check(now, subject);
        Some(Quota { verdict, options: limited.options })
    }

    /// Limiters for `table`: those of the table before it where the route and its options are the same.
    fn follow(&self, table: &Arc<Table>, randomness: &dyn Randomness) -> Arc<Bound> {
        let _turn = self.turn.lock();
        let before = self.bound.load_full();
        if before.is_of(table) {
            return before;
        }
        let mut known: HashMap<_, Vec<&Arc<Limited>>> = HashMap::new();
        for limited in before.limiters.iter().flatten() {
            known.entry(address(&limited.spec)).or_default().push(limited);
        }
        let limited = |route: &CompiledRoute| {
            let options = route.spec.policy.rate_limit.options()?;
            let mut known = known.get(&address(&route.spec)).into_iter().flatten().copied();
            let known = known.find(|known| known.options == options && same(&known.spec, &route.spec));
            Some(known.map_or_else(|| Limited::new(&route.spec, options, randomness.next() as u64), Arc::clone))
        };
        let limiters = table.routes().iter().map(limited).collect();
        let bound = Arc::new(Bound { table: Arc::downgrade(table), limiters });
        self.bound.store(Arc::clone(&bound));
        bound
    }
}

impl Bound {
    fn is_of(&self, table: &Arc<Table>) -> bool {
        std::ptr::eq(self.table.as_ptr(), Arc::as_ptr(table))
    }
}

impl Limited {
    fn new(spec: &RouteSpec, options: Options, seed: u64) -> Arc<Self> {
        Arc::new(Self { spec: spec.clone(), options, limiter: Mutex::new(Limiter::new(options, seed)) })
    }
}

/// What few routes share, so that a table of thousands is followed quickly.
fn address(spec: &RouteSpec) -> (&str, Option<&str>, &str) {
    (spec.application.as_str(), spec.host.as_deref(), &spec.path)
}

/// Whether two tables' routes are one to whoever asks: the same requests of the same application.
fn same(a: &RouteSpec, b: &RouteSpec) -> bool {
    address(a) == address(b) && a.methods == b.methods && a.headers == b.headers
}

impl Quota {
    /// `RateLimit` and `RateLimit-Policy`, as draft-ietf-httpapi-ratelimit-headers has them: the quota is the burst,
    /// its window the time in which it is whole again. In place of whatever a guest said.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let Self { verdict, options } = self;
        // The policy's name: who shares it.
        let name = options.by.as_str();
        let window = options.rate.spacing().saturating_mul(verdict.limit);
        let policy = format!("\"{name}\";q={};w={}", verdict.limit, seconds(window).max(1));
        let state = format!("\"{name}\";r={};t={}", verdict.remaining, seconds(verdict.reset));
        for (name, value) in [(&RATE_LIMIT_POLICY, policy), (&RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name.clone(), value);
            }
        }
    }
}

fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use weft_traffic::{Action, Place, Policy, gcra::By, policy::RateLimit};
    use weft_types::Name;

    use super::*;
    use crate::SystemRandomness;

    fn spec(path: &str, rate: Option<&str>) -> RouteSpec {
        let rate = rate.map(|rate| rate.parse().expect("a rate"));
        RouteSpec {
            application: Name::new("shop").expect("a name"),
            host: None,
            path: path.into(),
            methods: Vec::new(),
            headers: Vec::new(),
            action: Action::Redirect { to: "/".into(), status: 308 },
            features: None,
            policy: Policy { rate_limit: RateLimit { rate, ..RateLimit::default() }, ..Policy::default() },
            guard: None,
            origins: Vec::new(),
            place: Place { file: "weft.toml".into(), line: 1, column: 1 },
        }
    }

    fn table(specs: &[RouteSpec]) -> Arc<Table> {
        Arc::new(Table::compile(specs.to_vec()).expect("routes"))
    }

    /// What a request of `path` is told: allowed or not, and how many are left.
    fn ask(rates: &Rates, matched: &Arc<Table>, current: &Arc<Table>, path: &str) -> Option<(bool, u32)> {
        let route = matched.routes().iter().find(|route| &*route.spec.path == path).expect("a route");
        let now = Timestamp::from_nanos(1_000_000_000);
        let current = || Arc::clone(current);
        let quota = rates.check(matched, current, route, now, &Subject::default(), &SystemRandomness)?;
        Some((quota.verdict.allowed.is_ok(), quota.verdict.remaining))
    }

    #[test]
    fn a_route_keeps_its_count_when_the_table_is_swapped_and_loses_it_with_other_options() {
        let rates = Rates::new();
        let first = table(&[spec("/a", Some("2/m"))]);
        assert_eq!(ask(&rates, &first, &first, "/a"), Some((true, 1)));
        let second = table(&[spec("/0", None), spec("/a", Some("2/m")), spec("/b", Some("2/m"))]);
        assert_eq!(ask(&rates, &second, &second, "/a"), Some((true, 0)), "at another index");
        assert_eq!(ask(&rates, &second, &second, "/a"), Some((false, 0)));
        assert_eq!(ask(&rates, &second, &second, "/b"), Some((true, 1)), "each route counts for itself");
        let third = table(&[spec("/a", Some("3/m"))]);
        assert_eq!(ask(&rates, &third, &third, "/a"), Some((true, 2)), "another limit begins anew");
    }

    #[test]
    fn a_request_of_a_replaced_table_is_counted_with_the_new_ones_and_keeps_no_table() {
        let rates = Rates::new();
        let old = table(&[spec("/a", Some("2/m")), spec("/gone", Some("2/m"))]);
        let new = table(&[spec("/a", Some("2/m"))]);
        assert_eq!(ask(&rates, &new, &new, "/a"), Some((true, 1)));
        assert_eq!(ask(&rates, &old, &new, "/a"), Some((true, 0)));
        assert_eq!(ask(&rates, &old, &new, "/gone"), None);
        assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1, 1));
    }

    #[test]
    fn the_fields_say_the_quota_and_what_is_left() {
        let options = Options { burst: 50, ..Options::new("10/s".parse().expect("a rate"), By::Address) };
        let mut limiter = Limiter::new(options, 7);
        let verdict = limiter.check(Timestamp::from_nanos(1_000_000_000), &Subject::default());
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit", HeaderValue::from_static("the guest's"));
        Quota { verdict, options }.tell(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"address\";q=50;w=5");
        assert_eq!(headers["ratelimit"], "\"address\";r=49;t=1");
        assert_eq!(headers.len(), 2);
    }
}
