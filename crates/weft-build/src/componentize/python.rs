//! Python: componentize-py, our kit over `wasi:http` 0.2.

use std::process::Command;

use super::Work;
use crate::{BuildError, OnLine, Tool, Toolchains, run::run, wit};

const KIT: [(&str, &str); 2] = [
    ("weft.py", include_str!("../../../../sdk/python/weft.py")),
    ("weft_serve.py", include_str!("../../../../sdk/python/weft_serve.py")),
];

pub(super) fn make(work: &Work, tools: &Toolchains, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let tool = tools.find(Tool::ComponentizePy)?;
    for (name, text) in KIT {
        work.write(name, text)?;
    }
    // `src/app.py` is the module `app` in the folder `src`.
    let folder = work.input.parent().unwrap_or(&work.project);
    let module = work.input.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if !work.input.is_file() {
        let path = work.input.clone();
        return Err(BuildError::Io { doing: "read", path, source: std::io::ErrorKind::NotFound.into() });
    }
    work.write("weft_app.py", format!("MODULE = {module:?}\n"))?;
    let made = work.stage.join("made.wasm");
    let mut command = Command::new(tool);
    command.current_dir(&work.project).arg("--quiet").arg("-d").arg(work.wit()).args(["-w", wit::WORLD]);
    command.args(["componentize", "weft_serve", "-p"]).arg(&work.stage).arg("-p").arg(folder);
    let site = work.project.join(".venv");
    if site.is_dir() {
        // Packages that the project installed for itself.
        let found = std::fs::read_dir(site.join("lib")).into_iter().flatten().filter_map(Result::ok);
        for lib in found.map(|entry| entry.path().join("site-packages")).filter(|path| path.is_dir()) {
            command.arg("-p").arg(lib);
        }
    }
    run(command.arg("-o").arg(&made), on_line)?;
    std::fs::rename(&made, &work.output).map_err(BuildError::io("write", &work.output))
}
