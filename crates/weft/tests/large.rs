//! 100 MiB through a component of 64 MiB, both ways at once: whole, and never in memory.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    thread,
};

use sha2::{Digest, Sha256};
use support::{Node, application, connect};

const BYTES: usize = 100 << 20;
/// What the process may grow by, over what it held when it was warm.
const GROWTH_MAX: u64 = 32 << 20;

/// Bytes in which no two blocks are alike.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, block: &mut [u8]) {
        for word in block.chunks_exact_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_le_bytes());
        }
    }
}

/// Sends `bytes` while what comes back is read, and answers the digests of both and how many bytes came back.
fn echo(node: &Node, bytes: usize) -> ([u8; 32], [u8; 32], usize) {
    let mut out = connect(&node.url);
    let back = BufReader::with_capacity(64 << 10, out.try_clone().expect("clones"));
    let head = format!("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n");
    let sender = thread::spawn(move || {
        let (mut noise, mut hash, mut block) = (Noise(0x9e37_79b9_7f4a_7c15), Sha256::new(), vec![0; 64 << 10]);
        out.write_all(head.as_bytes()).expect("sent");
        let mut left = bytes;
        while left > 0 {
            let take = left.min(block.len());
            noise.fill(&mut block);
            hash.update(&block[..take]);
            out.write_all(&block[..take]).expect("taken");
            left -= take;
        }
        (hash.finalize().into(), out)
    });
    let (digest, received) = read_answer(back);
    let (sent, out) = sender.join().expect("sent");
    let _ = out.shutdown(Shutdown::Both);
    (sent, digest, received)
}

/// Reads an answer without keeping it.
fn read_answer(mut from: impl BufRead) -> ([u8; 32], usize) {
    let (mut line, mut length) = (String::new(), None);
    from.read_line(&mut line).expect("a head");
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    while line != "\r\n" {
        line.clear();
        from.read_line(&mut line).expect("a head");
        length = length.or_else(|| line.strip_prefix("content-length: ")?.trim().parse().ok());
    }
    let (mut hash, mut received, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        // A short answer is one piece whose length the head has told.
        let mut left = length.unwrap_or_else(|| chunk(&mut from));
        received += left;
        while left > 0 {
            let take = left.min(buffer.len());
            from.read_exact(&mut buffer[..take]).expect("a chunk");
            hash.update(&buffer[..take]);
            left -= take;
        }
        match length {
            None => from.read_exact(&mut buffer[..2]).expect("its end"),
            Some(_) => return (hash.finalize().into(), received),
        }
        if from.fill_buf().expect("more").starts_with(b"0\r\n") {
            return (hash.finalize().into(), received);
        }
    }
}

/// The size of the next chunk.
fn chunk(from: &mut impl BufRead) -> usize {
    let mut line = String::new();
    from.read_line(&mut line).expect("a chunk");
    usize::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("a chunk's size: {line:?}"))
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(node: &Node, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(what)).expect("told");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") << 10
}

fn through(guest: &str, isolation: &str) {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"\npolicy = { body = \"200MiB\" }", guest);
    let manifest = fs::read_to_string(folder.path().join("weft.toml")).expect("there");
    let limited = format!("source = \"api.wasm\"\nisolation = \"{isolation}\"\nlimits = {{ memory = \"64MiB\" }}");
    fs::write(folder.path().join("weft.toml"), manifest.replace("source = \"api.wasm\"", &limited)).expect("written");
    let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
    // Warm: code mapped, buffers made, every thread started.
    for _ in 0..4 {
        let (sent, back, received) = echo(&node, 2 << 20);
        assert!(sent == back && received == 2 << 20);
    }
    let before = memory(&node, "VmRSS");
    // The high-water mark begins anew.
    fs::write(format!("/proc/{}/clear_refs", node.pid()), "5").expect("our own process");
    let (sent, back, received) = echo(&node, BYTES);
    assert_eq!(received, BYTES, "{guest} {isolation}");
    assert_eq!(sent, back, "{guest} {isolation}: what came back is what was sent");
    let grown = memory(&node, "VmHWM").saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{guest} {isolation}: {} KiB over {} KiB", grown >> 10, before >> 10);
    let (sent, back, _) = echo(&node, 1 << 10);
    assert_eq!(sent, back, "and it serves on");
}

#[test]
fn of_wasi_0_2_in_an_instance_of_its_own() {
    through("echo-p2.wasm", "request");
}

#[test]
fn of_wasi_0_2_in_a_warm_instance() {
    through("echo-p2.wasm", "instance");
}

#[test]
fn of_wasi_0_3_in_an_instance_of_its_own() {
    through("echo-p3.wasm", "request");
}

#[test]
fn of_wasi_0_3_in_a_warm_instance() {
    through("echo-p3.wasm", "instance");
}
