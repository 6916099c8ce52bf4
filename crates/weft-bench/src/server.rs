//! A server under measurement: started, asked once, then loaded.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::process::Process;

/// Compiling a large component takes seconds, on a busy machine many.
const READY: Duration = Duration::from_secs(120);
const ANSWER: Duration = Duration::from_secs(30);

/// How a server says that it is ready.
pub(crate) enum Ready {
    /// A line with its URL.
    Url,
    /// It says nothing: it was told this address, and accepts.
    Accepts(SocketAddr),
}

/// A server that answers.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its being ready.
    pub(crate) ready: Duration,
}

impl Server {
    /// Starts it and waits until it answers `GET /` with 200 and a greeting.
    pub(crate) fn start(name: &'static str, command: &mut Command, how: &Ready) -> Result<Self, String> {
        let server = Self::launch(name, command, how)?;
        let (status, body) = server.get("/").map_err(|e| format!("{name}: {e}; {}", server.process.last_words()))?;
        if status != 200 || !body.contains("Hello") {
            return Err(format!("{name} answered {status} {body:?}; {}", server.process.last_words()));
        }
        Ok(server)
    }

    /// Starts it and waits until it is ready, without asking it anything.
    pub(crate) fn launch(name: &'static str, command: &mut Command, how: &Ready) -> Result<Self, String> {
        let began = Instant::now();
        let process = Process::start(command).map_err(|e| format!("{name}: {e}"))?;
        let (at, address) = match how {
            Ready::Url => process.line(url, READY).map_err(|e| format!("{name}: {e}"))?,
            Ready::Accepts(address) => (accepts(*address).map_err(|e| format!("{name}: {e}"))?, *address),
        };
        Ok(Self { name, process, address, ready: at - began })
    }

    /// One request on a connection of its own: status and body.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), String> {
        get(self.address, path)
    }
}

/// One request on a connection of its own: status and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let mut text = String::new();
    let mut stream = TcpStream::connect(address).map_err(|e| format!("cannot connect to {address}: {e}"))?;
    let sent = (|| {
        stream.set_read_timeout(Some(ANSWER))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        stream.read_to_string(&mut text)
    })();
    sent.map_err(|e| format!("no answer from {address}: {e}"))?;
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or(format!("{address} answered {text:?}"))
}

/// From sending a request for that host, on a connection that stands, to the first byte of a good answer.
pub(crate) fn first_byte(address: SocketAddr, host: &str) -> Result<Duration, String> {
    let failed = |e| format!("no answer from {host} at {address}: {e}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(ANSWER))).map_err(failed)?;
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let began = Instant::now();
    let mut first = [0; 12];
    stream.write_all(request.as_bytes()).and_then(|()| stream.read_exact(&mut first)).map_err(failed)?;
    let took = began.elapsed();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).map_err(failed)?;
    if &first == b"HTTP/1.1 200" && rest.contains("Hello") {
        return Ok(took);
    }
    Err(format!("{host} answered {}{rest}", String::from_utf8_lossy(&first)))
}

fn url(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    rest.split(['/', ' ']).next()?.parse().ok()
}

fn accepts(address: SocketAddr) -> Result<Instant, String> {
    let until = Instant::now() + READY;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > until {
            return Err(format!("does not accept on {address}"));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_what_servers_say() {
        let address = Some("127.0.0.1:4501".parse().unwrap());
        assert_eq!(url("http://127.0.0.1:4501"), address);
        assert_eq!(url("Serving HTTP on http://127.0.0.1:4501/"), address);
        assert_eq!(url("compiling"), None);
    }
}
