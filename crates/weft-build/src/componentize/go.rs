//! Go: the stock toolchain for `wasip1`, our kit over generated bindings of `wasi:http` 0.2, then the adapter.

use std::{path::PathBuf, process::Command};

use super::{Work, encode};
use crate::{BuildError, Language, OnLine, Tool, Toolchains, install, run::run, toolchain::versions, wit};

const KIT: &str = include_str!("../../../../sdk/go/weft.go");

pub(super) fn make(work: &Work, tools: &Toolchains, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let go = tools.find(Tool::Go)?;
    work.bind("Go", wit_bindgen_go::Opts::default().build(), "main")?;
    // The name that the bindings call for what the world exports.
    work.write("main/export_wasi_http_incoming_handler/weft.go", KIT)?;
    let module = go_mod(work, &runtime(tools, on_line)?);
    work.write("main/go.mod", module)?;
    let core = work.stage.join("core.wasm");
    let mut command = Command::new(go);
    command.current_dir(work.stage.join("main"));
    command
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off");
    // The runtime reaches into Go's own by name, which the linker allows only when told to.
    command.args(["build", "-buildmode=c-shared", "-ldflags=-checklinkname=0 -s -w", "-o"]);
    run(command.arg(&core).arg("."), on_line)?;
    let bytes = std::fs::read(&core).map_err(BuildError::io("read", &core))?;
    let component = typed(work, &bytes).and_then(|module| encode::encode(&module));
    let component = component.map_err(|source| BuildError::Encode { path: core, source })?;
    encode::replace(&work.output, &component)
}

/// Where the module that bindings import is. Absent, it is fetched once with cargo, or else left to Go's own registry.
fn runtime(tools: &Toolchains, on_line: OnLine<'_>) -> Result<Option<PathBuf>, BuildError> {
    if let Ok(found) = tools.find(Tool::GoRuntime) {
        return Ok(Some(found));
    }
    if tools.find(Tool::Cargo).is_err() {
        return Ok(None);
    }
    install(Language::Go, &tools.home(), on_line)?;
    tools.find(Tool::GoRuntime).map(Some)
}

fn go_mod(work: &Work, runtime: &Option<PathBuf>) -> String {
    let (major, minor) = versions::GO_MIN;
    let (name, version) = (versions::GO_RUNTIME_MODULE, versions::GO_RUNTIME_MODULE_VERSION);
    let app = work.input.display();
    let mut text = format!(
        "module wit_component\n\ngo {major}.{minor}\n\nrequire (\n\tapp v0.0.0\n\t{name} {version}\n)\n\nreplace app => {app}\n"
    );
    if let Some(runtime) = runtime {
        text += &format!("replace {name} => {}\n", runtime.display());
    }
    text
}

/// The module with its component type beside it: Go's linker knows no custom sections.
fn typed(work: &Work, module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(work.wit())?;
    let world = resolve.select_world(&[package], Some(wit::WORLD))?;
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)?;
    Ok(module)
}
