//! Cookies of a login: bound to this host and, where that is secured, to TLS.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

/// With the prefix by which browsers hold cookies to one host, TLS and all paths: nobody else's page can set it.
pub(crate) fn named(name: &str, secure: bool) -> String {
    let prefix = if secure { "__Host-" } else { "" };
    format!("{prefix}{name}")
}

/// `None`: it is not there, or there twice, of which one is somebody else's.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = all(headers).filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.next().filter(|_| found.next().is_none())
}

/// Names that begin so.
pub(crate) fn beginning<'a>(headers: &'a HeaderMap, prefix: &str) -> impl Iterator<Item = &'a str> {
    all(headers)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, _)| name)
        .filter(move |name| name.starts_with(prefix))
}

fn all(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    // Others may have set what is no text: that hides no pair but its own.
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    lines
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair.trim_ascii()).ok())
}

/// The value of `Set-Cookie`. Without `value` the browser forgets it.
pub(crate) fn set(name: &str, value: Option<&str>, age: Duration, secure: bool) -> Option<HeaderValue> {
    let (value, age) = value.map_or(("", 0), |value| (value, age.as_secs()));
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_where_it_is_there_once() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; weft-x=2;b=3"));
        headers.append(header::COOKIE, HeaderValue::from_static("weft-y=4=5; a=6"));
        assert_eq!(find(&headers, "weft-x"), Some("2"));
        assert_eq!(find(&headers, "weft-y"), Some("4=5"));
        assert_eq!((find(&headers, "a"), find(&headers, "weft-"), find(&headers, "c")), (None, None, None));
        assert_eq!(beginning(&headers, "weft-").collect::<Vec<_>>(), ["weft-x", "weft-y"]);
        let mixed = HeaderValue::from_bytes(b"theirs=caf\xe9; weft-z=7;\xff=1").expect("opaque bytes are sent");
        headers.append(header::COOKIE, mixed);
        assert_eq!(find(&headers, "weft-z"), Some("7"), "what others set hides nothing");
        let told = set(&named("weft-s", true), Some("v"), Duration::from_secs(60), true).expect("a value");
        assert_eq!(told, "__Host-weft-s=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        let told = set("weft-s", None, Duration::from_secs(60), false).expect("a value");
        assert_eq!(told, "weft-s=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }
}
