//! A node that passes requests on, and what tests of it share.

use std::fs;

use tempfile::TempDir;

use super::{Node, PATIENCE, Response, request, run, service::Service};

pub(crate) const BEGIN: &str = "manifest = 1\nname = \"shop\"\n";

pub(crate) fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("weft.toml"), format!("{BEGIN}{manifest}")).expect("written");
    folder
}

/// `weft check` refuses what follows the first lines of a manifest, by this code, and says where and what.
pub(crate) fn refused(manifest: &str, code: &str, says: &str) {
    let folder = folder(manifest);
    let (exit, out, err) = run(&["check", folder.path().to_str().expect("text")]);
    assert_eq!(exit, 1, "{manifest}: {out}{err}");
    assert!(err.contains(code) && err.contains(says) && err.contains("weft.toml:"), "{manifest}: {err}");
}

/// A node with one upstream that every route is passed on to.
pub(crate) struct Proxy {
    pub(crate) node: Node,
    pub(crate) data: TempDir,
    _folder: TempDir,
}

impl Proxy {
    pub(crate) fn start(manifest: &str) -> Self {
        let (data, folder) = (tempfile::tempdir().expect("folder"), folder(manifest));
        let node = Node::start(&["up", folder.path().to_str().expect("text"), "--no-watch"], data.path());
        Self { node, data, _folder: folder }
    }

    /// All requests to one service, with what its table says besides.
    pub(crate) fn to(service: &Service, rest: &str) -> Self {
        Self::start(&legacy(&[service], rest))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Response {
        request(&self.node.url, &message(method, path, body))
    }
}

pub(crate) fn legacy(services: &[&Service], rest: &str) -> String {
    let urls: Vec<String> = services.iter().map(|service| service.url()).collect();
    format!("[upstream.legacy]\nendpoints = {urls:?}\n{rest}\n[[route]]\npath = \"/*\"\nupstream = \"legacy\"\n")
}

pub(crate) fn message(method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: shop.example\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn code(response: &Response) -> &str {
    let line = response.head.lines().find_map(|line| line.strip_prefix("weft-error: "));
    line.unwrap_or_else(|| panic!("no code: {response:?}")).trim()
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let from = std::time::Instant::now();
    while !holds() {
        assert!(from.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}
