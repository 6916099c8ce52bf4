use wasip3::{
    exports::http::handler::Guest,
    http::types::{ErrorCode, Fields, Method, Request, Response},
    wit_bindgen::{self, StreamReader},
    wit_future, wit_stream,
};

struct App;

wasip3::http::service::export!(App);

impl Guest for App {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let body = match request.get_method() {
            Method::Post => body_of(request),
            _ => text("Hello from Rust!\n"),
        };
        Ok(ok(body))
    }
}

/// The request's body as it comes in: nothing is gathered.
fn body_of(request: Request) -> StreamReader<u8> {
    let (_, read_to_the_end) = wit_future::new(|| Ok(()));
    Request::consume_body(request, read_to_the_end).0
}

fn text(text: &'static str) -> StreamReader<u8> {
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        // What is left over was not read: the client left.
        writer.write_all(text.as_bytes().to_vec()).await;
    });
    reader
}

/// 200 with a plain body and no trailers.
fn ok(body: StreamReader<u8>) -> Response {
    let headers = Fields::new();
    headers.append("content-type", b"text/plain").expect("a valid header");
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    Response::new(headers, Some(body), no_trailers).0
}
