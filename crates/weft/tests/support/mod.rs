//! A real `weft` process, and a client that hides nothing of the wire.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

pub(crate) mod browser;
pub(crate) mod proxy;
pub(crate) mod service;

use tempfile::TempDir;

/// Far longer than anything here takes: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A guest that `cargo xtask guests` has built.
pub(crate) fn guest(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests").join(name);
    assert!(path.is_file(), "{} is missing: run `cargo xtask guests`", path.display());
    path
}

pub(crate) fn weft() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    for variable in ["WEFT_DATA", "WEFT_ADMIN", "WEFT_ADMIN_TOKEN", "WEFT_LOG"] {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1");
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = weft().args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().expect("not killed"), text(stdout), text(stderr))
}

/// Runs a command that reads `input`.
pub(crate) fn run_with(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = weft();
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().expect("not killed"), text(stdout), text(stderr))
}

/// An application's folder, with one component that is copied in.
pub(crate) fn application(name: &str, route: &str, guest_name: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let manifest = format!(
        "manifest = 1\nname = \"{name}\"\n\n[component.api]\nsource = \"api.wasm\"\n\n[[route]]\n{route}\ncomponent = \"api\"\n"
    );
    fs::write(folder.path().join("weft.toml"), manifest).expect("written");
    replace(&folder.path().join("api.wasm"), &guest(guest_name));
    folder
}

/// As tools do: written aside, then renamed.
pub(crate) fn replace(file: &Path, by: &Path) {
    let aside = file.with_extension("aside");
    fs::copy(by, &aside).expect("copied");
    fs::rename(aside, file).expect("renamed");
}

/// A running node. Killed when dropped.
pub(crate) struct Node {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    pub(crate) url: String,
    pub(crate) admin: String,
}

impl Node {
    /// Starts `weft ARGUMENTS --listen 127.0.0.1:0 --data DATA` and waits until it is ready.
    pub(crate) fn start(arguments: &[&str], data: &Path) -> Self {
        Self::start_with(weft().args(arguments).args(["--listen", "127.0.0.1:0"]).arg("--data").arg(data))
    }

    pub(crate) fn start_with(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
        let (tell, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut node = Self { child, lines, seen: Vec::new(), url: String::new(), admin: String::new() };
        node.url = node.line();
        node.admin = node.line();
        assert!(node.url.starts_with("http://") && node.admin.starts_with("http://"), "{:?}", node.seen);
        node
    }

    fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("{error}; standard error so far: {:#?}", self.seen));
        self.seen.push(line.clone());
        line
    }

    /// Waits until standard error has a line with `text` in it.
    pub(crate) fn says(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        request(&self.url, &format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"))
    }

    pub(crate) fn admin_get(&self, path: &str, token: Option<&str>) -> Response {
        let token = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
        request(&self.admin, &format!("GET {path} HTTP/1.1\r\nhost: test\r\n{token}connection: close\r\n\r\n"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(killed.expect("kill").success());
    }

    /// Stops it, and answers every line that it ever wrote to standard error.
    pub(crate) fn stop(mut self) -> Vec<String> {
        self.signal("TERM");
        assert!(self.child.wait().expect("waits").success(), "{:#?}", self.seen);
        let mut lines = std::mem::take(&mut self.seen);
        lines.extend(self.lines.iter());
        lines
    }

    /// The admin API's token.
    pub(crate) fn token(data: &Path) -> String {
        let file = fs::read_to_string(data.join("admin.json")).expect("written");
        file.split('"').nth(7).expect("a token").to_owned()
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_none()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit code, once the process has ended by itself.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().expect("waits").code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn connect(url: &str) -> TcpStream {
    let address: SocketAddr = url.trim_start_matches("http://").parse().expect("an address");
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream
}

/// One request on a connection of its own.
pub(crate) fn request(url: &str, text: &str) -> Response {
    let mut stream = connect(url);
    stream.write_all(text.as_bytes()).expect("sent");
    read(&mut BufReader::new(stream)).unwrap_or_else(|| panic!("no answer to {text}"))
}

/// Reads one answer. `None` where the connection ended before it was complete.
pub(crate) fn read(from: &mut impl BufRead) -> Option<Response> {
    let head = head(from)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = body(from, &head.to_lowercase())?;
    Some(Response { status, head, body: String::from_utf8_lossy(&body).into_owned() })
}

/// The head of a message, without the empty line after it.
pub(crate) fn head(from: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(head);
        }
        head.push_str(&line);
    }
}

/// The body of a message with this head, which is in lower case. `None` where it is not whole.
pub(crate) fn body(from: &mut impl BufRead, head: &str) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if !head.contains("transfer-encoding: chunked") {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        body.resize(length.unwrap_or(0), 0);
        from.read_exact(&mut body).ok()?;
        return Some(body);
    }
    loop {
        let mut size = String::new();
        from.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        from.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
