//! One call in progress: drives the guest from whoever waits for it, first for the Head, then for each frame.
//!
//! There is no task of its own behind a call. The future that waits for the Head polls the guest; after that the
//! response body does. So a client that leaves drops the body, which drops the guest: nothing runs for nobody.
//! Only what a guest still does after its body is complete moves to a task, within a bound.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use weft_types::{Body, Class, End, Ender, Fault, Outcome, Ran, Reply, code, empty, full};

use crate::{
    away,
    body::HttpBody,
    call::{Call, Head},
    component::Component,
    judge,
    pool::Live,
    worker,
};

/// How long a guest may go on after its response is complete.
const AFTERWARDS_MAX: Duration = Duration::from_secs(30);

/// A guest at work. It owns its instance, and gives it back if it may serve again.
pub(crate) type Run = Pin<Box<dyn Future<Output = Finished> + Send>>;

pub(crate) struct Finished {
    pub(crate) result: Result<(), Fault>,
    pub(crate) live: Option<Live>,
}

pub(crate) struct Exchange {
    run: Option<Run>,
    failed: Option<Fault>,
    call: Arc<Call>,
    component: Arc<Component>,
    /// The instance of a run that ended well, kept back until the body has: what a guest forgot to close in it must
    /// not hold this answer open, nor write into it from a later call.
    idle: Option<Live>,
    head_only: bool,
}

/// What waiting for the Head came to.
enum Step {
    /// The whole response is here.
    Whole(http::response::Parts, Option<Bytes>),
    Failed(Fault),
}

/// The first frames of a body, read to see whether it is short.
struct Opening {
    parts: http::response::Parts,
    body: HttpBody,
    frames: VecDeque<Frame<Bytes>>,
    /// The body has ended; whether it is whole may not be known yet.
    ended: bool,
}

enum Look {
    Ended,
    More,
    Wait,
    Failed,
}

impl Exchange {
    /// `head_only`: the request was HEAD, so no byte of a body will be sent.
    pub(crate) fn new(run: Run, call: Arc<Call>, component: Arc<Component>, head_only: bool) -> Self {
        Self { run: Some(run), failed: None, call, component, idle: None, head_only }
    }

    /// Runs the guest until its Head is decided.
    pub(crate) async fn head(mut self) -> Outcome {
        let mut opening = None;
        let mut timer = None;
        let step = poll_fn(|cx| {
            let step = self.poll_head(cx, &mut opening);
            match step {
                Poll::Ready(step) => Poll::Ready(step),
                Poll::Pending => self.poll_deadline(cx, &mut timer).map(|fault| Some(Step::Failed(fault))),
            }
        })
        .await;
        match step {
            Some(Step::Failed(fault)) => self.fail(fault),
            Some(Step::Whole(parts, data)) => self.whole(parts, data),
            None => {
                let Some(Opening { parts, body, frames, ended: _ }) = opening else {
                    return self.fail(Fault::new(code::INTERNAL, Ran::Maybe).detail("a head without a response"));
                };
                self.stream(
                    parts,
                    Streamed { inner: body, frames, exchange: None, ender: None, ended: false, left: None },
                )
            }
        }
    }

    /// `None`: the opening is to be streamed.
    fn poll_head(&mut self, cx: &mut Context<'_>, opening: &mut Option<Opening>) -> Poll<Option<Step>> {
        loop {
            self.poll_run(cx);
            if opening.is_none() {
                match self.call.head.lock().take() {
                    Some(Head::Response(response)) => {
                        let (parts, body) = response.into_parts();
                        *opening = Some(Opening { parts, body, frames: VecDeque::new(), ended: false });
                    }
                    Some(Head::Error(error)) => return Poll::Ready(Some(Step::Failed(judge::error_answer(&error)))),
                    Some(Head::Fault(fault)) => return Poll::Ready(Some(Step::Failed(fault))),
                    None => {}
                }
            }
            let Some(open) = opening.as_mut() else {
                if let Some(fault) = self.failed.take() {
                    return Poll::Ready(Some(Step::Failed(fault)));
                }
                if self.run.is_none() {
                    return Poll::Ready(Some(Step::Failed(Fault::new(code::GUEST_NO_RESPONSE, Ran::Yes))));
                }
                if self.share(cx) {
                    continue; // it may have answered meanwhile, on another thread too
                }
                return Poll::Pending;
            };
            let before = open.frames.len();
            match open.look(cx) {
                Look::Ended => {
                    // A body also ends when its guest does: nobody may take half of one for the whole.
                    if self.is_dying(cx) {
                        return Poll::Pending;
                    }
                    if let Some(fault) = self.failed.take() {
                        return Poll::Ready(Some(Step::Failed(fault)));
                    }
                    let Some(Opening { parts, mut frames, .. }) = opening.take() else { return Poll::Ready(None) };
                    let data = frames.pop_front().and_then(|frame| frame.into_data().ok());
                    return Poll::Ready(Some(Step::Whole(parts, data)));
                }
                Look::Failed => {
                    let fault = self.failed.take().unwrap_or_else(|| Fault::new(code::GUEST_BODY_FAILED, Ran::Yes));
                    return Poll::Ready(Some(Step::Failed(fault)));
                }
                Look::More => return Poll::Ready(None),
                Look::Wait => {
                    if let Some(fault) = self.failed.take() {
                        return Poll::Ready(Some(Step::Failed(fault)));
                    }
                    if self.run.is_some() && open.frames.len() > before {
                        continue; // the guest may have waited for room
                    }
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// A timer is armed only for a guest that waits: most answer in one poll.
    fn poll_deadline(&self, cx: &mut Context<'_>, timer: &mut Option<Pin<Box<tokio::time::Sleep>>>) -> Poll<Fault> {
        let left = || self.call.deadline.since(self.call.clock.now());
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(left())));
        timer.as_mut().poll(cx).map(|()| Fault::new(code::DEADLINE_EXCEEDED, Ran::Yes))
    }

    /// Lets the guest run, metered, and takes its instance back when it is done.
    fn poll_run(&mut self, cx: &mut Context<'_>) {
        let Some(run) = &mut self.run else { return };
        let away = self.call.is_away();
        if away {
            self.call.waiter.register(cx.waker());
        } else {
            self.call.enter();
        }
        let polled = run.as_mut().poll(cx);
        if !away {
            self.call.leave();
            if polled.is_pending() && self.call.is_long() {
                return self.send_away(cx);
            }
        }
        if let Poll::Ready(Finished { result, live }) = polled {
            self.run = None;
            self.failed = result.err();
            self.idle = live;
        }
    }

    /// Whether the guest has failed elsewhere, and what of is not known yet: it will be in a moment, and wakes us.
    fn is_dying(&mut self, cx: &mut Context<'_>) -> bool {
        if !(self.call.is_away() && self.run.is_some() && self.call.has_failed()) {
            return false;
        }
        self.poll_run(cx);
        self.run.is_some()
    }

    /// Others wait for this thread too.
    fn send_away(&mut self, cx: &mut Context<'_>) {
        let Some(runtime) = self.component.away() else { return };
        let Some(run) = self.run.take() else { return };
        self.run = Some(away::send(run, Arc::clone(&self.call), runtime));
        self.call.goes_away();
        self.poll_run(cx);
    }

    /// The guest waits, or has more to do than to answer: others may share its instance meanwhile. Whether they may
    /// from now on: then whoever waits must look again.
    fn share(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(uses) = self.component.shares(&self.call) else { return false };
        let Some(run) = self.run.take() else { return false };
        self.run = Some(worker::open(run, &self.call, &self.component, uses));
        self.poll_run(cx);
        true
    }

    /// The body has ended: what the guest still wants to do, it does on its own.
    fn afterwards(mut self, cx: Option<&mut Context<'_>>) {
        self.call.ends();
        if let Some(cx) = cx {
            self.poll_run(cx);
        }
        if self.run.is_none() {
            return self.rest();
        }
        let nobody = &mut Context::from_waker(std::task::Waker::noop());
        self.share(nobody);
        if self.call.has_joined() {
            // Its instance is driven by a task, which bounds what is left to do.
            return;
        }
        // Both bounds, of time and of number: what does not fit is dropped, and its guest with it.
        let Some(place) = self.component.afterwards() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let rest = poll_fn(|cx| {
                self.poll_run(cx);
                if self.run.is_some() { Poll::Pending } else { Poll::Ready(()) }
            });
            let _ = tokio::time::timeout(AFTERWARDS_MAX, rest).await;
            self.rest();
            drop(place);
        });
    }

    /// Gives the instance back.
    fn rest(&mut self) {
        if let Some(live) = self.idle.take() {
            self.component.keep(live);
        }
    }

    /// A fault that may hold a guest's own words, as it may be logged.
    fn told(&self, fault: Fault) -> Fault {
        self.component.told(fault)
    }

    fn fail(self, fault: Fault) -> Outcome {
        let fault = self.told(fault);
        let class = judge::class_of(&fault);
        Outcome { reply: Err(fault), class, end: End::Now(self.call.usage()) }
    }

    fn whole(self, parts: http::response::Parts, data: Option<Bytes>) -> Outcome {
        let class = judge::class(parts.status);
        let body = match data {
            Some(data) => {
                self.call.count_out(data.len());
                full(data)
            }
            None => empty(),
        };
        let end = End::Now(self.call.usage());
        let mut this = self;
        this.call.ends();
        this.poll_run(&mut Context::from_waker(std::task::Waker::noop()));
        this.afterwards(None);
        reply(parts, body, class, end)
    }

    /// How many bytes the head promises: whoever has read as many stops, without asking for the end.
    fn promised(&self, parts: &http::response::Parts) -> Option<u64> {
        if self.head_only
            || parts.status == http::StatusCode::NO_CONTENT
            || parts.status == http::StatusCode::NOT_MODIFIED
        {
            return Some(0);
        }
        let length = parts.headers.get(http::header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    fn stream(self, parts: http::response::Parts, mut streamed: Streamed) -> Outcome {
        let class = judge::class(parts.status);
        let (ender, end) = End::later();
        streamed.ender = Some(ender);
        streamed.left = self.promised(&parts);
        streamed.exchange = Some(self);
        reply(parts, streamed.boxed_unsync(), class, end)
    }
}

fn reply(parts: http::response::Parts, body: Body, class: Class, end: End) -> Outcome {
    Outcome { reply: Ok(Reply::Http(Box::new(http::Response::from_parts(parts, body)))), class, end }
}

impl Opening {
    /// Reads on until the body ends, waits, or turns out to be longer than one frame.
    fn look(&mut self, cx: &mut Context<'_>) -> Look {
        if self.ended {
            return Look::Ended;
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(None) if self.frames.iter().all(Frame::is_data) => {
                    self.ended = true;
                    return Look::Ended;
                }
                Poll::Ready(None) => return Look::More,
                Poll::Ready(Some(Ok(frame))) => {
                    self.frames.push_back(frame);
                    if self.frames.len() > 1 {
                        return Look::More;
                    }
                }
                Poll::Ready(Some(Err(_))) => return Look::Failed,
                Poll::Pending => return Look::Wait,
            }
        }
    }
}

/// A response body that keeps its guest running.
struct Streamed {
    inner: HttpBody,
    frames: VecDeque<Frame<Bytes>>,
    exchange: Option<Exchange>,
    ender: Option<Ender>,
    /// The guest's side has ended; whether it was whole may not be known yet.
    ended: bool,
    /// Bytes still owed, where the head said how many, or trailers ended it: at 0 a dropped body is a complete one.
    left: Option<u64>,
}

impl Streamed {
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| Fault::new(code::GUEST_BODY_FAILED, Ran::Yes).detail(error.to_string()))
        }))
    }

    fn end(&mut self, fault: Option<Fault>) {
        let usage = self.exchange.as_ref().map(|exchange| exchange.call.usage()).unwrap_or_default();
        if let Some(ender) = self.ender.take() {
            ender.end(fault, usage);
        }
    }

    /// The guest's own failure says more than the broken body that it left.
    fn broken(&mut self, fault: Fault) -> Fault {
        let Some(mut exchange) = self.exchange.take() else { return fault };
        let fault = exchange.failed.take().unwrap_or(fault);
        let fault = exchange.told(fault);
        let told = Fault::new(code::GUEST_BODY_FAILED, Ran::Yes).detail(fault.to_string());
        let usage = exchange.call.usage();
        // The guest first, so that its place is free when its call's is.
        drop(exchange);
        if let Some(ender) = self.ender.take() {
            ender.end(Some(fault), usage);
        }
        told
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        let mut polled = this.poll_inner(cx);
        if polled.is_pending() {
            if let Some(exchange) = &mut this.exchange {
                exchange.poll_run(cx);
            }
            polled = this.poll_inner(cx);
        }
        if polled.is_pending() && this.exchange.as_ref().is_some_and(|exchange| exchange.run.is_none()) {
            // The guest has returned and left its body open: nobody will write to it again, and without its
            // instance it ends.
            if let Some(exchange) = &mut this.exchange {
                exchange.idle = None;
            }
            polled = this.poll_inner(cx);
        }
        match polled {
            Poll::Pending => match this.exchange.as_mut().and_then(|exchange| exchange.failed.take()) {
                Some(fault) => Poll::Ready(Some(Err(this.broken(fault)))),
                None => {
                    if this.exchange.as_mut().is_some_and(|exchange| exchange.share(cx)) {
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            },
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.left =
                    if frame.is_trailers() { Some(0) } else { this.left.map(|left| left.saturating_sub(bytes as u64)) };
                if let Some(exchange) = &this.exchange {
                    exchange.call.count_out(bytes);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(fault))) => {
                if let Some(exchange) = &mut this.exchange {
                    exchange.poll_run(cx);
                }
                Poll::Ready(Some(Err(this.broken(fault))))
            }
            Poll::Ready(None) => {
                this.ended = true;
                if this.exchange.as_mut().is_some_and(|exchange| exchange.is_dying(cx)) {
                    return Poll::Pending;
                }
                if let Some(fault) = this.exchange.as_mut().and_then(|exchange| exchange.failed.take()) {
                    return Poll::Ready(Some(Err(this.broken(fault))));
                }
                this.end(None);
                if let Some(exchange) = this.exchange.take() {
                    exchange.afterwards(Some(cx));
                }
                Poll::Ready(None)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.frames.is_empty() { self.inner.size_hint() } else { SizeHint::default() }
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if self.ender.is_none() {
            return;
        }
        if self.left != Some(0) {
            return self.end(Some(Fault::new(code::CLIENT_GONE, Ran::Yes)));
        }
        self.end(None);
        if let Some(exchange) = self.exchange.take() {
            exchange.afterwards(None);
        }
    }
}
