//! The folders of a revision, laid out: hard links to artefacts, so that they cost no room and cannot be changed.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use weft_manifest::{Answer, Application};
use weft_types::Digest;

use crate::{Artefacts, ControlError, Record, artefacts::make};

/// A path that stays inside of the folder it is relative to.
pub(crate) fn is_plain(path: &str) -> bool {
    let normal = |part| matches!(part, Component::Normal(_));
    !path.is_empty() && !path.contains('\0') && Path::new(path).components().all(normal)
}

/// Lays out the folders of a revision, unless that has been done, and points the application at them.
pub(crate) fn lay_out(data: &Path, artefacts: &Artefacts, record: &Record) -> Result<Application, ControlError> {
    let root = data.join("revisions").join(record.revision.hex());
    if !root.is_dir() {
        let aside = data.join("revisions").join(format!("{}.part", record.revision.hex()));
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        fill(&aside, artefacts, record)?;
        fs::rename(&aside, &root)?;
    }
    // Absolute, so that the place where it was written no longer matters.
    let root = root.canonicalize()?;
    let mut application = record.application.clone();
    let at = |folder: &str| record.files.keys().position(|known| known == folder).map(|at| root.join(at.to_string()));
    for route in &mut application.routes {
        if let Answer::Files(files) = &mut route.answer {
            files.from = shown(at(&files.from).ok_or_else(|| unknown(&files.from))?);
        }
    }
    for (name, component) in &mut application.components {
        for folder in &mut component.grants.files {
            folder.from = if folder.write {
                let own = data.join("folders").join(record.application.name.as_str()).join(name.as_str());
                let own = own.join(folder.to.trim_matches('/').replace('/', "-"));
                make(&own)?;
                shown(own.canonicalize()?)
            } else {
                shown(at(&folder.from).ok_or_else(|| unknown(&folder.from))?)
            };
        }
    }
    Ok(application)
}

fn shown(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}

fn unknown(folder: &str) -> ControlError {
    ControlError::NoFolder { folder: folder.to_owned() }
}

fn fill(root: &Path, artefacts: &Artefacts, record: &Record) -> Result<(), ControlError> {
    make(root)?;
    for (at, (_, files)) in record.files.iter().enumerate() {
        let folder = root.join(at.to_string());
        make(&folder)?;
        for (path, digest) in files {
            let to = folder.join(path);
            make(to.parent().unwrap_or(&folder))?;
            link(&artefacts.path(digest), &to, digest)?;
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path, digest: &Digest) -> Result<(), ControlError> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ControlError::Missing { what: format!("file `{}`", to.display()), digest: *digest })
        }
        // A file may have only so many names, and not every file system has links.
        Err(_) => fs::copy(from, to).map(drop).map_err(ControlError::Disk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_is_refused() {
        for good in ["index.html", "a/b/c.css", "a.b", "…/ü"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "../a", "a/../b", "./a", "a\0b"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
