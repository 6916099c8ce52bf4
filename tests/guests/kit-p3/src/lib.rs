//! What the 0.3 guests share: the parts of a target, and answering.

use wasip3::{
    http::types::{ErrorCode, Fields, Request, Response, Trailers},
    wit_bindgen::{self, FutureWriter, StreamWriter},
    wit_future, wit_stream,
};

/// `/path?value` as its two halves; the value is empty where there is none.
pub fn target(request: &Request) -> (String, String) {
    let target = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
    match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (target, String::new()),
    }
}

pub type TrailersWriter = FutureWriter<Result<Option<Trailers>, ErrorCode>>;

/// A response with the ends by which its body and trailers are written. Without a word, there are no trailers.
pub fn begin(status: u16, headers: &[(&str, &str)]) -> (Response, StreamWriter<u8>, TrailersWriter) {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("a valid header");
    }
    let (body, contents) = wit_stream::new();
    let (trailers, trailers_read) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(fields, Some(contents), trailers_read);
    response.set_status_code(status).expect("a valid status");
    (response, body, trailers)
}

pub fn text(status: u16, text: impl Into<String>) -> Response {
    let text = text.into();
    let (response, mut body, _) = begin(status, &[("content-type", "text/plain")]);
    wit_bindgen::spawn_local(async move {
        // What is left over was not read: the client left.
        body.write_all(text.into_bytes()).await;
    });
    response
}
