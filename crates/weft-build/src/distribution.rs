//! Rust for Wasm as Debian packages it, for machines where rustup cannot add the target.
//!
//! It has no `wasm32-wasip2`: the same sources are built for `wasm32-wasip1`, with the standard library built on the way,
//! and the preview 1 adapter makes the result a component.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{BuildError, OnLine, Tool, Toolchains, componentize::encode_file, run::run, toolchain::versions};

const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const LIBRARY: &str = "/usr/lib/rustlib/src/rust/library";
const LIBC: &str = "/usr/lib/wasm32-wasi";
const TARGET: &str = "wasm32-wasip1";

/// What Debian's Rust needs to build guests; found as a whole or not at all.
pub(crate) struct Distribution {
    linker: PathBuf,
}

impl Distribution {
    pub(crate) fn find(tools: &Toolchains) -> Option<Self> {
        let complete = [CARGO, RUSTC, LIBRARY, LIBC].iter().all(|path| Path::new(path).exists());
        let linker = tools.find(Tool::WasmLd).ok().filter(|_| complete)?;
        Some(Self { linker })
    }

    /// Whether it can stand in for this command: `cargo build … --target wasm32-wasip2 …`.
    pub(crate) fn knows(words: &[&str]) -> bool {
        words.starts_with(&["cargo", "build"]) && words.windows(2).any(|two| two == ["--target", versions::RUST_TARGET])
    }

    /// Runs the command in `dir` for the other target and leaves the component at `output`, whose name says which of
    /// cargo's files it is.
    pub(crate) fn build(
        &self,
        words: &[&str],
        dir: &Path,
        output: &Path,
        on_line: OnLine<'_>,
    ) -> Result<(), BuildError> {
        let folder = dir.join("target");
        let words = words[1..].iter().map(|word| if *word == versions::RUST_TARGET { TARGET } else { word });
        let mut command = Command::new(CARGO);
        command.args(words).args(["-Z", "build-std=std,panic_abort", "--target-dir"]).arg(&folder).current_dir(dir);
        // Building the standard library is unstable; Debian's compiler is a stable one.
        command.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTUP_TOOLCHAIN");
        command.env("CARGO_TARGET_WASM32_WASIP1_LINKER", &self.linker);
        let start =
            format!("-C link-self-contained=no -L native={LIBC} -C link-arg={LIBC}/crt1-reactor.o -C link-arg=-lc");
        command.env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", start);
        run(&mut command, on_line)?;
        let profile = output.parent().and_then(Path::file_name).unwrap_or_default();
        let module = folder.join(TARGET).join(profile).join(output.file_name().unwrap_or_default());
        encode_file(&module, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_in_for_plain_builds_of_the_target_only() {
        let knows = |command: &str| Distribution::knows(&command.split(' ').collect::<Vec<_>>());
        assert!(knows("cargo build --release --target wasm32-wasip2"));
        assert!(!knows("cargo build --release --target wasm32-unknown-unknown"));
        assert!(!knows("cargo component build --target wasm32-wasip2"));
        assert!(!knows("make"));
    }
}
