//! A guest that computes for long, moved off the thread that serves its connection.
//!
//! A connection's thread runs its guests itself, which is fast for what is short. Whoever has computed through
//! [`LONG`] goes on as a task of the runtime that shares its work among all cores, so that the other connections of
//! that thread wait no longer for it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinHandle};
use weft_types::{Fault, Ran, code};

use crate::{
    call::Call,
    exchange::{Finished, Run},
};

/// CPU time after which a guest is moved, when it yields next.
pub(crate) const LONG: Duration = Duration::from_millis(2);

/// Goes on with `run` on `runtime`; metered there. Dropping the result cancels it.
pub(crate) fn send(run: Run, call: Arc<Call>, runtime: &Handle) -> Run {
    Box::pin(Away(runtime.spawn(Metered { run, call, done: false })))
}

struct Away(JoinHandle<Finished>);

impl Future for Away {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let lost = |error| Fault::new(code::INTERNAL, Ran::Maybe).detail("the task of a guest failed").source(error);
        let joined = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(joined.unwrap_or_else(|error| Finished { result: Err(lost(error)), live: None }))
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Metered {
    run: Run,
    call: Arc<Call>,
    done: bool,
}

impl Drop for Metered {
    /// Before what is in it: also where it was torn down by a panic.
    fn drop(&mut self) {
        if !self.done {
            self.call.fails();
        }
    }
}

impl Future for Metered {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let this = &mut *self;
        this.call.enter();
        let polled = this.run.as_mut().poll(cx);
        this.call.leave();
        this.done = polled.is_ready();
        polled
    }
}
