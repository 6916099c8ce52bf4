//! Where a service is that is not WebAssembly: `http://10.1.0.4:8080`, `https://pay.example`, `h2c://grpc.local:50051`.

use std::{fmt, str::FromStr, sync::Arc};

use http::uri::Authority;
use weft_types::Context;

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wire {
    /// HTTP/1.1 in the clear.
    Http,
    /// TLS with verification, HTTP/2 or HTTP/1.1 by ALPN.
    Https,
    /// HTTP/2 in the clear, with prior knowledge.
    H2c,
}

impl Wire {
    const ALL: [Self; 3] = [Self::Http, Self::Https, Self::H2c];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }

    fn port(self) -> u16 {
        if self == Self::Https { 443 } else { 80 }
    }
}

/// One endpoint of an upstream. `Display` is its canonical form, always with the port, which parses back to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamAddress {
    pub wire: Wire,
    /// In lower case; an IPv6 address in brackets.
    pub host: Arc<str>,
    pub port: u16,
}

impl UpstreamAddress {
    /// Longest text that is read.
    pub const BYTES_MAX: usize = 300;

    /// `host:port`, as `Host` and a URI have it; without the port where it is the scheme's own.
    pub fn authority(&self) -> String {
        if self.port == self.wire.port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.wire.as_str(), self.host, self.port)
    }
}

/// What is wrong with an upstream's address, in words that follow "it".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UpstreamAddressError(&'static str);

impl FromStr for UpstreamAddress {
    type Err = UpstreamAddressError;

    fn from_str(text: &str) -> Result<Self, UpstreamAddressError> {
        let wrong = |why| Err(UpstreamAddressError(why));
        if text.len() > Self::BYTES_MAX {
            return wrong("is longer than 300 characters");
        }
        let split = text.split_once("://");
        let found = split.and_then(|(scheme, rest)| Some((Wire::ALL.iter().find(|w| w.as_str() == scheme)?, rest)));
        let Some((wire, rest)) = found else {
            return wrong("begins with none of `http://`, `https://` and `h2c://`");
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return wrong("holds a path, but the request's own path is sent");
        }
        if rest.contains('@') {
            return wrong("holds a user, which would be a secret in the manifest");
        }
        let Ok(authority) = rest.parse::<Authority>() else { return wrong("names no valid host") };
        let port = match (authority.port_u16(), rest.len() == authority.host().len()) {
            (Some(0), _) | (None, false) => return wrong("has a port that is not from 1 to 65535"),
            (port, _) => port.unwrap_or(wire.port()),
        };
        if !is_host(authority.host()) {
            return wrong("names no valid host");
        }
        Ok(Self { wire: *wire, host: authority.host().to_ascii_lowercase().into(), port })
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inner.parse::<core::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

/// What a route's requests are passed on to.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What the door finds it by: a target whose `function` begins with [`Upstream::FUNCTION`], which no component has.
    pub context: Arc<Context>,
    /// What people call it: its name in the manifest, or its endpoints.
    pub name: Arc<str>,
}

impl Upstream {
    /// More endpoints than this in one upstream are refused.
    pub const ENDPOINTS_MAX: usize = 256;
    /// The colon and the missing interface tell it from a function of a component.
    pub const FUNCTION: &str = "upstream:";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_have_one_form_that_reads_back() {
        for (text, canonical, authority) in [
            ("http://10.1.0.4:8080", "http://10.1.0.4:8080", "10.1.0.4:8080"),
            ("https://Pay.Example/", "https://pay.example:443", "pay.example"),
            ("h2c://grpc_1.local:50051", "h2c://grpc_1.local:50051", "grpc_1.local:50051"),
            ("http://[::1]:80", "http://[::1]:80", "[::1]"),
        ] {
            let address: UpstreamAddress = text.parse().expect(text);
            assert_eq!((address.to_string().as_str(), address.authority().as_str()), (canonical, authority));
            assert_eq!(canonical.parse(), Ok(address));
        }
    }

    #[test]
    fn what_is_not_a_plain_origin_is_refused() {
        for text in [
            "",
            "10.1.0.4:8080",
            "ftp://a",
            "HTTP://a",
            "http://",
            "http://a:0",
            "http://a:99999",
            "http://a:",
            "http://a/b",
            "http://a?x",
            "http://a#x",
            "http://u:p@a",
            "http://a b",
            "http://-a",
            "http://a..b",
            "http://[::g]",
            "http://[::1",
            "http://ä.example",
            "unix:/x",
        ] {
            assert!(text.parse::<UpstreamAddress>().is_err(), "{text}");
        }
        assert!(format!("http://{}", "a".repeat(300)).parse::<UpstreamAddress>().is_err());
    }
}
