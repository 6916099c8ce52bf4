//! Lanes: one thread for each core, each with an event loop of its own. A connection lives on one of them.
//!
//! On a work-stealing runtime a request's bytes, its guest and its answer wander between cores, and each handover
//! costs a wake-up; for requests of some microseconds that was half of all the time spent. On a lane a connection is
//! read, served and written by one thread. Two things keep a lane from being held up: connections go where the fewest
//! are, and a guest that computes for long is moved off its lane by the host.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use tokio::{
    net::TcpStream,
    runtime,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// Threads for blocking work that a lane may start; what blocks for long belongs elsewhere.
const BLOCKING_MAX: usize = 32;

/// What a lane is given to begin. Bounded by the listeners' cap on connections.
type Begin = Box<dyn FnOnce() + Send>;

/// The threads that serve connections. They end when this is dropped, and what they serve with them.
pub struct Lanes {
    lanes: Vec<Lane>,
    turn: AtomicUsize,
}

struct Lane {
    inbox: UnboundedSender<Begin>,
    connections: Arc<AtomicUsize>,
}

/// A connection's place on its lane.
struct Seat(Arc<AtomicUsize>);

impl Lanes {
    /// Starts `count` of them, at least one.
    pub fn start(count: usize) -> io::Result<Arc<Self>> {
        let lanes = (0..count.max(1)).map(Lane::start).collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { lanes, turn: AtomicUsize::new(0) }))
    }

    /// Serves a connection on the lane that has the fewest.
    pub(crate) fn serve<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(%error, "a connection cannot be handed to a lane"),
        };
        let lane = self.emptiest();
        lane.connections.fetch_add(1, Relaxed);
        let seat = Seat(Arc::clone(&lane.connections));
        let begin = move || match TcpStream::from_std(stream) {
            Ok(stream) => {
                let serving = serve(stream);
                tokio::spawn(async move {
                    serving.await;
                    drop(seat);
                });
            }
            Err(error) => tracing::warn!(%error, "a connection cannot be served by its lane"),
        };
        // A lane ends only with all of them.
        let _ = lane.inbox.send(Box::new(begin));
    }

    /// Equal ones take turns.
    fn emptiest(&self) -> &Lane {
        let turn = self.turn.fetch_add(1, Relaxed);
        let all = self.lanes.len();
        let lanes = (0..all).map(|at| &self.lanes[(turn + at) % all]);
        lanes.min_by_key(|lane| lane.connections.load(Relaxed)).unwrap_or(&self.lanes[0])
    }
}

impl Lane {
    fn start(number: usize) -> io::Result<Self> {
        let (inbox, begins) = unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_MAX).build()?;
        thread::Builder::new().name(format!("weft-lane-{number}")).spawn(move || {
            weft_types::number_thread(number);
            runtime.block_on(run(begins));
        })?;
        Ok(Self { inbox, connections: Arc::default() })
    }
}

async fn run(mut begins: UnboundedReceiver<Begin>) {
    while let Some(begin) = begins.recv().await {
        begin();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpListener, sync::oneshot};

    use super::*;

    #[tokio::test]
    async fn connections_go_where_the_fewest_are_and_end_with_their_lanes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let lanes = Lanes::start(2).expect("threads");
        let mut clients = Vec::new();
        let mut threads = Vec::new();
        for _ in 0..4 {
            clients.push(TcpStream::connect(address).await.expect("it listens"));
            let (stream, _) = listener.accept().await.expect("a client");
            let (tell, told) = oneshot::channel();
            lanes.serve(stream, async move |mut stream: TcpStream| {
                let _ = tell.send(thread::current().name().map(str::to_owned));
                let _ = stream.read_u8().await;
            });
            threads.push(told.await.expect("served").expect("lanes have names"));
        }
        threads.sort();
        assert_eq!(threads, ["weft-lane-0", "weft-lane-0", "weft-lane-1", "weft-lane-1"]);
        drop(lanes);
        for mut client in clients {
            assert_eq!(client.read(&mut [0]).await.unwrap_or_default(), 0, "closed with its lane");
        }
    }
}
