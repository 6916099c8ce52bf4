//! Building what has a build command, and knowing when there is nothing to build.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use weft_build::{Build, BuildError, Toolchains};
use weft_manifest::{Application, Component, Problem, Report};
use weft_types::Name;

use crate::{applications::Found, failure::Gathered, globs::Globs};

/// Files looked at to see whether a component is up to date; with more, it is built.
const FILES_MAX: usize = 20_000;
/// Folders that hold no sources, whatever they are called in.
pub(crate) const NO_SOURCES: [&str; 8] =
    ["target", "node_modules", "dist", ".git", ".weft", ".toolchain", "__pycache__", "build"];

/// Where a component's sources are, and which of them count.
pub(crate) struct Sources {
    pub(crate) dir: PathBuf,
    pub(crate) globs: Globs,
}

/// `None` for a component without a build command.
pub(crate) fn sources(application: &Application, component: &Component) -> Option<Sources> {
    let build = component.build.as_ref()?;
    let dir = application.locate(build.dir.as_deref().unwrap_or("."));
    Some(Sources { globs: Globs::new(&build.watch), dir })
}

/// Builds every component that has a build command and is older than its sources. What a build prints goes to
/// `on_line`; every failure is gathered.
pub(crate) fn build_stale(found: &[Found], wrong: &mut Gathered, on_line: &mut dyn FnMut(&str)) {
    for found in found {
        for (name, component) in &found.application.components {
            if is_stale(&found.application, component, None)
                && let Err(report) = build_one(found, name, component, on_line)
            {
                wrong.add(report);
            }
        }
    }
}

/// Builds one component, whatever the ages of its files.
pub(crate) fn build_one(
    found: &Found,
    name: &Name,
    component: &Component,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), Report> {
    let Some(build) = &component.build else { return Ok(()) };
    let application = &found.application;
    let dir = application.locate(build.dir.as_deref().unwrap_or("."));
    let output = application.locate(&component.source);
    let tools = Toolchains::around(&application.locate(""));
    on_line(&format!("building {name}: {}", build.command));
    let job = Build { command: &build.command, dir: &dir, output: &output };
    weft_build::build(job, &tools, on_line).map(drop).map_err(|error| problem(&found.file, name, &error).into())
}

/// Installs what a component's build lacks, into the application's own folder.
pub(crate) fn install(found: &Found, component: &Component, on_line: &mut dyn FnMut(&str)) -> Result<(), Report> {
    let Some(language) = component.build.as_ref().and_then(language) else { return Ok(()) };
    let into = found.application.locate(".toolchain");
    weft_build::install(language, &into, on_line).map_err(|error| {
        let problem = Problem::whole(found.file.display().to_string(), error.code(), error.to_string());
        match error.hint() {
            Some(hint) => problem.help(hint).into(),
            None => problem.into(),
        }
    })
}

/// As the manifest says, or as the command tells.
fn language(build: &weft_manifest::Build) -> Option<weft_build::Language> {
    use weft_manifest::Language::{C, Go, Js, Python, Rust};
    let told = |word: &&str| word.parse().ok();
    match build.language {
        Some(Rust) => Some(weft_build::Language::Rust),
        Some(Js) => Some(weft_build::Language::Js),
        Some(Python) => Some(weft_build::Language::Python),
        Some(Go) => Some(weft_build::Language::Go),
        Some(C) => Some(weft_build::Language::C),
        None if build.command.starts_with("cargo ") => Some(weft_build::Language::Rust),
        None => {
            build.command.split_whitespace().skip_while(|word| *word != "componentize").nth(1).as_ref().and_then(told)
        }
    }
}

fn problem(file: &Path, component: &Name, error: &BuildError) -> Problem {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    let message = format!("component `{component}`: {error}{source}");
    let problem = Problem::whole(file.display().to_string(), error.code(), message);
    match error.hint() {
        Some(hint) => problem.help(hint),
        None => problem,
    }
}

/// Whether some source is newer than the component, or than the moment when its last good build began.
pub(crate) fn is_stale(application: &Application, component: &Component, began: Option<SystemTime>) -> bool {
    let Some(sources) = sources(application, component) else { return false };
    let Ok(built) = fs::metadata(application.locate(&component.source)).and_then(|meta| meta.modified()) else {
        return true;
    };
    let built = began.unwrap_or(built);
    let mut left = FILES_MAX;
    newer(&sources, &sources.dir, built, &mut left)
}

fn newer(sources: &Sources, folder: &Path, than: SystemTime, left: &mut usize) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return true };
    for entry in entries.flatten() {
        *left = left.saturating_sub(1);
        let Ok(kind) = entry.file_type() else { return true };
        let path = entry.path();
        let hit = if kind.is_dir() {
            !NO_SOURCES.iter().any(|skip| entry.file_name() == *skip) && newer(sources, &path, than, left)
        } else {
            let counts = path.strip_prefix(&sources.dir).is_ok_and(|path| sources.globs.matches(path));
            counts && entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at > than)
        };
        if hit || *left == 0 {
            return true;
        }
    }
    false
}
