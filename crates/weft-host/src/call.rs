//! One call as its guest sees it: who is calling, until when, and what it has used so far.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use wasmtime_wasi_http::Error as HttpError;
use weft_types::{Clock, Context, Fault, InvocationId, Timestamp, Trace, Usage};

use crate::{body::HttpBody, services::OpenSpans, worker::Worker};

/// Shared by the guest's store, the exchange that drives it, and the response body.
pub(crate) struct Call {
    pub(crate) id: InvocationId,
    pub(crate) context: Arc<Context>,
    pub(crate) trace: Trace,
    pub(crate) deadline: Timestamp,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cpu_budget: Duration,
    pub(crate) head: Mutex<Option<Head>>,
    answered: AtomicBool,
    /// Requests that the guest has sent.
    requests: AtomicU64,
    /// The guest has failed, and is not gone yet.
    failed: AtomicBool,
    /// It yielded after having computed for long.
    long: AtomicBool,
    /// The guest is driven, and metered, by another than who waits for it.
    away: AtomicBool,
    joined: AtomicBool,
    abandoned: AtomicBool,
    ended: AtomicBool,
    /// Calls that its instance may serve after it.
    pub(crate) uses: AtomicU32,
    /// Who waits for the answer, where the guest runs elsewhere.
    pub(crate) waiter: AtomicWaker,
    /// The door of the instance that began with this call, once others may come in.
    worker: OnceLock<Arc<Worker>>,
    /// Spans of its own that the guest has begun in this call.
    pub(crate) spans: Mutex<OpenSpans>,
    meter: Meter,
    /// Told when the response's body has been read or dropped: a 0.3 guest's event loop runs until then.
    pub(crate) body_done: tokio::sync::Notify,
}

/// What the guest decided to answer.
pub(crate) enum Head {
    Response(http::Response<HttpBody>),
    Error(HttpError),
    Fault(Fault),
}

#[derive(Default)]
struct Meter {
    /// Time in finished polls, in nanoseconds.
    cpu: AtomicU64,
    /// When the poll in progress began; 0 when none is.
    polling_since: AtomicU64,
    memory_peak: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Call {
    pub(crate) fn new(
        id: InvocationId,
        context: Arc<Context>,
        trace: Trace,
        deadline: Timestamp,
        clock: Arc<dyn Clock>,
        cpu_budget: Duration,
    ) -> Self {
        let meter = Meter::default();
        let body_done = tokio::sync::Notify::new();
        Self {
            id,
            context,
            trace,
            deadline,
            clock,
            cpu_budget,
            head: Mutex::new(None),
            answered: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            long: AtomicBool::new(false),
            away: AtomicBool::new(false),
            joined: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            uses: AtomicU32::new(0),
            worker: OnceLock::new(),
            spans: Mutex::new(OpenSpans::new()),
            waiter: AtomicWaker::new(),
            meter,
            body_done,
        }
    }

    /// Whether the guest has yet to answer.
    pub(crate) fn head_is_open(&self) -> bool {
        !self.answered.load(Relaxed)
    }

    pub(crate) fn answer(&self, head: Head) {
        self.answered.store(true, Relaxed);
        if self.is_abandoned() {
            // Dropped, so that its guest learns that nobody reads it.
            return;
        }
        *self.head.lock() = Some(head);
        self.waiter.wake();
    }

    /// The number of the next request that the guest sends, from 0.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Relaxed)
    }

    /// Told before what the guest held is dropped: its body ends then, and is not whole.
    pub(crate) fn fails(&self) {
        self.failed.store(true, SeqCst);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(SeqCst)
    }

    pub(crate) fn is_long(&self) -> bool {
        self.long.load(Relaxed)
    }

    pub(crate) fn computes_for_long(&self) {
        self.long.store(true, Relaxed);
    }

    pub(crate) fn goes_away(&self) {
        self.away.store(true, Relaxed);
    }

    /// Its instance is driven by a task that serves others too.
    pub(crate) fn joins(&self) {
        self.goes_away();
        self.joined.store(true, Relaxed);
    }

    /// The last byte of its answer was read, or will never be.
    pub(crate) fn ends(&self) {
        self.ended.store(true, SeqCst);
        self.body_done.notify_one();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }

    pub(crate) fn is_overdue(&self) -> bool {
        self.head_is_open() && self.clock.now() >= self.deadline
    }

    /// Nobody waits for it any more; its guest shares its instance with others, and may finish.
    pub(crate) fn give_up(&self) {
        self.abandoned.store(true, SeqCst);
        self.head.lock().take();
        self.body_done.notify_one();
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(SeqCst)
    }

    pub(crate) fn has_joined(&self) -> bool {
        self.joined.load(Relaxed)
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Relaxed)
    }

    /// Others may come into its instance.
    pub(crate) fn opens(&self, worker: Arc<Worker>) {
        let _ = self.worker.set(worker);
    }

    pub(crate) fn worker(&self) -> Option<&Arc<Worker>> {
        self.worker.get()
    }

    /// CPU time that was its.
    pub(crate) fn charge(&self, spent: Duration) {
        self.meter.cpu.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn enter(&self) {
        self.meter.polling_since.store(self.clock.now().as_nanos(), Relaxed);
    }

    pub(crate) fn leave(&self) {
        let since = self.meter.polling_since.swap(0, Relaxed);
        let spent = self.clock.now().as_nanos().saturating_sub(since);
        self.meter.cpu.fetch_add(spent, Relaxed);
    }

    /// CPU time so far, the poll in progress included.
    pub(crate) fn cpu(&self, now: Timestamp) -> Duration {
        let since = self.meter.polling_since.load(Relaxed);
        let running = if since == 0 { 0 } else { now.as_nanos().saturating_sub(since) };
        Duration::from_nanos(self.meter.cpu.load(Relaxed) + running)
    }

    pub(crate) fn memory_is(&self, bytes: u64) {
        self.meter.memory_peak.fetch_max(bytes, Relaxed);
    }

    pub(crate) fn count_in(&self, bytes: usize) {
        self.meter.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn count_out(&self, bytes: usize) {
        self.meter.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            cpu: Duration::from_nanos(self.meter.cpu.load(Relaxed)),
            memory_peak: self.meter.memory_peak.load(Relaxed),
            bytes_in: self.meter.bytes_in.load(Relaxed),
            bytes_out: self.meter.bytes_out.load(Relaxed),
        }
    }
}
