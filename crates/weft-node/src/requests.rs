//! What became of the latest requests, so that somebody who has an id can be told.
//!
//! ```text
//! failed   5xx, broke off, or slow       2,048 of them
//! refused  4xx of ours, shed, left       2,048
//! fine     at most 1,000 a second        2,048
//! tries    of upstreams                  4,096: those that failed or came after one, and of the rest 1,000 a second
//! ```
//!
//! A flood of one kind pushes out none of another. A request that was fine costs a look at a counter once there are more
//! than are kept; a route's names are shared, and its table is not held: it may be replaced.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Method, StatusCode, Version};
use parking_lot::Mutex;
use weft_api::{Candidate, LimitReport, RequestReport, TryReport};
use weft_gateway::Observed;
use weft_traffic::{Action, CompiledRoute, Table};
use weft_types::{Class, Code, Identity, InvocationId, Name, SpanId, Timestamp, TraceId};
use weft_upstream::Tried;

/// Kept of each kind.
const REQUESTS_MAX: usize = 2_048;
const TRIES_MAX: usize = 4_096;
/// Of what was fine, each second.
const FINE_MAX: u64 = 1_000;
/// What takes longer is kept with the failures.
const SLOW: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Requests {
    failed: Mutex<VecDeque<Kept>>,
    refused: Mutex<VecDeque<Kept>>,
    fine: Mutex<VecDeque<Kept>>,
    tries: Mutex<VecDeque<Try>>,
    fine_now: Budget,
    tries_now: Budget,
}

/// One request, with nothing formatted.
#[derive(Clone)]
struct Kept {
    id: InvocationId,
    trace: TraceId,
    span: SpanId,
    route: Option<Route>,
    method: Method,
    version: Version,
    status: StatusCode,
    class: Class,
    code: Option<Code>,
    started: Timestamp,
    ended: Timestamp,
    switched: Option<Timestamp>,
    bytes: (u64, u64),
    complete: bool,
    identity: Option<Arc<Identity>>,
    limit: Option<LimitReport>,
}

/// Enough to find it again, and to name it where it has been replaced.
#[derive(Clone)]
struct Route {
    table: Weak<Table>,
    index: u32,
    arm: Option<usize>,
    application: Name,
    path: Arc<str>,
}

struct Try {
    trace: TraceId,
    within: SpanId,
    attempt: u32,
    endpoint: Box<str>,
    started: Timestamp,
    ended: Timestamp,
    answer: Result<StatusCode, Code>,
}

/// So many a second: the second in the upper bits, and how many it has had. Two threads may both take the last one.
#[derive(Default)]
struct Budget(AtomicU64);

impl Budget {
    const SHIFT: u32 = 16;

    fn take(&self, now: Timestamp) -> bool {
        let second = now.as_nanos() / 1_000_000_000;
        let seen = self.0.load(Relaxed);
        if seen >> Self::SHIFT != second {
            self.0.store(second << Self::SHIFT | 1, Relaxed);
            return true;
        }
        let room = seen & ((1 << Self::SHIFT) - 1) < FINE_MAX;
        if room {
            self.0.fetch_add(1, Relaxed);
        }
        room
    }
}

impl Requests {
    /// Keeps what became of a request, if it is one to keep.
    pub(crate) fn keep(&self, seen: &Observed<'_>) {
        let slow = seen.switched.unwrap_or(seen.ended).since(seen.started) >= SLOW;
        let ring = match (seen.class, seen.status) {
            (Class::Shed | Class::CallerFault, _) => &self.refused,
            (Class::Failure, _) => &self.failed,
            (Class::Ok, status) if status.is_server_error() || !seen.complete || slow => &self.failed,
            (Class::Ok, _) if !self.fine_now.take(seen.ended) => return,
            (Class::Ok, _) => &self.fine,
        };
        push(ring, Kept::of(seen), REQUESTS_MAX);
    }

    pub(crate) fn tried(&self, tried: &Tried<'_>) {
        let fine = tried.attempt == 1 && tried.answer.is_ok_and(|status| !status.is_server_error());
        if fine && !self.tries_now.take(tried.ended) {
            return;
        }
        let one = Try {
            trace: tried.within.trace,
            within: tried.within.span,
            attempt: tried.attempt,
            endpoint: tried.endpoint.into(),
            started: tried.started,
            ended: tried.ended,
            answer: tried.answer,
        };
        push(&self.tries, one, TRIES_MAX);
    }

    /// What is known of a request. `None`: it is not kept, not over, or not ours.
    pub(crate) fn find(&self, id: InvocationId) -> Option<RequestReport> {
        let rings = [&self.failed, &self.refused, &self.fine];
        let kept = rings.iter().find_map(|ring| ring.lock().iter().rev().find(|kept| kept.id == id).cloned())?;
        let mut report = kept.report();
        let tries = self.tries.lock();
        let own = tries.iter().filter(|one| (one.trace, one.within) == (kept.trace, kept.span));
        report.tries = own.map(|one| one.report(kept.started)).collect();
        Some(report)
    }
}

fn push<T>(ring: &Mutex<VecDeque<T>>, one: T, max: usize) {
    let mut ring = ring.lock();
    // The last one goes where nobody waits for it.
    let gone = if ring.len() >= max { ring.pop_front() } else { None };
    ring.push_back(one);
    drop(ring);
    drop(gone);
}

impl Kept {
    fn of(seen: &Observed<'_>) -> Self {
        let route = seen.route.map(|route| Route {
            table: Arc::downgrade(seen.table),
            index: route.index,
            arm: seen.arm,
            application: route.spec.application.clone(),
            path: Arc::clone(&route.spec.path),
        });
        let limit = |said: weft_traffic::gcra::Verdict| LimitReport {
            allowed: said.allowed.is_ok(),
            burst: said.limit,
            remaining: said.remaining,
        };
        Self {
            id: seen.id,
            trace: seen.trace.trace,
            span: seen.trace.span,
            route,
            method: seen.method.clone(),
            version: seen.version,
            status: seen.status,
            class: seen.class,
            code: seen.code,
            started: seen.started,
            ended: seen.ended,
            switched: seen.switched,
            bytes: (seen.bytes_in, seen.bytes_out),
            complete: seen.complete,
            identity: seen.identity.cloned(),
            limit: seen.limit.map(limit),
        }
    }

    fn report(&self) -> RequestReport {
        let (route, arm) = self.route.as_ref().map_or((None, None), Route::report);
        let name = |identity: &Arc<Identity>| format!("{}/{}", identity.auth, identity.subject);
        RequestReport {
            id: self.id.to_string(),
            trace_id: self.trace.to_string(),
            started_ms: self.started.as_nanos() / 1_000_000,
            took_us: micros(self.started, self.switched.unwrap_or(self.ended)),
            open_us: self.switched.map(|since| micros(since, self.ended)),
            method: self.method.to_string(),
            version: format!("{:?}", self.version),
            status: self.status.as_u16(),
            class: class(self.class).to_owned(),
            code: self.code.map(|code| code.to_string()),
            complete: self.complete,
            bytes_in: self.bytes.0,
            bytes_out: self.bytes.1,
            identity: self.identity.as_ref().map(name),
            tenant: self.identity.as_ref().and_then(|identity| identity.tenant.0.as_deref().map(str::to_owned)),
            limit: self.limit,
            route,
            arm,
            tries: Vec::new(),
            upstream: None,
            log: Vec::new(),
        }
    }
}

impl Route {
    /// The route as it was, and of a split one who answered.
    fn report(&self) -> (Option<Candidate>, Option<String>) {
        let table = self.table.upgrade();
        let Some(route) = table.as_ref().and_then(|table| table.routes().get(self.index as usize)) else {
            let gone = Candidate {
                application: self.application.to_string(),
                route: self.path.to_string(),
                place: String::new(),
                action: "replaced since".to_owned(),
                revision: None,
                lost: None,
                params: Vec::new(),
                policy: Vec::new(),
            };
            return (Some(gone), None);
        };
        (Some(crate::explain::candidate(route.explained())), self.arm.and_then(|arm| callee(route, arm)))
    }
}

fn callee(route: &CompiledRoute, arm: usize) -> Option<String> {
    match &route.spec.action {
        Action::Split(arms) => arms.callee(arm).map(ToString::to_string),
        _ => None,
    }
}

impl Try {
    fn report(&self, from: Timestamp) -> TryReport {
        TryReport {
            attempt: self.attempt,
            endpoint: self.endpoint.to_string(),
            after_us: micros(from, self.started),
            took_us: micros(self.started, self.ended),
            status: self.answer.ok().map(|status| status.as_u16()),
            code: self.answer.err().map(|code| code.to_string()),
        }
    }
}

fn micros(from: Timestamp, to: Timestamp) -> u64 {
    to.since(from).as_micros() as u64
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Ok => "ok",
        Class::CallerFault => "caller-fault",
        Class::Failure => "failure",
        Class::Shed => "shed",
    }
}

#[cfg(test)]
mod tests {
    use weft_types::{Trace, code};

    use super::*;

    fn keep(requests: &Requests, id: u128, class: Class, code: Option<Code>) {
        let (trace, table) = (Trace::default(), Arc::new(Table::default()));
        requests.keep(&Observed {
            id: InvocationId(id),
            trace: &trace,
            table: &table,
            route: None,
            arm: None,
            method: &Method::GET,
            version: Version::HTTP_11,
            status: StatusCode::OK,
            class,
            code,
            started: Timestamp::from_millis(1_000),
            ended: Timestamp::from_millis(1_001),
            injected: weft_fault::Kinds::default(),
            switched: None,
            bytes_in: 0,
            bytes_out: 0,
            complete: true,
            identity: None,
            limit: None,
        });
    }

    #[test]
    fn a_flood_of_one_kind_pushes_out_none_of_another() {
        let requests = Requests::default();
        keep(&requests, 1, Class::Failure, Some(code::GUEST_TRAP));
        keep(&requests, 2, Class::Ok, None);
        for id in 0..3 * REQUESTS_MAX as u128 {
            keep(&requests, 1_000 + id, Class::Shed, Some(code::OVERLOADED));
        }
        let found = requests.find(InvocationId(1)).expect("kept");
        assert_eq!(
            (found.code.as_deref(), found.class.as_str(), found.took_us),
            (Some("guest-trap"), "failure", 1_000)
        );
        assert!(requests.find(InvocationId(2)).is_some());
        assert!(requests.find(InvocationId(1_000)).is_none(), "the oldest of them went");
        assert!(requests.find(InvocationId(999 + 3 * REQUESTS_MAX as u128)).is_some());
        assert_eq!(requests.refused.lock().len(), REQUESTS_MAX);
    }

    #[test]
    fn of_what_is_fine_so_many_are_kept_each_second() {
        let budget = Budget::default();
        let taken = |millis| (0..3 * FINE_MAX).filter(|_| budget.take(Timestamp::from_millis(millis))).count() as u64;
        assert_eq!((taken(5_000), taken(5_900), taken(6_000)), (FINE_MAX, 0, FINE_MAX));
    }
}
