//! Which pages of other origins may read a route's answers: the server's side of the Fetch standard's CORS protocol.
//!
//! ```text
//! preflight   OPTIONS with Origin and Access-Control-Request-Method: answered here, nobody else sees it
//! request     passed on whoever asks; only what its answer lets a page read is decided here
//! ```
//!
//! An answer that depends on who asked says so (`Vary: Origin`), also where nobody is named, so that no cache gives one
//! page's answer to another.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Who may read answers, and what else they may send. Prepared: a request formats nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    origins: Vec<OriginRule>,
    any: bool,
    /// `None`: the method that is asked for, since a route takes it.
    methods: Option<HeaderValue>,
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

/// What an author says of it. Each text has been checked: [`OriginRule::parse`].
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// `*`, `https://shop.example`, `https://*.example.com`.
    pub origins: &'a [String],
    /// Empty: whatever the route takes.
    pub methods: &'a [String],
    pub headers: &'a [String],
    pub expose: &'a [String],
    pub credentials: bool,
    pub max_age: Option<Duration>,
}

/// One origin, or those of all names one label below a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginRule {
    Exactly(Box<str>),
    /// `https://` and `.example.com:8443`.
    Below {
        scheme: Box<str>,
        parent: Box<str>,
    },
}

/// What an answer says to the page that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Every page may read it.
    Any,
    /// The one that asked may.
    Origin(HeaderValue),
    /// None may, or no page asked; another one might be told otherwise.
    Nobody,
}

/// Whether a request is a preflight (Fetch, 4.8): one that a browser sends on its own to ask for leave.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The method that a preflight asks for. `None`: no such method, or several.
pub fn asked_method(headers: &HeaderMap) -> Option<Method> {
    let value = single(headers, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(value.as_bytes()).ok()
}

impl Cors {
    pub fn new(options: &Options<'_>) -> Self {
        let rules = options.origins.iter().filter_map(|origin| OriginRule::parse(origin).ok());
        let seconds = options.max_age.map(|time| HeaderValue::from(time.as_secs()));
        Self {
            origins: rules.collect(),
            any: options.origins.iter().any(|origin| origin == "*"),
            methods: list(options.methods),
            headers: list(options.headers),
            expose: list(options.expose),
            credentials: options.credentials,
            max_age: seconds,
        }
    }

    /// What the answer to a request with these headers says.
    pub fn grant(&self, headers: &HeaderMap) -> Grant {
        if self.any && !self.credentials {
            return Grant::Any;
        }
        match single(headers, &header::ORIGIN).filter(|origin| self.allows(origin)) {
            Some(origin) => Grant::Origin(origin.clone()),
            None => Grant::Nobody,
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.origins.iter().any(|rule| rule.matches(origin)))
    }

    /// The headers of a preflight's answer. The lists are told whole: the browser compares, and tells its developer.
    pub fn preflight(&self, grant: &Grant, asked: &Method, answer: &mut HeaderMap) {
        self.origin(grant, answer);
        let vary = "origin, access-control-request-method, access-control-request-headers";
        answer.insert(header::VARY, HeaderValue::from_static(vary));
        if *grant == Grant::Nobody {
            return;
        }
        let methods = self.methods.clone().or_else(|| HeaderValue::from_str(asked.as_str()).ok());
        let told = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods.as_ref()),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.as_ref()),
            (header::ACCESS_CONTROL_MAX_AGE, self.max_age.as_ref()),
        ];
        for (name, value) in told {
            if let Some(value) = value {
                answer.insert(name, value.clone());
            }
        }
    }

    /// The headers of any other answer, in place of what a component may have said itself.
    pub fn answer(&self, grant: &Grant, answer: &mut HeaderMap) {
        for name in [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            answer.remove(name);
        }
        self.origin(grant, answer);
        if *grant != Grant::Any {
            vary(answer, header::ORIGIN.as_str());
        }
        if let Some(expose) = self.expose.as_ref().filter(|_| *grant != Grant::Nobody) {
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    fn origin(&self, grant: &Grant, answer: &mut HeaderMap) {
        let origin = match grant {
            Grant::Any => HeaderValue::from_static("*"),
            Grant::Origin(origin) => origin.clone(),
            Grant::Nobody => return,
        };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

impl OriginRule {
    /// The error is what is wrong with it, as the end of a sentence. `*` alone is no rule.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "null" {
            return Err("`null` is what every sandboxed page sends: it names nobody");
        }
        let Some((scheme, host)) = text.split_once("://") else {
            return Err("an origin is a scheme and a host, such as `https://shop.example`");
        };
        if scheme.is_empty()
            || !scheme.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.'))
        {
            return Err("its scheme is not one, or not in lower case");
        }
        if host.contains(['/', '?', '#', '@']) {
            return Err("an origin ends with its host and port: no path follows, not even `/`");
        }
        if matches!((scheme, host.rsplit_once(':')), ("https", Some((_, "443"))) | ("http", Some((_, "80")))) {
            return Err("browsers leave the usual port out: leave it out here, too");
        }
        match host.strip_prefix("*.") {
            Some(parent) if is_host(parent) => {
                Ok(Self::Below { scheme: scheme.into(), parent: format!(".{parent}").into() })
            }
            None if is_host(host) => Ok(Self::Exactly(text.into())),
            _ => Err("its host is not one; `*.` may stand for a first label"),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exactly(rule) => &**rule == origin,
            Self::Below { scheme, parent } => {
                let host = origin.strip_prefix(&**scheme).and_then(|rest| rest.strip_prefix("://"));
                let label = host.and_then(|host| host.strip_suffix(&**parent));
                label.is_some_and(|label| !label.is_empty() && label.bytes().all(is_label))
            }
        }
    }
}

/// A host in lower case, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let good = match literal {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_label)),
    };
    good && (port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()))
}

fn is_label(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

/// The value of a header that occurs once.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

fn list(words: &[String]) -> Option<HeaderValue> {
    if words.is_empty() {
        return None;
    }
    HeaderValue::from_str(&words.join(", ")).ok()
}

/// Adds a name to `Vary`, unless it is there. `name` is in lower case.
pub fn vary(headers: &mut HeaderMap, name: &'static str) {
    let mut said = headers.get_all(header::VARY).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    if !said.any(|said| said.trim_ascii() == b"*" || said.trim_ascii().eq_ignore_ascii_case(name.as_bytes())) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Cors::new(&Options { origins: &origins, credentials, ..Options::default() })
    }

    fn from(origin: &str) -> HeaderMap {
        [(header::ORIGIN, HeaderValue::from_str(origin).expect("a value"))].into_iter().collect()
    }

    #[test]
    fn an_origin_is_allowed_as_a_whole_or_not_at_all() {
        let cors = cors(&["https://shop.example", "https://*.example.com:8443", "http://[::1]:3000"], true);
        for allowed in ["https://shop.example", "https://a.example.com:8443", "http://[::1]:3000"] {
            assert_eq!(cors.grant(&from(allowed)), Grant::Origin(allowed.parse().expect("a value")), "{allowed}");
        }
        for refused in [
            "http://shop.example",
            "https://shop.example:443",
            "https://shop.example.evil",
            "https://evilshop.example",
            "https://SHOP.example",
            "https://shop.example/",
            "https://example.com:8443",
            "https://.example.com:8443",
            "https://a.b.example.com:8443",
            "https://a.example.com",
            "https://evil/.example.com:8443",
            "https://evil?.example.com:8443",
            "https://evilexample.com:8443",
            "null",
            "",
        ] {
            assert_eq!(cors.grant(&from(refused)), Grant::Nobody, "{refused}");
        }
        assert_eq!(cors.grant(&HeaderMap::new()), Grant::Nobody);
        let mut two = from("https://shop.example");
        two.append(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
        assert_eq!(cors.grant(&two), Grant::Nobody);
    }

    #[test]
    fn anybody_is_never_anybody_with_credentials() {
        assert_eq!(cors(&["*"], false).grant(&from("null")), Grant::Any);
        assert_eq!(cors(&["*"], true).grant(&from("https://evil.example")), Grant::Nobody);
    }

    #[test]
    fn rules_that_are_no_origins_are_refused() {
        for bad in [
            "*",
            "null",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://Shop.example",
            "HTTPS://a",
            "://a",
            "https://a:443",
            "http://a:80",
            "https://*",
            "https://a.*.b",
            "https://u@a",
            "https://a:x",
            "https://a..b",
        ] {
            assert!(OriginRule::parse(bad).is_err(), "{bad}");
        }
        for good in ["https://a", "http://a:8080", "https://*.a.b", "https://*.a:8443", "capacitor://localhost"] {
            assert!(OriginRule::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn vary_says_a_name_once() {
        let mut headers = HeaderMap::new();
        vary(&mut headers, "origin");
        vary(&mut headers, "origin");
        assert_eq!(headers.get_all(header::VARY).iter().count(), 1);
        let mut headers: HeaderMap = [(header::VARY, HeaderValue::from_static("accept, Origin"))].into_iter().collect();
        vary(&mut headers, "origin");
        assert_eq!(headers.get_all(header::VARY).iter().count(), 1);
        let mut headers: HeaderMap = [(header::VARY, HeaderValue::from_static("*"))].into_iter().collect();
        vary(&mut headers, "origin");
        assert_eq!(headers.get_all(header::VARY).iter().count(), 1);
    }
}
