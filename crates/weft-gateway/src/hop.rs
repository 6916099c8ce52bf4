//! Headers that belong to one hop only, taken off in both directions.

use http::{HeaderMap, HeaderName, header};
use weft_types::LOGIN_COOKIES;

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What `Connection` cannot take away by naming it: what frames or routes the message, and what others rely on to
/// know who is calling. A caller that could remove what a proxy in front has added would be someone else.
const KEPT: [&str; 15] = [
    "close",
    "keep-alive",
    "host",
    "content-length",
    "te",
    "authorization",
    "cookie",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "traceparent",
    "tracestate",
];

/// Removes what `Connection` names, and all that RFC 9110, 7.6.1 says even without it.
///
/// `TE: trailers` stays: it is how a caller says that trailers are welcome, and the answer is end to end.
pub(crate) fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        named(headers);
        headers.remove(header::CONNECTION);
    }
    for name in [&KEEP_ALIVE, &PROXY_CONNECTION, &HTTP2_SETTINGS, &header::TRANSFER_ENCODING, &header::UPGRADE] {
        headers.remove(name);
    }
    let mut te = headers.get_all(header::TE).iter();
    let trailers = te.next().is_none_or(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    // HTTP/2 lets it say nothing else, and that once: a server behind us would call the whole request malformed.
    if !trailers || te.next().is_some() {
        headers.remove(header::TE);
    }
}

/// Removes what a trailer may not say (RFC 9110, 6.5.1): how the message is framed, and where it goes.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    strip(trailers);
    for name in [header::CONTENT_LENGTH, header::HOST, header::TE, header::TRAILER, header::SET_COOKIE] {
        trailers.remove(name);
    }
}

/// HTTP/2 may bring a cookie in crumbs, which make one header again (RFC 9113, 8.2.3).
pub(crate) fn join_crumbs(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(http::HeaderValue::as_bytes).collect();
    if let Ok(cookie) = http::HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

/// Takes our own cookies away: whoever answers could be somebody else's server, and show them to us again.
pub(crate) fn strip_logins(headers: &mut HeaderMap) {
    if !headers.get_all(header::COOKIE).iter().any(|line| pairs(line).any(is_login)) {
        return;
    }
    let mut kept = Vec::new();
    for line in headers.get_all(header::COOKIE) {
        let others: Vec<&[u8]> = pairs(line).filter(|pair| !is_login(pair)).collect();
        if !others.is_empty() {
            // Parts of a value make a value.
            kept.extend(http::HeaderValue::from_bytes(&others.join(&b"; "[..])));
        }
    }
    headers.remove(header::COOKIE);
    for line in kept {
        headers.append(header::COOKIE, line);
    }
}

fn pairs(line: &http::HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

fn is_login(pair: &[u8]) -> bool {
    let name = pair.strip_prefix(b"__Host-").unwrap_or(pair);
    LOGIN_COOKIES.iter().any(|ours| name.starts_with(ours.as_bytes()))
}

fn named(headers: &mut HeaderMap) {
    let value = |value: &http::HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
    let lines: Vec<String> = headers.get_all(header::CONNECTION).iter().map(value).collect();
    for token in lines.iter().flat_map(|line| line.split(',')).map(str::trim) {
        if !KEPT.iter().any(|kept| token.eq_ignore_ascii_case(kept)) {
            headers.remove(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hop_headers_go_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret"),
            ("connection", "upgrade, content-length, X-Forwarded-For"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("host", "a"),
        ] {
            headers.append(name.parse::<HeaderName>().expect("name"), value.parse().expect("value"));
        }
        strip(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "te", "x-forwarded-for"]);
    }
    #[test]
    fn te_says_trailers_once_or_nothing() {
        for (lines, stays) in [
            (&["trailers"][..], true),
            (&["Trailers"], true),
            (&["trailers", "gzip"], false),
            (&["trailers", "trailers"], false),
            (&["trailers, gzip"], false),
            (&["gzip"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::TE, line.parse().expect("a value"));
            }
            strip(&mut headers);
            assert_eq!(headers.contains_key(header::TE), stays, "{lines:?}");
        }
    }

    #[test]
    fn our_own_cookies_go_and_those_of_others_stay() {
        let left = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, http::HeaderValue::from_bytes(line).expect("a value"));
            }
            strip_logins(&mut headers);
            headers.get_all(header::COOKIE).iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>()
        };
        let mixed = b"a=1; __Host-weft-session-staff=x;weft-login-staff-0a=y; b=caf\xe9";
        assert_eq!(left(&[mixed, b"weft-session-s=z", b"c=2"]), [&b"a=1; b=caf\xe9"[..], b"c=2"]);
        assert!(left(&[b"weft-session-staff=x"]).is_empty());
        let others: [&[u8]; 2] = [b"a=1;b=weft-session-x;; weft-split=1", b"my-weft-login-x=1"];
        assert_eq!(left(&others), others, "as they were sent");
        assert!(left(&[]).is_empty());
    }
}
