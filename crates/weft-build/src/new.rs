//! New projects: a folder with a manifest, a handler, a request file and a README of three commands.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use weft_types::{Code, Name, NameError, code};

use crate::Language;

/// Why no project was written.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error("the project's name will not do")]
    Name(#[from] NameError),
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is a file", .0.display())]
    NotAFolder(PathBuf),
    #[error("cannot write {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl NewError {
    pub fn code(&self) -> Code {
        match self {
            Self::Name(_) | Self::NotEmpty(_) | Self::NotAFolder(_) => code::USAGE,
            Self::Io { .. } => code::INTERNAL,
        }
    }
}

macro_rules! template {
    ($language:literal: $($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../templates/", $language, "/", $file)))),*]
    };
}

/// The files of a project in `language`. A file called `gitignore` is written as `.gitignore`, `Cargo` as `Cargo.toml`:
/// under their own names git and cargo would take the templates at their word. The `requests` are the same for all.
fn files(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::Rust => template!("rust": "weft.toml", "Cargo", "src/lib.rs", "gitignore", "README.md"),
        Language::Js => template!("js": "weft.toml", "package.json", "src/index.js", "gitignore", "README.md"),
        Language::Python => template!("python": "weft.toml", "app.py", "gitignore", "README.md"),
        Language::Go => template!("go": "weft.toml", "go.mod", "hello.go", "gitignore", "README.md"),
        Language::C => template!("c": "weft.toml", "src/hello.c", "gitignore", "README.md"),
    }
}

const REQUESTS: &[(&str, &str)] =
    template!("requests": "01-hello.http", "01-hello.expected", "02-echo.http", "02-echo.expected");

/// Writes a project called `name` into `dir`, which must be absent or empty. Answers with the files written, relative.
pub fn new(language: Language, name: &str, dir: &Path) -> Result<Vec<PathBuf>, NewError> {
    let name = Name::new(name)?;
    refuse_taken(dir)?;
    let requests = REQUESTS.iter().map(|(file, text)| (format!("requests/{file}"), *text));
    let own = files(language).iter().map(|(file, text)| (real_name(file), *text));
    own.chain(requests).map(|(file, text)| write(dir, &file, &fill(text, language, &name))).collect()
}

fn refuse_taken(dir: &Path) -> Result<(), NewError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(NewError::NotEmpty(dir.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(NewError::NotAFolder(dir.to_owned())),
        Err(source) => Err(NewError::Io { path: dir.to_owned(), source }),
    }
}

fn real_name(file: &str) -> String {
    match file {
        "gitignore" => ".gitignore".to_owned(),
        "Cargo" => "Cargo.toml".to_owned(),
        other => other.to_owned(),
    }
}

/// `{{name}}` is the project's name, `{{crate}}` the same as Rust writes it, `{{language}}` the language as people do.
fn fill(text: &str, language: Language, name: &Name) -> String {
    let spoken = match language {
        Language::Rust => "Rust",
        Language::Js => "JavaScript",
        Language::Python => "Python",
        Language::Go => "Go",
        Language::C => "C",
    };
    text.replace("{{name}}", name.as_str())
        .replace("{{crate}}", &name.as_str().replace('-', "_"))
        .replace("{{language}}", spoken)
}

fn write(dir: &Path, file: &str, text: &str) -> Result<PathBuf, NewError> {
    let path = dir.join(file);
    let failed = |source| NewError::Io { path: path.clone(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(&path, text).map_err(failed)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_project_without_open_ends() {
        for language in Language::ALL {
            let dir = tempfile::tempdir().expect("a folder");
            let files = new(language, "my-shop", dir.path()).expect("written");
            for file in &files {
                let text = fs::read_to_string(dir.path().join(file)).expect("there");
                assert!(!text.replace("{{any}}", "").contains("{{"), "{language}: {}", file.display());
            }
            let manifest = fs::read_to_string(dir.path().join("weft.toml")).expect("a manifest");
            assert!(manifest.contains("name = \"my-shop\""), "{manifest}");
            assert!(files.contains(&"README.md".into()) && files.contains(&".gitignore".into()));
            let requests = crate::requests::read(&dir.path().join("requests")).expect("requests that can be read");
            assert_eq!(requests.len(), 2);
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("mine"), "mine").expect("a file");
        assert!(matches!(new(Language::C, "shop", dir.path()), Err(NewError::NotEmpty(_))));
        assert!(matches!(new(Language::C, "shop", &dir.path().join("mine")), Err(NewError::NotAFolder(_))));
        assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn a_bad_name_is_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let into = dir.path().join("new");
        assert!(matches!(new(Language::Go, "My Shop", &into), Err(NewError::Name(_))));
        assert!(!into.exists());
    }
}
