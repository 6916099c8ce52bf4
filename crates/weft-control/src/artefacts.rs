//! Artefacts: files under the name of what they hold, so that none is ever written twice or changed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use sha2::{Digest as _, Sha256};
use weft_types::Digest;

/// The folder of a node's artefacts. Everything here blocks on the disk.
#[derive(Debug)]
pub struct Artefacts {
    root: PathBuf,
    uploads: AtomicU64,
}

/// An artefact that is being written; forgotten when dropped.
#[derive(Debug)]
pub struct Upload {
    aside: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    done: bool,
}

impl Artefacts {
    /// Makes the folder if need be, and forgets what was never finished.
    pub fn open(data: &Path) -> io::Result<Self> {
        let root = data.join("artefacts");
        let aside = root.join("part");
        make(&aside)?;
        for left in fs::read_dir(&aside)? {
            fs::remove_file(left?.path())?;
        }
        Ok(Self { root, uploads: AtomicU64::new(0) })
    }

    /// Where an artefact lies, or would.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join(&hex[..2]).join(hex)
    }

    /// The size of an artefact that is here, in bytes.
    pub fn find(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.path(digest)).ok().filter(fs::Metadata::is_file).map(|meta| meta.len())
    }

    pub fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        fs::read(self.path(digest))
    }

    pub fn begin(&self) -> io::Result<Upload> {
        let number = self.uploads.fetch_add(1, Relaxed);
        let aside = self.root.join("part").join(number.to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        Ok(Upload { aside, file, hash: Sha256::new(), bytes: 0, done: false })
    }

    /// Makes an upload last. `Err` of kind `InvalidData` when it is not what `digest` names.
    pub fn finish(&self, mut upload: Upload, digest: &Digest) -> io::Result<u64> {
        let is = Digest(std::mem::take(&mut upload.hash).finalize().into());
        if is != *digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("what was sent is {is}")));
        }
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.root);
        let new_folder = !folder.is_dir();
        make(folder)?;
        // Nobody writes to it again, a guest that is granted it as a file least of all.
        upload.file.set_permissions(fs::Permissions::from_mode(0o444))?;
        upload.file.sync_all()?;
        fs::rename(&upload.aside, &path)?;
        upload.done = true;
        File::open(folder)?.sync_all()?;
        if new_folder {
            File::open(&self.root)?.sync_all()?;
        }
        Ok(upload.bytes)
    }

    /// Keeps bytes that are at hand.
    pub fn keep(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest(Sha256::digest(bytes).into());
        if self.find(&digest).is_none() {
            let mut upload = self.begin()?;
            upload.write(bytes)?;
            self.finish(upload, &digest)?;
        }
        Ok(digest)
    }

    /// Deletes every artefact that `keeps` does not want. Answers how many went.
    pub fn sweep(&self, keeps: impl Fn(&Digest) -> bool) -> io::Result<usize> {
        let mut gone = 0;
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?.path();
            if folder.file_name().is_some_and(|name| name == "part") {
                continue;
            }
            for file in fs::read_dir(&folder)? {
                let file = file?;
                let digest = file.file_name().to_str().and_then(|name| name.parse::<Digest>().ok());
                if digest.is_none_or(|digest| !keeps(&digest)) {
                    fs::remove_file(file.path())?;
                    gone += 1;
                }
            }
        }
        Ok(gone)
    }
}

impl Upload {
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.aside);
        }
    }
}

/// Ours alone, since what lies here is run.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artefact_is_what_its_name_says_or_is_not_kept() {
        let data = tempfile::tempdir().expect("folder");
        let artefacts = Artefacts::open(data.path()).expect("opens");
        let digest = artefacts.keep(b"hello").expect("kept");
        assert_eq!(artefacts.find(&digest), Some(5));
        assert_eq!(artefacts.read(&digest).expect("there"), b"hello");

        let mut upload = artefacts.begin().expect("begins");
        upload.write(b"other").expect("writes");
        let error = artefacts.finish(upload, &digest).expect_err("another digest");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(artefacts.read(&digest).expect("unchanged"), b"hello");
        assert_eq!(fs::read_dir(data.path().join("artefacts/part")).expect("folder").count(), 0, "nothing is left");
    }

    #[test]
    fn what_was_never_finished_is_forgotten_at_the_next_start() {
        let data = tempfile::tempdir().expect("folder");
        let artefacts = Artefacts::open(data.path()).expect("opens");
        let mut upload = artefacts.begin().expect("begins");
        upload.write(b"half").expect("writes");
        std::mem::forget(upload);
        drop(artefacts);
        Artefacts::open(data.path()).expect("opens again");
        assert_eq!(fs::read_dir(data.path().join("artefacts/part")).expect("folder").count(), 0);
    }

    #[test]
    fn a_sweep_keeps_what_is_wanted() {
        let data = tempfile::tempdir().expect("folder");
        let artefacts = Artefacts::open(data.path()).expect("opens");
        let (kept, gone) = (artefacts.keep(b"a").expect("kept"), artefacts.keep(b"b").expect("kept"));
        assert_eq!(artefacts.sweep(|digest| *digest == kept).expect("sweeps"), 1);
        assert_eq!((artefacts.find(&kept), artefacts.find(&gone)), (Some(1), None));
    }
}
