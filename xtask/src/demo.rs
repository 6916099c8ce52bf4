//! The example application, started and asked as its users would.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStderr, Stdio},
    thread,
    time::{Duration, Instant},
};

use weft_build::requests::{Answer, Case, Known, Request, read};

use crate::{
    guests,
    setup::{self, For},
    sh::{Done, cargo, program, root, run as sh, target},
};

const EXAMPLE: &str = "examples/orders";
const ANSWER: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(30);

pub(crate) fn run(once: bool) -> Done {
    setup::run(For::Tests)?;
    guests::run()?;
    sh(cargo().args(["build", "--release", "-p", "weft"]))?;
    let mut node = Node::start()?;
    let failed = ask(&node.url)?;
    println!("\n{EXAMPLE} is served at {} (admin: {})", node.url, node.admin);
    if !once {
        println!("Stop it with Ctrl-C.");
        let status = node.child.wait().map_err(|e| e.to_string())?;
        return if status.success() { Ok(()) } else { Err(format!("weft ended with {status}")) };
    }
    node.stop()?;
    if failed == 0 { Ok(()) } else { Err(format!("{failed} answer(s) were not as expected")) }
}

/// `weft up` on the example. Killed when dropped.
struct Node {
    child: Child,
    url: String,
    admin: String,
}

impl Node {
    fn start() -> Done<Self> {
        let mut command = program(target().join("release/weft"), &["up", EXAMPLE, "--data", "target/demo"]);
        let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut node = Self {
            child: child.map_err(|e| format!("cannot start weft: {e}"))?,
            url: String::new(),
            admin: String::new(),
        };
        let mut lines = BufReader::new(node.child.stderr.take().expect("it was piped"));
        node.url = line(&mut lines)?;
        if !node.url.starts_with("http") {
            let mut rest = String::new();
            // Whatever else it says belongs to the reason.
            let _ = lines.read_to_string(&mut rest);
            return Err(format!("weft did not start: {}\n{rest}", node.url));
        }
        node.admin = line(&mut lines)?;
        // The rest is its log: for the person.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::stderr()));
        Ok(node)
    }

    fn stop(&mut self) -> Done {
        sh(&mut program("kill", &["-TERM", &self.child.id().to_string()]))?;
        let until = Instant::now() + STOP;
        loop {
            match self.child.try_wait().map_err(|e| e.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("weft ended with {status} after SIGTERM")),
                None if Instant::now() > until => return Err(format!("weft did not end within {STOP:?} of SIGTERM")),
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(lines: &mut BufReader<ChildStderr>) -> Done<String> {
    let mut text = String::new();
    match lines.read_line(&mut text) {
        Ok(0) => Err("weft ended before it was ready".into()),
        Ok(_) => Ok(text.trim().to_owned()),
        Err(e) => Err(format!("cannot read what weft says: {e}")),
    }
}

/// Sends the example's requests in order, prints what happened, and answers how many went wrong.
fn ask(url: &str) -> Done<usize> {
    let cases = read(&root().join(EXAMPLE).join("requests")).map_err(|e| e.to_string())?;
    let (mut known, mut failed) = (Known::default(), 0);
    for case in &cases {
        let request = case.fill(&known);
        let answer = send(url, &request)?;
        let wrong = case.compare(&answer, &mut known);
        show(case, &request, &answer, &wrong);
        failed += usize::from(!wrong.is_empty());
    }
    println!("{} of {} answers are as expected", cases.len() - failed, cases.len());
    Ok(failed)
}

fn show(case: &Case, request: &Request, answer: &Answer, wrong: &[String]) {
    let mark = if wrong.is_empty() { "ok  " } else { "FAIL" };
    println!("{mark} {}: {} {} → {}", case.name, request.method, request.target, answer.status);
    for line in request.body.lines() {
        println!("       > {line}");
    }
    for line in answer.body.lines() {
        println!("       < {line}");
    }
    for fault in wrong {
        println!("       {fault}");
    }
}

/// One request on a connection of its own.
fn send(url: &str, request: &Request) -> Done<Answer> {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    let failed = |e: std::io::Error| format!("no answer from {url}: {e}");
    let mut stream = TcpStream::connect(authority).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER)).map_err(failed)?;
    let mut text =
        format!("{} {} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !request.body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", request.body.len()));
    }
    stream.write_all(format!("{text}\r\n{}", request.body).as_bytes()).map_err(failed)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(failed)?;
    parse(&bytes).ok_or_else(|| format!("{url} answered with what is not HTTP: {:?}", String::from_utf8_lossy(&bytes)))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&bytes[..at]).ok()?, &bytes[at + 4..]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked =
        headers.iter().any(|(name, value)| name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked"));
    let body = if chunked { dechunk(body)? } else { body.to_vec() };
    Some(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 2 + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_length_and_in_chunks() {
        let plain = parse(b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\ncontent-length: 2\r\n\r\nhi").unwrap();
        assert_eq!((plain.status, plain.body.as_str()), (201, "hi"));
        assert_eq!(plain.headers[0], ("content-type".to_owned(), "text/plain".to_owned()));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().body, "abcde");
        // The connection broke in the middle of a chunk.
        assert!(parse(&chunked[..chunked.len() - 10]).is_none());
    }
}
