//! From a path to an open file beneath the root, and nothing outside of it.

use std::{
    fs::{File, Metadata},
    path::{Path, PathBuf},
    time::SystemTime,
};

use http::{HeaderMap, header};
use weft_traffic::Files;

use super::kind;

/// A file, with everything that its answer's head says.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    pub(crate) kind: &'static str,
    pub(crate) encoding: Option<&'static str>,
    pub(crate) has_siblings: bool,
}

impl Opened {
    /// Changes whenever the bytes may have: size, time of change, and coding.
    pub(crate) fn tag(&self) -> String {
        let time = self.modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        format!("\"{:x}-{time:x}{}\"", self.size, self.encoding.unwrap_or_default())
    }
}

/// The names of a path, decoded. `None` for whatever could lead elsewhere: a name that begins with a dot, is empty in
/// the middle, or holds a separator or NUL.
pub(crate) fn names(rest: &str) -> Option<Vec<String>> {
    let rest = rest.trim_start_matches('/');
    let mut names = Vec::new();
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() && parts.peek().is_none() {
            break; // a slash at the end, or no path at all: the folder
        }
        let name = decode(part)?;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

fn decode(part: &str) -> Option<String> {
    let mut bytes = part.bytes();
    let mut out = Vec::with_capacity(part.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok()
}

/// The codings that a client takes, of those that may lie beside a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepts {
    br: bool,
    zstd: bool,
    gzip: bool,
}

impl Accepts {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accepts = Self { br: false, zstd: false, gzip: false };
        let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for item in lists.flat_map(|list| list.split(',')) {
            let (name, quality) = item.split_once(';').unwrap_or((item, ""));
            let refused = quality.split_once('=').is_some_and(|(_, q)| q.trim().parse() == Ok(0.0));
            match name.trim().to_ascii_lowercase().as_str() {
                "br" => accepts.br = !refused,
                "zstd" => accepts.zstd = !refused,
                "gzip" | "x-gzip" => accepts.gzip = !refused,
                _ => {}
            }
        }
        accepts
    }

    /// Smallest first, as these codings mostly come out.
    fn each(self) -> [(bool, &'static str, &'static str); 3] {
        [(self.br, "br", "br"), (self.zstd, "zst", "zstd"), (self.gzip, "gz", "gzip")]
    }
}

/// The file for `names`, or the fallback's. `None`: there is none. Blocks.
pub(crate) fn open(files: &Files, names: &[String], accepts: Accepts) -> Option<Opened> {
    let root = files.root.canonicalize().ok()?;
    let asked: PathBuf = names.iter().collect();
    let found = beneath(&root, &root.join(asked), &files.index);
    let path = found.or_else(|| beneath(&root, &root.join(files.fallback.as_deref()?), &files.index))?;
    best(&root, &path, accepts)
}

/// Where `path` really lies, links followed, if that is a file beneath the root; of a folder, its index.
fn beneath(root: &Path, path: &Path, index: &str) -> Option<PathBuf> {
    let real = path.canonicalize().ok().filter(|real| real.starts_with(root))?;
    if !real.is_dir() {
        return Some(real);
    }
    let real = real.join(index).canonicalize().ok()?;
    (real.starts_with(root) && real.is_file()).then_some(real)
}

fn best(root: &Path, path: &Path, accepts: Accepts) -> Option<Opened> {
    let kind = kind::of(path);
    let sibling = |ending: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(ending);
        path.with_file_name(name).canonicalize().ok().filter(|real| real.starts_with(root) && real.is_file())
    };
    let siblings = accepts.each().map(|(accepted, ending, coding)| (accepted, sibling(ending), coding));
    let has_siblings = siblings.iter().any(|(_, path, _)| path.is_some());
    let chosen = siblings.into_iter().find_map(|(accepted, path, coding)| Some((path.filter(|_| accepted)?, coding)));
    let (path, encoding) = match chosen {
        Some((path, coding)) => (path, Some(coding)),
        None => (path.to_owned(), None),
    };
    let file = File::open(path).ok()?;
    let about: Metadata = file.metadata().ok().filter(Metadata::is_file)?;
    let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Some(Opened { file, size: about.len(), modified, kind, encoding, has_siblings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        assert_eq!(names(""), Some(vec![]));
        assert_eq!(names("/a/b%20c/"), Some(vec!["a".into(), "b c".into()]));
        for wrong in ["..", "a/../b", "%2e%2e/a", ".git", "a//b", "a%2fb", "a%5cb", "a%00", "%zz", "%f"] {
            assert_eq!(names(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn codings_are_taken_as_they_are_offered() {
        let accepts = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, http::HeaderValue::from_static(text));
            Accepts::of(&headers)
        };
        assert_eq!(accepts("gzip, br;q=0.5"), Accepts { br: true, zstd: false, gzip: true });
        assert_eq!(accepts("br;q=0, ZSTD"), Accepts { br: false, zstd: true, gzip: false });
        assert_eq!(accepts("identity"), Accepts { br: false, zstd: false, gzip: false });
    }
}
