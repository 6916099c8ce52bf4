//! The data folder: ours alone, or not at all.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use weft_store::Shard;
use weft_types::{Code, code};

/// Why a data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data folder `{}` is in use by another process: stop that one, or choose another with --data", folder.display())]
    Locked { folder: PathBuf },
    #[error("the data folder `{}` cannot be used: {what}", folder.display())]
    Unusable { folder: PathBuf, what: &'static str, source: io::Error },
}

impl OpenError {
    pub fn code(&self) -> Code {
        match self {
            Self::Locked { .. } => code::DATA_LOCKED,
            Self::Unusable { .. } => code::DATA_UNUSABLE,
        }
    }
}

/// A folder and the lock that makes it ours for as long as this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    shards: PathBuf,
    lock: PathBuf,
    _held: File,
}

impl Folder {
    /// Makes the folder if need be. A folder that can only be read is opened if it holds a store.
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        let unusable = |what| move |source| OpenError::Unusable { folder: root.to_owned(), what, source };
        let shards = root.join("shards");
        make(&shards).map_err(unusable("it cannot be made"))?;
        let lock = root.join("store.lock");
        let held = lock_file(&lock).map_err(unusable("its lock cannot be opened"))?;
        match held.try_lock() {
            Ok(()) => Ok(Self { shards, lock, _held: held }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { folder: root.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable("its lock cannot be taken")(source)),
        }
    }

    pub(crate) fn lock(&self) -> &Path {
        &self.lock
    }

    /// A shard's name is a DNS label or begins with `_`: safe in a path.
    pub(crate) fn file(&self, shard: &Shard) -> PathBuf {
        self.shards.join(shard.as_str()).with_extension("db")
    }
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    use std::os::unix::fs::DirBuilderExt;
    let made: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    made.into_iter().try_for_each(sync_parent)
}

fn lock_file(path: &Path) -> io::Result<File> {
    match OpenOptions::new().create(true).truncate(false).write(true).open(path) {
        // On a file system that can only be read, the lock that is there is as good.
        Err(error) if matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => {
            File::open(path).map_err(|_| error)
        }
        opened => opened,
    }
}

/// Makes the name of a new file last: a folder's entries are data of their own.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
