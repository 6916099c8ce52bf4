//! Static files: a folder as a route, for GET and HEAD.
//!
//! ```text
//! rest of the path → names (decoded once, no dots in front, no separators) → a file beneath the root
//!   → the best of its precompressed siblings → validators → 304, 206, 416 or 200, read a chunk at a time
//! ```
//!
//! The file that was opened is the file that is judged and sent: what is renamed in between changes nothing.

mod find;
mod kind;
pub(crate) mod range;

use std::{sync::Arc, time::SystemTime};

use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use weft_traffic::Files;
use weft_types::{Body, Fault, Ran, code};

use crate::problem::Problem;
use find::Opened;
use range::Wanted;

/// What is read of a file at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Answers a request for `rest`, the path below the route's prefix as it was sent.
pub(crate) async fn serve(
    files: &Files,
    rest: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, Problem> {
    if method != Method::GET && method != Method::HEAD {
        return Err(Problem::new(code::METHOD_NOT_ALLOWED).allow(&[Method::GET, Method::HEAD]));
    }
    let names = find::names(rest).ok_or_else(|| Problem::new(code::NOT_FOUND))?;
    let (files, accepts) = (files.clone(), find::Accepts::of(headers));
    // Opening a file may wait for a disk: not on the threads that serve.
    let opened = tokio::task::spawn_blocking(move || find::open(&files, &names, accepts).map(|opened| (opened, files)));
    let Ok(Some((opened, files))) = opened.await else { return Err(Problem::new(code::NOT_FOUND)) };
    answer(opened, files.cache_control.as_ref(), method, headers).await
}

async fn answer(
    opened: Opened,
    cache_control: Option<&Arc<str>>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, Problem> {
    let tag = opened.tag();
    let mut response = Response::new(weft_types::empty());
    let out = response.headers_mut();
    put(out, header::ETAG, &tag);
    put(out, header::LAST_MODIFIED, &httpdate::fmt_http_date(opened.modified));
    if opened.has_siblings {
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Some(cache_control) = cache_control {
        put(out, header::CACHE_CONTROL, cache_control);
    }
    if unchanged(headers, &tag, opened.modified) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(opened.kind));
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(encoding) = opened.encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let (from, length) = match range::wanted(headers, &tag, opened.modified, opened.size) {
        Wanted::Whole => (0, opened.size),
        Wanted::Part { from, length } => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let to = from + length - 1;
            put(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes {from}-{to}/{}", opened.size));
            (from, length)
        }
        Wanted::Outside => {
            let size = format!("bytes */{}", opened.size);
            return Err(Problem::new(code::RANGE_NOT_SATISFIABLE).range(&size));
        }
    };
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if method != Method::HEAD && length > 0 {
        *response.body_mut() = body(opened, from, length).await?;
    }
    Ok(response)
}

async fn body(opened: Opened, from: u64, length: u64) -> Result<Body, Problem> {
    let mut file = tokio::fs::File::from_std(opened.file);
    if from > 0 && file.seek(std::io::SeekFrom::Start(from)).await.is_err() {
        return Err(Problem::new(code::INTERNAL));
    }
    let chunks = ReaderStream::with_capacity(file.take(length), CHUNK_BYTES);
    let broken = |error: std::io::Error| Fault::new(code::INTERNAL, Ran::Yes).detail(error.to_string());
    Ok(StreamBody::new(chunks.map_ok(Frame::data).map_err(broken)).boxed_unsync())
}

/// RFC 9110, 13.2.2: `if-none-match` where there is one, else `if-modified-since`.
fn unchanged(headers: &HeaderMap, tag: &str, modified: SystemTime) -> bool {
    let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let same = |given: &str| given == "*" || given.trim_start_matches("W/") == tag;
        return tags.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|t| same(t.trim()));
    }
    let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    since
        .and_then(|since| httpdate::parse_http_date(since).ok())
        .is_some_and(|since| seconds(modified) <= seconds(since))
}

/// HTTP dates have no fractions.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn put(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
