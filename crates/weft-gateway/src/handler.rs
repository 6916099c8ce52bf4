//! What a connection asks of whoever answers its requests.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use weft_types::{Body, ClientCertificate, Code, Fault, InvocationId, Timestamp};

use crate::{problem::Problem, pulse::Pulse};

/// Facts about a connection that hold for all of its requests.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) local: SocketAddr,
    /// Whoever connected. With a proxy in front of us, that proxy.
    pub(crate) remote: SocketAddr,
    pub(crate) secure: bool,
    /// Its client's, where the listener asks for one.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}

/// Answers, in whole, for a request that could not even be read.
pub(crate) trait Refuse: Send + Sync {
    fn refuse(&self, code: Code, now: Timestamp) -> Bytes;

    /// What has not ended by now is ended by us, not by its clients.
    fn cut_off(&self) {}
}

/// Answers requests. One for a whole listener.
pub(crate) trait Handler: Refuse + Send + Sync + 'static {
    type Body: HttpBody<Data = Bytes, Error = Fault> + Send + Unpin + 'static;
    /// What is remembered from one request of a connection to the next.
    type Memo: Default + Send + 'static;
    /// A request whose head has been looked at.
    type Taken: Send + 'static;

    /// Does what needs no waiting.
    fn take(&self, peer: &Peer, memo: &mut Self::Memo, request: Request<Incoming>) -> Self::Taken;

    fn answer(self: Arc<Self>, taken: Self::Taken) -> impl Future<Output = Response<Self::Body>> + Send + 'static;
}

/// A handler from a closure, for the admin API.
pub(crate) struct Plain<F>(pub(crate) F);

impl<F: Send + Sync> Refuse for Plain<F> {
    fn refuse(&self, code: Code, now: Timestamp) -> Bytes {
        Problem::new(code).wire(InvocationId(rand::random()), now)
    }
}

impl<F, R> Handler for Plain<F>
where
    F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    type Body = Body;
    type Memo = ();
    type Taken = Request<Incoming>;

    fn take(&self, _: &Peer, (): &mut (), request: Request<Incoming>) -> Request<Incoming> {
        request
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        (self.0)(request).await
    }
}
