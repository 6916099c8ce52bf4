//! One connection from its first byte to its last: which protocol it speaks, then hyper, then closing in peace.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use weft_types::code;

use crate::{
    Limits,
    flow::Flow,
    handler::{Handler, Peer, Refuse},
    io::Io,
    pulse::{InFlight, Order, Pulse},
    socket::{Switch, Switched, tunnel},
    streams::Spawn,
};

/// How every HTTP/2 connection begins, and no HTTP/1 request can.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// After an early answer, how much and how long the peer may still send before the socket closes under it.
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(1);

/// What every connection of a listener shares.
pub(crate) struct Shared<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) limits: Limits,
}

/// Serves one connection until it ends, or is told to. `agreed` is whether ALPN chose HTTP/2, if it chose at all.
pub(crate) async fn serve<S, H>(stream: S, peer: Peer, agreed: Option<bool>, shared: Arc<Shared<H>>, pulse: Arc<Pulse>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let mut stream = stream;
    let (h2, first) = match agreed {
        Some(h2) => (h2, Bytes::new()),
        None => {
            let mut read = BytesMut::with_capacity(4096);
            match until_told(&pulse, sniff(&mut stream, &mut read)).await {
                Some(Ok(h2)) => (h2, read.freeze()),
                None if pulse.order() == Order::Expire && !read.is_empty() => {
                    return time_out(stream, &*shared.handler, &pulse).await;
                }
                Some(Err(_)) | None => return,
            }
        }
    };
    let refuse = Arc::clone(&shared.handler) as Arc<dyn Refuse>;
    let io = Io::new(stream, first, Arc::clone(&pulse), refuse, h2);
    match h2 {
        true => serve_h2(io, peer, &shared, &pulse).await,
        false => serve_h1(io, peer, &shared, &pulse).await,
    }
}

/// Runs `work` unless the connection is told to end first. Before a request has been read, every order means that.
pub(crate) async fn until_told<T>(pulse: &Pulse, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    poll_fn(|cx| {
        pulse.listen(cx.waker());
        if pulse.order() != Order::Run {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Reads until the bytes are the preface of HTTP/2, or cannot become it.
async fn sniff<S: AsyncRead + Unpin>(stream: &mut S, read: &mut BytesMut) -> std::io::Result<bool> {
    loop {
        if stream.read_buf(read).await? == 0 {
            return Ok(false);
        }
        let n = read.len().min(PREFACE.len());
        if read[..n] != PREFACE[..n] || n == PREFACE.len() {
            return Ok(read[..n] == PREFACE[..n]);
        }
    }
}

/// The head did not come in time: says so, and closes.
async fn time_out<S: AsyncRead + AsyncWrite + Unpin, R: Refuse + ?Sized>(mut stream: S, refuse: &R, pulse: &Pulse) {
    let answer = refuse.refuse(code::REQUEST_TIMEOUT, pulse.now());
    let sent = tokio::time::timeout(LINGER, stream.write_all(&answer)).await;
    if sent.is_ok_and(|sent| sent.is_ok()) {
        pulse.leave_unread();
        close(stream, pulse).await;
    }
}

async fn serve_h1<S, H>(io: Io<S>, peer: Peer, shared: &Shared<H>, pulse: &Arc<Pulse>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let mut builder = http1::Builder::new();
    // Time is kept by the pulse; hyper's own timer would be re-armed for every head.
    builder.header_read_timeout(None).max_header_size(shared.limits.head_bytes);
    builder.max_buf_size(shared.limits.head_bytes.max(64 * 1024));
    if shared.limits.headers != 100 {
        builder.max_headers(shared.limits.headers);
    }
    let service = service(&shared.handler, peer, pulse, false);
    let service = service_fn(move |request| exchange(service.take(request)));
    let mut conn = builder.serve_connection(TokioIo::new(io), service);
    let (mut listening, mut finishing) = (false, false);
    let ended = poll_fn(|cx| {
        match heed(pulse, &mut listening, cx) {
            Order::Run => {}
            Order::Finish => {
                if !std::mem::replace(&mut finishing, true) {
                    Pin::new(&mut conn).graceful_shutdown();
                }
            }
            last => return Poll::Ready(Err(last)),
        }
        Pin::new(&mut conn).poll(cx).map(Ok)
    })
    .await;
    let parts = conn.into_parts();
    let stream = parts.io.into_inner();
    if let Some(switched) = pulse.switched() {
        if matches!(ended, Ok(Ok(()))) {
            go_on(stream, parts.read_buf, *switched, pulse).await;
        }
        return;
    }
    match ended {
        Ok(Ok(())) => close(stream.into_stream(), pulse).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, "connection failed");
            if error.is_parse() {
                pulse.leave_unread();
                close(stream.into_stream(), pulse).await;
            }
        }
        Err(Order::Expire) if stream.has_read() => {
            time_out(stream.into_stream(), &*shared.handler, pulse).await;
        }
        Err(_) => {}
    }
}

/// HTTP on the connection is over, and the two who have agreed on it speak for themselves.
async fn go_on<S>(stream: Io<S>, read: Bytes, switched: Switched, pulse: &Arc<Pulse>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _busy = pulse.begin(false);
    let (stream, unseen) = stream.into_parts();
    let early = if unseen.is_empty() { read } else { [read, unseen].concat().into() };
    let Some(service) = switched.socket.service() else { return };
    let ended = tunnel::run(stream, early, TokioIo::new(service), &switched.socket, pulse).await;
    switched.socket.end(ended);
}

async fn serve_h2<S, H>(io: Io<S>, peer: Peer, shared: &Shared<H>, pulse: &Arc<Pulse>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    pulse.established();
    let mut builder = http2::Builder::new(Spawn(Arc::clone(pulse)));
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(shared.limits.streams)
        .max_header_list_size(u32::try_from(shared.limits.head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(256 * 1024);
    let service = service(&shared.handler, peer, pulse, true);
    let service = service_fn(move |request| exchange(service.take(request)));
    let conn = builder.serve_connection(TokioIo::new(io), service);
    let mut conn = std::pin::pin!(conn);
    let (mut listening, mut finishing) = (false, false);
    let ended = poll_fn(|cx| {
        match heed(pulse, &mut listening, cx) {
            Order::Run => {}
            Order::Finish | Order::Expire => {
                if !std::mem::replace(&mut finishing, true) {
                    conn.as_mut().graceful_shutdown();
                }
            }
            Order::Abort => return Poll::Ready(Ok(())),
        }
        conn.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "connection failed");
    }
}

/// The order of the moment. A spawned task's waker never changes, so registering it once is enough until an order
/// has used it up; a greater order may follow.
fn heed(pulse: &Pulse, listening: &mut bool, cx: &Context<'_>) -> Order {
    if *listening && pulse.order() == Order::Run {
        return Order::Run;
    }
    *listening = true;
    pulse.listen(cx.waker());
    pulse.order()
}

/// Counts the exchange in flight until the last byte of its answer, and hands the request on.
fn service<H: Handler>(handler: &Arc<H>, peer: Peer, pulse: &Arc<Pulse>, h2: bool) -> Service<H> {
    Service { handler: Arc::clone(handler), peer, memo: RefCell::default(), pulse: Arc::clone(pulse), h2 }
}

struct Service<H: Handler> {
    handler: Arc<H>,
    peer: Peer,
    memo: RefCell<H::Memo>,
    pulse: Arc<Pulse>,
    h2: bool,
}

impl<H: Handler> Service<H> {
    /// `None`: nothing more can be read of this connection, which ends.
    fn take(&self, request: Request<Incoming>) -> Option<(Arc<H>, H::Taken, InFlight)> {
        if self.pulse.is_spent() {
            self.pulse.tell(Order::Abort);
            return None;
        }
        let guard = self.pulse.begin(self.h2);
        if !request.body().is_end_stream() {
            self.pulse.leave_unread();
        }
        let taken = self.handler.take(&self.peer, &mut self.memo.borrow_mut(), request);
        Some((Arc::clone(&self.handler), taken, guard))
    }
}

async fn exchange<H: Handler>(
    taken: Option<(Arc<H>, H::Taken, InFlight)>,
) -> Result<Response<Flow<H::Body>>, Infallible> {
    let Some((handler, taken, guard)) = taken else { return std::future::pending().await };
    let mut answer = handler.answer(taken).await;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(Switch(socket)) = answer.extensions_mut().remove()
    {
        let (head, body) = answer.into_parts();
        guard.switch(Switched { socket, _answer: Box::new(body) });
        return Ok(Response::from_parts(head, Flow::none()));
    }
    Ok(answer.map(|body| Flow::new(body, guard)))
}

/// The peer is told that nothing more comes; if it may still be sending, it is heard out for a moment, because a
/// socket closed over unread bytes resets the connection, and the answer may be lost with it.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, pulse: &Pulse) {
    if !pulse.has_unread() {
        return;
    }
    // Done already where hyper ended in peace; once more does no harm.
    let _ = stream.shutdown().await;
    let drained = async {
        let mut sink = BytesMut::with_capacity(16 * 1024);
        let mut left = LINGER_BYTES;
        while left > 0 {
            sink.clear();
            match stream.read_buf(&mut sink).await {
                Ok(0) | Err(_) => return,
                Ok(n) => left = left.saturating_sub(n),
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drained).await;
}
