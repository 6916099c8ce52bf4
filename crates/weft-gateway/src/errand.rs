//! What is done behind the door for a request, or for nobody's.

use std::{future::poll_fn, num::NonZeroU32, sync::Arc, task::Poll, time::Duration};

use http::{HeaderMap, Request, Response};
use weft_types::{
    Body, Class, Code, Context, Fault, Invocation, InvocationId, Origin, Outcome, Payload, Ran, Reply, Timestamp,
    Trace, code,
};

use crate::{answer, edge::Edge, inflow::Meter, trace};

/// What is done behind the door for one exchange.
pub(crate) struct Errand {
    pub(crate) id: InvocationId,
    pub(crate) trace: Trace,
    /// Of the request's body, where it has one.
    pub(crate) meter: Option<Arc<Meter>>,
    pub(crate) head_only: bool,
    /// How long a body may stand still.
    pub(crate) patience: Duration,
    /// How long it may take, all of it.
    pub(crate) lifetime: Duration,
}

/// What came of it: an answer and how long its head says that its body is, or a failure.
pub(crate) struct Answer {
    pub(crate) reply: Result<(Response<Body>, Option<u64>), Fault>,
    pub(crate) class: Class,
    /// The door has told of the failure.
    pub(crate) told: bool,
}

impl Answer {
    /// What was replied, made fit for the wire.
    pub(crate) fn of(reply: Result<Reply, Fault>, class: Class, head_only: bool) -> Self {
        let told = reply.is_err();
        let reply = reply.and_then(|reply| match reply {
            Reply::Http(response) => answer::shape(*response, head_only),
            other => {
                Err(Fault::new(code::INTERNAL, Ran::Yes).detail(format!("an HTTP call was answered by {other:?}")))
            }
        });
        Self { reply, class, told }
    }

    /// A failure out here.
    pub(crate) fn failed(fault: Fault) -> Self {
        Self { reply: Err(fault), class: Class::Failure, told: false }
    }
}

impl Errand {
    /// The same for nobody: with an id and a trace of its own.
    pub(crate) fn anew(&self, edge: &Edge, now: Timestamp) -> Self {
        let (a, b) = (edge.senses.randomness.next(), edge.senses.randomness.next());
        let trace = trace::join(&mut HeaderMap::new(), (a, b as u64));
        let (patience, lifetime) = (self.patience, self.lifetime);
        Self { id: InvocationId::new(now, b), trace, meter: None, head_only: false, patience, lifetime }
    }
}

impl Edge {
    /// Asks whoever is behind the door, and makes the answer fit for the wire.
    pub(crate) async fn run(
        &self,
        errand: &Errand,
        request: Box<Request<Body>>,
        context: &Arc<Context>,
        deadline: Timestamp,
    ) -> Answer {
        let (reply, class) = self.knock(errand, request, context, deadline).await;
        Answer::of(reply, class, errand.head_only)
    }

    /// The same, with the answer as it comes.
    pub(crate) async fn knock(
        &self,
        errand: &Errand,
        request: Box<Request<Body>>,
        context: &Arc<Context>,
        deadline: Timestamp,
    ) -> (Result<Reply, Fault>, Class) {
        let call = Invocation {
            id: errand.id,
            key: None,
            payload: Payload::Http(request),
            deadline,
            attempt: NonZeroU32::MIN,
            idempotency: None,
            origin: Origin::Http,
            trace: errand.trace.clone(),
            context: Arc::clone(context),
        };
        let outcome = match &errand.meter {
            None => Ok(self.door.invoke(call).await),
            Some(meter) => unless_broken(self.door.invoke(call), meter).await,
        };
        match outcome {
            Ok(Outcome { reply, class, .. }) => (reply, class),
            Err(code) => (Err(Fault::new(code, Ran::Maybe)), Class::CallerFault),
        }
    }
}

/// The call's outcome, unless its request's body breaks first: then nobody waits for what a guest makes of it.
async fn unless_broken(call: impl Future<Output = Outcome>, meter: &Meter) -> Result<Outcome, Code> {
    let mut call = std::pin::pin!(call);
    poll_fn(|cx| {
        meter.listen(cx.waker());
        let outcome = call.as_mut().poll(cx);
        match meter.broken() {
            Some(code) => Poll::Ready(Err(code)),
            None => outcome.map(Ok),
        }
    })
    .await
}
