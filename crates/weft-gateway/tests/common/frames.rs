//! HTTP/2 by hand: frames as bytes, so that a test can send what no library would.

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITISED: u8 = 0x20;
/// The flags of a request without a body.
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const INTERNAL_ERROR: u32 = 2;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as it goes over the wire.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(9 + payload.len());
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A header block of literals that no table remembers.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0x10);
        for text in [name.as_bytes(), value.as_bytes()] {
            length(&mut out, text.len());
            out.extend_from_slice(text);
        }
    }
    out
}

/// An integer with a prefix of seven bits (RFC 7541, 5.1), for a string that is not Huffman-coded.
fn length(out: &mut Vec<u8>, mut n: usize) {
    if n < 127 {
        return out.push(n as u8);
    }
    out.push(127);
    n -= 127;
    while n >= 128 {
        out.push((n % 128) as u8 | 128);
        n /= 128;
    }
    out.push(n as u8);
}

/// The pseudo-headers of an ordinary request, and what a test adds to them.
pub fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")];
    fields.extend_from_slice(more);
    block(&fields)
}

pub fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &request("GET", "/", &[]))
}

pub fn post(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request("POST", "/", more))
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat()
}

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn ends(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The error code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }
}

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Answered to its end: the status, and the body.
    Answered(u16, String),
    Reset(u32),
    GoneAway(u32),
    Closed,
}

/// A connection whose frames are all seen.
pub struct Wire {
    pub stream: TcpStream,
    read: BytesMut,
}

impl Wire {
    /// Sends the preface and empty settings; the answers to them are not read yet.
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_with(address, &[]).await
    }

    pub async fn open_with(address: SocketAddr, settings: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.expect("connects");
        let mut wire = Self { stream, read: BytesMut::new() };
        wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await;
        wire
    }

    /// What the server closed cannot be written to: that shows when it is read.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next frame, or `None` once the server has closed.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if self.read.len() >= 9 {
                let length =
                    usize::from(self.read[0]) << 16 | usize::from(self.read[1]) << 8 | usize::from(self.read[2]);
                if self.read.len() >= 9 + length {
                    let (kind, flags) = (self.read[3], self.read[4]);
                    let stream = u32::from_be_bytes(self.read[5..9].try_into().expect("four bytes")) & !(1 << 31);
                    self.read.advance(9);
                    let payload = self.read.split_to(length).to_vec();
                    return Some(Frame { kind, flags, stream, payload });
                }
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next frame of a kind; others are passed over.
    pub async fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// What becomes of `stream`, by the first thing that says so.
    pub async fn ended(&mut self, stream: u32) -> Ended {
        let (mut status, mut body) = (0, Vec::new());
        while let Some(frame) = self.next().await {
            match frame.kind {
                GOAWAY if frame.code() != NO_ERROR => return Ended::GoneAway(frame.code()),
                RST_STREAM if frame.stream == stream => return Ended::Reset(frame.code()),
                HEADERS if frame.stream == stream && status == 0 => status = status_of(&frame.payload),
                DATA if frame.stream == stream => body.extend_from_slice(&frame.payload),
                _ => {}
            }
            if frame.stream == stream && frame.ends() {
                return Ended::Answered(status, String::from_utf8_lossy(&body).into_owned());
            }
        }
        Ended::Closed
    }
}

/// The status in the header block of a connection's first answer, where no dynamic table can hide it.
fn status_of(block: &[u8]) -> u16 {
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    match block[0] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        _ if block[1] & 0x80 == 0 => std::str::from_utf8(&block[2..5]).expect("digits").parse().expect("a status"),
        _ => {
            // Huffman codes of digits: 0 to 2 have five bits, the others six and begin at 011001.
            let bits: Vec<u8> =
                block[2..].iter().take(3).flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)).collect();
            let (mut at, mut status) = (0, 0);
            for _ in 0..3 {
                let number = |n: usize| bits[at..at + n].iter().fold(0u16, |sum, bit| sum << 1 | u16::from(*bit));
                let (digit, used) = if number(5) <= 2 { (number(5), 5) } else { (number(6) - 0b01_1001 + 3, 6) };
                status = status * 10 + digit;
                at += used;
            }
            status
        }
    }
}
