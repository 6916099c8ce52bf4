//! The pulse of a connection: what it waits for and since when, and what it has been told to do.
//!
//! Nothing here costs a timer per request or per connection. The connection's task notes what it does in a few
//! relaxed atomics; one sweep per listener reads them once a second and tells the overdue ones to end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    task::Waker,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use weft_types::{Clock, Timestamp};

use crate::{
    Limits,
    heard::Heard,
    socket::Switched,
    streams::{GIVEN_UP_MAX, Streams},
};

/// What a connection has been told. A greater order overrules a lesser one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    Run,
    /// Finish what is in flight, take nothing new, close.
    Finish,
    /// The head did not arrive in time: answer 408 if something of it did, close.
    Expire,
    /// Close now.
    Abort,
}

/// Shared by a connection's task, the exchanges in flight on it, and the sweep.
pub(crate) struct Pulse {
    clock: Arc<dyn Clock>,
    order: AtomicU8,
    waker: AtomicWaker,
    in_flight: AtomicU32,
    /// When the head that is being waited for began; 0 while none is.
    head_since: AtomicU64,
    /// When the last exchange ended.
    idle_since: AtomicU64,
    /// When the peer stopped reading; 0 while it reads.
    stalled_since: AtomicU64,
    /// An answer was given before the request's body was read: the peer may still be sending.
    unread: AtomicBool,
    /// An answer of ours, or a part of it, has not been flushed yet.
    answering: AtomicBool,
    /// The last bytes that came, as they came (HTTP/1).
    heard: Mutex<Heard>,
    /// What is in flight over HTTP/2.
    pub(crate) streams: Streams,
    /// When the sweep last came by: a clock to within a second that costs nothing to read.
    swept: AtomicU64,
    /// No further request can be told from what came before it.
    spent: AtomicBool,
    begun: AtomicU32,
    given_up: AtomicU32,
    /// What the connection goes on with once HTTP on it is over.
    switched: Mutex<Option<Box<Switched>>>,
}

impl Pulse {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.now().as_nanos();
        Self {
            clock,
            order: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            in_flight: AtomicU32::new(0),
            head_since: AtomicU64::new(now),
            idle_since: AtomicU64::new(now),
            stalled_since: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            answering: AtomicBool::new(false),
            heard: Mutex::default(),
            streams: Streams::default(),
            swept: AtomicU64::new(now),
            spent: AtomicBool::new(false),
            begun: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            switched: Mutex::default(),
        }
    }

    /// The connection goes on with this.
    pub(crate) fn switch(&self, to: Switched) {
        *self.switched.lock() = Some(Box::new(to));
    }

    pub(crate) fn switched(&self) -> Option<Box<Switched>> {
        self.switched.lock().take()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::Run,
            1 => Order::Finish,
            2 => Order::Expire,
            _ => Order::Abort,
        }
    }

    pub(crate) fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u8, SeqCst) < order as u8 {
            self.waker.wake();
        }
    }

    /// The task to wake on an order. Read [`Pulse::order`] after it, so that none is missed.
    pub(crate) fn listen(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Bytes arrived: the head of a next request, unless an exchange is in flight.
    pub(crate) fn bytes_came(&self, bytes: &[u8]) {
        let head = self.in_flight.load(Relaxed) == 0;
        if head && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.clock.now().as_nanos(), Relaxed);
        }
        self.heard.lock().hear(bytes, head);
    }

    /// Whether the head just read says its length in one way only, as far as can be seen.
    pub(crate) fn heard_one_length(&self, begins: &str) -> bool {
        self.heard.lock().has_one_length(begins)
    }

    /// Everything written has left. What hyper writes from here on without an exchange is its own.
    pub(crate) fn flushed(&self) {
        if self.in_flight.load(Relaxed) == 0 {
            self.answering.store(false, Relaxed);
        }
    }

    /// Whether an exchange is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.answering.load(Relaxed)
    }

    /// The connection is set up (HTTP/2): from here on only idleness counts.
    pub(crate) fn established(&self) {
        self.head_since.store(0, Relaxed);
        self.idle_since.store(self.clock.now().as_nanos(), Relaxed);
    }

    /// An exchange began; it lasts until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, h2: bool) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        if h2 {
            self.begun.fetch_add(1, Relaxed);
            return InFlight { pulse: Arc::clone(self), stream: Some(self.streams.begin()), answered: false };
        }
        self.head_since.store(0, Relaxed);
        self.answering.store(true, Relaxed);
        self.heard.lock().begin();
        InFlight { pulse: Arc::clone(self), stream: None, answered: false }
    }

    /// A stream ended before its answer began.
    fn gave_up(&self) {
        let given_up = self.given_up.fetch_add(1, Relaxed) + 1;
        let most = given_up > self.begun.load(Relaxed) / 2;
        match given_up / GIVEN_UP_MAX {
            0 => {}
            1 if most => self.tell(Order::Finish),
            1 => {}
            _ if most => self.tell(Order::Abort),
            _ => {}
        }
    }

    /// A body in chunks begins. hyper takes a line feed alone for a part of a trailer's line, and so might take the
    /// next request for trailers: unless such a body is seen to end without any, nothing more may be read after it.
    pub(crate) fn chunks_begin(&self) {
        self.spent.store(true, Relaxed);
    }

    /// They ended, and no trailers came.
    pub(crate) fn chunks_end(&self) {
        self.spent.store(false, Relaxed);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.spent.load(Relaxed)
    }

    pub(crate) fn write_stalled(&self) {
        if self.stalled_since.load(Relaxed) == 0 {
            self.stalled_since.store(self.clock.now().as_nanos(), Relaxed);
        }
    }

    pub(crate) fn write_moved(&self) {
        if self.stalled_since.load(Relaxed) != 0 {
            self.stalled_since.store(0, Relaxed);
        }
    }

    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// What the sweep finds at `now`.
    pub(crate) fn judge(&self, now: Timestamp, limits: &Limits) -> Order {
        self.swept.store(now.as_nanos(), Relaxed);
        let over = |since: u64, limit| now.since(Timestamp::from_nanos(since)) > limit;
        let stalled = self.stalled_since.load(Relaxed);
        if stalled != 0 && over(stalled, limits.idle) {
            return Order::Abort;
        }
        if self.in_flight.load(Relaxed) > 0 {
            let unread = self.streams.overdue(|since| now.since(since) > limits.idle);
            unread.iter().for_each(AbortHandle::abort);
            return Order::Run;
        }
        let head = self.head_since.load(Relaxed);
        if head != 0 {
            return if over(head, limits.head_time) { Order::Expire } else { Order::Run };
        }
        let idle = self.idle_since.load(Relaxed);
        match over(idle, limits.idle) {
            // It was told to finish, and its peer does not let it.
            true if over(idle, limits.idle + limits.head_time) => Order::Abort,
            true => Order::Finish,
            false => Order::Run,
        }
    }
}

/// One exchange in flight, from its head to the last byte of its answer.
pub(crate) struct InFlight {
    pulse: Arc<Pulse>,
    /// Its place among the streams of its connection (HTTP/2).
    stream: Option<usize>,
    answered: bool,
}

impl InFlight {
    /// The head of the answer is there.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }

    /// HTTP on the connection is over with this exchange, which goes on as something else.
    pub(crate) fn switch(self, to: Switched) {
        self.pulse.switch(to);
    }

    /// The next frame of the answer is asked for.
    pub(crate) fn asked(&self) {
        if let Some(stream) = self.stream {
            self.pulse.streams.asked(stream);
        }
    }

    /// A frame of the answer was handed over.
    pub(crate) fn handed(&self) {
        if let Some(stream) = self.stream {
            self.pulse.streams.handed(stream, Timestamp::from_nanos(self.pulse.swept.load(Relaxed)));
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(stream) = self.stream {
            self.pulse.streams.end(stream);
            if !self.answered {
                self.pulse.gave_up();
            }
        }
        if self.pulse.is_spent() {
            self.pulse.tell(Order::Finish);
        }
        self.pulse.idle_since.store(self.pulse.clock.now().as_nanos(), Relaxed);
        self.pulse.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weft_types::ManualClock;

    use super::*;

    fn pulse() -> (Arc<ManualClock>, Arc<Pulse>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
        let pulse = Arc::new(Pulse::new(Arc::clone(&clock) as Arc<dyn Clock>));
        (clock, pulse)
    }

    fn judged(clock: &ManualClock, pulse: &Pulse) -> Order {
        pulse.judge(clock.now(), &Limits::default())
    }

    #[test]
    fn a_connection_that_says_nothing_expires_and_one_that_was_answered_idles() {
        let (clock, pulse) = pulse();
        clock.advance(Duration::from_secs(10));
        assert_eq!(judged(&clock, &pulse), Order::Run);
        clock.advance(Duration::from_secs(1));
        assert_eq!(judged(&clock, &pulse), Order::Expire);

        let exchange = pulse.begin(false);
        clock.advance(Duration::from_secs(500));
        assert_eq!(judged(&clock, &pulse), Order::Run);
        drop(exchange);
        clock.advance(Duration::from_secs(60));
        assert_eq!(judged(&clock, &pulse), Order::Run);
        pulse.bytes_came(b"G");
        clock.advance(Duration::from_secs(10));
        assert_eq!(judged(&clock, &pulse), Order::Run);
        clock.advance(Duration::from_secs(1));
        assert_eq!(judged(&clock, &pulse), Order::Expire);
        drop(pulse.begin(false));
        clock.advance(Duration::from_secs(61));
        assert_eq!(judged(&clock, &pulse), Order::Finish);
    }

    #[test]
    fn a_peer_that_does_not_read_is_cut_off_even_in_flight() {
        let (clock, pulse) = pulse();
        let _exchange = pulse.begin(false);
        pulse.write_stalled();
        clock.advance(Duration::from_secs(59));
        pulse.write_stalled();
        assert_eq!(judged(&clock, &pulse), Order::Run);
        clock.advance(Duration::from_secs(2));
        assert_eq!(judged(&clock, &pulse), Order::Abort);
        pulse.write_moved();
        assert_eq!(judged(&clock, &pulse), Order::Run);
    }

    #[test]
    fn orders_only_grow() {
        let (_, pulse) = pulse();
        pulse.tell(Order::Abort);
        pulse.tell(Order::Finish);
        assert_eq!(pulse.order(), Order::Abort);
    }
}
