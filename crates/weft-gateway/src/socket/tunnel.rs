//! Bytes between a client and a service that have agreed on a protocol of their own: copied, counted, bounded in time.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};
use weft_types::{Code, code};

use super::{Limits, Socket};
use crate::pulse::{Order, Pulse};

/// Read at once. On the stack: a socket that says nothing holds no buffer.
const CHUNK: usize = 16 << 10;

/// Copies both ways until both have ended, either breaks, or it has taken too long. Why it ended, unless in peace.
///
/// `early` was sent by the client before the service had agreed. Each direction ends by itself, and goes on while the
/// other has ended.
pub(crate) async fn run<A, B>(
    mut client: A,
    early: Bytes,
    mut service: B,
    socket: &Socket,
    pulse: &Pulse,
) -> Option<Code>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    socket.came(early.len());
    let (mut up, mut down) = (Lane { left: early, ..Lane::default() }, Lane::default());
    let mut patience = Patience::new(socket.limits);
    poll_fn(|cx| {
        pulse.listen(cx.waker());
        if pulse.order() == Order::Abort {
            return Poll::Ready(Some(code::DRAINING));
        }
        let (sent, answered) = (up.copied, down.copied);
        let ups = up.poll(cx, Pin::new(&mut client), Pin::new(&mut service));
        let downs = down.poll(cx, Pin::new(&mut service), Pin::new(&mut client));
        socket.came(up.copied - sent);
        socket.left(down.copied - answered);
        match (ups, downs) {
            // Whoever has said its last word may hang up on what still comes.
            (Poll::Ready(Err(Side::To)), _) if down.over => Poll::Ready(None),
            (Poll::Ready(Err(Side::From)), _) | (_, Poll::Ready(Err(Side::To))) => Poll::Ready(Some(code::CLIENT_GONE)),
            (Poll::Ready(Err(Side::To)), _) | (_, Poll::Ready(Err(Side::From))) => {
                Poll::Ready(Some(code::UPSTREAM_LOST))
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(None),
            _ => patience.poll(cx, (up.copied, down.copied) != (sent, answered)).map(Some),
        }
    })
    .await
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// Read, and not yet written.
    left: Bytes,
    copied: usize,
    /// Written, and perhaps not yet sent.
    unflushed: bool,
    /// Nothing more comes.
    ended: bool,
    /// And whoever reads it has been told.
    over: bool,
}

/// Which end of a direction broke.
#[derive(Debug, PartialEq)]
enum Side {
    From,
    To,
}

impl Lane {
    fn poll<F, T>(&mut self, cx: &mut Context<'_>, mut from: Pin<&mut F>, mut to: Pin<&mut T>) -> Poll<Result<(), Side>>
    where
        F: AsyncRead,
        T: AsyncWrite,
    {
        while !self.over {
            ready!(self.write(cx, to.as_mut())).map_err(|_| Side::To)?;
            if self.ended {
                // A service that has hung up needs not be told.
                let _ = ready!(to.as_mut().poll_shutdown(cx));
                self.over = true;
                break;
            }
            match self.read(cx, from.as_mut(), to.as_mut()) {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    if self.unflushed {
                        ready!(to.as_mut().poll_flush(cx)).map_err(|_| Side::To)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn write<T: AsyncWrite>(&mut self, cx: &mut Context<'_>, mut to: Pin<&mut T>) -> Poll<io::Result<()>> {
        while self.left.has_remaining() {
            match ready!(to.as_mut().poll_write(cx, &self.left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.left.advance(n),
            }
            self.unflushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once, and writes as much of it as is taken at once. What is not is kept, and nothing more read before it
    /// has gone.
    fn read<F, T>(&mut self, cx: &mut Context<'_>, from: Pin<&mut F>, to: Pin<&mut T>) -> Poll<Result<(), Side>>
    where
        F: AsyncRead,
        T: AsyncWrite,
    {
        let mut space = [MaybeUninit::uninit(); CHUNK];
        let mut chunk = ReadBuf::uninit(&mut space);
        ready!(from.poll_read(cx, &mut chunk)).map_err(|_| Side::From)?;
        let chunk = chunk.filled();
        self.ended = chunk.is_empty();
        self.copied += chunk.len();
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let taken = match to.poll_write(cx, chunk) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(_)) => return Poll::Ready(Err(Side::To)),
            Poll::Pending => 0,
        };
        self.unflushed |= taken > 0;
        self.left = Bytes::copy_from_slice(&chunk[taken..]);
        Poll::Ready(Ok(()))
    }
}

/// How long nothing may move, and how long it may last.
struct Patience {
    limits: Limits,
    end: Instant,
    moved: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let end = now + limits.lifetime;
        let timer = Box::pin(tokio::time::sleep_until(end.min(now + limits.idle)));
        Self { limits, end, moved: now, timer }
    }

    /// The timer is not moved with every byte: when it is due, it is asked what has moved since.
    fn poll(&mut self, cx: &mut Context<'_>, moved: bool) -> Poll<Code> {
        if moved {
            self.moved = Instant::now();
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let due = self.moved + self.limits.idle;
            let now = Instant::now();
            match (now >= self.end, now >= due) {
                (true, _) => return Poll::Ready(code::LIFETIME_EXCEEDED),
                (_, true) => return Poll::Ready(code::IDLE_TIMEOUT),
                _ => self.timer.as_mut().reset(due.min(self.end)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use weft_types::SystemClock;

    use super::*;

    const LIMITS: Limits = Limits { idle: Duration::from_secs(60), lifetime: Duration::from_secs(600) };

    /// How a tunnel ends.
    type Ends = tokio::task::JoinHandle<(Option<Code>, (u64, u64))>;

    /// Both far ends of a tunnel, and how it ends.
    fn tunnel(early: &'static [u8]) -> (DuplexStream, DuplexStream, Arc<Pulse>, Ends) {
        let (client, ours) = duplex(64);
        let (theirs, service) = duplex(64);
        let pulse = Arc::new(Pulse::new(Arc::new(SystemClock::new())));
        let told = Arc::clone(&pulse);
        let task = tokio::spawn(async move {
            let socket = Socket::new(LIMITS);
            let ended = run(ours, Bytes::from_static(early), theirs, &socket, &told).await;
            (ended, socket.bytes())
        });
        (client, service, pulse, task)
    }

    #[tokio::test]
    async fn each_direction_ends_by_itself_and_nothing_is_lost() {
        let (mut client, mut service, _, ended) = tunnel(b"early ");
        client.write_all(b"and late").await.expect("sent");
        client.shutdown().await.expect("half closed");
        let mut came = String::new();
        service.read_to_string(&mut came).await.expect("read");
        assert_eq!(came, "early and late");
        let long = vec![7; 100_000];
        let sent = long.clone();
        let answer = tokio::spawn(async move { service.write_all(&sent).await });
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.expect("read");
        answer.await.expect("ran").expect("sent");
        assert!(back == long);
        assert_eq!(ended.await.expect("ran"), (None, (14, 100_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_nothing_moves_and_however_much_moves() {
        let (_client, _service, _, ended) = tunnel(b"");
        assert_eq!(ended.await.expect("ran").0, Some(code::IDLE_TIMEOUT));

        let (mut client, mut service, _, ended) = tunnel(b"");
        let from = Instant::now();
        let talk = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(50)).await;
            }
        });
        let listen = tokio::spawn(async move { service.read_to_end(&mut Vec::new()).await });
        assert_eq!(ended.await.expect("ran").0, Some(code::LIFETIME_EXCEEDED));
        assert!(from.elapsed() >= LIMITS.lifetime);
        talk.await.expect("ran");
        let _ = listen.await.expect("ran");
    }

    #[tokio::test]
    async fn a_drain_that_has_no_patience_left_ends_it() {
        let (_client, _service, pulse, ended) = tunnel(b"");
        pulse.tell(Order::Finish);
        assert!(!ended.is_finished());
        pulse.tell(Order::Abort);
        assert_eq!(ended.await.expect("ran").0, Some(code::DRAINING));
    }

    #[tokio::test]
    async fn whoever_hangs_up_in_the_middle_is_named() {
        let (client, mut service, _, ended) = tunnel(b"");
        drop(client);
        let mut rest = Vec::new();
        service.read_to_end(&mut rest).await.expect("its end is passed on");
        service.write_all(b"to nobody").await.expect("sent");
        assert_eq!(ended.await.expect("ran").0, Some(code::CLIENT_GONE));
    }
}
