//! What a client and a service say to each other before they speak WebSocket (RFC 6455, 4).

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header, request::Parts};

/// What both ends of a handshake put behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// Whether a request asks for WebSocket; an error where it asks for a protocol that nobody here speaks.
///
/// `h2c` is ignored, as RFC 9110, 7.8 has it: clients that like HTTP/2 say it with every request, and go on without it.
pub(crate) fn asked(version: Version, headers: &HeaderMap) -> Result<bool, &'static str> {
    if version != Version::HTTP_11 || !headers.contains_key(header::UPGRADE) {
        return Ok(false);
    }
    if !tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Ok(false);
    }
    if tokens(headers, &header::UPGRADE).any(|token| token.eq_ignore_ascii_case(b"websocket")) {
        return Ok(true);
    }
    match tokens(headers, &header::UPGRADE).all(|token| token.eq_ignore_ascii_case(b"h2c")) {
        true => Ok(false),
        false => Err("it asks for a protocol other than websocket"),
    }
}

/// Whether a handshake is a good one. Its key, by which the answer is known to be one to it.
pub(crate) fn check(parts: &Parts, has_body: bool) -> Result<HeaderValue, &'static str> {
    if parts.method != Method::GET || has_body {
        return Err("a WebSocket begins with a GET without a body");
    }
    match single(&parts.headers, &header::SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes) {
        Some(b"13") => {}
        _ => return Err("its sec-websocket-version is not 13"),
    }
    let key = single(&parts.headers, &header::SEC_WEBSOCKET_KEY).ok_or("it does not have one sec-websocket-key")?;
    match BASE64_STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == KEY_BYTES) {
        true => Ok(key.clone()),
        false => Err("its sec-websocket-key is not 16 bytes in Base64"),
    }
}

/// Whether an answer with status 101 is one to the handshake with this key.
pub(crate) fn accepts(answer: &HeaderMap, key: &HeaderValue) -> bool {
    let upgrade = single(answer, &header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let accept = single(answer, &header::SEC_WEBSOCKET_ACCEPT);
    upgrade && accept.is_some_and(|accept| accept.as_bytes() == accept_of(key).as_bytes())
}

/// What the answer to this key says.
pub(crate) fn accept_of(key: &HeaderValue) -> String {
    let mut sha1 = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(key.as_bytes());
    sha1.update(GUID);
    BASE64_STANDARD.encode(sha1.finish())
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut all = headers.get_all(name).iter();
    all.next().filter(|_| all.next().is_none())
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn websocket_is_asked_for_by_both_headers_and_other_protocols_are_refused() {
        let ask = |connection, upgrade| {
            asked(Version::HTTP_11, &headers(&[("connection", connection), ("upgrade", upgrade)])).ok()
        };
        assert_eq!(ask("keep-alive, Upgrade", "WebSocket"), Some(true));
        assert_eq!(ask("upgrade", "h2c, websocket"), Some(true));
        assert_eq!(ask("keep-alive", "websocket"), Some(false), "not for us, and not named: it means nothing");
        assert_eq!(ask("upgrade, http2-settings", "h2c"), Some(false));
        assert_eq!(ask("upgrade", "tcp"), None);
        let old = headers(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        assert_eq!(asked(Version::HTTP_10, &old), Ok(false));
    }

    #[test]
    fn a_handshake_has_one_good_key_and_one_version() {
        let good = [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13")];
        let check = |method: Method, lines: &[(&'static str, &'static str)]| {
            let mut request = Request::new(());
            *request.method_mut() = method;
            for (name, value) in lines {
                request.headers_mut().append(*name, HeaderValue::from_static(value));
            }
            check(&request.into_parts().0, false)
        };
        let key = check(Method::GET, &good).expect("good");
        assert_eq!(accept_of(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "RFC 6455, 1.3");
        assert!(check(Method::POST, &good).is_err());
        assert!(check(Method::GET, &good[..1]).is_err());
        assert!(check(Method::GET, &good[1..]).is_err());
        assert!(check(Method::GET, &[good[0], good[0], good[1]]).is_err());
        assert!(check(Method::GET, &[good[0], ("sec-websocket-version", "8")]).is_err());
        assert!(check(Method::GET, &[("sec-websocket-key", "c2hvcnQ="), good[1]]).is_err());
    }

    #[test]
    fn an_answer_is_believed_that_could_only_be_one_to_this_key() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let accept = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(accepts(&headers(&[("upgrade", "websocket"), accept]), &key));
        assert!(!accepts(&headers(&[accept]), &key));
        assert!(!accepts(&headers(&[("upgrade", "h2c"), accept]), &key));
        assert!(!accepts(&headers(&[("upgrade", "websocket"), ("sec-websocket-accept", "other")]), &key));
    }
}
