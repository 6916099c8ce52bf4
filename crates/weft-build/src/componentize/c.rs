//! C: clang and lld for `wasm32-wasi`, our kit over generated bindings of `wasi:http` 0.2, then the adapter.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Work, encode};
use crate::{BuildError, OnLine, Tool, Toolchains, run::run};

const KIT: [(&str, &str); 2] = [
    ("kit/weft.h", include_str!("../../../../sdk/c/weft.h")),
    ("kit/weft.c", include_str!("../../../../sdk/c/weft.c")),
];

pub(super) fn make(work: &Work, tools: &Toolchains, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let clang = tools.find(Tool::Clang)?;
    let linker = tools.find(Tool::WasmLd)?;
    let libc = tools.find(Tool::WasiLibc)?;
    for (name, text) in KIT {
        work.write(name, text)?;
    }
    let bound = work.bind("C", wit_bindgen_c::Opts::default().build(), "bindings")?;
    let core = work.stage.join("core.wasm");
    let mut command = Command::new(clang);
    command.current_dir(&work.project).args([
        "--target=wasm32-wasi",
        "-mexec-model=reactor",
        "-O2",
        "-std=c17",
        "-Wall",
    ]);
    if libc.ends_with("wasi-sysroot") {
        command.arg(format!("--sysroot={}", libc.display()));
    }
    command.arg(format!("-fuse-ld={}", linker.display())).arg("-Wl,--strip-debug");
    for folder in ["kit", "bindings"] {
        command.arg("-I").arg(work.stage.join(folder));
    }
    command.args(sources(&work.input)?).arg(work.stage.join("kit/weft.c"));
    command.args(bound.iter().filter(|path| path.extension().is_some_and(|ext| ext == "c" || ext == "o")));
    run(command.arg("-o").arg(&core), on_line)?;
    encode::file(&core, &work.output)
}

/// The input itself, or all sources in the folder that it is, sorted.
fn sources(input: &Path) -> Result<Vec<PathBuf>, BuildError> {
    if !input.is_dir() {
        return Ok(vec![input.to_owned()]);
    }
    let entries = fs::read_dir(input).map_err(BuildError::io("read", input))?;
    let mut sources: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "c"))
        .collect();
    sources.sort();
    Ok(sources)
}
