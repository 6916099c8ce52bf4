//! A disk that is full or can only be read, under a running node: writes are refused and told, reads go on, and with
//! the room the writes come back. The disk is the file layer of the store's own proofs, under the whole process.

mod support;

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use support::{Node, Response, application, guest, replace, run, weft};

/// A data folder whose disk does as it is told.
struct Disk {
    root: tempfile::TempDir,
}

const WORKS: u8 = b'0';
const FULL: u8 = b'1';
const READ_ONLY: u8 = b'2';

impl Disk {
    fn new() -> Self {
        let disk = Self { root: tempfile::tempdir().expect("folder") };
        fs::create_dir(disk.data()).expect("made");
        fs::write(disk.root.path().join("ctl"), [WORKS]).expect("written");
        disk
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// In place, since the layer has the byte mapped.
    fn says(&self, mode: u8) {
        let file = fs::File::options().write(true).open(self.root.path().join("ctl")).expect("there");
        file.write_all_at(&[mode], 0).expect("written");
    }

    fn start(&self, arguments: &[&str]) -> Node {
        let mut command = weft();
        command.args(arguments).args(["--listen", "127.0.0.1:0"]).arg("--data").arg(self.data());
        command.env("LD_PRELOAD", self.library()).env("FAULTFS_DIR", self.data());
        command.env("FAULTFS_TRACE", self.root.path().join("trace")).env("FAULTFS_CTL", self.root.path().join("ctl"));
        Node::start_with(&mut command)
    }

    fn library(&self) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weft-store-local/tests/durable/faultfs.c");
        let library = self.root.path().join("faultfs.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-lpthread")
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the file layer does not compile");
        library
    }

    fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        run(&[arguments, &["--data", self.data().to_str().expect("text")]].concat())
    }
}

/// An application that keeps what it is told.
fn keeper() -> tempfile::TempDir {
    let folder = application("shop", "path = \"/*\"", "services-p2.wasm");
    let manifest = fs::read_to_string(folder.path().join("weft.toml")).expect("there");
    let stored = "[store]\nkept = { kind = \"key-value\" }\n[component.api]\nstores = { default = \"kept\" }";
    fs::write(folder.path().join("weft.toml"), manifest.replace("[component.api]", stored)).expect("written");
    folder
}

fn set(node: &Node, value: &str) -> Response {
    node.get(&format!("/kv/set?store=default&key=k&value={value}"))
}

fn kept(node: &Node) -> Response {
    node.get("/kv/get?store=default&key=k")
}

fn refuses(mode: u8, code: &str) {
    let (disk, shop) = (Disk::new(), keeper());
    let folder = shop.path().to_str().expect("text");
    let mut node = disk.start(&["serve"]);
    assert_eq!(disk.cli(&["apply", folder]).0, 0);
    assert_eq!(set(&node, "before").body, "set\n");
    assert_eq!(node.admin_get("/healthz/ready", None).status, 200);

    disk.says(mode);
    let refused = set(&node, "lost");
    assert_eq!(refused.status, 500, "{refused:?}");
    assert_eq!(kept(&node).body, "before\n", "reads go on, and nothing half-written is seen");
    let told = node.says("the store refuses writes");
    assert!(told.contains(code), "{told}");
    let ready = node.admin_get("/healthz/ready", None);
    assert!(ready.status == 503 && ready.body.contains("the store refuses writes"), "{ready:?}");
    let (result, out, said) = disk.cli(&["status", "--format", "json"]);
    assert_eq!(result, 0, "{said}");
    let status: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(status["stores"][0]["writable"], false, "{status}");
    // Another application cannot be kept, so it is not served.
    replace(&shop.path().join("api.wasm"), &guest("hello-p2.wasm"));
    let (result, _, said) = disk.cli(&["apply", folder]);
    assert!(result == 1 && said.contains(code), "{said}");
    assert_eq!(kept(&node).body, "before\n", "the last good one stays");

    disk.says(WORKS);
    // The node finds out by itself: nobody sends it a write meanwhile.
    while node.admin_get("/healthz/ready", None).status != 200 {}
    assert_eq!(set(&node, "after").body, "set\n");
    assert_eq!(disk.cli(&["apply", folder]).0, 0);
    assert!(node.get("/").body.to_lowercase().contains("hello"));
}

#[test]
fn a_full_disk() {
    refuses(FULL, "store-full");
}

#[test]
fn a_disk_that_can_only_be_read() {
    refuses(READ_ONLY, "store-unavailable");
}

#[test]
fn a_node_starts_on_a_disk_that_can_only_be_read_and_serves_what_is_there() {
    let (disk, shop) = (Disk::new(), keeper());
    let node = disk.start(&["serve"]);
    assert_eq!(disk.cli(&["apply", shop.path().to_str().expect("text")]).0, 0);
    assert_eq!(set(&node, "before").body, "set\n");
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    disk.says(READ_ONLY);
    let node = disk.start(&["serve"]);
    assert_eq!(kept(&node).body, "before\n");
    assert_eq!(set(&node, "lost").status, 500);
    assert_eq!(kept(&node).body, "before\n");
}
