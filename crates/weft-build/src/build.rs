//! Running the build command of a manifest.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    BuildError, Componentize, OnLine, Tool, Toolchains, componentize,
    componentize::{WasmKind, wasm_kind},
    distribution::Distribution,
    run::run,
    toolchain::on_path,
    toolchain::versions::RUST_TARGET,
};

/// What a manifest says about building one component.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// `[component.NAME] build.command`, as a shell reads it.
    pub command: &'a str,
    /// Where it runs.
    pub dir: &'a Path,
    /// The component that it leaves: `source`.
    pub output: &'a Path,
}

/// What a shell would treat as more than a word.
const SHELL: &[char] =
    &['|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', '#', '~', '=', '%', '\n'];

/// What would make cargo write elsewhere than the manifest says, for instance when cargo itself runs us.
const MISLEADING: &[&str] = &["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_TARGET"];

/// Builds, and answers with the path of the component.
///
/// `weft componentize …` alone is carried out here, so that it needs no `weft` on `PATH`; anything else goes to `sh`.
pub fn build(job: Build<'_>, tools: &Toolchains, on_line: OnLine<'_>) -> Result<PathBuf, BuildError> {
    let words: Vec<&str> = job.command.split_whitespace().collect();
    match words.as_slice() {
        [] => return Err(BuildError::Usage("the build command is empty".to_owned())),
        ["weft", "componentize", rest @ ..] if !job.command.contains(SHELL) => {
            componentize(&Componentize::parse(rest.iter().copied())?, job.dir, tools, on_line)?;
        }
        words if !job.command.contains(SHELL) && Distribution::knows(words) => cargo(words, job, tools, on_line)?,
        [first, ..] => {
            preflight(first, job.command, tools)?;
            run(shell(job.command).current_dir(job.dir), on_line)?;
        }
    }
    check(job)
}

/// A plain build for our target: by the distribution's Rust where rustup's lacks it.
fn cargo(words: &[&str], job: Build<'_>, tools: &Toolchains, on_line: OnLine<'_>) -> Result<(), BuildError> {
    tools.find(Tool::Cargo)?;
    match tools.find(Tool::RustTarget) {
        Ok(_) => run(shell(job.command).current_dir(job.dir), on_line),
        Err(missing) => Distribution::find(tools).ok_or(missing)?.build(words, job.dir, job.output, on_line),
    }
}

/// What the command certainly needs, said before the command says it worse.
fn preflight(first: &str, command: &str, tools: &Toolchains) -> Result<(), BuildError> {
    if first == "cargo" {
        tools.find(Tool::Cargo)?;
        if command.contains(RUST_TARGET) {
            tools.find(Tool::RustTarget)?;
        }
    } else if first == "npm" || first == "npx" {
        tools.find(Tool::Node)?;
    }
    let plain = !first.contains(SHELL) && !first.contains('/');
    if plain && on_path(first).is_none() && !is_builtin(first) {
        return Err(BuildError::ToolMissing {
            tool: first.to_owned(),
            needed_for: format!("the build command `{command}`"),
            install: format!("your system's package manager has `{first}`, or the documentation of `{first}` says how"),
        });
    }
    Ok(())
}

fn is_builtin(word: &str) -> bool {
    ["cd", "exec", "set", "export", "test", "true", "false", "echo", "printf", "if", "for", "while", ":", "."]
        .contains(&word)
}

/// The shell, with this very program as `weft` where that is what we are.
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    for variable in MISLEADING {
        shell.env_remove(variable);
    }
    let Ok(own) = std::env::current_exe() else { return shell };
    if let (Some(name), Some(folder)) = (own.file_name(), own.parent())
        && name == "weft"
    {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(path) {
            shell.env("PATH", path);
        }
    }
    shell
}

/// That there is a component where the manifest says.
fn check(job: Build<'_>) -> Result<PathBuf, BuildError> {
    let path = job.output.to_owned();
    let Ok(mut file) = File::open(&path) else {
        return Err(BuildError::NoOutput { command: job.command.to_owned(), path });
    };
    let mut header = [0; 8];
    file.read_exact(&mut header).map_err(|_| BuildError::NotWasm { path: path.clone() })?;
    match wasm_kind(&header) {
        WasmKind::Component => Ok(path),
        WasmKind::Module => Err(BuildError::CoreModule { path }),
        WasmKind::Neither => Err(BuildError::NotWasm { path }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use weft_types::code;

    use super::*;

    fn attempt(command: &str) -> (Result<PathBuf, BuildError>, Vec<String>) {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("component"), b"\0asm\x0d\0\x01\0").expect("a file");
        fs::write(dir.path().join("module"), b"\0asm\x01\0\0\0").expect("a file");
        let mut lines = Vec::new();
        let output = dir.path().join("out.wasm");
        let job = Build { command, dir: dir.path(), output: &output };
        (build(job, &Toolchains::only(dir.path(), Vec::new()), &mut |line| lines.push(line.to_owned())), lines)
    }

    #[test]
    fn a_command_runs_in_its_folder_and_leaves_a_component() {
        let (done, lines) = attempt("echo copying && cp component out.wasm");
        assert!(done.is_ok_and(|path| path.ends_with("out.wasm")));
        assert_eq!(lines, ["copying"]);
    }

    #[test]
    fn each_way_to_leave_no_component_has_its_code() {
        for (command, code) in [
            ("false", code::BUILD_FAILED),
            ("true", code::FILE_MISSING),
            ("cp module out.wasm", code::CORE_MODULE),
            ("echo not wasm > out.wasm", code::NOT_WASM),
            ("printf x > out.wasm", code::NOT_WASM),
            ("no-such-program --fast", code::TOOL_MISSING),
            ("weft componentize cobol x -o y", code::USAGE),
            ("  ", code::USAGE),
        ] {
            let (done, _) = attempt(command);
            let error = done.expect_err(command);
            assert_eq!(error.code(), code, "{command}: {error}");
        }
    }

    #[test]
    fn componentize_needs_no_program_of_that_name() {
        let (done, _) = attempt("weft componentize module component -o out.wasm");
        assert!(done.is_ok(), "{done:?}");
    }
}
