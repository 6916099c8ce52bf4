//! Sends back what it gets, as it comes: the body in pieces, then the trailers. WASI 0.3.

use wasip3::{
    http::types::{ErrorCode, Request, Response},
    wit_bindgen::{self, StreamResult},
    wit_future,
};

struct Echo;

wasip3::http::service::export!(Echo);

impl wasip3::exports::http::handler::Guest for Echo {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        // HTTP/1.1 sends only the trailers that the head has announced.
        let announced = request.get_headers().get("trailer");
        let announced: Vec<String> =
            announced.iter().map(|names| String::from_utf8_lossy(names).into_owned()).collect();
        let mut headers = vec![("content-type", "application/octet-stream")];
        headers.extend(announced.iter().map(|names| ("trailer", names.as_str())));
        let (result, result_read) = wit_future::new(|| Ok(()));
        drop(result);
        let (mut from, trailers_from) = Request::consume_body(request, result_read);
        let (response, mut to, trailers) = kit_p3::begin(200, &headers);
        wit_bindgen::spawn_local(async move {
            let mut buffer = Vec::with_capacity(64 * 1024);
            loop {
                let (result, chunk) = from.read(buffer).await;
                if !matches!(result, StreamResult::Complete(_)) {
                    break;
                }
                // What is left over was not read: the client left.
                let left = to.write_all(chunk).await;
                if !left.is_empty() {
                    return;
                }
                buffer = Vec::with_capacity(64 * 1024);
            }
            drop(to);
            let got = trailers_from.await;
            let _ = trailers.write(got).await;
        });
        Ok(response)
    }
}
