//! The one place where this crate looks at files.

use std::{fs, io, path::Path};

use weft_types::code;

use crate::{Problem, Report, Source, check::shown, near::nearest, tree::BYTES_MAX};

/// Whether what a manifest names must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    Check,
    /// For text that has no folder, such as what an editor sends.
    Skip,
}

impl Disk {
    /// The error is the end of a sentence that begins with the path.
    pub(crate) fn file(self, path: &Path) -> Result<(), String> {
        self.look(path, |kind| kind.is_file(), "is not a file")
    }

    pub(crate) fn folder(self, path: &Path) -> Result<(), String> {
        self.look(path, |kind| kind.is_dir(), "is not a folder")
    }

    fn look(self, path: &Path, good: impl Fn(&fs::Metadata) -> bool, wrong: &str) -> Result<(), String> {
        if self == Self::Skip {
            return Ok(());
        }
        match fs::metadata(path) {
            Ok(kind) if good(&kind) => Ok(()),
            Ok(_) => Err(wrong.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err("does not exist".to_owned()),
            Err(error) => Err(format!("cannot be looked at: {error}")),
        }
    }
}

/// A name in the same folder that may have been meant.
pub(crate) fn near(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let entries = fs::read_dir(path.parent()?).ok()?.take(1000).flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let names: Vec<String> = names.filter(|name| name != wanted).collect();
    nearest(wanted, names.iter().map(String::as_str)).map(shown)
}

/// Reads a manifest, refusing what is too long before it is in memory.
pub(crate) fn read(path: &Path) -> Result<Source, Report> {
    let file = path.display().to_string();
    let refuse =
        |message: String, help: &str| Report::from(Problem::whole(&*file, code::FILE_MISSING, message).help(help));
    let open = || -> io::Result<Vec<u8>> {
        use io::Read;
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = open().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refuse("there is no such file".to_owned(), "`weft new` makes a project with one"),
        _ => refuse(format!("it cannot be read: {error}"), "check its permissions"),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let whole = Problem::whole(&*file, code::MANIFEST_SYNTAX, format!("byte {at} is not UTF-8"));
        Report::from(whole.help("save the file as UTF-8"))
    })?;
    Ok(Source::new(file, text))
}
