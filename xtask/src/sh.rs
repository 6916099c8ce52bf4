//! Running other programs, and where things are.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What went wrong, as a sentence for the person at the terminal.
pub(crate) type Done<T = ()> = Result<T, String>;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

/// Where set-up puts what it installs.
pub(crate) fn toolchain() -> PathBuf {
    root().join(".toolchain")
}

/// Cargo's target folder: artefacts that others look for lie below it.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs us, in the root of the repository.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A program with arguments, in the root of the repository.
pub(crate) fn program<S: AsRef<OsStr>>(name: S, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(args).current_dir(root());
    command
}

/// Runs to the end with our output; a failure names the command.
pub(crate) fn run(command: &mut Command) -> Done {
    eprintln!("$ {}", shown(command));
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("cannot run `{}`: {e}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", shown(command))) }
}

/// What the command prints, or what it complained of.
pub(crate) fn output(command: &mut Command) -> Done<String> {
    let out = command.stdin(Stdio::null()).output().map_err(|e| format!("cannot run `{}`: {e}", shown(command)))?;
    if out.status.success() {
        return String::from_utf8(out.stdout).map_err(|e| format!("`{}` printed no UTF-8: {e}", shown(command)));
    }
    Err(format!("`{}` ended with {}: {}", shown(command), out.status, String::from_utf8_lossy(&out.stderr).trim()))
}

/// The first file of that name on PATH.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
