//! The head that is sent on: nothing of the last hop, and who asked, as the connection says and not as the client does.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header, request::Parts, uri::Scheme};
use weft_traffic::{UpstreamAddress, Wire, forwarded};
use weft_types::{ClientAddress, Trace, Upgrade};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Those of one hop (RFC 9110, 7.6.1), whether `Connection` names them or not.
const ONE_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// What `Connection` cannot take away by naming it: what frames or routes the message.
const KEPT: [HeaderName; 4] = [header::CONTENT_LENGTH, header::HOST, header::TE, header::VIA];

/// A head from which that of every try is made.
pub(crate) struct Head {
    pub(crate) method: Method,
    path: http::uri::PathAndQuery,
    pub(crate) headers: HeaderMap,
    /// It asks to go on with WebSocket.
    pub(crate) upgrade: bool,
}

impl Head {
    /// The request's URI is absolute where a gateway took it; its scheme and authority are what is told on.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { method, uri, version, mut headers, extensions, .. } = parts;
        strip(&mut headers);
        // The body says its own length, and the connection is made with another host.
        headers.remove(header::CONTENT_LENGTH);
        let host = headers.remove(header::HOST);
        // Without it a gateway that knows its proxies has said in the headers who is calling.
        if let Some(client) = extensions.get::<ClientAddress>() {
            forwarded::strip(&mut headers);
            set(&mut headers, FORWARDED_FOR, Some(&client.0.ip().to_canonical().to_string()));
            set(&mut headers, FORWARDED_PROTO, uri.scheme_str());
            let written = host.as_ref().and_then(|host| host.to_str().ok());
            let host = uri.authority().map(http::uri::Authority::as_str).or(written).map(str::to_owned);
            set(&mut headers, FORWARDED_HOST, host.as_deref());
        }
        let via = if version >= Version::HTTP_2 { "2 weft" } else { "1.1 weft" };
        headers.append(header::VIA, HeaderValue::from_static(via));
        let path = uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
        let upgrade = extensions.get::<Upgrade>().is_some();
        if upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        Self { method, path, headers, upgrade }
    }

    /// The request of one try.
    pub(crate) fn request<B>(&self, to: &UpstreamAddress, trace: &Trace, body: B) -> Result<Request<B>, http::Error> {
        let scheme = if to.wire == Wire::Https { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder().scheme(scheme).authority(to.authority()).path_and_query(self.path.clone()).build()?;
        let mut request = Request::builder().method(self.method.clone()).uri(uri).body(body)?;
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        set(headers, TRACEPARENT, Some(&trace.to_parent()));
        set(headers, TRACESTATE, trace.state.as_deref());
        Ok(request)
    }
}

/// Removes what belongs to one hop only.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let lines: Vec<HeaderValue> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    let tokens = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    for name in tokens.filter_map(|token| token.trim().parse::<HeaderName>().ok()) {
        if !KEPT.contains(&name) {
            headers.remove(name);
        }
    }
    for name in ONE_HOP {
        headers.remove(name);
    }
    if !only_trailers(headers) {
        headers.remove(header::TE);
    }
}

/// Whether `TE` says nothing, or `trailers` once and nothing else: all that HTTP/2 lets it say (RFC 9113, 8.2.2).
fn only_trailers(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::TE).iter();
    lines.next().is_none_or(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers")) && lines.next().is_none()
}

/// Removes what a trailer may not say (RFC 9110, 6.5.1).
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    strip(trailers);
    for name in [header::CONTENT_LENGTH, header::HOST, header::TE, header::TRAILER, header::SET_COOKIE] {
        trailers.remove(name);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    match value.map(HeaderValue::from_str) {
        Some(Ok(value)) => drop(headers.insert(name, value)),
        _ => drop(headers.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn what_a_client_claims_is_replaced_by_what_the_connection_says() {
        let request = Request::builder()
            .method("POST")
            .uri("https://shop.example/a%20b?c=d")
            .header("connection", "close, x-private, content-length")
            .header("keep-alive", "timeout=5")
            .header("x-private", "1")
            .header("x-forwarded-for", "6.6.6.6")
            .header("x-forwarded-port", "1")
            .header("forwarded", "for=6.6.6.6")
            .header("x-real-ip", "6.6.6.6")
            .header("x_forwarded_for", "6.6.6.6")
            .header("x_real_ip", "6.6.6.6")
            .header("via", "1.0 them")
            .header("content-length", "3")
            .header("te", "trailers")
            .header("te", "gzip")
            .header("traceparent", "junk")
            .header("tracestate", "junk")
            .header("x-mine", "2")
            .extension(ClientAddress(SocketAddr::from(([192, 0, 2, 9], 1234))))
            .body(())
            .expect("a request");
        let head = Head::new(request.into_parts().0);
        let to = "http://10.1.0.4:8080".parse().expect("an address");
        let trace = Trace { flags: 1, ..Trace::default() };
        let sent = head.request(&to, &trace, ()).expect("a request");
        assert_eq!(sent.uri().to_string(), "http://10.1.0.4:8080/a%20b?c=d");
        let mut lines: Vec<_> = sent.headers().iter().map(|(k, v)| format!("{k}: {}", v.to_str().unwrap())).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "traceparent: 00-00000000000000000000000000000000-0000000000000000-01",
                "via: 1.0 them",
                "via: 1.1 weft",
                "x-forwarded-for: 192.0.2.9",
                "x-forwarded-host: shop.example",
                "x-forwarded-proto: https",
                "x-mine: 2",
            ]
        );
    }
}
