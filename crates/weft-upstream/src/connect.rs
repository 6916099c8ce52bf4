//! From an endpoint to a connection: its name resolved anew each time.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use tokio::time::{Instant, timeout_at};
use weft_dial::{ADDRESSES_MAX, Conn, DialError, Place, Tls, open};
use weft_types::Pending;

#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) tls: Arc<Tls>,
    pub(crate) patience: Duration,
}

impl tower_service::Service<Uri> for Connector {
    type Response = Conn;
    type Error = DialError;
    type Future = Pending<'static, Result<Conn, DialError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let until = Instant::now() + this.patience;
            let place = Place::of(&uri).ok_or(DialError::NoHost)?;
            let addresses = timeout_at(until, resolve(place)).await.map_err(|_| DialError::Timeout)??;
            Ok(Conn::new(open(place, &addresses, &this.tls, until).await?, ()))
        })
    }
}

async fn resolve(place: Place<'_>) -> Result<Vec<SocketAddr>, DialError> {
    let host = || place.host.to_owned();
    let found = tokio::net::lookup_host((place.host, place.port)).await;
    let found = found.map_err(|source| DialError::Resolve { host: host(), source })?;
    let addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() { Err(DialError::NoAddress { host: host() }) } else { Ok(addresses) }
}
