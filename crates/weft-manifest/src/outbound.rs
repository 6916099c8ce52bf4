//! What a component may call over HTTP: rules on scheme, host and port, and which private networks count.
//!
//! Two questions, both of which must be answered yes: may it speak to this *name* ([`Outbound::allows`]), and may
//! that name be at this *address* ([`Outbound::allows_address`], after resolution, for each address tried).

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use weft_traffic::Network;

/// One line of `outbound`: `https://api.example`, `http://*.internal.example:8080`, `https://files.example:*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutboundRule {
    pub scheme: Scheme,
    pub host: HostRule,
    /// `None`: any.
    pub port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

/// Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRule {
    /// One label, then this.
    Below(String),
    Name(String),
    Address(IpAddr),
}

/// Everything that one component may call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Outbound {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<OutboundRule>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<Network>,
}

/// Why a text is no rule or network, as the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundError(String);

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for OutboundError {}

fn error<T>(why: impl Into<String>) -> Result<T, OutboundError> {
    Err(OutboundError(why.into()))
}

impl Outbound {
    /// Whether a request to this place is granted. `host` without port and brackets, in any case.
    pub fn allows(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        let host = plain(host);
        self.rules.iter().any(|rule| {
            rule.scheme == scheme && rule.port.is_none_or(|granted| granted == port) && rule.host.matches(&host)
        })
    }

    /// Whether a granted `host` may be reached at this address: a public one always; a private one where the
    /// address itself or `localhost` was written in `outbound`, or its network in `private-networks`.
    pub fn allows_address(&self, host: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if !is_private(address) || self.private.iter().any(|network| network.contains(address)) {
            return true;
        }
        let host = plain(host);
        let literal = host.parse::<IpAddr>().is_ok_and(|written| written.to_canonical() == address);
        let local = host == "localhost" && address.is_loopback();
        (literal || local) && self.rules.iter().any(|rule| rule.host.is_exactly(&host))
    }
}

/// Lower case, without brackets and final dot.
fn plain(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase()
}

/// Whether an address is of no use to the public: this host, this network, or reserved.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && b & 0xc0 == 64)
                || (a == 198 && b & 0xfe == 18)
                || (a == 192 && b == 0 && c == 0)
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            let embedded = || {
                IpAddr::from(
                    [segments[6] >> 8, segments[6] & 255, segments[7] >> 8, segments[7] & 255].map(|b| b as u8),
                )
            };
            let first_zero = segments[..6].iter().all(|s| *s == 0);
            let nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
            let six_to_four = || {
                IpAddr::from(
                    [segments[1] >> 8, segments[1] & 255, segments[2] >> 8, segments[2] & 255].map(|b| b as u8),
                )
            };
            first_zero
                || (segments[0] & 0xfe00 == 0xfc00)
                || (segments[0] & 0xffc0 == 0xfe80)
                || (segments[0] & 0xffc0 == 0xfec0)
                || v6.is_multicast()
                || segments[..2] == [0x2001, 0xdb8]
                || segments[..2] == [0x2001, 0]
                || segments[..3] == [0x64, 0xff9b, 1]
                || segments[..4] == [0x100, 0, 0, 0]
                || (nat64 && is_private(embedded()))
                || (segments[0] == 0x2002 && is_private(six_to_four()))
        }
    }
}

impl HostRule {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Below(parent) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
            }
            _ => self.is_exactly(host),
        }
    }

    fn is_exactly(&self, host: &str) -> bool {
        match self {
            Self::Below(_) => false,
            Self::Name(name) => name == host,
            Self::Address(address) => host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical() == *address),
        }
    }
}

impl FromStr for OutboundRule {
    type Err = OutboundError;
    fn from_str(text: &str) -> Result<Self, OutboundError> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some((other, _)) => return error(format!("`{other}` is not a scheme here: `http` and `https` are")),
            None => return error(format!("the scheme is missing: `https://{text}`")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return error("a grant is for a whole server: scheme, host and port, without user and path");
        }
        let (host, port) = split_port(rest)?;
        let port = match port {
            None => Some(scheme.port()),
            Some("*") => None,
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => return error(format!("`{digits}` is not a port")),
            },
        };
        Ok(Self { scheme, host: host.parse()?, port })
    }
}

fn split_port(rest: &str) -> Result<(&str, Option<&str>), OutboundError> {
    if let Some(inner) = rest.strip_prefix('[') {
        let Some((host, after)) = inner.split_once(']') else { return error("the `]` is missing") };
        return match after.strip_prefix(':') {
            None if !after.is_empty() => error("only a port can follow the `]`"),
            port => Ok((host, port)),
        };
    }
    Ok(rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))))
}

impl FromStr for HostRule {
    type Err = OutboundError;
    fn from_str(text: &str) -> Result<Self, OutboundError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let lower = text.to_ascii_lowercase();
        let (name, below) = lower.strip_prefix("*.").map_or((lower.as_str(), false), |parent| (parent, true));
        if name.contains('*') || name.is_empty() {
            return error("`*` may only stand for the whole first label, as in `https://*.example.com`");
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.len() > 253 || !name.split('.').all(|l| !l.is_empty() && l.len() <= 63 && l.bytes().all(good)) {
            return error(format!("`{text}` is not a host name"));
        }
        // `127.1` and `0x7f.1` are addresses to some resolvers; written out they are unmistakable.
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
            return error(format!("`{text}` is neither a host name nor a whole IP address"));
        }
        Ok(if below { Self::Below(name.to_owned()) } else { Self::Name(name.to_owned()) })
    }
}

impl Scheme {
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for OutboundRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.host {
            HostRule::Below(parent) => write!(f, "*.{parent}")?,
            HostRule::Name(name) => f.write_str(name)?,
            HostRule::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]")?,
            HostRule::Address(v4) => write!(f, "{v4}")?,
        }
        match self.port {
            None => f.write_str(":*"),
            Some(port) if port == self.scheme.port() => Ok(()),
            Some(port) => write!(f, ":{port}"),
        }
    }
}

macro_rules! as_text {
    ($($type:ident)*) => {$(
        impl TryFrom<String> for $type {
            type Error = OutboundError;
            fn try_from(text: String) -> Result<Self, OutboundError> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    )*};
}
as_text! { OutboundRule }

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(rules: &[&str], private: &[&str]) -> Outbound {
        let rules = rules.iter().map(|text| text.parse().expect(text)).collect();
        Outbound { rules, private: private.iter().map(|text| text.parse().expect(text)).collect() }
    }

    #[test]
    fn a_rule_grants_exactly_its_scheme_host_and_port() {
        let granted = outbound(&["https://api.example", "http://*.in.example:8080", "https://any.example:*"], &[]);
        let cases = [
            (Scheme::Https, "api.example", 443, true),
            (Scheme::Https, "API.example.", 443, true),
            (Scheme::Http, "api.example", 80, false),
            (Scheme::Https, "api.example", 8443, false),
            (Scheme::Https, "x.api.example", 443, false),
            (Scheme::Https, "api.example.evil", 443, false),
            (Scheme::Http, "a.in.example", 8080, true),
            (Scheme::Http, "in.example", 8080, false),
            (Scheme::Http, "a.b.in.example", 8080, false),
            (Scheme::Https, "any.example", 1, true),
        ];
        for (scheme, host, port, is) in cases {
            assert_eq!(granted.allows(scheme, host, port), is, "{scheme:?} {host} {port}");
        }
    }

    #[test]
    fn private_addresses_need_a_grant_of_their_own() {
        let address = |text: &str| text.parse::<IpAddr>().expect(text);
        let plain = outbound(&["https://api.example", "http://localhost:9000", "http://10.0.0.5"], &[]);
        assert!(plain.allows_address("api.example", address("93.184.216.34")));
        for private in [
            "127.0.0.1",
            "10.0.0.5",
            "169.254.169.254",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.5",
            "64:ff9b::a00:5",
            "2002:a00:5::",
        ] {
            assert!(!plain.allows_address("api.example", address(private)), "{private}");
        }
        assert!(plain.allows_address("localhost", address("127.0.0.1")));
        assert!(plain.allows_address("localhost", address("::1")));
        assert!(!plain.allows_address("localhost", address("10.0.0.5")));
        assert!(plain.allows_address("10.0.0.5", address("10.0.0.5")));
        let wide = outbound(&["https://api.example"], &["10.0.0.0/8", "fd00::/8"]);
        assert!(wide.allows_address("api.example", address("10.9.9.9")));
        assert!(wide.allows_address("api.example", address("fd12::1")));
        assert!(!wide.allows_address("api.example", address("192.168.0.1")));
        assert!(!wide.allows_address("127.0.0.1", address("127.0.0.1")), "no rule names it");
    }

    #[test]
    fn rules_and_networks_are_written_back_as_read() {
        for text in ["https://a.b", "http://*.a.b:8080", "https://a:*", "http://[::1]:9000", "http://10.0.0.1"] {
            assert_eq!(text.parse::<OutboundRule>().expect(text).to_string(), text);
        }
        assert_eq!("https://A.b:443/".parse::<OutboundRule>().expect("a rule").to_string(), "https://a.b");
        for text in ["10.0.0.0/8", "::/0", "fd00::/8", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Network>().expect(text).to_string(), text);
        }
        for text in [
            "a.b",
            "ftp://a",
            "https://",
            "https://*",
            "https://a/b",
            "https://u@a",
            "https://a:0",
            "https://a:x",
            "http://127.1",
            "https://a.*",
            "http://[::1",
            "https://a..b",
        ] {
            assert!(text.parse::<OutboundRule>().is_err(), "{text}");
        }
        for text in ["", "10.0.0.0/33", "a/8", "::/129", "1.2.3.4/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
