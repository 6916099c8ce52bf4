//! The PROXY protocol, versions 1 and 2: a load balancer that passes connections on says first whose each one is.
//!
//! Only from networks that are named. There every connection must begin so: one that does not, or not well, is closed
//! unread, since what its client is could only be guessed. Anybody else's first bytes are the client's own, and are never
//! looked at here.
//!
//! ```text
//! 1   PROXY TCP4 203.0.113.5 192.0.2.1 4711 443 CR LF         at most 107 bytes
//! 2   12 bytes of signature · version and command · family · length (2) · addresses · more, which is skipped
//! ```

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Of version 1, with its end of line.
const LINE_MAX: usize = 107;
/// Of version 2, after the length: far more than any sender has to add.
const REST_MAX: usize = 4096;

/// Reads what stands before the client's first byte, and nothing of that. `None`: the connection is the sender's own,
/// or its client cannot be named.
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    // The shortest of version 1, `PROXY UNKNOWN`, is longer.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let mut rest = vec![0; length(head)?];
        stream.read_exact(&mut rest).await?;
        return binary(head, &rest);
    }
    if !start.starts_with(b"PROXY ") {
        return Err(bad("it does not begin with a PROXY header"));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_MAX || line.ends_with(b"\n") {
            return Err(bad("its PROXY line has no end"));
        }
        line.push(stream.read_u8().await?);
    }
    text(&line[..line.len() - 2])
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn text(line: &[u8]) -> io::Result<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).map_err(|_| bad("its PROXY line is no text"))?;
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    // Whatever else it says is to be ignored.
    if family == Some("UNKNOWN") {
        return Ok(None);
    }
    let parts = (words.next(), words.next(), words.next(), words.next(), words.next());
    let (Some(source), Some(target), Some(from), Some(to), None) = parts else {
        return Err(bad("its PROXY line has not four parts"));
    };
    let (source, target) = (source.parse::<IpAddr>(), target.parse::<IpAddr>());
    let (Ok(source), Ok(target)) = (source, target) else {
        return Err(bad("its PROXY line has an address that is none"));
    };
    let family = match family {
        Some("TCP4") => source.is_ipv4() && target.is_ipv4(),
        Some("TCP6") => source.is_ipv6() && target.is_ipv6(),
        _ => false,
    };
    match (family, port(from), port(to)) {
        (true, Some(port), Some(_)) => Ok(Some(SocketAddr::new(source, port))),
        (false, ..) => Err(bad("its PROXY line is of another family than its addresses")),
        _ => Err(bad("its PROXY line has a port that is none")),
    }
}

/// Without signs and leading zeros, which other readers might take for octal.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok())?
}

fn length(head: [u8; 4]) -> io::Result<usize> {
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if length > REST_MAX { Err(bad("its PROXY header is too long")) } else { Ok(length) }
}

fn binary([command, family, ..]: [u8; 4], rest: &[u8]) -> io::Result<Option<SocketAddr>> {
    match command {
        // The balancer's own, such as a probe of whether we are there.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(bad("its PROXY header is of an unknown version or command")),
    }
    let short = || bad("its PROXY header is shorter than its addresses");
    match family {
        0x11 => {
            let [a, b, c, d, _, _, _, _, from, port, _, _] = *rest.first_chunk::<12>().ok_or_else(short)?;
            Ok(Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([from, port]))))
        }
        0x21 => {
            let bytes = rest.first_chunk::<36>().ok_or_else(short)?;
            let mut address = [0; 16];
            address.copy_from_slice(&bytes[..16]);
            let address = IpAddr::from(Ipv6Addr::from(address)).to_canonical();
            Ok(Some(SocketAddr::new(address, u16::from_be_bytes([bytes[32], bytes[33]]))))
        }
        // Unspecified, datagrams, sockets of the balancer's own machine: no client that we could name.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Ok(None),
        _ => Err(bad("its PROXY header is of an unknown family")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, and how much of what follows is left.
    async fn told(bytes: &[u8]) -> Result<(Option<String>, usize), String> {
        let mut stream = bytes;
        let told = read(&mut stream).await.map_err(|error| error.to_string())?;
        Ok((told.map(|address| address.to_string()), stream.len()))
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest, b"GET"].concat()
    }

    #[tokio::test]
    async fn version_1() {
        for (line, wanted) in [
            ("PROXY TCP4 203.0.113.5 192.0.2.1 4711 443", Some("203.0.113.5:4711")),
            ("PROXY TCP6 2001:db8::5 2001:db8::1 65535 0", Some("[2001:db8::5]:65535")),
            ("PROXY UNKNOWN", None),
            ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", None),
        ] {
            assert_eq!(told(format!("{line}\r\nGET").as_bytes()).await, Ok((wanted.map(str::to_owned), 3)), "{line}");
        }
        for bad in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "PROXY TCP4 203.0.113.5 192.0.2.1 4711 443\n",
            "PROXY TCP4 203.0.113.5 192.0.2.1 4711\r\n",
            "PROXY TCP4 203.0.113.5 192.0.2.1 4711 443 1\r\n",
            "PROXY TCP4 203.0.113.5  192.0.2.1 4711 443\r\n",
            "PROXY TCP6 203.0.113.5 192.0.2.1 4711 443\r\n",
            "PROXY TCP4 2001:db8::5 192.0.2.1 4711 443\r\n",
            "PROXY TCP4 203.0.113.5 192.0.2.1 65536 443\r\n",
            "PROXY TCP4 203.0.113.5 192.0.2.1 +1 443\r\n",
            "PROXY TCP4 203.0.113.5 192.0.2.1 01 443\r\n",
            "PROXY TCP4 203.0.113.05 192.0.2.1 1 443\r\n",
            "PROXY UDP4 203.0.113.5 192.0.2.1 1 443\r\n",
            "PROXY tcp4 203.0.113.5 192.0.2.1 1 443\r\n",
            "proxy TCP4 203.0.113.5 192.0.2.1 1 443\r\n",
            "PROXY TCP4 \u{e9}03.0.113.5 192.0.2.1 1 443\r\n",
            "PROXY TCP4 203.0.113.5",
            "PRO",
        ] {
            assert!(told(bad.as_bytes()).await.is_err(), "{bad:?}");
        }
        let endless = format!("PROXY TCP4 {}", "1".repeat(1000));
        assert_eq!(told(endless.as_bytes()).await, Err("its PROXY line has no end".to_owned()));
    }

    #[tokio::test]
    async fn version_2() {
        let four = [203, 0, 113, 5, 192, 0, 2, 1, 0x12, 0x67, 1, 187];
        assert_eq!(told(&v2(0x21, 0x11, &four)).await, Ok((Some("203.0.113.5:4711".to_owned()), 3)));
        let more = [&four[..], &[0x04, 0, 2, 9, 9]].concat();
        assert_eq!(told(&v2(0x21, 0x11, &more)).await, Ok((Some("203.0.113.5:4711".to_owned()), 3)), "more is skipped");
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        (six[15], six[33]) = (5, 80);
        assert_eq!(told(&v2(0x21, 0x21, &six)).await, Ok((Some("[2001:db8::5]:80".to_owned()), 3)));
        for (command, family, rest) in
            [(0x20, 0x11, &four[..]), (0x20, 0, &[]), (0x21, 0, &[]), (0x21, 0x31, &[0; 216])]
        {
            assert_eq!(told(&v2(command, family, rest)).await, Ok((None, 3)), "{command:x} {family:x}");
        }
        for (command, family, rest) in [
            (0x11, 0x11, &four[..]),
            (0x22, 0x11, &four),
            (0x21, 0x11, &four[..11]),
            (0x21, 0x21, &six[..35]),
            (0x21, 0x13, &four),
        ] {
            assert!(told(&v2(command, family, rest)).await.is_err(), "{command:x} {family:x}");
        }
        assert_eq!(told(&v2(0x21, 0x11, &[0; 5000])).await, Err("its PROXY header is too long".to_owned()));
        assert!(told(&v2(0x21, 0x11, &four)[..20]).await.is_err(), "cut off");
    }
}
