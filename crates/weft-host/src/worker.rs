//! A warm 0.3 instance that serves several calls at once.
//!
//! An instance begins with one call, driven by whoever waits for that call. When it has to wait, it is given to a
//! task of its own, and from then on takes further calls of its tenant in: its [`Worker`] is their door. Who leaves,
//! or is overdue, abandons its call: the guest may finish it, nobody listens. A guest that fails ends the instance;
//! the call that failed is told why, the others are told that their instance was lost.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, time::Sleep};
use weft_types::{Code, Fault, Ran, Tenant, Timestamp, code};

use crate::{
    body::HttpBody,
    call::Call,
    component::Component,
    exchange::{Finished, Run},
};

/// How long an instance whose calls have all ended may go on with what they left it to do.
const LINGER_MAX: Duration = Duration::from_secs(30);

/// The door of one instance while it runs as a task.
pub(crate) struct Worker {
    tenant: Tenant,
    /// Of the call that the instance began with.
    pub(crate) first: Arc<Ticket>,
    inbox: Mutex<Inbox>,
    /// Wakes the instance's event loop: somebody came in, or left.
    pub(crate) bell: AtomicWaker,
    /// In the middle of computing, or of a host function that blocks the instance: whoever came in now would wait.
    /// Only its event loop says that it is not, since that is not reached then.
    busy: AtomicBool,
    /// It has computed for long: it should leave the thread that others wait for.
    long: AtomicBool,
    /// Since when the time that passes is nobody's yet; 0 while nobody drives it.
    since: AtomicU64,
    /// Whose task ran last: what time passes is its.
    running: Mutex<Option<Arc<Call>>>,
    /// Somebody was found to be running since it was last woken.
    found: AtomicBool,
}

struct Inbox {
    open: bool,
    waiting: VecDeque<Joining>,
    /// Calls that are inside or wait to come in.
    places: Vec<(Arc<Call>, Arc<Ticket>)>,
    /// Calls that were let in and given up, which their guest has not finished: they take room until it has.
    left_behind: usize,
    /// Calls that may yet come in before the instance is replaced.
    left: u32,
    /// A call was given up while its guest was at it: nothing more may be begun here.
    spent: bool,
}

/// A call on its way in.
pub(crate) struct Joining {
    pub(crate) request: http::Request<HttpBody>,
    pub(crate) call: Arc<Call>,
    pub(crate) ticket: Arc<Ticket>,
}

/// What becomes of one call: told to whoever waits for it.
#[derive(Default)]
pub(crate) struct Ticket {
    result: Mutex<Option<Result<(), Fault>>>,
    waiter: AtomicWaker,
}

impl Ticket {
    fn end(&self, result: Result<(), Fault>) {
        self.result.lock().get_or_insert(result);
        self.waiter.wake();
    }
}

impl Worker {
    fn join(
        self: &Arc<Self>,
        request: &mut Option<http::Request<HttpBody>>,
        call: &Arc<Call>,
        share: u32,
    ) -> Option<Joined> {
        let mut inbox = self.inbox.lock();
        let room = inbox.open && inbox.left > 0 && inbox.places.len() + inbox.left_behind < share as usize;
        if !room || self.busy.load(SeqCst) || call.context.tenant != self.tenant {
            return None;
        }
        let request = request.take()?;
        let ticket = Arc::new(Ticket::default());
        inbox.left -= 1;
        inbox.places.push((Arc::clone(call), Arc::clone(&ticket)));
        inbox.waiting.push_back(Joining { request, call: Arc::clone(call), ticket: Arc::clone(&ticket) });
        drop(inbox);
        call.joins();
        self.bell.wake();
        Some(Joined { worker: Arc::clone(self), call: Arc::clone(call), ticket })
    }

    /// The next call to let in.
    pub(crate) fn next(&self) -> Option<Joining> {
        self.inbox.lock().waiting.pop_front()
    }

    /// The guest is done with a call that was let in: its place is free, and who waits for it is told.
    pub(crate) fn ended(&self, ticket: &Arc<Ticket>) {
        let mut inbox = self.inbox.lock();
        let before = inbox.places.len();
        inbox.places.retain(|(_, held)| !Arc::ptr_eq(held, ticket));
        if inbox.places.len() == before {
            inbox.left_behind = inbox.left_behind.saturating_sub(1);
        }
        drop(inbox);
        ticket.end(Ok(()));
    }

    /// No call may come in any more.
    pub(crate) fn close(&self) {
        self.inbox.lock().open = false;
    }

    /// Closes it if nobody is inside or on the way: whether the instance may be used again.
    pub(crate) fn close_if_empty(&self) -> Option<bool> {
        let mut inbox = self.inbox.lock();
        let empty = inbox.places.is_empty();
        inbox.open &= !empty;
        empty.then_some(!inbox.spent)
    }

    /// Whether nobody waits for anything, and nothing that was left is worth waiting for.
    pub(crate) fn is_spent(&self) -> bool {
        let inbox = self.inbox.lock();
        inbox.spent && inbox.is_idle()
    }

    /// Whether nobody waits for anything: what the guest still does is leftovers.
    fn is_idle(&self) -> bool {
        self.inbox.lock().is_idle()
    }

    /// Nobody waits for `call` any more, whose guest has not finished it. One that is overdue may wait for ever, and
    /// one without others has the instance to itself: both end it, so that nobody comes in from here on.
    fn gives_up(&self, call: &Arc<Call>, ticket: &Arc<Ticket>) {
        let mut inbox = self.inbox.lock();
        let before = inbox.places.len();
        inbox.places.retain(|(_, held)| !Arc::ptr_eq(held, ticket));
        let was_inside = inbox.places.len() < before;
        let waited = inbox.waiting.len();
        inbox.waiting.retain(|waiting| !Arc::ptr_eq(&waiting.ticket, ticket));
        if was_inside && inbox.waiting.len() == waited {
            inbox.left_behind += 1;
        }
        if was_inside && (inbox.places.is_empty() || call.is_overdue()) {
            inbox.open = false;
            inbox.spent = true;
        }
    }

    /// The calls inside, told that their guest has failed before what it held is dropped.
    pub(crate) fn fails(&self) {
        for (call, _) in &self.inbox.lock().places {
            call.fails();
        }
    }

    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, SeqCst);
    }

    pub(crate) fn computes_for_long(&self) {
        self.long.store(true, Relaxed);
    }

    /// The time since the last charge was `call`'s.
    pub(crate) fn charge(&self, call: &Arc<Call>, now: Timestamp) {
        self.found.store(true, Relaxed);
        let since = self.since.swap(now.as_nanos(), Relaxed);
        if since != 0 {
            call.charge(Duration::from_nanos(now.as_nanos().saturating_sub(since)));
        }
        let mut running = self.running.lock();
        if !running.as_ref().is_some_and(|running| Arc::ptr_eq(running, call)) {
            *running = Some(Arc::clone(call));
        }
    }

    fn begin(&self, now: Timestamp) {
        self.busy.store(true, SeqCst);
        self.found.store(false, Relaxed);
        self.since.store(now.as_nanos(), Relaxed);
    }

    fn pause(&self, now: Timestamp) {
        let since = self.since.swap(0, Relaxed);
        let spent = Duration::from_nanos(now.as_nanos().saturating_sub(since));
        if !self.found.load(Relaxed) {
            // Nobody said whose it was: whoever ran long ago must not pay for all.
            let inbox = self.inbox.lock();
            if let Ok(inside) = u32::try_from(inbox.places.len())
                && inside > 0
            {
                return inbox.places.iter().for_each(|(call, _)| call.charge(spent / inside));
            }
        }
        if let Some(running) = &*self.running.lock() {
            running.charge(spent);
        }
    }

    /// Everybody inside is told how it ended: whose failure it was, why; the others, that it was not theirs.
    fn over(&self, result: Result<(), Fault>) {
        let (places, waiting) = {
            let mut inbox = self.inbox.lock();
            inbox.open = false;
            (std::mem::take(&mut inbox.places), std::mem::take(&mut inbox.waiting))
        };
        let culprit = self.running.lock().take();
        let why = result.as_ref().err().map(|fault| fault.code);
        let mut fault = result.err();
        for (call, ticket) in places {
            let own = culprit.as_ref().is_some_and(|culprit| Arc::ptr_eq(culprit, &call));
            let began = !waiting.iter().any(|waiting| Arc::ptr_eq(&waiting.ticket, &ticket));
            let ran = if began { Ran::Maybe } else { Ran::No };
            let fault = fault.take_if(|_| own).unwrap_or_else(|| lost(why, ran));
            ticket.end(Err(fault));
        }
    }
}

impl Inbox {
    fn is_idle(&self) -> bool {
        self.places.iter().all(|(call, _)| call.has_ended())
    }
}

fn lost(why: Option<Code>, ran: Ran) -> Fault {
    let why = why.map_or("it ended", |why| why.as_str());
    Fault::new(code::INSTANCE_LOST, ran).detail(format!("another call in its instance failed: {why}"))
}

/// A call inside an instance that others drive. Dropping it abandons the call.
pub(crate) struct Joined {
    worker: Arc<Worker>,
    call: Arc<Call>,
    ticket: Arc<Ticket>,
}

impl Future for Joined {
    type Output = Result<(), Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.ticket.waiter.register(cx.waker());
        self.call.waiter.register(cx.waker());
        match self.ticket.result.lock().take() {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if !self.call.has_ended() {
            self.call.give_up();
            self.worker.gives_up(&self.call, &self.ticket);
        }
        self.worker.bell.wake();
    }
}

/// The doors of one component's instances, those of a thread apart: a call is served on the thread that it came to.
#[derive(Default)]
pub(crate) struct Workers(Mutex<Vec<(std::thread::ThreadId, Arc<Worker>)>>);

impl Workers {
    /// Takes a call in where an instance has room for it: then the request is gone from `request`.
    pub(crate) fn join(
        &self,
        request: &mut Option<http::Request<HttpBody>>,
        call: &Arc<Call>,
        share: u32,
    ) -> Option<Joined> {
        let here = std::thread::current().id();
        let doors = self.0.lock();
        doors.iter().filter(|(thread, _)| *thread == here).find_map(|(_, worker)| worker.join(request, call, share))
    }

    fn add(&self, worker: &Arc<Worker>) {
        self.0.lock().push((std::thread::current().id(), Arc::clone(worker)));
    }

    fn remove(&self, worker: &Arc<Worker>) {
        self.0.lock().retain(|(_, held)| !Arc::ptr_eq(held, worker));
    }
}

/// Gives the instance behind `run`, which waits, a task of its own that others may join. `call` began it.
///
/// `uses`: further calls that the instance may serve.
pub(crate) fn open(run: Run, call: &Arc<Call>, component: &Arc<Component>, uses: u32) -> Run {
    let ticket = Arc::new(Ticket::default());
    let places = vec![(Arc::clone(call), Arc::clone(&ticket))];
    let worker = Arc::new(Worker {
        tenant: call.context.tenant.clone(),
        first: Arc::clone(&ticket),
        inbox: Mutex::new(Inbox {
            open: true,
            waiting: VecDeque::new(),
            places,
            left_behind: 0,
            left: uses,
            spent: false,
        }),
        bell: AtomicWaker::new(),
        busy: AtomicBool::new(true),
        long: AtomicBool::new(false),
        since: AtomicU64::new(0),
        running: Mutex::new(Some(Arc::clone(call))),
        found: AtomicBool::new(false),
    });
    call.joins();
    call.opens(Arc::clone(&worker));
    component.workers.add(&worker);
    let mut driver =
        Driver { run, worker: Arc::clone(&worker), component: Arc::clone(component), lingers: None, over: false };
    // At once, so that who comes next finds the door open; or shut, where the guest computes or blocks its instance.
    match driver.poll(&mut Context::from_waker(Waker::noop()), true) {
        Poll::Pending => drop(tokio::spawn(driver.drive())),
        Poll::Ready(Step::Leave) => driver.leave(),
        Poll::Ready(Step::Over) => {}
    }
    let joined = Joined { worker, call: Arc::clone(call), ticket };
    Box::pin(async move { Finished { result: joined.await, live: None } })
}

/// Runs an instance on behalf of all that are inside.
struct Driver {
    run: Run,
    worker: Arc<Worker>,
    /// Not the worker's: calls hold that, and instances that the component keeps hold the last of their calls.
    component: Arc<Component>,
    /// While nobody waits for anything, and the guest has things to do.
    lingers: Option<(Pin<Box<Sleep>>, OwnedSemaphorePermit)>,
    over: bool,
}

impl Driver {
    async fn drive(mut self) {
        if std::future::poll_fn(|cx| self.poll(cx, true)).await == Step::Leave {
            self.leave();
        }
    }

    fn leave(mut self) {
        let away = self.component.away().cloned();
        // Its clock is that of this runtime.
        self.lingers = None;
        let rest = async move {
            std::future::poll_fn(|cx| self.poll(cx, false)).await;
        };
        away.unwrap_or_else(Handle::current).spawn(rest);
    }

    fn poll(&mut self, cx: &mut Context<'_>, may_leave: bool) -> Poll<Step> {
        // Here too, not by the event loop alone: that is not reached while the guest computes or blocks its instance.
        self.worker.bell.register(cx.waker());
        if self.worker.is_spent() {
            return Poll::Ready(self.ends());
        }
        let clock = self.component.clock();
        self.worker.begin(clock.now());
        let polled = self.run.as_mut().poll(cx);
        self.worker.pause(clock.now());
        match polled {
            Poll::Pending if may_leave && self.worker.long.load(Relaxed) && self.component.away().is_some() => {
                // Who leaves takes no one in: joining is for one thread's calls.
                self.worker.close();
                Poll::Ready(Step::Leave)
            }
            Poll::Pending if self.worker.is_spent() => Poll::Ready(self.ends()),
            Poll::Pending if self.worker.is_idle() => {
                ready!(self.linger(cx));
                Poll::Ready(self.ends())
            }
            Poll::Pending => {
                self.lingers = None;
                Poll::Pending
            }
            Poll::Ready(Finished { result, live }) => {
                self.over(result);
                if let Some(live) = live {
                    self.component.keep(live);
                }
                Poll::Ready(Step::Over)
            }
        }
    }

    /// Both bounds of leftovers, of time and of number. Ready when they are to be given up.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lingers.is_none() {
            let Some(place) = self.component.afterwards() else { return Poll::Ready(()) };
            self.lingers = Some((Box::pin(tokio::time::sleep(LINGER_MAX)), place));
        }
        self.lingers.as_mut().map_or(Poll::Pending, |(sleep, _)| sleep.as_mut().poll(cx))
    }

    /// Nobody waits for what the guest does: it is dropped with this task.
    fn ends(&mut self) -> Step {
        self.over(Ok(()));
        Step::Over
    }

    fn over(&mut self, result: Result<(), Fault>) {
        self.over = true;
        self.component.workers.remove(&self.worker);
        self.worker.over(result);
    }
}

#[derive(PartialEq, Eq)]
enum Step {
    Over,
    Leave,
}

impl Drop for Driver {
    /// Torn down with its runtime, or by a panic.
    fn drop(&mut self) {
        if !self.over {
            self.worker.fails();
            self.over(Err(Fault::new(code::INTERNAL, Ran::Maybe).detail("the task of a guest ended")));
        }
    }
}
