//! The load on real sockets: requests leave when they are due, on as many connections as may be.
//!
//! A thread of its own sleeps until the next request is due, because a runtime's timers are a millisecond coarse. It
//! hands each to the runtime, or to the queue for a place; whoever ends a request takes the next from that queue.

mod client;
mod exchange;
mod target;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::mpsc};

pub use self::target::{Target, TargetError};
use self::{client::Client, exchange::exchange};
use crate::{
    places::{Admitted, Places},
    schedule::{Arrival, Schedule},
    slo::Slo,
    tally::{Broken, Count, Ended, Outcome, Tally},
};

/// How long the sending thread sleeps at most before it looks whether it should stop.
const NAP_MAX: Duration = Duration::from_millis(50);

/// Without a word on it: as many requests in flight as a busy page has.
pub const CONNECTIONS_HTTP1: usize = 256;
pub const CONNECTIONS_HTTP2: usize = 4;

/// One of the requests that are sent in turn.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: http::Method,
    pub path: http::uri::PathAndQuery,
    /// Without those of the connection; a `host` replaces that of the URL.
    pub headers: http::HeaderMap,
    pub body: Bytes,
    /// The status that is success. Without one, every status below 400 is.
    pub expected: Option<http::StatusCode>,
}

/// Bounds of a load.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Open connections at most, 1 and more. `None`: [`CONNECTIONS_HTTP1`], or [`CONNECTIONS_HTTP2`].
    pub connections: Option<usize>,
    /// Requests at once on one HTTP/2 connection, 1 and more.
    pub streams: usize,
    /// How long a request waits for a place at most, and how long for its complete answer once it is sent.
    pub timeout: Duration,
}

/// Stops a load early: nothing more is sent, what is in flight ends.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A target and the connections to it.
#[derive(Clone)]
pub struct Driver(Arc<Parts>);

struct Parts {
    client: Client,
    options: Options,
}

/// What is sent, and when.
#[derive(Debug, Clone)]
pub struct Load {
    /// Sent in turn; at least one.
    pub requests: Arc<[Request]>,
    pub schedule: Schedule,
    /// How many stages at the start are not judged.
    pub warm_up: usize,
}

/// One run of a load.
struct Run {
    parts: Arc<Parts>,
    requests: Arc<[Request]>,
    start: Instant,
    state: Mutex<State>,
    stop: Stop,
}

struct State {
    places: Places,
    tally: Tally,
}

impl Driver {
    /// Connects once, to know that there is something and which protocol it speaks.
    pub async fn connect(target: Target, options: Options) -> Result<Self, TargetError> {
        let client = Client::connect(target, &options).await?;
        Ok(Self(Arc::new(Parts { client, options })))
    }

    pub fn target(&self) -> &Target {
        self.0.client.target()
    }

    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Sends one request outside of any load; its answer, of which the body has `body_max` bytes at most.
    pub async fn ask(&self, request: &Request, body_max: usize) -> Result<http::Response<Bytes>, Broken> {
        exchange::ask(&self.0.client, request, self.0.options.timeout, body_max).await
    }

    /// Requests in flight at most.
    pub fn places(&self) -> usize {
        let streams = if self.speaks_http2() { self.0.options.streams.max(1) } else { 1 };
        self.connections() * streams
    }

    /// Open connections at most.
    pub fn connections(&self) -> usize {
        self.0.client.connections()
    }

    pub fn speaks_http2(&self) -> bool {
        self.0.client.speaks_http2()
    }

    /// Runs the whole schedule, and waits for what is in flight: at most twice the timeout after the last is due.
    ///
    /// `slo` says from when on a latency is counted as slow.
    pub async fn run(&self, load: Load, slo: Option<&Slo>, stop: &Stop) -> Tally {
        self.watched(load, slo, stop, Duration::MAX, |_| ()).await
    }

    /// The same, while `tell` hears every so often of what has ended so far.
    pub async fn watched(
        &self,
        load: Load,
        slo: Option<&Slo>,
        stop: &Stop,
        every: Duration,
        mut tell: impl FnMut(Count),
    ) -> Tally {
        assert!(!load.requests.is_empty(), "a load has a request");
        let (schedule, timeout) = (load.schedule, self.0.options.timeout);
        let tally = Tally::new(schedule.stages(), load.warm_up, timeout, slo);
        let run = Arc::new(Run {
            parts: Arc::clone(&self.0),
            requests: load.requests,
            start: Instant::now(),
            state: Mutex::new(State { places: Places::new(self.places(), timeout), tally }),
            stop: stop.clone(),
        });
        // Each request in flight holds a sender: when all are gone, everything has ended.
        let (busy, mut idle) = mpsc::channel::<()>(1);
        let (runtime, sending) = (Handle::current(), Arc::clone(&run));
        let sender = std::thread::Builder::new().name("load".to_owned());
        let sender = sender.spawn(move || sending.send(schedule, &runtime, &busy));
        let sender = sender.expect("a thread can be started");
        while tokio::time::timeout(every, idle.recv()).await.is_err() {
            let count = run.state.lock().tally.judged();
            tell(count);
        }
        // It held a sender too, so it has ended; a panic of it is one of ours.
        sender.join().expect("the sending thread does not panic");
        let state = run.state.lock();
        debug_assert_eq!(state.places.in_flight(), 0);
        state.tally.clone()
    }
}

impl Run {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Lets each request go when it is due.
    fn send(self: Arc<Self>, schedule: Schedule, runtime: &Handle, busy: &mpsc::Sender<()>) {
        for arrival in schedule {
            if !self.wait_until(arrival.due) {
                return;
            }
            let admitted = {
                let mut state = self.state.lock();
                self.expire(&mut state);
                state.places.arrive(arrival)
            };
            match admitted {
                Admitted::Now => {
                    let (run, busy) = (Arc::clone(&self), busy.clone());
                    runtime.spawn(async move {
                        run.serve(arrival).await;
                        drop(busy);
                    });
                }
                Admitted::Waits => {}
                Admitted::Never => self.state.lock().tally.record(&unsent(arrival, self.now())),
            }
        }
    }

    /// `false`: it was stopped before.
    fn wait_until(&self, due: Duration) -> bool {
        loop {
            if self.stop.is_stopped() {
                return false;
            }
            let left = due.saturating_sub(self.now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(NAP_MAX));
        }
    }

    /// Serves a place: this request, then those that wait for it.
    async fn serve(&self, first: Arrival) {
        let mut next = Some((first, false));
        while let Some((arrival, waited)) = next {
            let sent = self.now();
            let request = &self.requests[arrival.number as usize % self.requests.len()];
            let (outcome, bytes) = exchange(&self.parts.client, request, self.parts.options.timeout).await;
            let ended = Ended { arrival, waited, sent: Some(sent), ended: self.now(), outcome, bytes };
            let mut state = self.state.lock();
            state.tally.record(&ended);
            self.expire(&mut state);
            next = state.places.leave().map(|arrival| (arrival, true));
        }
    }

    /// Counts who waited for too long. A run that was stopped sends no one who waits.
    fn expire(&self, state: &mut State) {
        let now = self.now();
        let over = if self.stop.is_stopped() { Duration::MAX } else { now };
        while let Some(arrival) = state.places.expired(over) {
            // Who was stopped was not unsent for want of a place.
            if !self.stop.is_stopped() {
                state.tally.record(&unsent(arrival, now));
            }
        }
    }
}

fn unsent(arrival: Arrival, now: Duration) -> Ended {
    let outcome = Outcome::Broken(Broken::Unsent);
    Ended { arrival, waited: true, sent: None, ended: now, outcome, bytes: 0 }
}
