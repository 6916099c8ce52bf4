//! What the 0.2 guests share: the parts of a target, reading a body, answering.

use wasip2::http::types::{Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// `/path?value` as its two halves; the value is empty where there is none.
pub fn target(request: &IncomingRequest) -> (String, String) {
    let target = request.path_with_query().unwrap_or_else(|| "/".to_owned());
    match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (target, String::new()),
    }
}

/// The value of `name` in `name=value&…`; `%XX` is decoded.
pub fn query(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(decode(value))
}

pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The whole body. For small ones.
pub fn read_all(request: &IncomingRequest) -> Vec<u8> {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut all = Vec::new();
    while let Some(chunk) = read(&stream) {
        all.extend(chunk);
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    all
}

/// The next bytes, or none at the end.
pub fn read(stream: &InputStream) -> Option<Vec<u8>> {
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(chunk) if chunk.is_empty() => continue,
            Ok(chunk) => return Some(chunk),
            Err(StreamError::Closed) => return None,
            Err(StreamError::LastOperationFailed(error)) => panic!("reading the body: {}", error.to_debug_string()),
        }
    }
}

/// Writes all of it, waiting as often as needed; false when the reader is gone.
pub fn write(stream: &OutputStream, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let ready = stream.subscribe();
        ready.block();
        let Ok(room) = stream.check_write() else { return false };
        let take = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if stream.write(&bytes[..take]).is_err() {
            return false;
        }
        bytes = &bytes[take..];
    }
    true
}

/// Sends the head; the body is to be written and finished.
pub fn begin(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> OutgoingBody {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("a valid header");
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    body
}

pub fn finish(body: OutgoingBody, stream: OutputStream, trailers: Option<Fields>) {
    // A reader that left is no fault of ours.
    let _ = stream.blocking_flush();
    drop(stream);
    let _ = OutgoingBody::finish(body, trailers);
}

pub fn respond(out: ResponseOutparam, status: u16, text: &str) {
    let body = begin(out, status, &[("content-type", "text/plain")]);
    let stream = body.write().expect("the stream is taken once");
    write(&stream, text.as_bytes());
    finish(body, stream, None);
}
