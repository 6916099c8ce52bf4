//! Which host a request is for: exactly one, and a valid one.

use http::{HeaderMap, HeaderValue, Uri, Version, header, uri::Authority};

use crate::handler::Peer;

/// The authority of a connection's last request. Clients rarely change it, so it is checked and copied once.
#[derive(Debug, Default)]
pub(crate) struct Memo(Option<(HeaderValue, Authority)>);

/// The authority of a request, from its target, else from its `Host`. The error says what is wrong with it.
pub(crate) fn find(
    memo: &mut Memo,
    peer: &Peer,
    version: Version,
    uri: &Uri,
    headers: &mut HeaderMap,
) -> Result<Authority, &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("more than one Host");
    }
    match (uri.authority(), host) {
        (None, Some(host)) => memo.check(host),
        (Some(target), None) if version >= Version::HTTP_2 => checked(target.clone()),
        (Some(target), Some(host)) => {
            let target = checked(target.clone())?;
            if !valid(host.as_bytes()) {
                return Err("the Host is not valid");
            }
            if !target.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()) {
                if version >= Version::HTTP_2 {
                    return Err(":authority and Host differ");
                }
                // RFC 9112, 3.2.2: in HTTP/1 the target of a request in absolute form wins over its Host.
                if let Ok(value) = HeaderValue::from_str(target.as_str()) {
                    headers.insert(header::HOST, value);
                }
            }
            Ok(target)
        }
        // HTTP/1.0 has no Host: whoever sends none means the address that it connected to.
        (target, None) if version <= Version::HTTP_10 => match target {
            Some(target) => checked(target.clone()),
            None => Authority::try_from(peer.local.to_string()).map_err(|_| "no Host"),
        },
        (_, None) => Err("no Host"),
    }
}

impl Memo {
    fn check(&mut self, host: &HeaderValue) -> Result<Authority, &'static str> {
        if let Some((_, authority)) = self.0.as_ref().filter(|(known, _)| known == host) {
            return Ok(authority.clone());
        }
        if !valid(host.as_bytes()) {
            return Err("the Host is not valid");
        }
        let authority = Authority::try_from(host.as_bytes()).map_err(|_| "the Host is not valid")?;
        // A copy, so that a small header does not keep a whole head alive.
        if let Ok(copy) = HeaderValue::from_bytes(host.as_bytes()) {
            self.0 = Some((copy, authority.clone()));
        }
        Ok(authority)
    }
}

fn checked(authority: Authority) -> Result<Authority, &'static str> {
    match valid(authority.as_str().as_bytes()) {
        true => Ok(authority),
        false => Err("the target's authority is not valid"),
    }
}

/// `host [":" port]` of RFC 9110, 7.2: no user, nothing empty, a port that exists.
fn valid(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|b| *b == b']') else { return false };
            let literal = std::str::from_utf8(&rest[..end]).ok();
            if literal.is_none_or(|text| text.parse::<std::net::Ipv6Addr>().is_err()) {
                return false;
            }
            (None, &rest[end + 1..])
        }
        _ => {
            let end = host.iter().position(|b| *b == b':').unwrap_or(host.len());
            (Some(&host[..end]), &host[end..])
        }
    };
    let name_byte = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(b);
    if name.is_some_and(|name| name.is_empty() || name.len() > 255 || !name.iter().all(name_byte)) {
        return false;
    }
    match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0u32, |sum, d| sum * 10 + u32::from(d - b'0')) <= u32::from(u16::MAX)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_perhaps_a_port() {
        for good in ["a", "a.b", "a:80", "a:", "127.0.0.1:65535", "[::1]", "[::1]:8080", "xn--bcher-kva.example", "a_b"]
        {
            assert!(valid(good.as_bytes()), "{good}");
        }
        let bad = [
            "", ":80", "a:b", "a:65536", "a:123456", "a b", "a/b", "a@b", "u:p@a", "[::1", "[x]", "[::1]x", "a,b:1:2",
            "é", "a?", "a#", "a\\b", "\"a\"", "<a>",
        ];
        for bad in bad {
            assert!(!valid(bad.as_bytes()), "{bad}");
        }
    }
}
