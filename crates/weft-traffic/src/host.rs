//! Host names: how a request's is normalised, and how a route's is checked.

use smallvec::SmallVec;

/// A request's host in lower case, without port and final dot; off the heap up to 64 bytes.
pub(crate) struct Host<'a>(Text<'a>);

enum Text<'a> {
    AsSent(&'a str),
    Lowered(SmallVec<[u8; 64]>),
}

impl<'a> Host<'a> {
    pub(crate) fn new(sent: &'a str) -> Self {
        let bare = without_port(sent);
        let bare = bare.strip_suffix('.').unwrap_or(bare);
        if !bare.bytes().any(|b| b.is_ascii_uppercase()) {
            return Self(Text::AsSent(bare));
        }
        Self(Text::Lowered(bare.bytes().map(|b| b.to_ascii_lowercase()).collect()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::AsSent(text) => text.as_bytes(),
            Text::Lowered(text) => text,
        }
    }

    /// What follows the first label, which `*.` stands for. `None`: a single label.
    pub(crate) fn parent(&self) -> Option<&[u8]> {
        let bytes = self.as_bytes();
        let dot = bytes.iter().position(|b| *b == b'.')?;
        (dot > 0).then(|| &bytes[dot + 1..])
    }
}

fn without_port(host: &str) -> &str {
    let after_bracket = host.rfind(']').map_or(0, |at| at + 1);
    match host[after_bracket..].find(':') {
        Some(colon) => &host[..after_bracket + colon],
        None => host,
    }
}

/// Which requests a route's `host` matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum HostPattern {
    Any,
    /// One label, then this.
    Below(Box<str>),
    Exactly(Box<str>),
}

impl HostPattern {
    /// The error is what is wrong with the host, as the end of a sentence.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, &'static str> {
        let Some(text) = text else { return Ok(Self::Any) };
        if text.contains("://") || text.contains('/') {
            return Err("a host is a name alone, without scheme and path");
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err("it must be written in lower case");
        }
        if text.starts_with('[') {
            return match text.ends_with(']') {
                true => Ok(Self::Exactly(text.into())),
                false => Err("a host is matched without its port"),
            };
        }
        if text.contains(':') {
            return Err("a host is matched without its port");
        }
        match text.strip_prefix("*.") {
            Some(parent) => check_labels(parent).map(|()| Self::Below(parent.into())),
            None => check_labels(text).map(|()| Self::Exactly(text.into())),
        }
    }

    pub(crate) fn matches(&self, host: &Host<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Below(parent) => host.parent() == Some(parent.as_bytes()),
            Self::Exactly(name) => host.as_bytes() == name.as_bytes(),
        }
    }

    /// Greater is more specific.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Below(_) => 1,
            Self::Exactly(_) => 2,
        }
    }
}

fn check_labels(name: &str) -> Result<(), &'static str> {
    if name.contains('*') {
        return Err("`*` may only stand for the whole first label, as in `*.example.com`");
    }
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(good);
    match name.len() <= 253 && name.split('.').all(label) {
        true => Ok(()),
        false => Err("it is not a host name (international names are written in their `xn--` form)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sent_host_is_compared_without_port_dot_and_case() {
        for sent in ["shop.example", "SHOP.example:8080", "shop.example.", "Shop.Example.:443"] {
            assert_eq!(Host::new(sent).as_bytes(), b"shop.example", "{sent}");
        }
        assert_eq!(Host::new("[::1]:80").as_bytes(), b"[::1]");
        assert_eq!(Host::new("").as_bytes(), b"");
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        let pattern = HostPattern::parse(Some("*.example.com")).expect("good");
        for (sent, is) in [
            ("a.example.com", true),
            ("A.EXAMPLE.com:1", true),
            ("example.com", false),
            ("a.b.example.com", false),
            (".example.com", false),
        ] {
            assert_eq!(pattern.matches(&Host::new(sent)), is, "{sent}");
        }
    }

    #[test]
    fn bad_hosts_are_refused() {
        for bad in ["", "a..b", "*", "a.*.b", "**.a", "Shop", "a:80", "http://a", "a/b", "ä.de", "[::1]:80"] {
            assert!(HostPattern::parse(Some(bad)).is_err(), "{bad}");
        }
        for good in ["localhost", "a.b-c.de", "127.0.0.1", "[::1]", "*.a.b"] {
            assert!(HostPattern::parse(Some(good)).is_ok(), "{good}");
        }
    }
}
