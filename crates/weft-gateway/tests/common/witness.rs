//! Who is told of everything, doors that hold their callers, and a clock that tests move.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use weft_gateway::{ConnectionEvent, Observed, Observer};
use weft_traffic::CompiledRoute;
use weft_types::{Class, Clock, Invoke, Timestamp};

use super::door;

/// What was told of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub status: u16,
    pub code: Option<&'static str>,
    pub class: Class,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub complete: bool,
}

impl Seen {
    /// A client that left before the head of its answer.
    pub fn is_gone(&self) -> bool {
        self.status == 499 && self.code == Some("client-gone") && self.class == Class::CallerFault && !self.complete
    }
}

#[derive(Default)]
pub struct Witness {
    pub began: AtomicUsize,
    pub accepted: AtomicUsize,
    pub accept_failed: AtomicUsize,
    pub handshake_failed: AtomicUsize,
    pub refused: Mutex<Vec<&'static str>>,
    ended: Mutex<Vec<Seen>>,
    changed: Notify,
}

impl Witness {
    /// All that was told, once it is `count` requests or more.
    pub async fn seen(&self, count: usize) -> Vec<Seen> {
        self.until(|witness| witness.ended.lock().len() >= count).await;
        assert!(self.began.load(SeqCst) >= count, "each that ended had begun");
        self.ended.lock().clone()
    }

    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            if holds(self) {
                return;
            }
            changed.await;
        }
    }
}

impl Observer for Witness {
    fn began(&self, _: Option<&CompiledRoute>) {
        self.began.fetch_add(1, SeqCst);
    }

    fn request(&self, seen: &Observed<'_>) {
        self.ended.lock().push(Seen {
            status: seen.status.as_u16(),
            code: seen.code.map(|code| code.as_str()),
            class: seen.class,
            bytes_in: seen.bytes_in,
            bytes_out: seen.bytes_out,
            complete: seen.complete,
        });
        self.changed.notify_waiters();
    }

    fn refused(&self, code: weft_types::Code) {
        self.refused.lock().push(code.as_str());
    }

    fn connection(&self, event: ConnectionEvent, _: bool) {
        match event {
            ConnectionEvent::Accepted => self.accepted.fetch_add(1, SeqCst),
            ConnectionEvent::AcceptFailed => self.accept_failed.fetch_add(1, SeqCst),
            ConnectionEvent::HandshakeFailed => self.handshake_failed.fetch_add(1, SeqCst),
            _ => 0,
        };
        self.changed.notify_waiters();
    }
}

/// What the caller of a holding door sees of the calls in it.
pub struct Held {
    entered: mpsc::UnboundedReceiver<()>,
    dropped: mpsc::UnboundedReceiver<()>,
    go: Arc<Notify>,
}

impl Held {
    pub async fn entered(&mut self) {
        self.entered.recv().await.expect("the door is there");
    }

    /// A call was dropped, which is what cancels it.
    pub async fn dropped(&mut self) {
        self.dropped.recv().await.expect("the door is there");
    }

    /// Lets one call go on: it answers 200.
    pub fn answer_one(&self) {
        self.go.notify_one();
    }
}

/// A door that does not answer until told, and leaves the body unread.
pub fn holding() -> (Arc<dyn Invoke>, Held) {
    hold(false)
}

/// The same, but it reads the whole body first.
pub fn holding_read() -> (Arc<dyn Invoke>, Held) {
    hold(true)
}

fn hold(reads: bool) -> (Arc<dyn Invoke>, Held) {
    let (enter, entered) = mpsc::unbounded_channel();
    let (drop, dropped) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let gone = Arc::clone(&go);
    let door = door(move |mut request| {
        let (enter, drop, gone) = (enter.clone(), drop.clone(), Arc::clone(&gone));
        async move {
            let _told = OnDrop(drop);
            if reads {
                let _ = http_body_util::BodyExt::collect(request.body_mut()).await;
            }
            let _ = enter.send(());
            gone.notified().await;
            Ok(http::Response::new(weft_types::empty()))
        }
    });
    (door, Held { entered, dropped, go })
}

struct OnDrop(mpsc::UnboundedSender<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// The time of tokio, which a test may pause.
pub struct TestClock(tokio::time::Instant);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000).saturating_add(self.0.elapsed())
    }
}

/// How long something took, in the time of the test.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = tokio::time::Instant::now();
    (work.await, began.elapsed())
}
