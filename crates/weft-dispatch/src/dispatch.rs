//! The door itself: which stage answers a call, and what is done around every call.

use std::{collections::HashMap, future::poll_fn, pin::pin, sync::Arc};

use arc_swap::ArcSwap;
use weft_fault::Injector;
use weft_traffic::fault::To;
use weft_types::{
    Class, Clock, End, Fault, Invocation, InvocationId, Invoke, Outcome, Payload, Pending, Ran, Target, Timestamp,
    TraceId, Usage, code,
};

use crate::{flight::Flight, gate::who, stage::Stage};

/// Stages by target. Replaced whole, never mutated.
type Stages = HashMap<Target, Arc<Stage>>;

pub struct Dispatch {
    stages: ArcSwap<Stages>,
    clock: Arc<dyn Clock>,
    faults: Arc<Injector>,
}

impl Dispatch {
    pub fn new(clock: Arc<dyn Clock>, faults: Arc<Injector>) -> Arc<Self> {
        Arc::new(Self { stages: ArcSwap::default(), clock, faults })
    }

    /// Swaps in a new set. Calls under way keep the stages that they entered.
    ///
    /// Swap in what a new route table names before that table, and take out what it no longer names after it.
    pub fn replace(&self, stages: impl IntoIterator<Item = Arc<Stage>>) {
        let stages = stages.into_iter().map(|stage| (stage.target.clone(), stage)).collect();
        self.stages.store(Arc::new(stages));
    }

    pub fn stages(&self) -> Vec<Arc<Stage>> {
        self.stages.load().values().cloned().collect()
    }

    async fn run(&self, call: Invocation) -> Outcome {
        let Some(stage) = self.stages.load().get(&call.context.target).cloned() else {
            return Outcome::failed(Fault::new(code::NOT_DEPLOYED, Ran::No), Class::Failure);
        };
        let began = self.clock.now();
        let passing = match stage.guard.as_ref().map(|guard| guard.enter(began)).transpose() {
            Ok(passing) => passing,
            Err(fault) => return refuse(&stage, fault, self.clock.now(), began),
        };
        let permit = match stage.gate.try_enter(began) {
            Some(permit) => permit,
            // Boxed: waiting is rare and must not make every call's future large.
            None => match Box::pin(queued(&stage, stage.gate.enter(began, call.deadline, who(&call.context)))).await {
                Ok(permit) => permit,
                Err(fault) => return refuse(&stage, fault, self.clock.now(), began),
            },
        };
        let mut flight = Flight::begin(&stage, &self.clock, began, call.context.tenant.clone(), permit, passing);
        let (id, trace) = (call.id, call.trace.trace);
        let Outcome { reply, class, end } = match self.faults.is_armed() {
            false => stage.component.invoke(call).await,
            true => Box::pin(self.harmed(&stage, call)).await,
        };
        if let Err(fault) = &reply {
            log(&stage, id, trace, fault);
        }
        flight.head(class, reply.as_ref().err(), &end);
        end.then(move |fault, usage| flight.end(fault, usage));
        Outcome { reply, class, end: End::Now(Usage::default()) }
    }
}

impl Dispatch {
    /// The call with what is done to it on purpose: within the breaker and the gate, as if the component did it.
    async fn harmed(&self, stage: &Stage, call: Invocation) -> Outcome {
        let Target { application, component, .. } = &stage.target;
        let harmed = match &call.payload {
            Payload::Http(request) => self.faults.meet(application, To::Component(component), request.headers()),
            _ => None,
        };
        let Some(harmed) = harmed else { return stage.component.invoke(call).await };
        let most = call.deadline.since(self.clock.now());
        let run = async { stage.component.invoke(call).await };
        harmed.around(most, run, || stage.component.drop_warm()).await
    }
}

impl Invoke for Dispatch {
    fn invoke(&self, call: Invocation) -> Pending<'_, Outcome> {
        Box::pin(self.run(call))
    }
}

/// Waits for a place; a call that does not get one at once is counted as waiting until it does, or leaves.
async fn queued<T>(stage: &Stage, enter: impl Future<Output = T>) -> T {
    struct Counted<'a>(&'a Stage);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.meter.queue_left();
        }
    }
    let mut waiting = None;
    let mut enter = pin!(enter);
    poll_fn(|cx| {
        let polled = enter.as_mut().poll(cx);
        if polled.is_pending() && waiting.is_none() {
            stage.meter.queue_entered();
            waiting = Some(Counted(stage));
        }
        polled
    })
    .await
}

fn refuse(stage: &Stage, fault: Fault, now: Timestamp, began: Timestamp) -> Outcome {
    let class = match fault.code {
        code::OVERLOADED | code::BREAKER_OPEN => Class::Shed,
        _ => Class::Failure,
    };
    stage.meter.refused(class, fault.code);
    if let Some(objectives) = &stage.objectives {
        objectives.record(now, class, now.since(began));
    }
    Outcome::failed(fault, class)
}

/// The detail that outsiders never see.
fn log(stage: &Stage, id: InvocationId, trace: TraceId, fault: &Fault) {
    let Target { application, component, .. } = &stage.target;
    tracing::warn!(invocation = %id, trace_id = %trace, %application, %component, code = %fault.code, detail = %fault.detail, "a call failed");
}
