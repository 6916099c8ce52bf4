//! One door for all calls: components are `weft-dispatch`'s, upstreams are called from here, behind gates of their own.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use weft_dispatch::{Dispatch, Gate, GateOptions, Permit, who};
use weft_fault::Injector;
use weft_traffic::{Locality, Near};
use weft_types::{
    Class, Clock, Context, End, Fault, Invocation, Invoke, Name, Outcome, Pending, Ran, Reply, Target, Timestamp,
    Usage, code,
};
use weft_upstream::{Call, Checking, Endpoint, Faulty, Options, Senses, Upstream};

/// An upstream that some routes are passed on to, and how each of them calls it.
#[derive(Debug, Clone)]
pub struct UpstreamSpec {
    pub shared: UpstreamShared,
    /// What each route's calls name, with how they are made.
    pub ways: Vec<(Target, Call)>,
}

/// What all callers of an upstream share, and by which a later revision finds it again.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamShared {
    pub application: Name,
    /// What people call it.
    pub name: Arc<str>,
    pub endpoints: Vec<Endpoint>,
    pub options: Options,
    pub gate: GateOptions,
}

/// An upstream as it runs: with its bounded admission, its connections and its breaker.
pub(crate) struct Gated {
    pub(crate) shared: UpstreamShared,
    pub(crate) gate: Arc<Gate>,
    pub(crate) upstream: Arc<Upstream>,
    _checking: Option<Checking>,
    clock: Arc<dyn Clock>,
}

/// A route's way to its upstream.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) target: Target,
    call: Call,
    pub(crate) to: Arc<Gated>,
}

pub(crate) struct Door {
    dispatch: Arc<Dispatch>,
    ways: ArcSwap<HashMap<Target, Way>>,
}

impl Door {
    pub(crate) fn new(dispatch: Arc<Dispatch>) -> Arc<Self> {
        Arc::new(Self { dispatch, ways: ArcSwap::default() })
    }

    /// Swaps in a new set, by the rules of [`Dispatch::replace`]: before the routes that name what is new.
    pub(crate) fn replace(&self, ways: impl IntoIterator<Item = Way>) {
        self.ways.store(Arc::new(ways.into_iter().map(|way| (way.target.clone(), way)).collect()));
    }

    async fn pass_on(&self, call: Invocation) -> Outcome {
        let way = self.ways.load().get(&call.context.target).cloned();
        match way {
            Some(Way { call: by, to, .. }) => to.run(call, by).await,
            None => Outcome::failed(Fault::new(code::NOT_DEPLOYED, Ran::No), Class::Failure),
        }
    }
}

impl Invoke for Door {
    fn invoke(&self, call: Invocation) -> Pending<'_, Outcome> {
        let function = call.context.target.function.as_deref();
        match function.is_some_and(|function| function.starts_with(weft_traffic::Upstream::FUNCTION)) {
            true => Box::pin(self.pass_on(call)),
            false => self.dispatch.invoke(call),
        }
    }
}

impl Gated {
    pub(crate) fn new(shared: UpstreamShared, senses: Senses, faults: &Arc<Injector>) -> Arc<Self> {
        let (application, upstream) = (shared.application.clone(), Arc::clone(&shared.name));
        let faults = Faulty { injector: Arc::clone(faults), application, upstream };
        let senses = Senses { faults: Some(faults), ..senses };
        let clock = Arc::clone(&senses.clock);
        near(&shared, &senses.here);
        let gate = Gate::new(shared.gate, Arc::clone(&clock), None);
        let upstream = Arc::new(Upstream::new(&shared.endpoints, shared.options.clone(), senses));
        let _checking = Checking::start(&upstream);
        Arc::new(Self { shared, gate, upstream, _checking, clock })
    }

    async fn run(&self, call: Invocation, by: Call) -> Outcome {
        let mut permit = match self.enter(call.deadline, &call.context).await {
            Ok(permit) => permit,
            Err(fault) => {
                let class = if fault.code == code::OVERLOADED { Class::Shed } else { Class::Failure };
                return Outcome::failed(fault, class);
            }
        };
        let (application, upstream) = (self.shared.application.clone(), Arc::clone(&self.shared.name));
        let (id, trace) = (call.id, call.trace.trace);
        let Outcome { reply, class, end } = self.upstream.call(call, by).await;
        if self.gate.adapts() {
            // Also the deadline says how long such calls take.
            let late = reply.as_ref().err().is_some_and(|fault| fault.code == code::DEADLINE_EXCEEDED);
            permit.streams(self.clock.now(), class == Class::Ok || late);
        }
        // A WebSocket lasts for hours, and is bounded by its route: it takes no place from calls.
        let switched = matches!(&reply, Ok(Reply::Http(response)) if response.status().as_u16() == 101);
        let permit = (!switched).then_some(permit);
        end.then(move |fault, _| {
            // The place is given on with the last byte.
            drop(permit);
            if let Some(fault) = fault {
                tracing::debug!(
                    invocation = %id, trace_id = %trace, %application, upstream = &*upstream, code = %fault.code, detail = %fault,
                    "the response broke off"
                );
            }
        });
        Outcome { reply, class, end: End::Now(Usage::default()) }
    }

    async fn enter(&self, deadline: Timestamp, context: &Context) -> Result<Permit, Fault> {
        let now = if self.gate.adapts() { self.clock.now() } else { Timestamp::ZERO };
        match self.gate.try_enter(now) {
            Some(permit) => Ok(permit),
            None => Box::pin(self.gate.enter(self.clock.now(), deadline, who(context))).await,
        }
    }
}

/// Says where what is near can never be found: the node does not know where it is.
fn near(shared: &UpstreamShared, here: &Locality) {
    let (label, known) = match shared.options.balance.spread.near() {
        Some(Near::Zone) => ("zone", here.zone.is_some()),
        Some(Near::Region) => ("region", here.region.is_some()),
        _ => return,
    };
    if !known {
        let (application, upstream) = (&shared.application, &*shared.name);
        let locality = shared.options.balance.spread;
        tracing::warn!(%application, upstream, %locality, label, "node.toml has no such label: no endpoint is near");
    }
}

/// The ways to these upstreams. What `known` has is taken from there, with its connections and its breaker.
pub(crate) fn ways(
    specs: Vec<UpstreamSpec>,
    known: impl Fn(&UpstreamShared) -> Option<Arc<Gated>>,
    senses: &Senses,
    faults: &Arc<Injector>,
) -> Vec<Way> {
    let mut all: Vec<Way> = Vec::new();
    for UpstreamSpec { shared, ways } in specs {
        let here = all.iter().find(|way| way.to.shared == shared).map(|way| Arc::clone(&way.to));
        let to = here.or_else(|| known(&shared)).unwrap_or_else(|| Gated::new(shared, senses.clone(), faults));
        all.extend(ways.into_iter().map(|(target, call)| Way { target, call, to: Arc::clone(&to) }));
    }
    all
}
