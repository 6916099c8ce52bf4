//! An upstream's answer: refused where two readers could disagree about it, then streamed to its last frame.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use weft_types::{Body, Class, End, Ender, Fault, Outcome, Reply, Usage};

use crate::{error, flight::Flight, forward};

/// Refuses an answer whose length or kind is ambiguous.
pub(crate) fn check(response: &Response<Incoming>, upgrade: bool) -> Result<(), Fault> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && upgrade {
        return switches(response.headers());
    }
    if response.status().is_informational() {
        return Err(error::bad(format!("its final status is {}", response.status().as_u16())));
    }
    let headers = response.headers();
    if response.version() < Version::HTTP_2 {
        framing(headers)?;
    }
    match headers.get_all(header::CONTENT_LENGTH).iter().count() {
        0 | 1 => Ok(()),
        _ => Err(error::bad("it has more than one content-length")),
    }
}

/// A 101 has nothing that frames a body, and says that what was asked for is agreed.
fn switches(headers: &HeaderMap) -> Result<(), Fault> {
    if headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(error::bad("its 101 says how long its body is"));
    }
    match headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        true => Ok(()),
        false => Err(error::bad("it switches to another protocol than the one it was asked for")),
    }
}

fn framing(headers: &HeaderMap) -> Result<(), Fault> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err(error::bad("it has both a transfer-encoding and a content-length"));
    }
    match coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none() {
        true => Ok(()),
        false => Err(error::bad("its transfer-encoding is not chunked alone")),
    }
}

/// How an upstream's answer is judged: its 5xx are failures of it, its 4xx good answers.
pub(crate) fn class(status: StatusCode) -> Class {
    if status.is_server_error() { Class::Failure } else { Class::Ok }
}

/// The outcome that streams the rest.
pub(crate) fn outcome(mut response: Response<Incoming>, flight: Flight) -> Outcome {
    let class = class(response.status());
    let upgrade = response.headers().get(header::UPGRADE).cloned();
    forward::strip(response.headers_mut());
    if let (StatusCode::SWITCHING_PROTOCOLS, Some(upgrade)) = (response.status(), upgrade) {
        response.headers_mut().insert(header::UPGRADE, upgrade);
    }
    let (ender, end) = End::later();
    let body = |body| -> Body { Answer { body, flight, ender: Some(ender), bytes: 0, over: false }.boxed_unsync() };
    Outcome { reply: Ok(Reply::Http(Box::new(response.map(body)))), class, end }
}

struct Answer {
    body: Incoming,
    flight: Flight,
    ender: Option<Ender>,
    bytes: u64,
    /// The last frame was handed over, or there will be none.
    over: bool,
}

impl Answer {
    fn end(&mut self, fault: Option<Fault>) {
        self.over = true;
        if let Some(ender) = self.ender.take() {
            ender.end(fault, Usage { bytes_out: self.bytes, ..Usage::default() });
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else { return Poll::Pending };
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    forward::strip_trailers(trailers);
                    this.over = true;
                }
                this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                let fault = error::of_body(error);
                this.flight.broke();
                this.end(Some(Fault::new(fault.code, fault.ran).detail(fault.detail.clone())));
                Poll::Ready(Some(Err(fault)))
            }
            None => {
                this.end(None);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        match self.is_end_stream() {
            true => self.end(None),
            false => {
                self.flight.given_up();
                let gone = Fault::new(weft_types::code::CLIENT_GONE, weft_types::Ran::Yes);
                self.end(Some(gone.detail("the answer was not read to its end")));
            }
        }
    }
}
