//! From a name to a connection: resolve, judge each address, connect to what was judged.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use weft_dial::{ADDRESSES_MAX, Conn, DialError, Place, open};
use weft_types::Pending;

use super::{Outbound, OutboundRules};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("`{host}` is at the private address {address}")]
    Prohibited { host: String, address: IpAddr },
    #[error("too many connections are open")]
    TooMany,
    #[error(transparent)]
    Dial(#[from] DialError),
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

/// Counted for as long as it is open.
type Counted = Conn<OwnedSemaphorePermit>;

impl tower_service::Service<Uri> for Connector {
    type Response = Counted;
    type Error = ConnectError;
    type Future = Pending<'static, Result<Counted, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.connect(&uri).await })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<Counted, ConnectError> {
        // The request that waits has a limit of its own; this one is for connecting that outlives it for the pool.
        let until = Instant::now() + self.outbound.options.connect_timeout.max(Duration::from_millis(1)) * 3;
        let place = Place::of(uri).ok_or(DialError::NoHost)?;
        let permit = timeout_at(until, Arc::clone(&self.outbound.connections).acquire_owned());
        let permit = permit.await.map_err(|_| ConnectError::TooMany)?.map_err(|_| ConnectError::TooMany)?;
        let addresses = timeout_at(until, self.addresses(place)).await.map_err(|_| DialError::Timeout)??;
        Ok(Conn::new(open(place, &addresses, &self.outbound.tls, until).await?, permit))
    }

    /// The addresses that may be connected to. An address written out needs no resolver.
    async fn addresses(&self, Place { host, port, .. }: Place<'_>) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let resolved = self.outbound.options.resolver.resolve(host, port).await;
                resolved.map_err(|source| DialError::Resolve { host: host.to_owned(), source })?
            }
        };
        let first = found.first().ok_or_else(|| DialError::NoAddress { host: host.to_owned() })?;
        let prohibited = ConnectError::Prohibited { host: host.to_owned(), address: first.ip() };
        // The port is ours to say, whatever a resolver answers.
        let judged = found.iter().filter(|found| self.rules.allows_address(host, found.ip()));
        let judged: Vec<_> = judged.map(|found| SocketAddr::new(found.ip(), port)).take(ADDRESSES_MAX).collect();
        if judged.is_empty() { Err(prohibited) } else { Ok(judged) }
    }
}
