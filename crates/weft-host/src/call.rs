//! One call as its guest sees it: who is calling, until when, and what it has used so far.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use wasmtime_wasi_http::Error as HttpError;
use weft_types::{Clock, Context, Fault, InvocationId, Timestamp, Trace, Usage};

use crate::body::HttpBody;

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
    /// Who waits for the answer, where the guest runs elsewhere.
    pub(crate) waiter: AtomicWaker,
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
