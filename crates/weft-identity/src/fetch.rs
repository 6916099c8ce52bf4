//! One request, bounded in time and bytes: no redirects, no second try.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::{
    client::legacy::connect::Connection,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout_at};
use weft_dial::{ADDRESSES_MAX, Conn, Place, Tls};

/// From resolving the name to the last byte.
const TIME_MAX: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: usize = 256 << 10;

/// What was answered.
pub(crate) enum Fetched {
    New {
        body: Bytes,
        etag: Option<HeaderValue>,
    },
    /// What `etag` names is what there is.
    Same,
}

/// The error is for the log.
pub(crate) async fn get(uri: &Uri, etag: Option<&HeaderValue>, tls: &Tls) -> Result<Fetched, String> {
    let until = Instant::now() + TIME_MAX;
    let late = |_| "it took too long".to_owned();
    timeout_at(until, exchange(uri, etag, tls, until)).await.map_err(late)?
}

/// A form, and what is answered to it, whatever the status. The error is for the log.
pub(crate) async fn post(
    uri: &Uri,
    authorization: Option<HeaderValue>,
    form: String,
    tls: &Tls,
) -> Result<(StatusCode, Bytes), String> {
    let until = Instant::now() + TIME_MAX;
    let mut request = Request::post(uri)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request.body(Full::from(form)).map_err(|error| error.to_string())?;
    let whole = async {
        let response = answer(request, tls, until).await?;
        Ok((response.status(), collected(response).await?))
    };
    timeout_at(until, whole).await.map_err(|_| "it took too long".to_owned())?
}

async fn exchange(uri: &Uri, etag: Option<&HeaderValue>, tls: &Tls, until: Instant) -> Result<Fetched, String> {
    let response = answer(request(uri, etag)?, tls, until).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Fetched::Same),
        status => return Err(format!("it answered {status}")),
    }
    let etag = response.headers().get(header::ETAG).cloned();
    Ok(Fetched::New { body: collected(response).await?, etag })
}

async fn answer(
    mut request: Request<Full<Bytes>>,
    tls: &Tls,
    until: Instant,
) -> Result<http::Response<Incoming>, String> {
    let uri = request.uri().clone();
    let place = Place::of(&uri).ok_or("the URL names no host")?;
    let found = tokio::net::lookup_host((place.host, place.port)).await;
    let addresses: Vec<_> = found.map_err(|error| format!("its name: {error}"))?.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        return Err("its name has no address".to_owned());
    }
    if let Some(host) = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
    let stream = weft_dial::open(place, &addresses, tls, until).await.map_err(|error| error.to_string())?;
    send(Conn::new(stream, ()), request).await.map_err(|error| error.to_string())
}

async fn collected(response: http::Response<Incoming>) -> Result<Bytes, String> {
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    Ok(body.map_err(|error| error.to_string())?.to_bytes())
}

fn request(uri: &Uri, etag: Option<&HeaderValue>) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::get(uri).header(header::ACCEPT, "application/jwk-set+json, application/json");
    if let Some(etag) = etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    request.body(Full::default()).map_err(|error| error.to_string())
}

/// The connection ends with the answer: keys are fetched too seldom to keep one.
async fn send(conn: Conn, mut request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, hyper::Error> {
    if conn.connected().is_negotiated_h2() {
        request.headers_mut().remove(header::HOST);
        let (mut sender, driver) =
            http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).handshake(conn).await?;
        drop(tokio::spawn(driver));
        return sender.send_request(request).await;
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).parse();
    *request.uri_mut() = target.unwrap_or_default();
    let (mut sender, driver) = http1::handshake(conn).await?;
    drop(tokio::spawn(driver));
    sender.send_request(request).await
}
