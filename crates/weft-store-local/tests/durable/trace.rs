//! From the file layer's record to every folder that a power cut could have left.
//!
//! The rules are those of POSIX, not of one file system: what was written is safe once its file is synced, and a name
//! once its folder is. What was not may be there whole, in 512-byte pieces, or not at all, in any order.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use weft_store::suite::Draw;

/// What a disk writes whole.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Created { inode: u64, path: PathBuf },
    Written { inode: u64, offset: usize, bytes: Vec<u8> },
    Truncated { inode: u64, length: usize },
    Synced { inode: u64 },
    SyncFailed { inode: u64 },
    Renamed { from: PathBuf, to: PathBuf },
    Unlinked { path: PathBuf },
    FolderSynced { path: PathBuf },
}

/// Reads the record; what is behind its last whole entry was never done.
pub(crate) fn parse(record: &[u8]) -> Vec<Event> {
    let mut rest = record;
    let mut events = Vec::new();
    while let Some((head, behind)) = rest.split_at_checked(21) {
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let length = u32::from_le_bytes(head[17..21].try_into().expect("four bytes")) as usize;
        let Some((bytes, behind)) = behind.split_at_checked(length) else { break };
        events.push(event(head[0], number(1), number(9) as usize, bytes));
        rest = behind;
    }
    events
}

fn event(op: u8, inode: u64, offset: usize, bytes: &[u8]) -> Event {
    let path = |bytes: &[u8]| PathBuf::from(String::from_utf8(bytes.to_vec()).expect("a path in UTF-8"));
    match op {
        b'C' => Event::Created { inode, path: path(bytes) },
        b'W' => Event::Written { inode, offset, bytes: bytes.to_vec() },
        b'T' => Event::Truncated { inode, length: offset },
        b'S' => Event::Synced { inode },
        b'F' => Event::SyncFailed { inode },
        b'R' => {
            let middle = bytes.iter().position(|byte| *byte == 0).expect("two paths");
            Event::Renamed { from: path(&bytes[..middle]), to: path(&bytes[middle + 1..]) }
        }
        b'U' => Event::Unlinked { path: path(bytes) },
        b'D' => Event::FolderSynced { path: path(bytes) },
        other => panic!("the record has an operation {other}"),
    }
}

/// One change of a file that is not known to be on disk.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

#[derive(Debug, Clone, Default)]
struct File {
    safe: Vec<u8>,
    unsafe_yet: Vec<Change>,
}

/// One change of a folder that is not known to be on disk.
#[derive(Debug, Clone)]
enum Entry {
    Add(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Entry {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Rename(_, path) => path.parent(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Add(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Remove(path) => drop(names.remove(path)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

/// How much of what was not synced a power cut leaves.
#[derive(Debug, Clone, Copy)]
enum Fate {
    None,
    All,
    /// Each change by itself, each piece of it by itself.
    Torn,
}

/// A disk: what is safe, and what is only in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    open: HashMap<u64, usize>,
    names: BTreeMap<PathBuf, usize>,
    entries: Vec<Entry>,
}

impl Disk {
    /// `draw` decides what a failed sync left: like Linux, it forgets that the rest was ever to be written.
    pub(crate) fn apply(&mut self, event: &Event, draw: &mut Draw) {
        match event {
            Event::Created { inode, path } => {
                self.files.push(File::default());
                self.open.insert(*inode, self.files.len() - 1);
                self.entries.push(Entry::Add(path.clone(), self.files.len() - 1));
            }
            Event::Written { inode, offset, bytes } => {
                self.change(*inode, Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Event::Truncated { inode, length } => self.change(*inode, Change::Truncate { length: *length }),
            Event::Synced { inode } => self.settle(*inode, Fate::All, draw),
            Event::SyncFailed { inode } => self.settle(*inode, Fate::Torn, draw),
            Event::Renamed { from, to } => self.entries.push(Entry::Rename(from.clone(), to.clone())),
            Event::Unlinked { path } => self.entries.push(Entry::Remove(path.clone())),
            Event::FolderSynced { path } => {
                let (safe, rest) = std::mem::take(&mut self.entries)
                    .into_iter()
                    .partition(|entry: &Entry| entry.folder() == Some(path.as_path()));
                self.entries = rest;
                let safe: Vec<Entry> = safe;
                safe.iter().for_each(|entry| entry.apply(&mut self.names));
            }
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        let file = self.open.get(&inode).expect("a file that was made under the layer");
        self.files[*file].unsafe_yet.push(change);
    }

    fn settle(&mut self, inode: u64, fate: Fate, draw: &mut Draw) {
        let file = *self.open.get(&inode).expect("a file that was made under the layer");
        let file = &mut self.files[file];
        file.safe = file.after(fate, draw);
        file.unsafe_yet.clear();
    }

    /// What is found when the power comes back: one of the many folders that the rules allow.
    pub(crate) fn crash(&self, draw: &mut Draw) -> BTreeMap<PathBuf, Vec<u8>> {
        let fate = [Fate::None, Fate::All, Fate::Torn, Fate::Torn][draw.below(4) as usize];
        let mut names = self.names.clone();
        let kept = match fate {
            Fate::None => 0,
            Fate::All => self.entries.len(),
            // A journal of names is written in order.
            Fate::Torn => draw.below(self.entries.len() as u64 + 1) as usize,
        };
        self.entries[..kept].iter().for_each(|entry| entry.apply(&mut names));
        names.into_iter().map(|(path, file)| (path, self.files[file].after(fate, draw))).collect()
    }
}

impl File {
    fn after(&self, fate: Fate, draw: &mut Draw) -> Vec<u8> {
        let mut out = self.safe.clone();
        for change in &self.unsafe_yet {
            match (fate, change) {
                (Fate::None, _) => {}
                (Fate::All, Change::Truncate { length }) => out.resize(*length, 0),
                (Fate::All, Change::Write { offset, bytes }) => put(&mut out, *offset, bytes),
                (Fate::Torn, Change::Truncate { length }) if draw.once_in(2) => out.resize(*length, 0),
                (Fate::Torn, Change::Truncate { .. }) => {}
                (Fate::Torn, Change::Write { offset, bytes }) => tear(&mut out, *offset, bytes, draw),
            }
        }
        out
    }
}

fn put(out: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    out.resize(out.len().max(end), 0);
    out[offset..end].copy_from_slice(bytes);
}

/// All of a write, none, or each of its sectors by chance.
fn tear(out: &mut Vec<u8>, offset: usize, bytes: &[u8], draw: &mut Draw) {
    match draw.below(3) {
        0 => {}
        1 => put(out, offset, bytes),
        _ => {
            let mut at = 0;
            while at < bytes.len() {
                let end = bytes.len().min((offset + at) / SECTOR * SECTOR + SECTOR - offset);
                if draw.once_in(2) {
                    put(out, offset + at, &bytes[at..end]);
                }
                at = end;
            }
        }
    }
}

/// Lays a folder that was at `from` down at `to`. The index that SQLite shares between connections is memory, not data.
pub(crate) fn lay_down(files: &BTreeMap<PathBuf, Vec<u8>>, from: &Path, to: &Path) {
    for (path, bytes) in files.iter().filter(|(path, _)| !path.to_string_lossy().ends_with("-shm")) {
        let path = to.join(path.strip_prefix(from).expect("in the watched folder"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
}
