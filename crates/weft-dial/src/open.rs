//! Opening a connection: where to, by which address, and whether it is secured.

use std::{io, net::SocketAddr};

use http::{Uri, uri::Scheme};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::client::TlsStream;

use crate::{conn::Stream, tls::Tls};

/// A name that resolves to more addresses than this is tried at the first ones only.
pub const ADDRESSES_MAX: usize = 8;

/// Why there is no connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the URI names no host")]
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

/// Where a URI leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Without brackets and port.
    pub host: &'a str,
    /// That of the scheme where none is said.
    pub port: u16,
    pub https: bool,
}

impl<'a> Place<'a> {
    /// `None`: it names no host.
    pub fn of(uri: &'a Uri) -> Option<Self> {
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().filter(|host| !host.is_empty())?;
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        Some(Self { host, port: uri.port_u16().unwrap_or(if https { 443 } else { 80 }), https })
    }
}

/// Connects to `place` at the first of `addresses` that answers, and speaks TLS where the place says so.
///
/// `tls` proves who is there by the platform's authorities. Ends at `until`, whatever happens.
pub async fn open(place: Place<'_>, addresses: &[SocketAddr], tls: &Tls, until: Instant) -> Result<Stream, DialError> {
    let tcp = dial(addresses, until).await?;
    if !place.https {
        return Ok(Stream::Plain(TokioIo::new(tcp)));
    }
    let secured = timeout_at(until, secure(place.host, tcp, tls)).await.map_err(|_| DialError::Timeout)??;
    Ok(Stream::Tls(Box::new(TokioIo::new(secured))))
}

async fn secure(host: &str, tcp: TcpStream, tls: &Tls) -> Result<TlsStream<TcpStream>, DialError> {
    let tls = tls.connector().map_err(DialError::TlsSetup)?;
    let name = ServerName::try_from(host.strip_suffix('.').unwrap_or(host).to_owned());
    let name = name.map_err(|_| DialError::ServerName(host.to_owned()))?;
    tls.connect(name, tcp).await.map_err(DialError::Tls)
}

/// Tries one address after the other, each with its share of the time that is left.
async fn dial(addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, DialError> {
    let mut last = DialError::Timeout;
    for (tried, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                let _ = tcp.set_nodelay(true); // only slower without
                return Ok(tcp);
            }
            Ok(Err(source)) => last = DialError::Tcp { address: *address, source },
            Err(_) => last = DialError::Timeout,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_a_port_and_whether_it_is_secured() {
        let place = |text: &'static str| {
            let uri: &'static Uri = Box::leak(Box::new(text.parse().expect("a URI")));
            Place::of(uri).map(|place| (place.host, place.port, place.https))
        };
        assert_eq!(place("http://a.example/x"), Some(("a.example", 80, false)));
        assert_eq!(place("https://a.example"), Some(("a.example", 443, true)));
        assert_eq!(place("https://[::1]:8443/x"), Some(("::1", 8443, true)));
        assert_eq!(place("/x"), None);
    }
}
