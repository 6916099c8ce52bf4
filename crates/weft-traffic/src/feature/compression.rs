//! Whether an answer is compressed, and how: RFC 9110, 8.4 and 12.5.3, as a decision. Who compresses is the gateway.
//!
//! An answer that could have been compressed says so (`Vary: Accept-Encoding`), also where this client wants it plain.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::cors::vary;

/// A content coding that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

/// What is compressed, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    /// The first is taken of those that a client likes best.
    pub codings: Vec<Coding>,
    /// An answer that says that it is shorter stays plain. Bytes.
    pub min: u64,
    pub types: Vec<TypeRule>,
}

/// Which media types are worth it: `text/*`, `application/json`, `application/*+json`. Lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeRule {
    kind: Box<str>,
    /// What the subtype is, or ends in where `any` is set. Empty with `any`: any subtype.
    subtype: Box<str>,
    any: bool,
}

/// What is compressed by default: texts in their many names, and fonts that are not compressed in themselves.
pub const TYPES: &[&str] = &[
    "text/*",
    "application/json",
    "application/*+json",
    "application/javascript",
    "application/xml",
    "application/*+xml",
    "application/wasm",
    "application/x-ndjson",
    "image/svg+xml",
    "image/x-icon",
    "font/ttf",
    "font/otf",
];

impl Coding {
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn is(self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.as_str().as_bytes())
            || (self == Self::Gzip && name.eq_ignore_ascii_case(b"x-gzip"))
    }
}

impl Compression {
    /// The coding that this client likes best, ours first among equals. `None`: it wants the answer plain.
    pub fn choose(&self, request: &HeaderMap) -> Option<Coding> {
        let wishes = Wishes::read(request);
        let plain = wishes.named(|name| name.eq_ignore_ascii_case(b"identity")).unwrap_or(0);
        let mut best = None;
        for coding in &self.codings {
            let weight = wishes.named(|name| coding.is(name)).or(wishes.others).unwrap_or(0);
            if weight > 0 && weight >= plain && best.is_none_or(|(_, other)| weight > other) {
                best = Some((*coding, weight));
            }
        }
        best.map(|(coding, _)| coding)
    }

    /// Whether an answer with this head may be compressed for anybody. `length`: of its body, where it is known.
    pub fn fits(&self, status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT);
        // Each says something about the very bytes: of a part of them, of another form, or a sum over them.
        let bound = [
            header::CONTENT_RANGE,
            header::CONTENT_ENCODING,
            header::HeaderName::from_static("content-md5"),
            header::HeaderName::from_static("digest"),
            header::HeaderName::from_static("content-digest"),
            header::HeaderName::from_static("repr-digest"),
        ];
        !bodiless
            && length.is_none_or(|length| length >= self.min)
            && !bound.iter().any(|name| headers.contains_key(name))
            && !no_transform(headers)
            && self.type_fits(headers)
    }

    fn type_fits(&self, headers: &HeaderMap) -> bool {
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(only), None) = (types.next(), types.next()) else { return false };
        let Ok(text) = only.to_str() else { return false };
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let Some((kind, subtype)) = essence.split_once('/') else { return false };
        // A protocol with a compression of its own.
        !subtype.starts_with("grpc") && self.types.iter().any(|rule| rule.matches(kind, subtype))
    }

    /// Says of an answer that fits what is done to it.
    pub fn head(&self, coding: Option<Coding>, headers: &mut HeaderMap) {
        vary(headers, header::ACCEPT_ENCODING.as_str());
        let Some(coding) = coding else { return };
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        headers.remove(header::CONTENT_LENGTH);
        // Parts of it would be parts of the plain form.
        headers.remove(header::ACCEPT_RANGES);
        weaken(headers);
    }
}

impl TypeRule {
    /// The error is what is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((kind, subtype)) = text.split_once('/') else {
            return Err("a media type has two parts, such as `text/html` or `text/*`");
        };
        let word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9') || b"!#$&-^_.+".contains(&b))
        };
        let (any, rest) = match subtype.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, subtype),
        };
        match word(kind) && (word(rest) || (any && rest.is_empty())) {
            true => Ok(Self { kind: kind.into(), subtype: rest.into(), any }),
            false => {
                Err("it is no media type in lower case; `*` may begin the second part: `text/*`, `application/*+json`")
            }
        }
    }

    fn matches(&self, kind: &str, subtype: &str) -> bool {
        *self.kind == *kind && if self.any { subtype.ends_with(&*self.subtype) } else { *self.subtype == *subtype }
    }
}

/// What a client says of codings: weights in thousandths.
struct Wishes<'h> {
    named: Vec<(&'h [u8], u16)>,
    /// Of `*`.
    others: Option<u16>,
}

/// More elements than any client has reason to send.
const WISHES_MAX: usize = 32;

impl<'h> Wishes<'h> {
    fn read(headers: &'h HeaderMap) -> Self {
        let mut wishes = Self { named: Vec::new(), others: None };
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
        for element in lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).take(WISHES_MAX) {
            let mut parts = element.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            // What cannot be read is no wish.
            let Some(weight) = parts.next().map_or(Some(1000), weight) else { continue };
            match name {
                b"" => {}
                b"*" => wishes.others = Some(weight),
                name => wishes.named.push((name, weight)),
            }
        }
        wishes
    }

    fn named(&self, is: impl Fn(&[u8]) -> bool) -> Option<u16> {
        self.named.iter().find(|(name, _)| is(name)).map(|(_, weight)| *weight)
    }
}

/// `q=0.5` in thousandths (RFC 9110, 12.4.2).
fn weight(text: &[u8]) -> Option<u16> {
    let (name, value) = text.split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let (whole, rest) = value.split_first()?;
    let digits = match rest {
        [] => &[][..],
        [b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let part = (0..3).fold(0, |sum, i| sum * 10 + digits.get(i).map_or(0, |d| u16::from(d - b'0')));
    match whole {
        b'0' => Some(part),
        b'1' if part == 0 => Some(1000),
        _ => None,
    }
}

/// Whether the answer forbids anybody on its way to change its form (RFC 9111, 5.2.2.6).
fn no_transform(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CACHE_CONTROL).iter();
    let mut words = lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    words.any(|word| word.eq_ignore_ascii_case(b"no-transform"))
}

/// Bytes that were compressed are not the bytes that a strong tag names (RFC 9110, 8.8.1).
pub fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) else { return };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compression() -> Compression {
        let types = TYPES.iter().map(|text| TypeRule::parse(text).expect("a rule")).collect();
        Compression { codings: Coding::ALL.to_vec(), min: 256, types }
    }

    fn chosen(accept: &[&str]) -> &'static str {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT_ENCODING, value.parse().expect("a value"));
        }
        compression().choose(&headers).map_or("plain", Coding::as_str)
    }

    #[test]
    fn the_client_chooses_and_we_break_ties() {
        for (accept, wanted) in [
            (&[][..], "plain"),
            (&[""], "plain"),
            (&["gzip"], "gzip"),
            (&["GZIP"], "gzip"),
            (&["x-gzip"], "gzip"),
            (&["gzip, deflate, br, zstd"], "zstd"),
            (&["gzip, deflate", "br"], "br"),
            (&["gzip;q=1.0, br;q=0.9, zstd;q=0.8"], "gzip"),
            (&["gzip;q=0.5;x=1, br; q=0.501"], "br"),
            (&["br;q=0, gzip;q=0"], "plain"),
            (&["*"], "zstd"),
            (&["*;q=0.5, zstd;q=0"], "br"),
            (&["*;q=0"], "plain"),
            (&["identity;q=1, gzip;q=0.5"], "plain"),
            (&["identity;q=0.5, gzip;q=1"], "gzip"),
            (&["identity;q=0, gzip;q=0.001"], "gzip"),
            (&["identity"], "plain"),
            (&["gzip;q=2"], "plain"),
            (&["gzip;q=0.1234"], "plain"),
            (&["gzip;q="], "plain"),
            (&["gzip;level=9"], "plain"),
            (&["deflate, compress"], "plain"),
            (&[",,gzip,,"], "gzip"),
        ] {
            assert_eq!(chosen(accept), wanted, "{accept:?}");
        }
        assert_eq!(chosen(&[&"deflate,".repeat(10_000)]), "plain");
    }

    fn fits(status: u16, length: Option<u64>, headers: &[(&'static str, &'static str)]) -> bool {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        compression().fits(StatusCode::from_u16(status).expect("a status"), &headers.collect(), length)
    }

    #[test]
    fn only_whole_plain_long_texts_that_may_be_changed_are_compressed() {
        let html = ("content-type", "text/html; charset=utf-8");
        for status in [200, 404, 500] {
            assert!(fits(status, None, &[html]), "{status}");
        }
        assert!(fits(200, Some(256), &[html]));
        assert!(fits(200, None, &[("content-type", "Application/Problem+JSON")]));
        assert!(fits(200, None, &[html, ("cache-control", "public, max-age=1")]));
        assert!(!fits(200, Some(255), &[html]));
        for status in [204, 205, 206] {
            assert!(!fits(status, None, &[html]), "{status}");
        }
        for (name, value) in [
            ("content-encoding", "br"),
            ("content-range", "bytes 0-1/2"),
            ("cache-control", "max-age=1, No-Transform"),
            ("content-digest", "sha-256=:AA==:"),
            ("content-type", "text/plain"),
        ] {
            let mut headers: HeaderMap =
                [(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))].into_iter().collect();
            headers.append(name, HeaderValue::from_static(value));
            assert!(!compression().fits(StatusCode::OK, &headers, None), "{name}");
        }
        for kind in ["image/png", "application/octet-stream", "application/grpc+json", "text", "", "application/jsonx"]
        {
            assert!(!fits(200, None, &[("content-type", kind)]), "{kind}");
        }
        assert!(!fits(200, None, &[]));
    }

    #[test]
    fn the_head_says_what_was_done() {
        let head = |coding| {
            let mut headers = HeaderMap::new();
            for (name, value) in
                [("etag", "\"a\""), ("content-length", "300"), ("accept-ranges", "bytes"), ("vary", "accept")]
            {
                headers.insert(name, HeaderValue::from_static(value));
            }
            compression().head(coding, &mut headers);
            let mut all: Vec<String> =
                headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
            all.sort();
            all.join("; ")
        };
        assert_eq!(
            head(Some(Coding::Brotli)),
            "content-encoding: br; etag: W/\"a\"; vary: accept; vary: accept-encoding"
        );
        assert_eq!(
            head(None),
            "accept-ranges: bytes; content-length: 300; etag: \"a\"; vary: accept; vary: accept-encoding"
        );
    }

    #[test]
    fn rules_for_types() {
        for bad in ["text", "*/*", "/html", "text/", "Text/html", "text/a*", "text/html; charset=x"] {
            assert!(TypeRule::parse(bad).is_err(), "{bad}");
        }
    }
}
