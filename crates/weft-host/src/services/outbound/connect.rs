//! From a name to a connection: resolve, judge each address, connect to what was judged, speak TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use tokio_rustls::client::TlsStream;
use weft_types::Pending;

use super::{Outbound, OutboundRules};

/// A name that resolves to more addresses than this is tried at the first ones only.
const ADDRESSES_MAX: usize = 8;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the URI names no host")]
    NoHost,
    #[error("`{host}` did not resolve: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("`{host}` resolves to no address")]
    NoAddress { host: String },
    #[error("`{host}` is at the private address {address}")]
    Prohibited { host: String, address: IpAddr },
    #[error("{address} cannot be connected to: {source}")]
    Tcp { address: SocketAddr, source: io::Error },
    #[error("the connection took too long")]
    Timeout,
    #[error("too many connections are open")]
    TooMany,
    #[error("TLS is not set up: {0}")]
    TlsSetup(rustls::Error),
    #[error("`{0}` is no name for a certificate")]
    ServerName(String),
    #[error("TLS failed: {0}")]
    Tls(io::Error),
}

#[derive(Clone)]
pub(super) struct Connector {
    outbound: Arc<Outbound>,
    rules: Arc<dyn OutboundRules>,
}

impl Connector {
    pub(super) fn new(outbound: Arc<Outbound>, rules: Arc<dyn OutboundRules>) -> Self {
        Self { outbound, rules }
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Conn;
    type Error = ConnectError;
    type Future = Pending<'static, Result<Conn, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.connect(&uri).await })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<Conn, ConnectError> {
        // The request that waits has a limit of its own; this one is for connecting that outlives it for the pool.
        let until = Instant::now() + self.outbound.options.connect_timeout.max(Duration::from_millis(1)) * 3;
        let https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let permit = timeout_at(until, Arc::clone(&self.outbound.connections).acquire_owned());
        let permit = permit.await.map_err(|_| ConnectError::TooMany)?.map_err(|_| ConnectError::TooMany)?;
        let addresses = timeout_at(until, self.addresses(host, port)).await.map_err(|_| ConnectError::Timeout)??;
        let tcp = dial(&addresses, until).await?;
        let stream = match https {
            false => Stream::Plain(TokioIo::new(tcp)),
            true => {
                let tls = timeout_at(until, self.secure(host, tcp)).await.map_err(|_| ConnectError::Timeout)??;
                Stream::Tls(Box::new(TokioIo::new(tls)))
            }
        };
        Ok(Conn { stream, _permit: permit })
    }

    /// The addresses of `host` that may be connected to. An address written out needs no resolver.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let resolved = self.outbound.options.resolver.resolve(host, port).await;
                resolved.map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?
            }
        };
        let Some(first) = found.first() else { return Err(ConnectError::NoAddress { host: host.to_owned() }) };
        let prohibited = ConnectError::Prohibited { host: host.to_owned(), address: first.ip() };
        // The port is ours to say, whatever a resolver answers.
        let judged = found.iter().filter(|found| self.rules.allows_address(host, found.ip()));
        let judged: Vec<_> = judged.map(|found| SocketAddr::new(found.ip(), port)).take(ADDRESSES_MAX).collect();
        if judged.is_empty() { Err(prohibited) } else { Ok(judged) }
    }

    async fn secure(&self, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, ConnectError> {
        let tls = self.outbound.tls.connector().map_err(ConnectError::TlsSetup)?;
        let name = ServerName::try_from(host.strip_suffix('.').unwrap_or(host).to_owned());
        let name = name.map_err(|_| ConnectError::ServerName(host.to_owned()))?;
        tls.connect(name, tcp).await.map_err(ConnectError::Tls)
    }
}

/// Tries one address after the other, each with its share of the time that is left.
async fn dial(addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, ConnectError> {
    let mut last = ConnectError::Timeout;
    for (tried, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                let _ = tcp.set_nodelay(true); // only slower without
                return Ok(tcp);
            }
            Ok(Err(source)) => last = ConnectError::Tcp { address: *address, source },
            Err(_) => last = ConnectError::Timeout,
        }
    }
    Err(last)
}

/// A connection, counted for as long as it is open.
pub(super) struct Conn {
    stream: Stream,
    _permit: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Conn {
    fn connected(&self) -> Connected {
        match &self.stream {
            Stream::Tls(tls) if tls.inner().get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl Read for Conn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl Write for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }
}
