//! From an endpoint to a connection: its name resolved anew each time, one address after the other, TLS where it says.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::client::TlsStream;
use weft_types::Pending;

use crate::tls::Tls;

/// A name that resolves to more addresses than this is tried at the first ones only.
const ADDRESSES_MAX: usize = 8;

/// Why there is no connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the endpoint names no host")]
    NoHost,
    #[error("`{host}` did not resolve: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("`{host}` resolves to no address")]
    NoAddress { host: String },
    #[error("{address} cannot be connected to: {source}")]
    Tcp { address: SocketAddr, source: io::Error },
    #[error("the connection took too long")]
    Timeout,
    #[error("TLS is not set up: {0}")]
    TlsSetup(rustls::Error),
    #[error("`{0}` is no name for a certificate")]
    ServerName(String),
    #[error("TLS failed: {0}")]
    Tls(io::Error),
}

#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) tls: Arc<Tls>,
    pub(crate) patience: Duration,
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
        Box::pin(async move {
            let until = Instant::now() + this.patience;
            timeout_at(until, this.connect(&uri, until)).await.unwrap_or(Err(ConnectError::Timeout))
        })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri, until: Instant) -> Result<Conn, ConnectError> {
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found.map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?;
        let addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress { host: host.to_owned() });
        }
        let tcp = dial(&addresses, until).await?;
        match https {
            false => Ok(Conn::Plain(TokioIo::new(tcp))),
            true => Ok(Conn::Tls(Box::new(TokioIo::new(self.secure(host, tcp).await?)))),
        }
    }

    async fn secure(&self, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, ConnectError> {
        let tls = self.tls.connector().map_err(ConnectError::TlsSetup)?;
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

pub(crate) enum Conn {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Conn {
    fn connected(&self) -> Connected {
        match self {
            Self::Tls(tls) if tls.inner().get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl Read for Conn {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl Write for Conn {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }
}
