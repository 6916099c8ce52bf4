//! What is loaded: where it is, and how one connects to it.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use http::{Uri, uri::Authority};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::time::{Instant, timeout_at};
use weft_dial::{ADDRESSES_MAX, Conn, DialError, Place, Tls, open};

/// A server that load is sent to. Its name is resolved once, so that no look-up is measured.
#[derive(Clone)]
pub struct Target {
    uri: Uri,
    addresses: Vec<SocketAddr>,
    tls: Arc<Tls>,
    /// HTTP/2 without TLS, as agreed on beforehand. With TLS the server chooses.
    prior_http2: bool,
}

/// Why there is nothing to send load to.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("`{0}` is no `http://` or `https://` URL")]
    Url(String),
    #[error("{}: {source}", path.display())]
    Ca { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("`{host}` did not resolve: {source}")]
    Resolve { host: String, source: io::Error },
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the server does not speak HTTP/2: {0}")]
    Handshake(hyper::Error),
}

impl Target {
    /// `uri` is absolute. `ca` is a file of PEM certificates trusted beside the platform's own.
    pub async fn resolve(uri: Uri, ca: Option<PathBuf>, prior_http2: bool) -> Result<Self, TargetError> {
        let place = Place::of(&uri).filter(|_| matches!(uri.scheme_str(), Some("http" | "https")));
        let place = place.ok_or_else(|| TargetError::Url(uri.to_string()))?;
        let roots = ca.map(roots).transpose()?.unwrap_or_default();
        let found = tokio::net::lookup_host((place.host, place.port)).await;
        let found = found.map_err(|source| TargetError::Resolve { host: place.host.to_owned(), source })?;
        let addresses = found.take(ADDRESSES_MAX).collect();
        Ok(Self { uri, addresses, tls: Arc::new(Tls::new(roots)), prior_http2 })
    }

    pub fn authority(&self) -> &Authority {
        self.uri.authority().expect("it has a host")
    }

    /// Whether all of it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().is_loopback())
    }

    pub(super) fn scheme(&self) -> http::uri::Scheme {
        self.uri.scheme().expect("it has one").clone()
    }

    pub(super) fn prior_http2(&self) -> bool {
        self.prior_http2
    }

    pub(super) async fn open(&self, until: Instant) -> Result<Conn, DialError> {
        let place = Place::of(&self.uri).ok_or(DialError::NoHost)?;
        let stream = timeout_at(until, open(place, &self.addresses, &self.tls, until)).await;
        Ok(Conn::new(stream.map_err(|_| DialError::Timeout)??, ()))
    }
}

fn roots(path: PathBuf) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect);
    read.map_err(|source| TargetError::Ca { path, source })
}
