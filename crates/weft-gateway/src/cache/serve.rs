//! What is kept, as an answer.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use weft_traffic::cache::not_modified;
use weft_types::{Body, Timestamp, code};

use crate::{
    cache::{store::Entry, tell},
    files::range::{self, Wanted},
    problem::Problem,
};

/// An answer, and how long its head says that its body is.
pub(super) type Ready = (Response<Body>, Option<u64>);

/// Answers a request from what is kept. `what` is told of it in `Cache-Status`.
pub(super) fn serve(
    entry: &Entry,
    method: &Method,
    request: &HeaderMap,
    now: Timestamp,
    what: &str,
) -> Result<Ready, Problem> {
    let mut response = Response::new(weft_types::empty());
    *response.status_mut() = entry.status;
    *response.headers_mut() = entry.headers.clone();
    let headers = response.headers_mut();
    headers.insert(header::AGE, HeaderValue::from(entry.stored.age(now).as_secs()));
    tell(headers, what);
    if entry.status == StatusCode::OK && not_modified(request, &entry.headers) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            headers.remove(name);
        }
        return Ok((response, None));
    }
    let mut body = entry.body.clone();
    if entry.status == StatusCode::OK && *method == Method::GET && same(request, &entry.headers) {
        match range::asked(request, body.len() as u64) {
            Wanted::Whole => {}
            Wanted::Outside => {
                let size = format!("bytes */{}", body.len());
                return Err(Problem::new(code::RANGE_NOT_SATISFIABLE).range(&size));
            }
            Wanted::Part { from, length } => {
                let whole = body.len();
                // Within the body, which is in memory.
                body = body.slice(from as usize..(from + length) as usize);
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let told = format!("bytes {from}-{}/{whole}", from + length - 1);
                response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::try_from(told).expect("digits"));
            }
        }
    }
    let headers = response.headers_mut();
    if matches!(entry.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        headers.remove(header::CONTENT_LENGTH);
        return Ok((response, None));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if *method == Method::HEAD {
        return Ok((response, None));
    }
    let owed = body.len() as u64;
    *response.body_mut() = weft_types::full(body);
    Ok((response, Some(owed)))
}

/// `If-Range`: a part only of what the client has the rest of. A weak tag, or a date, is not enough.
fn same(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(known) = request.get(header::IF_RANGE) else { return true };
    answer.get(header::ETAG).is_some_and(|tag| tag == known && !tag.as_bytes().starts_with(b"W/"))
}

/// What is not kept of an answer's headers: it is said anew to each reader.
pub(super) const SAID_ANEW: [HeaderName; 2] = [header::AGE, header::CONTENT_LENGTH];
