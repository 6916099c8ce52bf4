//! The one queue of log lines, and the thread that writes them: whoever logs never waits for a terminal or a pipe.
//!
//! ```text
//! tracing layer ──┐  bounded by bytes        own thread
//! guest loggers ──┴──► [ queue ] ──held?──► standard error
//! ```

use std::{
    collections::VecDeque,
    io::Write,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// Bytes of lines that wait, the node's own and the guests' apart: a noisy guest cannot push out a warning.
const NODE_BYTES_MAX: usize = 4 << 20;
const GUEST_BYTES_MAX: usize = 8 << 20;
/// The share of one component in the guests' own.
const COMPONENT_BYTES_MAX: usize = 1 << 20;
/// What a waiting line costs beside its text.
const LINE_OVERHEAD: usize = 32;

/// Who logged a line; decides whose share of the queue it uses.
#[derive(Debug, Clone)]
pub(crate) enum From {
    Node,
    Guest(Share),
}

/// Bytes of one component's lines that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Share(Arc<AtomicUsize>);

/// The sending side, cheap to share.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Rung for the writer when there is something to do.
    work: Condvar,
    /// Rung by the writer when all that it took is written.
    idle: Condvar,
}

#[derive(Debug)]
struct State {
    lines: VecDeque<(From, Box<[u8]>)>,
    node_bytes: usize,
    guest_bytes: usize,
    held: bool,
    closed: bool,
    /// The writer is between taking lines and having written them.
    writing: bool,
}

impl State {
    /// Takes room for a line, or says that there is none.
    fn reserve(&mut self, from: &From, bytes: usize) -> bool {
        match from {
            From::Node if self.node_bytes + bytes <= NODE_BYTES_MAX => self.node_bytes += bytes,
            From::Guest(share)
                if self.guest_bytes + bytes <= GUEST_BYTES_MAX
                    && share.0.load(Relaxed) + bytes <= COMPONENT_BYTES_MAX =>
            {
                self.guest_bytes += bytes;
                share.0.fetch_add(bytes, Relaxed);
            }
            _ => return false,
        }
        true
    }

    fn give_back(&mut self, from: &From, bytes: usize) {
        match from {
            From::Node => self.node_bytes -= bytes,
            From::Guest(share) => {
                self.guest_bytes -= bytes;
                share.0.fetch_sub(bytes, Relaxed);
            }
        }
    }

    fn ready(&self) -> bool {
        self.closed || (!self.held && !self.lines.is_empty())
    }

    fn drained(&self) -> bool {
        (self.held || self.lines.is_empty()) && !self.writing
    }
}

impl Queue {
    pub(crate) fn new(held: bool) -> Self {
        let state =
            State { lines: VecDeque::new(), node_bytes: 0, guest_bytes: 0, held, closed: false, writing: false };
        Self { state: Mutex::new(state), work: Condvar::new(), idle: Condvar::new() }
    }

    /// Puts a line, its newline included, or says that it was dropped for want of room.
    pub(crate) fn push(&self, from: From, line: &[u8]) -> bool {
        let mut state = self.lock();
        if !state.reserve(&from, line.len() + LINE_OVERHEAD) {
            return false;
        }
        state.lines.push_back((from, line.into()));
        let first = state.lines.len() == 1 && !state.held;
        drop(state);
        if first {
            self.work.notify_one();
        }
        true
    }

    /// Puts a line before all that wait, whatever the room: for the few words that a command owes its user.
    pub(crate) fn push_first(&self, line: &[u8]) {
        let mut state = self.lock();
        state.node_bytes += line.len() + LINE_OVERHEAD;
        state.lines.push_front((From::Node, line.into()));
        drop(state);
        self.work.notify_one();
    }

    pub(crate) fn hold(&self, held: bool) {
        self.lock().held = held;
        self.work.notify_one();
    }

    /// Waits until what was put before is written, or the time is over. `false` if it is.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut state = self.lock();
        while !state.drained() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.idle.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// No more lines; the writer ends when the rest is written, held or not.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.held = false;
        drop(state);
        self.work.notify_one();
    }

    /// Starts the thread that writes lines to `out`. It ends after [`Self::close`].
    pub(crate) fn spawn_writer(
        self: &Arc<Self>,
        out: impl Write + Send + 'static,
    ) -> std::io::Result<thread::JoinHandle<()>> {
        let queue = Arc::clone(self);
        thread::Builder::new().name("weft-log".to_owned()).spawn(move || queue.write_all(out))
    }

    fn write_all(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        while let Some(lines) = self.take() {
            batch.clear();
            lines.iter().for_each(|(_, line)| batch.extend_from_slice(line));
            // Nobody is left to be told that standard error is gone.
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            batch.shrink_to(1 << 16);
            self.written(&lines);
        }
    }

    /// Everything that waits; `None` when closed and empty.
    fn take(&self) -> Option<VecDeque<(From, Box<[u8]>)>> {
        let mut state = self.lock();
        while !state.ready() {
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writing = !state.lines.is_empty();
        let lines = std::mem::take(&mut state.lines);
        (!lines.is_empty()).then_some(lines)
    }

    /// Room is given back only now: what is being written still counts.
    fn written(&self, lines: &VecDeque<(From, Box<[u8]>)>) {
        let mut state = self.lock();
        for (from, line) in lines {
            state.give_back(from, line.len() + LINE_OVERHEAD);
        }
        state.writing = false;
        drop(state);
        self.idle.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A writer that a test can read and stop.
    struct Pipe {
        seen: mpsc::Sender<Vec<u8>>,
        gate: Option<mpsc::Receiver<()>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.seen.send(bytes.to_vec()).ok();
            if let Some(gate) = &self.gate {
                gate.recv().ok();
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn held_lines_come_after_what_is_said_first() {
        let queue = Arc::new(Queue::new(true));
        let (seen, read) = mpsc::channel();
        let writer = queue.spawn_writer(Pipe { seen, gate: None }).unwrap();
        assert!(queue.push(From::Node, b"one\n"));
        assert!(queue.push(From::Guest(Share::default()), b"two\n"));
        queue.push_first(b"http://127.0.0.1:3000\n");
        queue.hold(false);
        queue.close();
        writer.join().unwrap();
        let all: Vec<u8> = read.into_iter().flatten().collect();
        assert_eq!(String::from_utf8(all).unwrap(), "http://127.0.0.1:3000\none\ntwo\n");
    }

    #[test]
    fn a_stuck_pipe_holds_up_nobody_and_bounds_what_waits() {
        let queue = Arc::new(Queue::new(false));
        let (seen, read) = mpsc::channel();
        let (open, gate) = mpsc::channel();
        let writer = queue.spawn_writer(Pipe { seen, gate: Some(gate) }).unwrap();
        let line = vec![b'x'; 1 << 16];
        let noisy = From::Guest(Share::default());
        assert!(queue.push(noisy.clone(), &line));
        read.recv().unwrap();
        // The writer stands in its pipe now; what it writes still counts.
        let kept = (0..1000).filter(|_| queue.push(noisy.clone(), &line)).count();
        assert_eq!(kept + 1, COMPONENT_BYTES_MAX / (line.len() + LINE_OVERHEAD));
        let others = || From::Guest(Share::default());
        assert!(queue.push(others(), &line), "a component leaves the others their share");
        let kept = kept + 2 + (0..1000).filter(|_| queue.push(others(), &line)).count();
        assert_eq!(kept, GUEST_BYTES_MAX / (line.len() + LINE_OVERHEAD));
        assert!(queue.push(From::Node, b"warning\n"), "guests leave the node its share");
        assert!(!queue.flush(Duration::ZERO));
        drop(open);
        assert!(queue.flush(LONG));
        assert!(queue.push(noisy, &line), "room is given back");
        queue.close();
        writer.join().unwrap();
    }

    #[test]
    fn closing_writes_even_what_is_held() {
        let queue = Arc::new(Queue::new(true));
        let (seen, read) = mpsc::channel();
        let writer = queue.spawn_writer(Pipe { seen, gate: None }).unwrap();
        queue.push(From::Node, b"why it failed\n");
        assert!(queue.flush(LONG), "held lines are not waited for");
        queue.close();
        writer.join().unwrap();
        assert_eq!(read.into_iter().flatten().collect::<Vec<u8>>(), b"why it failed\n");
    }
}
