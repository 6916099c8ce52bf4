//! Changes to header fields, and which fields nobody may change.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Changes to the headers of a request or an answer: first what is removed, then what is set, then what is added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderChanges {
    pub remove: Vec<HeaderName>,
    /// In place of every value that was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Beside whatever was there.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderChanges {
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }

    /// For an answer of the platform's own making: nothing that it says is taken back.
    pub fn complete(&self, headers: &mut HeaderMap) {
        for (name, value) in self.set.iter().chain(&self.add) {
            if !headers.contains_key(name) {
                headers.append(name.clone(), value.clone());
            }
        }
    }
}

/// Fields that belong to one hop, or say where a message ends: changing one makes two readers disagree.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const FRAMES: &str = "it belongs to one connection or frames the message; the node writes it";
const OURS: &str = "the node writes it";

/// Why a manifest may not change this header of a request, as the end of a sentence.
pub fn request_fault(name: &str) -> Option<&'static str> {
    match name {
        _ if FRAMING.contains(&name) => Some(FRAMES),
        "host" => Some("the host is changed by `rewrite = { host = \"…\" }`"),
        "traceparent" | "tracestate" | "baggage" => Some("the node writes it, so that traces stay whole"),
        "forwarded" | "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "x-forwarded-port"
        | "x-real-ip" => Some("it says who is calling; the node writes it"),
        _ if name.starts_with("weft-") => Some(OURS),
        _ => None,
    }
}

/// Why a manifest may not change this header of an answer, as the end of a sentence.
pub fn response_fault(name: &str) -> Option<&'static str> {
    match name {
        _ if FRAMING.contains(&name) => Some(FRAMES),
        "content-encoding" | "content-range" => Some("it says how the body is to be read"),
        "ratelimit" | "ratelimit-policy" => Some("`policy.rate-limit` writes it"),
        _ if name.starts_with("weft-") => Some(OURS),
        _ => None,
    }
}

/// Why a cache may not keep answers apart by this header of a request, as the end of a sentence.
pub fn key_fault(name: &str) -> Option<&'static str> {
    match name {
        _ if FRAMING.contains(&name) => Some(FRAMES),
        "host" => Some("the host is a part of every key"),
        "traceparent" | "tracestate" | "baggage" => Some("it is another one for each request"),
        "range"
        | "if-range"
        | "if-none-match"
        | "if-modified-since"
        | "if-match"
        | "if-unmodified-since"
        | "cache-control"
        | "pragma" => Some("it is what the cache itself is asked"),
        _ => None,
    }
}

/// Why a cache may not show whoever answers this header without keeping answers apart by it.
pub fn forward_fault(name: &str) -> Option<&'static str> {
    match name {
        "cookie" | "authorization" => Some("it says who asks: an answer that is kept for all may not know it"),
        _ => key_fault(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    }

    fn all(headers: &HeaderMap) -> Vec<String> {
        let mut all: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
        all.sort();
        all
    }

    fn changes() -> HeaderChanges {
        HeaderChanges {
            remove: vec![HeaderName::from_static("a"), HeaderName::from_static("c")],
            set: vec![pair("b", "new"), pair("c", "again")],
            add: vec![pair("b", "more"), pair("d", "1")],
        }
    }

    #[test]
    fn what_is_removed_may_be_set_and_what_is_set_added_to() {
        let mut headers: HeaderMap =
            [pair("a", "1"), pair("b", "1"), pair("c", "1"), pair("e", "1")].into_iter().collect();
        headers.append("b", HeaderValue::from_static("2"));
        changes().apply(&mut headers);
        assert_eq!(all(&headers), ["b: more", "b: new", "c: again", "d: 1", "e: 1"]);
    }

    #[test]
    fn an_answer_of_ours_keeps_what_it_says() {
        let mut headers: HeaderMap = [pair("a", "1"), pair("b", "1")].into_iter().collect();
        changes().complete(&mut headers);
        assert_eq!(all(&headers), ["a: 1", "b: 1", "c: again", "d: 1"]);
    }

    #[test]
    fn framing_is_nobodys_to_change() {
        for name in FRAMING.iter().chain(&["host", "x-forwarded-for", "weft-anything", "traceparent"]) {
            assert!(request_fault(name).is_some(), "{name}");
        }
        for name in FRAMING.iter().chain(&["weft-error", "content-encoding"]) {
            assert!(response_fault(name).is_some(), "{name}");
        }
        for name in ["x-a", "authorization", "cookie", "accept"] {
            assert_eq!(request_fault(name), None);
            assert_eq!(response_fault(name), None);
        }
        assert_eq!(response_fault("host"), None);
    }
}
