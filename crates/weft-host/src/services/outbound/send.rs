//! One request of a guest: judged, told of its trace, sent within its limits.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{Method, Request, Response, Uri, header::HOST};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::capture_connection;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody};
use weft_types::Name;

use super::{
    Outbound, OutboundOptions, OutboundRules, Pool,
    body::{Inward, Outward},
    connect::ConnectError,
    error, pool, trace,
};
use crate::{
    call::Call,
    services::{
        GuestSpans,
        refusal::{self, Refusals},
    },
};

/// What one component calls out with. Its pool is made with its first request.
pub(crate) struct Sender {
    outbound: Arc<Outbound>,
    rules: Option<Arc<dyn OutboundRules>>,
    pool: OnceLock<Pool>,
    requests: Arc<Semaphore>,
}

/// The limits of one request, as moments.
struct Limits {
    connect: Instant,
    /// From the connection to the head, and never beyond the deadline.
    first_byte: Option<Duration>,
    deadline: Instant,
    silence: Duration,
}

impl Limits {
    fn new(given: Option<RequestOptions>, ours: &OutboundOptions, left: Duration) -> Self {
        let given = given.unwrap_or_default();
        let now = Instant::now();
        let deadline = now + left;
        Self {
            connect: deadline.min(now + given.connect_timeout.unwrap_or(ours.connect_timeout).min(left)),
            first_byte: given.first_byte_timeout,
            deadline,
            silence: given.between_bytes_timeout.unwrap_or(ours.between_bytes_timeout).min(LONGEST),
        }
    }

    fn head(&self) -> Instant {
        let first_byte = self.first_byte.map(|first_byte| Instant::now() + first_byte.min(LONGEST));
        first_byte.map_or(self.deadline, |first_byte| first_byte.min(self.deadline))
    }
}

/// A guest may ask for any number; arithmetic must not overflow by it.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Outside of a call, such as in an instance's initialisation, nothing else bounds a request.
const WITHOUT_CALL: Duration = Duration::from_secs(30);

impl Sender {
    pub(crate) fn new(outbound: Arc<Outbound>, rules: Option<Arc<dyn OutboundRules>>) -> Self {
        let requests = Arc::new(Semaphore::new(outbound.options.requests_max.min(Semaphore::MAX_PERMITS)));
        Self { outbound, rules, pool: OnceLock::new(), requests }
    }

    /// Whether the request may be sent: `Err` holds what the guest is told.
    pub(crate) fn judge(
        &self,
        component: &Name,
        request: &Request<WasiBody>,
    ) -> Result<Granted<'_>, (HttpError, Option<String>)> {
        let uri = request.uri();
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
            return Err((HttpError::HttpRequestUriInvalid, None));
        };
        if authority.as_str().contains('@') || host.is_empty() {
            return Err((HttpError::HttpRequestUriInvalid, None));
        }
        if *request.method() == Method::CONNECT {
            return Err((HttpError::HttpRequestMethodInvalid, None));
        }
        let https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        match &self.rules {
            Some(rules) if rules.allows(https, bare, port) => Ok(Granted { sender: self, rules }),
            _ => Err((HttpError::HttpRequestDenied, Some(refusal::outbound(component, https, host, port)))),
        }
    }
}

/// A request that may be sent, as far as its name goes.
pub(crate) struct Granted<'a> {
    sender: &'a Sender,
    rules: &'a Arc<dyn OutboundRules>,
}

pub(crate) type Answer = Response<WasiBody>;

impl Granted<'_> {
    /// Sends it. The future owns all that it needs.
    pub(crate) fn send(
        self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        call: Option<Arc<Call>>,
        told: Told,
    ) -> impl Future<Output = Result<Answer, HttpError>> + Send + 'static {
        let Sender { outbound, pool: own, requests, .. } = self.sender;
        let pool = own.get_or_init(|| pool(outbound, self.rules)).clone();
        let left = call.as_ref().map_or(WITHOUT_CALL, |call| call.deadline.since(call.clock.now()).min(LONGEST));
        let limits = Limits::new(options, &outbound.options, left);
        let requests = Arc::clone(requests);
        let mut request = prepare(request, call.clone());
        let span = call.as_ref().and_then(|call| trace::begin(&mut request, call));
        async move {
            let permit = timeout_at(limits.connect, requests.acquire_owned()).await;
            let Ok(Ok(permit)) = permit else { return Err(HttpError::ConnectionLimitReached) };
            let uri = request.uri().clone();
            let response = exchange(pool, request, &limits).await.map_err(|error| {
                told.prohibited(&uri, &error);
                error.into_http()
            });
            if let Some(span) = span {
                let answer = response.as_ref().map(Response::status).map_err(ToString::to_string);
                span.end(&*told.spans, &told.application, &told.component, answer);
            }
            let response = response?;
            let silence = limits.silence;
            Ok(response.map(|body| Inward::new(body, call, silence, permit).boxed_unsync()))
        }
    }
}

/// What the operator is told of a refusal that shows only once a name is resolved.
pub(crate) struct Told {
    pub(crate) application: Name,
    pub(crate) component: Name,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) spans: Arc<dyn GuestSpans>,
}

impl Told {
    fn prohibited(&self, uri: &Uri, error: &Failed) {
        if let Failed::Sent(error) = error
            && let Some(ConnectError::Prohibited { host, address }) = error::connect_error(error)
        {
            let text = refusal::address(&self.component, uri, host, *address);
            self.refusals.tell(&self.application, &self.component, &text);
        }
    }
}

enum Failed {
    Sent(hyper_util::client::legacy::Error),
    Connecting,
    Head,
}

impl Failed {
    fn into_http(self) -> HttpError {
        match self {
            Self::Sent(error) => error::of_request(&error),
            Self::Connecting => HttpError::ConnectionTimeout,
            Self::Head => HttpError::HttpResponseTimeout,
        }
    }
}

/// Two phases, each with its own limit: until there is a connection, and from then until the head.
async fn exchange(
    pool: Pool,
    mut request: Request<Outward>,
    limits: &Limits,
) -> Result<Response<hyper::body::Incoming>, Failed> {
    let mut connected = capture_connection(&mut request);
    let mut response = std::pin::pin!(pool.request(request));
    tokio::select! {
        biased;
        done = &mut response => return done.map_err(Failed::Sent),
        // Nothing is told where connecting fails: the answer is the failure.
        () = async { if connected.wait_for_connection_metadata().await.is_none() { std::future::pending().await } } => {}
        () = sleep_until(limits.connect) => return Err(Failed::Connecting),
    }
    match timeout_at(limits.head(), response).await {
        Ok(done) => done.map_err(Failed::Sent),
        Err(_) => Err(Failed::Head),
    }
}

/// Ours is the host, which the client writes.
fn prepare(mut request: Request<WasiBody>, call: Option<Arc<Call>>) -> Request<Outward> {
    request.headers_mut().remove(HOST);
    *request.version_mut() = http::Version::HTTP_11;
    request.map(|inner| Outward { inner, call })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_a_guest_overflows_a_limit() {
        let most = Some(Duration::MAX);
        let given = RequestOptions { connect_timeout: most, first_byte_timeout: most, between_bytes_timeout: most };
        let limits = Limits::new(Some(given), &OutboundOptions::default(), Duration::from_secs(1));
        assert!(limits.connect <= limits.deadline && limits.head() <= limits.deadline);
        assert_eq!(limits.silence, LONGEST);
    }
}
