//! Answers every request with one line. WASI 0.2.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

wasip2::http::proxy::export!(Hello);

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::new();
        headers.append("content-type", b"text/plain").expect("a valid header");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        // A client that left is no fault of ours: the host has already closed the body.
        let sent = stream.blocking_write_and_flush(b"Hello from 0.2!\n");
        drop(stream);
        if sent.is_ok() {
            let _ = OutgoingBody::finish(body, None);
        }
    }
}
