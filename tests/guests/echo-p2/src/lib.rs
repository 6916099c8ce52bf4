//! Sends back what it gets, as it comes: the body in pieces, then the trailers. WASI 0.2.

use wasip2::http::types::{FutureTrailers, IncomingBody, IncomingRequest, ResponseOutparam};

struct Echo;

wasip2::http::proxy::export!(Echo);

impl wasip2::exports::http::incoming_handler::Guest for Echo {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let incoming = request.consume().expect("the body is taken once");
        // HTTP/1.1 sends only the trailers that the head has announced.
        let announced =
            request.headers().get("trailer").into_iter().map(|names| String::from_utf8_lossy(&names).into_owned());
        let announced: Vec<String> = announced.collect();
        let mut headers = vec![("content-type", "application/octet-stream")];
        headers.extend(announced.iter().map(|names| ("trailer", names.as_str())));
        let outgoing = kit_p2::begin(out, 200, &headers);
        let (from, to) = (incoming.stream().expect("taken once"), outgoing.write().expect("taken once"));
        while let Some(chunk) = kit_p2::read(&from) {
            if !kit_p2::write(&to, &chunk) {
                return;
            }
        }
        drop(from);
        let trailers = trailers_of(&IncomingBody::finish(incoming));
        kit_p2::finish(outgoing, to, trailers);
    }
}

fn trailers_of(future: &FutureTrailers) -> Option<wasip2::http::types::Fields> {
    future.subscribe().block();
    let got = future.get()?.ok()?.ok()??;
    // What came in is immutable; what goes out is a copy.
    Some(got.clone())
}
