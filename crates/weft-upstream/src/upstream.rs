//! One upstream: its endpoints, its pools, and the tries of a call.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Response, header};
use hyper::body::Incoming;
use hyper_util::client::legacy::ResponseFuture;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};
use weft_fault::Harmed;
use weft_traffic::{
    UpstreamAddress, Wire,
    balance::{self, Balancer, EndpointId, EndpointSpec},
    breaker::{self, Breaker},
    budget::Budget,
    fault::To,
    hedge::Hedge,
    retry::{self, Decision, Ended, Stop, Try},
};
use weft_types::{
    Class, Context, Fault, Invocation, Invoke, Outcome, Payload, Pending, Ran, Reply, Retry, SpanId, Timestamp, Trace,
    code,
};

use crate::{
    Call, Endpoint, Options, Senses, Tried, answer, error,
    flight::{Flight, Hedged, State},
    forward::Head,
    pools::Pools,
    replay::{self, Replay},
};

/// Longest wait for a Head, whatever a deadline says: arithmetic on moments must not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A service that is not WebAssembly, at one or several endpoints. One for all who call it.
pub struct Upstream {
    pub(crate) endpoints: BTreeMap<Arc<str>, UpstreamAddress>,
    pub(crate) options: Options,
    pub(crate) senses: Senses,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) pools: Pools,
}

/// An upstream at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub now: Timestamp,
    pub endpoints: Vec<balance::View>,
    /// `None`: there is none.
    pub breaker: Option<breaker::View>,
    /// Tries after the first, since the start.
    pub retries: u64,
    /// Retries for which the budget had nothing left.
    pub retries_refused: u64,
    /// `None`: nothing is hedged.
    pub hedged: Option<Hedged>,
}

/// A call as each of its tries sees it.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    head: &'a Head,
    context: &'a Context,
    trace: &'a Trace,
    until: Instant,
    pub(crate) attempt: NonZeroU32,
}

impl Asked<'_> {
    /// The same, as another try.
    pub(crate) fn numbered(self, attempt: NonZeroU32) -> Self {
        Self { attempt, ..self }
    }
}

impl Upstream {
    /// Connects to nothing yet.
    pub fn new(endpoints: &[Endpoint], options: Options, senses: Senses) -> Self {
        let spec = |endpoint: &Endpoint| EndpointSpec {
            address: endpoint.address.to_string().into(),
            weight: endpoint.weight,
            locality: endpoint.locality.clone(),
        };
        let specs: Vec<EndpointSpec> = endpoints.iter().map(spec).collect();
        let mut balancer = Balancer::new(options.balance, senses.here.clone());
        balancer.update(senses.clock.now(), &specs);
        let addresses = endpoints.iter().map(|endpoint| endpoint.address.clone());
        let endpoints = specs.into_iter().map(|spec| spec.address).zip(addresses).collect();
        let (breaker, budget) = (options.breaker.map(Breaker::new), Budget::new(options.budget));
        let (hedge, hedged) = (options.hedge.map(Hedge::new), Hedged::default());
        let state = State { balancer, breaker, budget, hedge, hedged, retries: 0, retries_refused: 0 };
        let pools = Pools::new(&options);
        Self { endpoints, options, senses, state: Arc::new(Mutex::new(state)), pools }
    }

    /// As it stands, for the metrics and for people.
    pub fn status(&self) -> Status {
        let now = self.senses.clock.now();
        let mut state = self.state.lock();
        Status {
            now,
            endpoints: state.balancer.views(now).collect(),
            breaker: state.breaker.as_mut().map(|breaker| breaker.view(now)),
            retries: state.retries,
            retries_refused: state.retries_refused,
            hedged: state.hedge.is_some().then_some(state.hedged),
        }
    }

    /// The endpoints as they stand.
    pub fn endpoints(&self) -> Vec<balance::View> {
        self.status().endpoints
    }

    /// Makes one call with retries of its own.
    pub async fn call(&self, call: Invocation, by: Call) -> Outcome {
        let Invocation { payload, deadline, trace, idempotency, context, .. } = call;
        let Payload::Http(request) = payload else {
            let fault = Fault::new(code::INTERNAL, Ran::No).detail("an upstream takes HTTP requests only");
            return Outcome::failed(fault, Class::Failure);
        };
        let (parts, body) = request.into_parts();
        let head = Head::new(parts);
        if head.upgrade && self.endpoints.values().any(|to| to.wire == Wire::H2c) {
            let fault = Fault::new(code::UPGRADE_REFUSED, Ran::No);
            let why = "the upstream speaks HTTP/2 with prior knowledge, which has no WebSockets here";
            return Outcome::failed(fault.detail(why), Class::CallerFault);
        }
        // Whoever was asked to go on as a WebSocket may have: it is asked once.
        let idempotent = !head.upgrade && (by.idempotent || idempotency.is_some() || retry::idempotent(&head.method));
        let body = Replay::new(body);
        let left = deadline.since(self.senses.clock.now()).min(LONGEST);
        let (until, mut attempt) = (Instant::now() + left, NonZeroU32::MIN);
        let (mut tried, mut last) = (Vec::new(), None);
        self.state.lock().budget.deposit(self.senses.clock.now());
        loop {
            let flight = match self.enter(&tried) {
                Ok(flight) => flight,
                // What a first try has answered says more than that there is no second one.
                Err(fault) => return last.unwrap_or_else(|| failed(fault)),
            };
            drop(last.take());
            tried.push(flight.id);
            let asked = Asked { head: &head, context: &context, trace: &trace, until, attempt };
            let outcome = if self.options.hedge.is_some() && attempt == NonZeroU32::MIN {
                let first = Try { attempt, idempotent, body: body.state(), other_target: true, deadline };
                // Boxed: it holds two tries, and most calls are not hedged.
                let (outcome, last) = Box::pin(self.hedged(asked, flight, &body, first, &mut tried)).await;
                attempt = last;
                outcome
            } else {
                self.attempt(&asked, flight, body.again()).await
            };
            let other_target = tried.len() < self.endpoints.len();
            let now = Try { attempt, idempotent, body: body.state(), other_target, deadline };
            match self.again(by, now, &outcome) {
                Some(wait) => sleep(wait).await,
                None => {
                    body.settle();
                    return outcome;
                }
            }
            last = Some(outcome);
            attempt = attempt.saturating_add(1);
        }
    }

    /// Past the breaker, to an endpoint that was not tried if there is one.
    pub(crate) fn enter(&self, tried: &[EndpointId]) -> Result<Flight, Fault> {
        let now = self.senses.clock.now();
        let mut state = self.state.lock();
        state.balancer.sweep(now);
        let pass = match state.breaker.as_mut().map(|breaker| breaker.enter(now)).transpose() {
            Ok(pass) => pass,
            Err(refused) => {
                // A probe is under way: a second is a fair guess of when more is known.
                let wait = if refused.retry_after.is_zero() { Duration::from_secs(1) } else { refused.retry_after };
                return Err(Fault::new(code::BREAKER_OPEN, Ran::No).retry(Retry::After(wait)));
            }
        };
        match state.balancer.choose(now, self.senses.draw(), tried) {
            Some(pick) => Ok(Flight::new((pick.id, pick.address), now, &self.state, &self.senses, pass)),
            None => {
                if let (Some(breaker), Some(pass)) = (&mut state.breaker, pass) {
                    breaker.cancel(now, pass);
                }
                Err(Fault::new(code::UPSTREAM_UNREACHABLE, Ran::No).detail("no endpoint may be used"))
            }
        }
    }

    pub(crate) async fn attempt(&self, asked: &Asked<'_>, mut flight: Flight, body: replay::Copy) -> Outcome {
        let trace =
            Trace { parent: Some(asked.trace.span), span: SpanId(self.senses.draw().max(1)), ..asked.trace.clone() };
        let harmed = self.harmed(asked);
        let exchange = self.exchange(asked, &flight, &trace, body);
        let answered = match &harmed {
            None => exchange.await,
            Some(harmed) => Box::pin(spoil(harmed, asked.until, exchange)).await,
        };
        let answered = answered.and_then(|response| answer::check(&response, asked.head.upgrade).map(|()| response));
        let class = match &answered {
            Ok(response) => answer::class(response.status()),
            Err(fault) => error::class(fault),
        };
        flight.head(class);
        self.senses.watch.tried(&Tried {
            context: asked.context,
            trace: &trace,
            within: asked.trace,
            method: &asked.head.method,
            endpoint: &flight.address,
            attempt: asked.attempt.get(),
            started: flight.began,
            ended: self.senses.clock.now(),
            answer: answered.as_ref().map(Response::status).map_err(|fault| fault.code),
        });
        match answered {
            Ok(response) => match harmed {
                None => answer::outcome(response, flight),
                Some(harmed) => spoilt(&harmed, answer::outcome(response, flight)),
            },
            Err(fault) => {
                if class == Class::Failure {
                    tracing::warn!(
                        application = %asked.context.target.application, endpoint = %flight.address,
                        attempt = asked.attempt.get(), code = %fault.code, detail = %fault.detail,
                        "a call to an upstream failed"
                    );
                }
                Outcome::failed(fault, class)
            }
        }
    }

    /// What is done to this try on purpose: within breaker, balance and retries, as if the upstream did it.
    fn harmed(&self, asked: &Asked<'_>) -> Option<Harmed> {
        let faulty = self.senses.faults.as_ref().filter(|faulty| faulty.injector.is_armed())?;
        faulty.injector.meet(&faulty.application, To::Upstream(&faulty.upstream), &asked.head.headers)
    }

    /// One request on one connection, until its Head.
    async fn exchange(
        &self,
        asked: &Asked<'_>,
        flight: &Flight,
        trace: &Trace,
        body: replay::Copy,
    ) -> Result<Response<Incoming>, Fault> {
        let internal = || Fault::new(code::INTERNAL, Ran::No);
        let to = self.endpoints.get(&flight.address).ok_or_else(internal)?;
        let upload = body.watch();
        let mut request = asked.head.request(to, trace, body).map_err(|error| internal().source(error))?;
        let flood = Arc::new(Notify::new());
        let (seen, full) = (AtomicUsize::new(0), Arc::clone(&flood));
        hyper::ext::on_informational(&mut request, move |_| {
            if seen.fetch_add(1, Relaxed) >= Options::INFORMATIONAL_MAX {
                full.notify_one();
            }
        });
        let sent: ResponseFuture = self.pools.here(to.wire, asked.head.upgrade).request(request);
        tokio::select! {
            biased;
            () = flood.notified() => Err(error::bad("it sent informational responses without end")),
            done = timeout_at(asked.until, sent) => match done {
                Ok(done) => done.map_err(error::of_request),
                // Anybody may be slow to send: that must not count against the upstream.
                Err(_) if upload.waits_for_client() => {
                    Err(Fault::new(code::REQUEST_TIMEOUT, Ran::Maybe).detail("the request's body did not arrive"))
                }
                Err(_) => Err(Fault::new(code::DEADLINE_EXCEEDED, Ran::Maybe).detail("the upstream did not answer")),
            },
        }
    }

    /// How long to wait before the next try; `None`: the answer stands.
    fn again(&self, by: Call, tried: Try, outcome: &Outcome) -> Option<Duration> {
        let ended = match &outcome.reply {
            // What the Retry-After tells our client is not what we wait ourselves.
            Err(fault) if fault.code == code::UPSTREAM_UNREACHABLE => Ended::NotRun(Retry::Now),
            // Retried as the answer would be that it stands for.
            Err(fault) if let Some(status) = weft_fault::mark(fault).and_then(|mark| mark.status) => {
                Ended::Upstream(status, None)
            }
            Ok(Reply::Http(response)) => Ended::of(outcome, Some((response.status(), retry_after(response)))),
            _ => Ended::of(outcome, None),
        };
        let now: Timestamp = self.senses.clock.now();
        let random = self.senses.draw();
        let mut state = self.state.lock();
        match by.retry.decide(now, tried, ended, random, &mut state.budget) {
            Decision::Again { wait, because } => {
                state.retries += 1;
                tracing::debug!(%because, attempt = tried.attempt.get(), "an upstream is tried again");
                Some(wait)
            }
            Decision::Stop(Stop::BudgetSpent) => {
                state.retries_refused += 1;
                None
            }
            Decision::Stop(_) => None,
        }
    }
}

/// The exchange with what comes before its answer.
async fn spoil(
    harmed: &Harmed,
    until: Instant,
    exchange: impl Future<Output = Result<Response<Incoming>, Fault>>,
) -> Result<Response<Incoming>, Fault> {
    harmed.wait(until.saturating_duration_since(Instant::now())).await;
    match harmed.refusal() {
        Some(fault) => Err(fault),
        None => exchange.await.map_err(|fault| harmed.failure(fault)),
    }
}

/// The answer with what comes after its head.
fn spoilt(harmed: &Harmed, outcome: Outcome) -> Outcome {
    let Outcome { reply, class, end } = outcome;
    let reply = reply.map(|reply| match reply {
        Reply::Http(response) => Reply::Http(Box::new(harmed.answer(*response))),
        other => other,
    });
    Outcome { reply, class, end }
}

impl Invoke for Upstream {
    fn invoke(&self, call: Invocation) -> Pending<'_, Outcome> {
        Box::pin(self.call(call, self.options.call))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.endpoints.keys()).finish()
    }
}

fn failed(fault: Fault) -> Outcome {
    let class = error::class(&fault);
    Outcome::failed(fault, class)
}

/// Seconds only: a date would need a wall clock, and is rare.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}
