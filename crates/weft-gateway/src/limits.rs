//! What a listener bears. Every limit has a value; none is unbounded by omission.

use std::time::Duration;

/// The limits of one listener and of each of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. One more waits in the kernel's backlog.
    pub connections: usize,
    /// From the first byte of a request (or from accepting, TLS handshake included) to the end of its head.
    pub head_time: Duration,
    /// Longest pause between two requests of a connection, and longest time a peer may refuse to read.
    pub idle: Duration,
    /// Bytes of a request's head, HTTP/2 included.
    pub head_bytes: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// HTTP/2 streams at once on one connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16 * 1024,
            head_time: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            head_bytes: 32 * 1024,
            headers: 100,
            streams: 256,
        }
    }
}
