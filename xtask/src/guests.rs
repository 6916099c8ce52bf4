//! The components that tests, examples and benchmarks run, built once into `target/guests`.
//!
//! `tests/guests/NAME` becomes `NAME.wasm`; an example with one component takes the example's name, one with several
//! `EXAMPLE-COMPONENT.wasm`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use toml_edit::{DocumentMut, Item};
use weft_build::{Build, BuildError, Language, Toolchains, build, install};

use crate::sh::{Done, cargo, root, run as sh, toolchain};

const RUST_TARGET: &str = "wasm32-wasip2";
/// What builds leave behind: not sources.
const NOT_SOURCES: &[&str] = &["target", "dist", "node_modules", "__pycache__", ".weft", ".venv"];

pub(crate) fn run() -> Done {
    let into = folder();
    fs::create_dir_all(&into).map_err(|e| format!("cannot create {}: {e}", into.display()))?;
    install_toolchains()?;
    of_tests(&into)?;
    let tools = Toolchains::around(&root());
    // Whoever changes how components are made changes them all.
    let makers = newest(&root().join("crates/weft-build"))?.max(newest(&root().join("sdk"))?);
    for manifest in manifests()? {
        of_example(&manifest, &tools, makers, &into)?;
    }
    Ok(())
}

/// Where tests look for them.
pub(crate) fn folder() -> PathBuf {
    root().join("target/guests")
}

fn install_toolchains() -> Done {
    let missing: Vec<String> = Language::ALL
        .into_iter()
        .filter_map(|language| install(language, &toolchain(), &mut |line| eprintln!("{line}")).err())
        .map(|error| said(&error))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}

fn of_tests(into: &Path) -> Done {
    let dir = root().join("tests/guests");
    sh(cargo().current_dir(&dir).env_remove("CARGO_TARGET_DIR").args(["build", "--release", "--target", RUST_TARGET]))?;
    let built = dir.join("target").join(RUST_TARGET).join("release");
    for path in entries(&built)?.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "wasm")) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace('_', "-");
        copy(&path, &into.join(name))?;
    }
    Ok(())
}

/// The manifests of all examples.
fn manifests() -> Done<Vec<PathBuf>> {
    let examples = entries(&root().join("examples"))?;
    Ok(examples.into_iter().map(|example| example.join("weft.toml")).filter(|path| path.is_file()).collect())
}

fn of_example(manifest: &Path, tools: &Toolchains, makers: SystemTime, into: &Path) -> Done {
    let dir = manifest.parent().expect("a file lies in a folder");
    let text = fs::read_to_string(manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
    let document: DocumentMut = text.parse().map_err(|e| format!("{}: {e}", manifest.display()))?;
    let components = document.get("component").and_then(Item::as_table_like);
    let components: Vec<(&str, &Item)> = components.map(|table| table.iter().collect()).unwrap_or_default();
    let example = dir.file_name().unwrap_or_default().to_string_lossy();
    let sources = newest(dir)?.max(makers);
    for (name, component) in &components {
        let text = |item: Option<&Item>| item.and_then(Item::as_str).map(str::to_owned);
        let Some(source) = text(component.get("source")) else { continue };
        let output = dir.join(source);
        if modified(&output).is_none_or(|built| built < sources)
            && let Some(command) = text(component.get("build").and_then(|build| build.get("command")))
        {
            let at = text(component.get("build").and_then(|build| build.get("dir"))).unwrap_or_default();
            eprintln!("$ ({example}/{at}) {command}");
            let job = Build { command: &command, dir: &dir.join(at), output: &output };
            build(job, tools, &mut |line| eprintln!("{line}")).map_err(|e| said(&e))?;
        }
        let name = if components.len() == 1 { example.to_string() } else { format!("{example}-{name}") };
        copy(&output, &into.join(format!("{name}.wasm")))?;
    }
    Ok(())
}

fn said(error: &BuildError) -> String {
    let mut text = error.to_string();
    let mut below: &dyn std::error::Error = error;
    while let Some(source) = below.source() {
        text = format!("{text}: {source}");
        below = source;
    }
    error.hint().map_or(text.clone(), |hint| format!("{text}\n  {hint}"))
}

/// Copies what changed: whoever watches the copy sees no change that is none.
fn copy(from: &Path, to: &Path) -> Done {
    let bytes = fs::read(from).map_err(|e| format!("{}: {e}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    // Whole or not at all: a server may be reading it.
    let beside = to.with_extension("new");
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, to));
    written.map_err(|e| format!("{}: {e}", to.display()))
}

/// When the youngest source below this folder was changed.
fn newest(folder: &Path) -> Done<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !NOT_SOURCES.contains(&name.as_str()) {
            newest = newest.max(self::newest(&path)?);
        } else if path.is_file() && path.extension().is_none_or(|ext| ext != "wasm") {
            newest = newest.max(modified(&path).unwrap_or(SystemTime::UNIX_EPOCH));
        }
    }
    Ok(newest)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

fn entries(folder: &Path) -> Done<Vec<PathBuf>> {
    let read = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}
