//! Who is calling, where proxies stand in front of us: what they say is believed as far as they are trusted.
//!
//! ```text
//! client ─► proxy A ─► proxy B ─► us           X-Forwarded-For: (whatever the client sent), client, A
//!                        └ connected: trusted?  └ read from the right, over every trusted address, to the first other
//! ```
//!
//! Only the nearest proxy is known by its connection. Each entry was written by the one to its right, so the first
//! address that is not trusted is the client, and nothing to its left, which it may have written itself, is read.

use core::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::Networks;

pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Which proxies are believed, and in which words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forwarding {
    pub trusted: Networks,
    pub words: Words,
}

/// The header in which proxies say for whom they ask. The other one is never read, and never passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Words {
    #[default]
    XForwarded,
    /// RFC 7239.
    Forwarded,
}

/// Who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    /// Whether it speaks TLS with the first proxy, or with us.
    pub secure: bool,
}

/// Whether a header says who is calling, in any of the words that are in use. Also where `_` stands for `-`: CGI and
/// what descends from it read that as the same name.
pub fn speaks_of_clients(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    let dash = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    let begins = |with: &str| name.len() >= with.len() && with.bytes().eq(name[..with.len()].iter().map(dash));
    match name.first() {
        Some(b'x') => begins("x-forwarded-") || (name.len() == "x-real-ip".len() && begins("x-real-ip")),
        _ => name == b"forwarded",
    }
}

impl Forwarding {
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.contains(peer)
    }

    /// Who is calling over a connection of `peer`, which speaks TLS if `secure`.
    pub fn client(&self, peer: IpAddr, secure: bool, headers: &HeaderMap) -> Client {
        let nearest = Client { address: peer.to_canonical(), secure };
        match self.words {
            _ if !self.trusts(peer) => nearest,
            Words::XForwarded => self.x_forwarded(nearest, headers),
            Words::Forwarded => self.forwarded(nearest, headers),
        }
    }

    fn x_forwarded(&self, nearest: Client, headers: &HeaderMap) -> Client {
        let mut client = nearest;
        for entry in entries(headers, &FORWARDED_FOR).rev() {
            // Who is called something else than an address cannot be known, nor anybody before it.
            let Some(address) = node(entry) else { break };
            client.address = address;
            if !self.trusts(address) {
                break;
            }
        }
        // Each proxy knows one hop; the nearest one is asked.
        match entries(headers, &FORWARDED_PROTO).next_back() {
            Some(proto) => Client { secure: proto.eq_ignore_ascii_case("https"), ..client },
            None => client,
        }
    }

    fn forwarded(&self, nearest: Client, headers: &HeaderMap) -> Client {
        let mut client = nearest;
        for element in elements(headers).iter().rev() {
            if let Some(proto) = element.proto {
                client.secure = proto.eq_ignore_ascii_case("https");
            }
            let Some(address) = element.node.and_then(node) else { break };
            client.address = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    /// Says to whoever answers who is calling, in place of what nobody trusted has said.
    pub fn write(&self, peer: IpAddr, client: Client, headers: &mut HeaderMap) {
        let before = if self.trusts(peer) { self.said(headers) } else { String::new() };
        let host =
            headers.get(FORWARDED_HOST).filter(|_| self.trusts(peer)).or_else(|| headers.get(header::HOST)).cloned();
        strip(headers);
        let (peer, proto) = (peer.to_canonical(), if client.secure { "https" } else { "http" });
        let chain = |own: String| if before.is_empty() { own } else { format!("{before}, {own}") };
        match self.words {
            Words::XForwarded => {
                put(headers, FORWARDED_FOR, &chain(peer.to_string()));
                headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
                if let Some(host) = host {
                    headers.insert(FORWARDED_HOST, host);
                }
            }
            Words::Forwarded => {
                let host = host.as_ref().and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
                let host = host.map_or(String::new(), |host| format!(";host=\"{host}\""));
                let node = if peer.is_ipv6() { format!("\"[{peer}]\"") } else { peer.to_string() };
                put(headers, header::FORWARDED, &chain(format!("for={node};proto={proto}{host}")));
            }
        }
    }

    /// What a trusted proxy said, as one line.
    fn said(&self, headers: &HeaderMap) -> String {
        let name = match self.words {
            Words::XForwarded => FORWARDED_FOR,
            Words::Forwarded => header::FORWARDED,
        };
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).map(str::trim);
        lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

/// Takes away everything that says who is calling.
pub fn strip(headers: &mut HeaderMap) {
    if !headers.keys().any(speaks_of_clients) {
        return;
    }
    let names: Vec<HeaderName> = headers.keys().filter(|name| speaks_of_clients(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The members of a list, from the left, over all lines of a header. A line that is no text is one bad member.
fn entries<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// One element of `Forwarded`: what of it is of use here.
#[derive(Debug, Clone, Copy, Default)]
struct Element<'h> {
    node: Option<&'h str>,
    proto: Option<&'h str>,
}

fn elements(headers: &HeaderMap) -> Vec<Element<'_>> {
    let lines = headers.get_all(header::FORWARDED).iter().map(|line| line.to_str().unwrap_or_default());
    let mut all = Vec::new();
    for text in lines.flat_map(|line| split(line, b',')) {
        let mut element = Element::default();
        for pair in split(text, b';') {
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            match name {
                name if name.eq_ignore_ascii_case("for") => element.node = Some(value),
                name if name.eq_ignore_ascii_case("proto") => element.proto = Some(value),
                _ => {}
            }
        }
        all.push(element);
    }
    all
}

/// Splits where the byte is not within quotes.
fn split(text: &str, at: u8) -> impl Iterator<Item = &str> {
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let text = left?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            let plain = !std::mem::take(&mut escaped);
            match byte {
                b'\\' if quoted && plain => escaped = true,
                b'"' if plain => quoted = !quoted,
                _ => {}
            }
            byte == at && !quoted
        });
        left = end.map(|end| &text[end + 1..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// An address, perhaps with a port: `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(address)?
        }
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => is_port(port).then_some(address)?,
            _ => text,
        },
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}
