//! `weft apply`: sends an application to a running node.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use sha2::{Digest as _, Sha256};
use weft_api::{Applied, Apply as Request, Folder, path};
use weft_manifest::{Application, Problem};
use weft_types::{Digest, code};

use crate::{
    applications::{self, BareArgs, Found},
    args::Format,
    builds,
    client::{Admin, Target},
    failure::{Failure, Gathered},
    output,
};

/// Make a running node serve an application, from now on and after a restart.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft apply                          the application of this folder\n  weft apply shop --admin-url http://127.0.0.1:9000 --token $TOKEN"
)]
pub(crate) struct Apply {
    /// A folder with a weft.toml, a weft.toml, or a component.
    #[arg(value_name = "WHAT", default_value = ".")]
    what: PathBuf,
    /// Apply only if this revision is the one that serves.
    #[arg(long, value_name = "REVISION")]
    if_revision: Option<Digest>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    bare: BareArgs,
}

impl Apply {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        super::block_on(self.apply(format))
    }

    async fn apply(&self, format: Format) -> Result<(), Failure> {
        let found = applications::one(&self.what, &self.bare)?;
        let admin = self.target.find()?;
        let mut wrong = Gathered::default();
        let found = [found];
        builds::build_stale(&found, &mut wrong, &mut |line| eprintln!("{line}"));
        wrong.done()?;
        let [found] = found;
        let application = found.application.clone();
        let mut sources = BTreeMap::new();
        for (name, component) in &application.components {
            sources.insert(name.clone(), send(&admin, &found, &application.locate(&component.source)).await?);
        }
        let mut files = BTreeMap::new();
        for folder in application.folders() {
            files.insert(folder.to_owned(), send_folder(&admin, &found, &application, folder).await?);
        }
        let manifest = serde_json::to_value(&application)
            .map_err(|error| Failure::new(code::INTERNAL, "weft", error.to_string()))?;
        let request = Request { manifest, sources, files, if_revision: self.if_revision };
        let applied: Applied = admin.post(path::APPLICATIONS, &request).await?;
        output::print(format, &applied, told)
    }
}

/// One sentence on what was done.
pub(crate) fn told(applied: &Applied) -> String {
    let Applied { application, revision, number, previous, changed, warnings } = applied;
    let mut text = match (changed, previous) {
        (false, _) => format!("{application} serves {} already\n", revision.short()),
        (true, None) => format!("{application} serves {} (change {number})\n", revision.short()),
        (true, Some(before)) => {
            format!("{application} serves {} (change {number}), before {}\n", revision.short(), before.short())
        }
    };
    warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    text
}

async fn send(admin: &Admin, found: &Found, file: &Path) -> Result<Digest, Failure> {
    let bytes = fs::read(file).map_err(|error| {
        let message = format!("{} cannot be read: {error}", file.display());
        let problem = Problem::whole(found.file.display().to_string(), code::FILE_MISSING, message);
        Failure::from(problem).help("build it with `weft build`, or correct `source`")
    })?;
    let digest = Digest(Sha256::digest(&bytes).into());
    let path = path::of_artefact(&digest);
    if !admin.has(&path).await? {
        admin.put(&path, bytes.into()).await?;
    }
    Ok(digest)
}

async fn send_folder(admin: &Admin, found: &Found, application: &Application, folder: &str) -> Result<Folder, Failure> {
    let root = application.locate(folder);
    let found_files = weft_control::files_in(&root).map_err(|error| {
        let message = format!("the folder {} cannot be read: {error}", root.display());
        Problem::whole(found.file.display().to_string(), code::FILE_MISSING, message)
    })?;
    let mut files = Folder::new();
    for (name, path) in found_files {
        files.insert(name, send(admin, found, &path).await?);
    }
    Ok(files)
}
