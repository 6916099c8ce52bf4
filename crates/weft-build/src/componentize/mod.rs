//! `weft componentize KIND INPUT -o OUTPUT [--with SERVICE]…`: the last step for languages whose own tools do not write
//! components. Manifests name it as their build command.
//!
//! Each kind lays out a folder of its own, `.weft/build/KIND` in the project: our kit for the language, the interfaces,
//! what is generated from them. The folder can be removed at any time.

mod c;
mod encode;
mod go;
mod js;
mod parse;
mod python;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use encode::encode;
pub(crate) use encode::{WasmKind, file as encode_file, wasm_kind};

use crate::{BuildError, OnLine, Toolchains, wit};

/// What the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A module with `export default { fetch(request, env) { … } }`.
    Js,
    /// A module, by its name, with `def handle(request)`.
    Python,
    /// The folder of a package `app` with `var Handler http.Handler`.
    Go,
    /// A source with `void handle(const weft_request *, weft_response *)`, or a folder of sources.
    C,
    /// A core module that carries its own component type and may import WASI preview 1.
    Module,
}

/// A service that the platform lends, to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lends {
    KeyValue,
    Config,
    Logging,
    /// Several writes as one: `weft:store/unit`.
    Unit,
}

impl Lends {
    pub const ALL: [Self; 4] = [Self::KeyValue, Self::Config, Self::Logging, Self::Unit];

    /// As in `--with NAME`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyValue => "key-value",
            Self::Config => "config",
            Self::Logging => "logging",
            Self::Unit => "unit",
        }
    }

    pub(crate) fn imports(self) -> &'static [&'static str] {
        match self {
            Self::KeyValue => &[
                "wasi:keyvalue/store@0.2.0-draft2",
                "wasi:keyvalue/atomics@0.2.0-draft2",
                "wasi:keyvalue/batch@0.2.0-draft2",
            ],
            Self::Config => &["wasi:config/store@0.2.0-rc.1"],
            Self::Logging => &["wasi:logging/logging@0.1.0-draft"],
            Self::Unit => &["weft:store/unit@0.1.0"],
        }
    }
}

/// One run of `weft componentize`. Paths are relative to `dir` unless absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Componentize {
    pub kind: Kind,
    pub input: PathBuf,
    pub output: PathBuf,
    pub with: Vec<Lends>,
}

/// Makes the component. `dir` is the project.
pub fn componentize(job: &Componentize, dir: &Path, tools: &Toolchains, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let dir = std::path::absolute(dir).map_err(BuildError::io("find", dir))?;
    let work = Work::new(job, dir)?;
    match job.kind {
        Kind::Js => js::make(&work, tools, on_line),
        Kind::Python => python::make(&work, tools, on_line),
        Kind::Go => go::make(&work, tools, on_line),
        Kind::C => c::make(&work, tools, on_line),
        Kind::Module => encode::file(&work.input, &work.output),
    }
}

/// Where one job happens. All paths are absolute.
struct Work {
    project: PathBuf,
    input: PathBuf,
    output: PathBuf,
    /// Ours: `.weft/build/KIND`.
    stage: PathBuf,
    with: Vec<Lends>,
}

impl Work {
    fn new(job: &Componentize, project: PathBuf) -> Result<Self, BuildError> {
        let stage = project.join(".weft/build").join(job.kind.as_str());
        let work = Self {
            input: project.join(&job.input),
            output: project.join(&job.output),
            stage,
            with: job.with.clone(),
            project,
        };
        if let Some(parent) = work.output.parent() {
            fs::create_dir_all(parent).map_err(BuildError::io("make", parent))?;
        }
        if job.kind != Kind::Module {
            fs::create_dir_all(&work.stage).map_err(BuildError::io("make", &work.stage))?;
            wit::write(&work.wit(), job.kind, &job.with)?;
        }
        Ok(work)
    }

    fn wit(&self) -> PathBuf {
        self.stage.join("wit")
    }

    /// Writes a file of ours, and the folders above it. One that is there and the same stays untouched, so that
    /// compilers see nothing new.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<PathBuf, BuildError> {
        let path = self.stage.join(name);
        if fs::read(&path).is_ok_and(|old| old == text.as_ref()) {
            return Ok(path);
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(BuildError::io("make", parent))?;
        }
        fs::write(&path, text).map_err(BuildError::io("write", &path))?;
        Ok(path)
    }

    /// Generates the bindings of a language and writes them below `folder`.
    fn bind(
        &self,
        language: &'static str,
        mut generator: Box<dyn wit_bindgen_core::WorldGenerator>,
        folder: &str,
    ) -> Result<Vec<PathBuf>, BuildError> {
        let generated = (|| {
            let mut resolve = wit_parser::Resolve::default();
            let (package, _) = resolve.push_dir(self.wit())?;
            let world = resolve.select_world(&[package], Some(wit::WORLD))?;
            let mut files = wit_bindgen_core::Files::default();
            generator.generate(&mut resolve, world, &mut files)?;
            anyhow::Ok(files)
        })();
        let files = generated.map_err(|source| BuildError::Bindings { language, source })?;
        files.iter().map(|(name, bytes)| self.write(&format!("{folder}/{name}"), bytes)).collect()
    }
}
