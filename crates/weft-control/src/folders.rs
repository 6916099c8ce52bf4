//! The folders of a revision, laid out: hard links to artefacts, so that they cost no room and cannot be changed.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Component, Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use weft_manifest::{Answer, Application};
use weft_types::Digest;

use crate::{Artefacts, ControlError, Record, artefacts::make};

/// A path that stays inside of the folder it is relative to.
pub(crate) fn is_plain(path: &str) -> bool {
    let normal = |part| matches!(part, Component::Normal(_));
    !path.is_empty() && !path.contains('\0') && Path::new(path).components().all(normal)
}

/// Where a guest sees a folder: absolute, and nothing in it leads up.
pub(crate) fn is_place(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains('\0')
        && Path::new(path).components().skip(1).all(|part| matches!(part, Component::Normal(_)))
}

/// Files that one folder of an application may hold.
const FILES_MAX: usize = 100_000;

/// Every file below a folder, by its path in it: links followed to files but not to folders, which could lead in
/// circles. Blocks on the disk.
pub fn files_in(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let (mut found, mut left) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                left.extend((!path.is_symlink()).then_some(path));
            } else if path.is_file() {
                let relative = path.strip_prefix(folder).unwrap_or(&path).to_str();
                let odd = || io::Error::other(format!("the name of {} is not UTF-8", path.display()));
                let relative = relative.ok_or_else(odd)?.to_owned();
                found.insert(relative, path);
            }
            if found.len() > FILES_MAX {
                return Err(io::Error::other(format!("it holds more than {FILES_MAX} files")));
            }
        }
    }
    Ok(found)
}

/// Removes every laid-out revision but these, by their digests in hexadecimal.
pub(crate) fn keep_only(laid_out: &Path, revisions: &HashSet<String>) -> io::Result<()> {
    if !laid_out.is_dir() {
        return Ok(());
    }
    for folder in fs::read_dir(laid_out)? {
        let folder = folder?;
        if !folder.file_name().to_str().is_some_and(|name| revisions.contains(name)) {
            fs::remove_dir_all(folder.path())?;
        }
    }
    Ok(())
}

/// The name of a folder that a guest writes to, after where the guest sees it: a digest, since two places must never
/// share a folder, and nothing that is written in a manifest may become part of a path here.
fn written(to: &str) -> String {
    let place = format!("/{}", to.trim_matches('/'));
    Digest(Sha256::digest(place).into()).hex()[..32].to_owned()
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
                let own = own.join(written(&folder.to));
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
        for good in ["/", "/data", "/a/b/", "/a..b"] {
            assert!(is_place(good), "{good}");
        }
        for bad in ["", "data", "/../etc", "/a/..", "/a/../../b", "/a\0"] {
            assert!(!is_place(bad), "{bad:?}");
        }
        for bad in ["", "/etc/passwd", "../a", "a/../b", "./a", "a\0b"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }

    #[test]
    fn each_place_has_a_folder_of_its_own_inside_of_ours() {
        let places = ["/a/b", "/a-b", "/a", "/b", "/", "/A", "/..", "/a/../b", "/ä"];
        let names: HashSet<_> = places.iter().map(|place| written(place)).collect();
        assert_eq!(names.len(), places.len());
        assert!(names.iter().all(|name| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_eq!(written("/a/b/"), written("/a/b"), "the same place, written otherwise");
    }

    #[test]
    fn files_are_found_below_and_links_do_not_lead_in_circles() {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir_all(folder.path().join("a/b")).expect("made");
        fs::write(folder.path().join("a/b/c.txt"), "c").expect("written");
        fs::write(folder.path().join("d.txt"), "d").expect("written");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).expect("linked");
        std::os::unix::fs::symlink(folder.path().join("d.txt"), folder.path().join("e.txt")).expect("linked");
        let found = files_in(folder.path()).expect("read");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a/b/c.txt", "d.txt", "e.txt"]);
    }
}
