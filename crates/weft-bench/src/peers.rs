//! How each server is started: ours, and the peers at their default and at their best.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use crate::{
    args::{guest, place},
    server::{Ready, Server},
};

/// `wasmtime serve` at its best with a fresh instance a request: pooled slots that stay resident and are reset by one
/// system call that touches written pages only.
const TUNED: &str = "pooling-allocator=y,pooling-memory-keep-resident=1048576,pooling-table-keep-resident=65536,\
                     pooling-pagemap-scan=y";
/// Its instances are never retired for their age.
const FOR_EVER: &str = "1000000000";

/// What can be measured. Each is one process with all cores of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// `weft up` with a fresh instance a request, or with shared ones.
    Ours {
        guest: &'static str,
        isolation: &'static str,
    },
    /// Another build of ours, for `bench ab`.
    Other {
        guest: &'static str,
        isolation: &'static str,
    },
    Wasmtime {
        guest: &'static str,
        tuned: bool,
        reuse: bool,
    },
    Hyper,
    /// One worker in one process: single-threaded by nature, where ours uses both cores.
    Workerd,
}

/// Starts one; what it writes goes below `scratch`.
pub(crate) fn start(kind: Kind, scratch: &Path) -> Result<Server, String> {
    match kind {
        Kind::Ours { guest: name, isolation } => ours("WEFT_BENCH_WEFT", name, isolation, scratch),
        Kind::Other { guest: name, isolation } => ours("WEFT_BENCH_OTHER", name, isolation, &scratch.join("other")),
        Kind::Wasmtime { guest: name, tuned, reuse } => wasmtime(name, tuned, reuse),
        Kind::Hyper => {
            let me = env::current_exe().map_err(|e| e.to_string())?;
            Server::start("hyper", Command::new(me).arg("bare-hyper"), &Ready::Url)
        }
        Kind::Workerd => workerd(scratch),
    }
}

fn ours(binary: &str, name: &str, isolation: &str, scratch: &Path) -> Result<Server, String> {
    fs::create_dir_all(scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let mut command = Command::new(place(binary)?);
    command.current_dir(scratch).args(["up", "--isolation", isolation, "--listen", "127.0.0.1:0", "--data"]);
    Server::start("weft", command.arg(scratch.join("data")).arg(guest(name)?), &Ready::Url)
}

fn wasmtime(name: &str, tuned: bool, reuse: bool) -> Result<Server, String> {
    let mut command = Command::new(place("WEFT_BENCH_WASMTIME")?);
    // The guests come from Rust's standard library, which imports wasi:cli.
    command.args(["serve", "-S", "cli=y", "--addr", "127.0.0.1:0"]);
    if tuned {
        command.args(["-O", TUNED]);
    }
    if reuse {
        command.args(["--max-instance-reuse-count", FOR_EVER]);
    }
    Server::start("wasmtime", command.arg(guest(name)?), &Ready::Url)
}

fn workerd(scratch: &Path) -> Result<Server, String> {
    let address = free_address()?;
    let source = place("WEFT_BENCH_EXAMPLES")?.join("hello-js/src/index.js");
    fs::copy(&source, scratch.join("hello.js")).map_err(|e| format!("{}: {e}", source.display()))?;
    let config = scratch.join("workerd.capnp");
    fs::write(&config, worker(address)).map_err(|e| format!("{}: {e}", config.display()))?;
    let mut command = Command::new(place("WEFT_BENCH_WORKERD")?);
    Server::start("workerd", command.arg("serve").arg(config), &Ready::Accepts(address))
}

/// Peers that take no port 0. Another process could take this one before it does: it would say so and the run would fail.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    listener.local_addr().map_err(|e| e.to_string())
}

/// The source that `hello-js.wasm` is made of, as it is.
fn worker(address: SocketAddr) -> String {
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .hello)],
  sockets = [(name = "http", address = "{address}", http = (), service = "main")],
);
const hello :Workerd.Worker = (
  modules = [(name = "hello.js", esModule = embed "hello.js")],
  compatibilityDate = "2026-01-01",
);
"#
    )
}
