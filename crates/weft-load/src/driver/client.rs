//! The connections: an HTTP/1.1 connection serves one request at a time, an HTTP/2 one many.

use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::{
    client::legacy::connect::Connection,
    rt::{TokioExecutor, TokioTimer},
};
use parking_lot::Mutex;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};
use weft_dial::{Conn, DialError};

use super::{
    CONNECTIONS_HTTP1, CONNECTIONS_HTTP2, Options,
    target::{Target, TargetError},
};

pub(super) type Message = http::Request<Full<Bytes>>;
type Http1 = http1::SendRequest<Full<Bytes>>;
type Http2 = http2::SendRequest<Full<Bytes>>;

/// Connections to one target.
pub(super) struct Client {
    target: Target,
    connections: usize,
    pool: Pool,
}

enum Pool {
    /// Idle ones, the last used on top. Who holds a place holds at most one more.
    Http1(Mutex<Vec<Http1>>),
    /// Each opened when it is first needed, and again when it broke.
    Http2(Vec<Slot>),
}

#[derive(Default)]
struct Slot {
    connection: AsyncMutex<Option<Http2>>,
    in_flight: Mutex<usize>,
}

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum SendError {
    Dial(DialError),
    Http(hyper::Error),
}

/// A head, and what is held until its body has ended.
pub(super) struct Answer<'a> {
    pub(super) response: http::Response<Incoming>,
    held: Held<'a>,
}

enum Held<'a> {
    Http1(&'a Mutex<Vec<Http1>>, Http1),
    Http2(#[expect(dead_code, reason = "counted until it is dropped")] InFlight<'a>),
}

/// A place on an HTTP/2 connection.
struct InFlight<'a>(&'a Slot);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        *self.0.in_flight.lock() -= 1;
    }
}

impl Client {
    pub(super) async fn connect(target: Target, options: &Options) -> Result<Self, TargetError> {
        let conn = target.open(Instant::now() + options.timeout).await?;
        let http2_spoken = target.prior_http2() || conn.connected().is_negotiated_h2();
        let presumed = if http2_spoken { CONNECTIONS_HTTP2 } else { CONNECTIONS_HTTP1 };
        let connections = options.connections.unwrap_or(presumed).max(1);
        let pool = if http2_spoken {
            let slots: Vec<Slot> = (0..connections).map(|_| Slot::default()).collect();
            *slots[0].connection.lock().await = Some(http2(conn).await.map_err(TargetError::Handshake)?);
            Pool::Http2(slots)
        } else {
            // Of HTTP/1.1 the handshake says nothing to the server.
            Pool::Http1(Mutex::new(vec![http1(conn).await.map_err(TargetError::Handshake)?]))
        };
        Ok(Self { target, connections, pool })
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn speaks_http2(&self) -> bool {
        matches!(self.pool, Pool::Http2(_))
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Sends one request; the answer's head. A connection that turns out to be closed is replaced once, if nothing was
    /// sent on it.
    pub(super) async fn send(&self, mut message: Message, until: Instant) -> Result<Answer<'_>, SendError> {
        match &self.pool {
            Pool::Http1(idle) => loop {
                let reused = idle.lock().pop();
                let (mut connection, fresh) = match reused {
                    Some(connection) => (connection, false),
                    None => (self.dial(until, http1).await?, true),
                };
                if connection.ready().await.is_err() && !fresh {
                    continue;
                }
                match connection.try_send_request(message).await {
                    Ok(response) => return Ok(Answer { response, held: Held::Http1(idle, connection) }),
                    Err(error) => message = again(error, fresh)?,
                }
            },
            Pool::Http2(slots) => {
                let slot = least_used(slots);
                let held = InFlight(slot);
                loop {
                    let (mut connection, fresh) = self.multiplexed(slot, until).await?;
                    match connection.try_send_request(message).await {
                        Ok(response) => return Ok(Answer { response, held: Held::Http2(held) }),
                        Err(error) => {
                            message = again(error, fresh)?;
                            *slot.connection.lock().await = None;
                        }
                    }
                }
            }
        }
    }

    async fn multiplexed(&self, slot: &Slot, until: Instant) -> Result<(Http2, bool), SendError> {
        let mut connection = slot.connection.lock().await;
        if let Some(open) = connection.as_ref().filter(|open| !open.is_closed()) {
            return Ok((open.clone(), false));
        }
        let open = self.dial(until, http2).await?;
        *connection = Some(open.clone());
        Ok((open, true))
    }

    async fn dial<T, F>(&self, until: Instant, handshake: impl FnOnce(Conn) -> F) -> Result<T, SendError>
    where
        F: Future<Output = hyper::Result<T>>,
    {
        let conn = self.target.open(until).await.map_err(SendError::Dial)?;
        handshake(conn).await.map_err(SendError::Http)
    }
}

impl Answer<'_> {
    /// The whole answer was read: its connection serves the next.
    pub(super) fn done(self) {
        if let Held::Http1(idle, connection) = self.held
            && !connection.is_closed()
        {
            idle.lock().push(connection);
        }
    }
}

/// The message back, if it can be sent once more: it never left, and the connection was not a fresh one.
fn again(mut error: TrySendError<Message>, fresh: bool) -> Result<Message, SendError> {
    match error.take_message() {
        Some(message) if !fresh => Ok(message),
        _ => Err(SendError::Http(error.into_error())),
    }
}

/// Takes a place on the connection that has the fewest.
fn least_used(slots: &[Slot]) -> &Slot {
    let slot = slots.iter().min_by_key(|slot| *slot.in_flight.lock()).expect("at least one");
    *slot.in_flight.lock() += 1;
    slot
}

async fn http1(conn: Conn) -> hyper::Result<Http1> {
    let (send, connection) = http1::handshake(conn).await?;
    // Ends when the connection does: closed by the server, or dropped by us.
    tokio::spawn(connection);
    Ok(send)
}

async fn http2(conn: Conn) -> hyper::Result<Http2> {
    let (send, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .handshake(conn)
        .await?;
    tokio::spawn(connection);
    Ok(send)
}
