//! Answers with the request that it was shown, and with the head that the request asks for. WASI 0.2.
//!
//! `?status=404&h=a:%201%0Ab:%202&n=5000`: the status, header lines, and how often the text is repeated until it has
//! so many bytes. Every answer has an `x-call` of its own.

use wasip2::{
    http::types::{IncomingRequest, Method, ResponseOutparam, Scheme},
    random::random::get_random_u64,
};

struct Mirror;

wasip2::http::proxy::export!(Mirror);

impl wasip2::exports::http::incoming_handler::Guest for Mirror {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (_, query) = kit_p2::target(&request);
        let asked = |name| kit_p2::query(&query, name);
        let status = asked("status").and_then(|status| status.parse().ok()).unwrap_or(200);
        let call = format!("{:016x}", get_random_u64());
        let lines = asked("h").unwrap_or_default();
        let mut headers: Vec<(&str, &str)> = lines.lines().filter_map(|line| line.split_once(": ")).collect();
        headers.push(("x-call", &call));
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "text/plain"));
        }
        let mut text = shown(&request);
        if let Some(bytes) = asked("n").and_then(|bytes| bytes.parse().ok()) {
            text = text.repeat(bytes / text.len() + 1);
            text.truncate(bytes);
        }
        let body = kit_p2::begin(out, status, &headers);
        let stream = body.write().expect("the stream is taken once");
        kit_p2::write(&stream, text.as_bytes());
        kit_p2::finish(body, stream, None);
    }
}

/// `GET http://host/path?query`, then a line for each header, by name.
fn shown(request: &IncomingRequest) -> String {
    let method = match request.method() {
        Method::Other(name) => name,
        known => format!("{known:?}").trim_start_matches("Method::").to_ascii_uppercase(),
    };
    let scheme = match request.scheme() {
        Some(Scheme::Https) => "https",
        _ => "http",
    };
    let authority = request.authority().unwrap_or_default();
    let target = request.path_with_query().unwrap_or_default();
    let mut lines: Vec<String> = request
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(&value)))
        .collect();
    lines.sort();
    format!("{method} {scheme}://{authority}{target}\n{}\n", lines.join("\n"))
}
