//! What people name on the command line — a folder, a `weft.toml`, a component — as applications.

use std::path::{Path, PathBuf};

use clap::Args;
use weft_manifest::{Application, BareGrants, Folder, OutboundRule, Problem, Report};
use weft_types::{Name, code};

use crate::failure::{Failure, Gathered};

/// Grants for a component that comes without a manifest.
#[derive(Args, Clone, Default)]
pub(crate) struct BareArgs {
    /// Give a bare component an environment variable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Give a bare component a value of `wasi:config`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// Let a bare component open a key-value store; the first is also its `default`.
    #[arg(long, value_name = "NAME")]
    store: Vec<Name>,
    /// Let a bare component call a server: scheme, host and port.
    #[arg(long, value_name = "URL", value_parser = outbound)]
    outbound: Vec<OutboundRule>,
    /// Let a bare component read a folder, seen at TO; `FROM::TO::write` lets it write, too.
    #[arg(long, value_name = "FROM::TO", value_parser = folder)]
    dir: Vec<Folder>,
    /// Whether calls of a bare component share instances.
    #[arg(long, value_name = "HOW", value_enum, default_value = "request")]
    isolation: IsolationArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum IsolationArg {
    /// A fresh instance for each call.
    #[default]
    Request,
    /// Warm instances serve one call after another.
    Instance,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

fn outbound(text: &str) -> Result<OutboundRule, String> {
    text.parse().map_err(|error: weft_manifest::OutboundError| error.to_string())
}

fn folder(text: &str) -> Result<Folder, String> {
    let mut parts = text.split("::");
    let (from, to, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    match (to, more, parts.next()) {
        (Some(to), None | Some("write"), None) if !from.is_empty() && to.starts_with('/') => {
            Ok(Folder { from: from.to_owned(), to: to.to_owned(), write: more.is_some() })
        }
        _ => Err("write it as FROM::/TO, or FROM::/TO::write".to_owned()),
    }
}

impl BareArgs {
    fn grants(&self) -> BareGrants {
        BareGrants {
            env: self.env.iter().cloned().collect(),
            config: self.config.iter().cloned().collect(),
            stores: self.store.clone(),
            outbound: self.outbound.clone(),
            files: self.dir.clone(),
        }
    }
}

/// One that was named, and where.
pub(crate) struct Found {
    pub(crate) application: Application,
    /// As it was named.
    pub(crate) named: PathBuf,
    /// The folder's `weft.toml`, or the component.
    pub(crate) file: PathBuf,
    pub(crate) bare: bool,
}

/// Reads everything that was named; the current folder where nothing was. All mistakes are told at once.
pub(crate) fn find(named: &[PathBuf], bare: &BareArgs) -> Result<Vec<Found>, Failure> {
    let here = [PathBuf::from(".")];
    let named = if named.is_empty() { &here[..] } else { named };
    let (mut found, mut wrong) = (Vec::new(), Gathered::default());
    for path in named {
        match one(path, bare) {
            Ok(application) => found.push(application),
            Err(report) => wrong.add(report),
        }
    }
    twice(&found, &mut wrong);
    wrong.done().map(|()| found)
}

/// Reads one again, after its files have changed.
pub(crate) fn one(path: &Path, bare: &BareArgs) -> Result<Found, Report> {
    if path.is_file() && path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(bare_component(path, bare));
    }
    let file = if path.is_dir() { path.join("weft.toml") } else { path.to_owned() };
    if path.is_dir() && !file.exists() {
        let problem = Problem::whole(path.display().to_string(), code::FILE_MISSING, "there is no weft.toml here");
        return Err(problem.help("name an application's folder, or make one with: weft new -l rust hello").into());
    }
    Ok(Found { application: weft_manifest::load(&file)?, named: path.to_owned(), file, bare: false })
}

fn bare_component(path: &Path, bare: &BareArgs) -> Found {
    let name = Name::nearest(&path.file_stem().unwrap_or_default().to_string_lossy());
    let here = std::env::current_dir().unwrap_or_default();
    let mut application = Application::bare(name, &here.join(path), &here, bare.grants());
    for component in application.components.values_mut() {
        component.isolation = match bare.isolation {
            IsolationArg::Request => weft_manifest::Isolation::Request,
            IsolationArg::Instance => weft_manifest::Isolation::Instance,
        };
    }
    Found { application, named: path.to_owned(), file: path.to_owned(), bare: true }
}

fn twice(found: &[Found], wrong: &mut Gathered) {
    for (at, later) in found.iter().enumerate() {
        let name = &later.application.name;
        if let Some(first) = found[..at].iter().find(|first| first.application.name == *name) {
            let message = format!("an application named `{name}` is in {} already", first.file.display());
            let problem = Problem::whole(later.file.display().to_string(), code::MANIFEST_DUPLICATE, message);
            wrong.push(problem.help("give one of them another `name`"));
        }
    }
}
