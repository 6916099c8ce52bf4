//! `[access]`: the application's policies, read into it, so that they are a part of the revision.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Deserialize;
use weft_types::code;

use crate::{
    check::shown,
    disk::{self, Disk},
    resolve::Resolver,
    tree::Spot,
};

/// Bytes of all files together.
const BYTES_MAX: u64 = 256 << 10;
/// Files of one application.
const FILES_MAX: usize = 64;

/// Who may do what. With policies, what none of them permits is refused, on every route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "access"))]
pub struct Access {
    /// Files of Cedar policies. A last name may hold one `*`: every such file of that folder. They become part of the
    /// revision.
    #[schemars(extend("items" = {"type": "string", "x-form": "path"}, "examples" = [["policies/*.cedar"]]))]
    pub policies: Vec<String>,
}

impl Resolver<'_> {
    /// Every policy file by its path as it is written, with its text.
    pub(crate) fn policies(&mut self, access: Option<&Access>, at: &Spot<'_>) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let Some(Access { policies }) = access else { return files };
        let at = at.key("policies");
        if policies.is_empty() {
            let help = "name a file, or remove the table: without policies everybody may call who is let in by `auth`";
            let message = "`policies` is empty".to_owned();
            self.problem(at.value_span(), code::MANIFEST_TYPE, message, "names no file", help);
        }
        let mut left = BYTES_MAX;
        for (i, pattern) in policies.iter().enumerate() {
            match self.found(pattern) {
                Ok(paths) => {
                    for path in paths {
                        // Text that has no folder has no files either.
                        if self.disk == Disk::Skip {
                            files.insert(path, String::new());
                            continue;
                        }
                        match read(&self.folder.join(&path), &mut left) {
                            Ok(text) => drop(files.insert(path, text)),
                            Err(why) => self.unreadable(&path, &why, &at.item(i)),
                        }
                    }
                }
                Err(why) => self.unreadable(pattern, &why, &at.item(i)),
            }
        }
        if files.len() > FILES_MAX {
            let message = format!("there are {} files of policies; at most {FILES_MAX} are read", files.len());
            self.problem(at.value_span(), code::MANIFEST_TYPE, message, "these", "put several policies in one file");
        }
        files
    }

    /// The files that a pattern stands for, relative to the folder, in order.
    fn found(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (folder, name) = pattern.rsplit_once('/').map_or(("", pattern), |(folder, name)| (folder, name));
        if folder.contains('*') || name.matches('*').count() > 1 {
            return Err("may hold one `*`, in its last name".to_owned());
        }
        let Some((begin, end)) = name.split_once('*') else { return Ok(vec![pattern.to_owned()]) };
        if self.disk == Disk::Skip {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(self.folder.join(folder)).map_err(|error| missing(&error))?;
        let named = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let fits = |name: &String| {
            name.len() >= begin.len() + end.len()
                && name.starts_with(begin)
                && name.ends_with(end)
                && !name.starts_with('.')
        };
        let path = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let mut paths: Vec<String> = named.filter(fits).map(path).take(FILES_MAX + 1).collect();
        paths.sort();
        if paths.is_empty() { Err("stands for no file".to_owned()) } else { Ok(paths) }
    }

    fn unreadable(&mut self, path: &str, why: &str, at: &Spot<'_>) {
        let file: PathBuf = self.folder.join(path);
        let help = match disk::near(&file) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("paths are relative to the folder of {}", self.source.file),
        };
        let message = format!("`{}` {why}", shown(path));
        self.problem(at.value_span(), code::FILE_MISSING, message, "this path", &help);
    }
}

fn read(file: &Path, left: &mut u64) -> Result<String, String> {
    let size = fs::metadata(file).map_err(|error| missing(&error))?.len();
    if size > *left {
        return Err(format!("is too long: all files of policies together have at most {BYTES_MAX} bytes"));
    }
    *left -= size;
    fs::read_to_string(file).map_err(|error| missing(&error))
}

fn missing(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::InvalidData => "is not UTF-8".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
