//! Secrets in a file of `name = "value"`, or in a folder with one file for each.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Read as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{SecretsError, VALUE_MAX, Value};

/// Largest file of secrets, in bytes.
const FILE_MAX: u64 = 4 << 20;

pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Value>, SecretsError> {
    let is = fs::metadata(path).map_err(|source| SecretsError::Read { path: path.to_owned(), source })?;
    if is.is_dir() { folder(path) } else { toml(path) }
}

/// The text of a file that only its owner can read.
pub(crate) fn private(path: &Path) -> Result<Value, SecretsError> {
    let failed = |source| SecretsError::Read { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretsError::Open { path: path.to_owned(), mode });
    }
    text(file, FILE_MAX).map_err(failed)
}

/// At most `max` bytes of UTF-8, in memory that is wiped.
fn text(file: fs::File, max: u64) -> io::Result<Value> {
    // As much at once as it can be: growing would leave copies behind.
    let size = file.metadata()?.len().min(max);
    let mut text = Value::new(String::with_capacity(size as usize + 1));
    file.take(max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max { Err(io::Error::other(format!("it is larger than {max} bytes"))) } else { Ok(text) }
}

fn toml(path: &Path) -> Result<BTreeMap<String, Value>, SecretsError> {
    let text = private(path)?;
    let wrong = |at: Option<usize>| {
        let line = text[..at.unwrap_or(0).min(text.len())].bytes().filter(|byte| *byte == b'\n').count() + 1;
        SecretsError::Toml { path: path.to_owned(), line }
    };
    let document: toml_edit::Document<&str> =
        toml_edit::Document::parse(text.as_str()).map_err(|error| wrong(error.span().map(|span| span.start)))?;
    let mut all = BTreeMap::new();
    for (name, item) in document.iter() {
        crate::check_name(name, &path.display().to_string())?;
        let value = item.as_str().ok_or_else(|| wrong(item.span().map(|span| span.start)))?;
        if value.len() > VALUE_MAX {
            return Err(SecretsError::TooLarge { name: name.to_owned() });
        }
        all.insert(name.to_owned(), Value::new(value.to_owned()));
    }
    Ok(all)
}

/// One file a secret. One line break at the end is the editor's and not the secret's. Hidden files are the mount's.
fn folder(path: &Path) -> Result<BTreeMap<String, Value>, SecretsError> {
    let failed = |path: PathBuf| move |source| SecretsError::Read { path, source };
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(failed(path.to_owned()))? {
        let entry = entry.map_err(failed(path.to_owned()))?;
        let file = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !fs::metadata(&file).map_err(failed(file.clone()))?.is_file() {
            continue;
        }
        crate::check_name(&name, &path.display().to_string())?;
        let opened = fs::File::open(&file).map_err(failed(file.clone()))?;
        // One byte more than a value: the line break.
        let mut value = text(opened, VALUE_MAX as u64 + 2).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => SecretsError::NotText { name: name.clone() },
            _ => SecretsError::Read { path: file.clone(), source },
        })?;
        if value.ends_with('\n') {
            value.pop();
            if value.ends_with('\r') {
                value.pop();
            }
        }
        if value.len() > VALUE_MAX {
            return Err(SecretsError::TooLarge { name });
        }
        all.insert(name, value);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn shown(result: Result<BTreeMap<String, Value>, SecretsError>) -> String {
        match result {
            Ok(all) => all.iter().map(|(name, value)| format!("{name}={}\n", value.as_str())).collect(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_file_is_its_owners_alone_and_holds_texts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        write(&path, "# mine\nstripe = \"sk_1\"\n\"db.pass\" = '''a\nb'''\n", 0o600);
        assert_eq!(shown(read(&path)), "db.pass=a\nb\nstripe=sk_1\n");
        write(&path, "stripe = \"sk_1\"\n", 0o640);
        assert!(shown(read(&path)).contains("mode 640"));
        write(&path, "a = \"x\"\nsecret-in-line = sk_2\n", 0o600);
        let text = shown(read(&path));
        assert!(text.contains("line 2") && !text.contains("sk_2"), "{text}");
        write(&path, "a = \"x\"\nb = 7\n", 0o600);
        assert!(shown(read(&path)).contains("line 2"), "{}", shown(read(&path)));
        write(&path, "\"../a\" = \"x\"\n", 0o600);
        assert!(shown(read(&path)).contains("not a secret's name"));
        write(&path, &format!("a = \"{}\"\n", "x".repeat(VALUE_MAX + 1)), 0o600);
        assert!(shown(read(&path)).contains("larger than 65536"));
    }

    #[test]
    fn a_folder_has_one_file_for_each() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("stripe"), "sk_1\n", 0o444);
        write(&dir.path().join("crlf"), "x\r\n", 0o444);
        write(&dir.path().join("two"), "a\n\n", 0o444);
        fs::create_dir(dir.path().join("..2026")).unwrap();
        write(&dir.path().join(".hidden"), "x", 0o444);
        assert_eq!(shown(read(dir.path())), "crlf=x\nstripe=sk_1\ntwo=a\n\n");
        fs::write(dir.path().join("binary"), [0xff, 0xfe]).unwrap();
        assert!(shown(read(dir.path())).contains("`binary` is not UTF-8"));
    }

    #[test]
    fn what_is_not_there_is_said_with_its_path() {
        let error = read(Path::new("/no/such/file")).err().unwrap();
        assert_eq!(error.code(), weft_types::code::FILE_MISSING);
        assert!(error.to_string().contains("/no/such/file"));
    }
}
