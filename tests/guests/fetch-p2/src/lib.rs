//! Calls another service as its query says, and answers with everything that came: status, headers, body, trailers, or
//! the error. WASI 0.2.
//!
//! `/?url=URL`, and of `method`, `header` (`name:value`), `send` (bytes of body), `trailer` (sent after it), `connect`,
//! `first` and `between` (milliseconds), `stop` (drop the response after its head).

use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, ResponseOutparam, Scheme,
};

struct Fetch;

wasip2::http::proxy::export!(Fetch);

impl wasip2::exports::http::incoming_handler::Guest for Fetch {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (_, query) = kit_p2::target(&request);
        match fetch(&query) {
            Ok(text) => kit_p2::respond(out, 200, &text),
            Err(error) => kit_p2::respond(out, 502, &format!("{error:?}\n")),
        }
    }
}

fn arg(query: &str, name: &str) -> Option<String> {
    kit_p2::query(query, name)
}

fn nanos(query: &str, name: &str) -> Option<u64> {
    arg(query, name)?.parse::<u64>().ok().map(|ms| ms.saturating_mul(1_000_000))
}

fn fetch(query: &str) -> Result<String, ErrorCode> {
    let request = request(query)?;
    let options = RequestOptions::new();
    let set = options
        .set_connect_timeout(nanos(query, "connect"))
        .and_then(|()| options.set_first_byte_timeout(nanos(query, "first")))
        .and_then(|()| options.set_between_bytes_timeout(nanos(query, "between")));
    set.expect("the host knows these options");
    let body = request.body().expect("the body is taken once");
    let future = wasip2::http::outgoing_handler::handle(request, Some(options))?;
    send(body, query)?;
    future.subscribe().block();
    let response = future.get().expect("it is ready").expect("it is taken once")?;
    if arg(query, "stop").is_some() {
        return Ok(format!("{}\n", response.status()));
    }
    receive(response)
}

fn request(query: &str) -> Result<OutgoingRequest, ErrorCode> {
    let url = arg(query, "url").unwrap_or_default();
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let fields = Fields::new();
    if let Some(header) = arg(query, "header") {
        let (name, value) = header.split_once(':').expect("name:value");
        fields.append(name, value.as_bytes()).map_err(|error| ErrorCode::InternalError(Some(format!("{error:?}"))))?;
    }
    let request = OutgoingRequest::new(fields);
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    let method = match arg(query, "method").as_deref() {
        None | Some("GET") => Method::Get,
        Some("POST") => Method::Post,
        Some("CONNECT") => Method::Connect,
        Some(other) => Method::Other(other.to_owned()),
    };
    let set = request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })));
    set.map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    Ok(request)
}

fn send(body: OutgoingBody, query: &str) -> Result<(), ErrorCode> {
    let mut left: usize = arg(query, "send").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    if left > 0 {
        let stream = body.write().expect("the stream is taken once");
        let chunk = [b'x'; 64 * 1024];
        while left > 0 {
            let take = left.min(chunk.len());
            if !kit_p2::write(&stream, &chunk[..take]) {
                break; // the answer says why
            }
            left -= take;
        }
        let _ = stream.blocking_flush();
    }
    let trailers = arg(query, "trailer").map(|value| {
        let fields = Fields::new();
        fields.append("x-sent", value.as_bytes()).expect("a valid header");
        fields
    });
    let _ = OutgoingBody::finish(body, trailers);
    Ok(())
}

fn receive(response: IncomingResponse) -> Result<String, ErrorCode> {
    let mut text = format!("{}\n{}\n", response.status(), lines(&response.headers(), ""));
    let body = response.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let (mut total, mut opening) = (0, Vec::new());
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(chunk) => {
                total += chunk.len();
                opening.extend_from_slice(&chunk[..chunk.len().min(4096 - opening.len())]);
            }
            Err(wasip2::io::streams::StreamError::Closed) => break,
            Err(wasip2::io::streams::StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Ok(format!("{text}{total} bytes, then {code:?}\n"));
            }
        }
    }
    text.push_str(&String::from_utf8_lossy(&opening));
    text.push_str(&format!("\n{total} bytes\n"));
    drop(stream);
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    if let Some(Ok(Ok(Some(trailers)))) = trailers.get() {
        text.push_str(&lines(&trailers, "trailer "));
    }
    Ok(text)
}

fn lines(fields: &Fields, before: &str) -> String {
    let mut all: Vec<String> = fields
        .entries()
        .into_iter()
        .map(|(name, value)| format!("{before}{name}: {}\n", String::from_utf8_lossy(&value)))
        .collect();
    all.sort();
    all.concat()
}
