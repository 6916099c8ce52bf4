//! Answers every request with one line. WASI 0.3.

use wasip3::{
    http::types::{ErrorCode, Fields, Request, Response},
    wit_bindgen, wit_future, wit_stream,
};

struct Hello;

wasip3::http::service::export!(Hello);

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        let headers = Fields::new();
        headers.append("content-type", b"text/plain").expect("a valid header");
        let (mut body, contents) = wit_stream::new();
        let (trailers, trailers_read) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(headers, Some(contents), trailers_read);
        drop(trailers);
        wit_bindgen::spawn_local(async move {
            // What is left over was not read: the client left.
            body.write_all(b"Hello from 0.3!\n".to_vec()).await;
        });
        Ok(response)
    }
}
