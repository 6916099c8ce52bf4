//! Compiled code on disk: `ROOT/ENGINE-HASH/SHA256.cwasm`, mapped back instead of compiled again.
//!
//! Compiled code is native code: whoever can write the file can run anything as us. So the folder belongs to this
//! user alone (mode 0700, checked at open), and a file written for another engine, version or configuration lies
//! under another hash and is never looked at. Code is always made here, never fetched.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use wasmtime::{Engine, component::Component};
use weft_types::Digest;

pub(crate) struct CodeCache {
    folder: PathBuf,
}

impl CodeCache {
    /// `None`, with a warning, where the folder cannot be made ours alone: then every start compiles.
    pub(crate) fn open(root: &Path, engine: &Engine) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = root.join(format!("{:016x}", hasher.finish()));
        match own(root).and_then(|()| own(&folder)) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "no code cache: components are compiled at each start");
                None
            }
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.cwasm", digest.hex()))
    }

    /// Maps the compiled code of `digest`; `None` when there is none, or it does not fit this engine.
    #[expect(unsafe_code, reason = "mapping native code that this user alone could have written")]
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(digest);
        if !path.exists() {
            return None;
        }
        // SAFETY: the file was written by `save` below, in a folder that only this user can write (checked at open).
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "compiled code does not load and is made again");
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps compiled code. Written aside and renamed, so that no reader sees half a file.
    pub(crate) fn save(&self, digest: &Digest, code: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let aside = self.folder.join(format!("{}.{}.{number}.part", digest.hex(), std::process::id()));
        let kept = write_new(&aside, code).and_then(|()| fs::rename(&aside, self.path(digest)));
        if kept.is_err() {
            let _ = fs::remove_file(&aside);
        }
        kept
    }

    pub(crate) fn holds(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }
}

/// A file of its own for each writer, on the disk before it gets its name: half a file must never be mapped.
fn write_new(path: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(code)?;
    file.sync_all()
}

/// Makes `folder`, or checks that it is this user's and nobody else can write it.
fn own(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).recursive(true).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let meta = fs::metadata(folder)?;
    let user = own_uid()?;
    if meta.uid() != user {
        return Err(io::Error::other(format!("it belongs to user {} and not to {user}", meta.uid())));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(io::Error::other("others can write to it"));
    }
    Ok(())
}

/// The effective user, read from the kernel without a foreign call.
fn own_uid() -> io::Result<u32> {
    fs::metadata("/proc/self").map(|meta| meta.uid())
}
