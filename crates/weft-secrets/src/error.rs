//! Why secrets cannot be had. Names and places, never values.

use std::{io, path::PathBuf};

use weft_types::{Code, code};

use crate::VALUE_MAX;

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error(
        "secret `{name}`, granted as `{key}`, is in none of the node's providers: give it to one of `[secrets]` in node.toml"
    )]
    Missing { key: String, name: String },
    #[error("{} cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be written: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} can be read by others than its owner (mode {mode:o}): `chmod 600 {}`", .path.display(), .path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("{} is not a TOML file of `name = \"value\"`: line {line}", .path.display())]
    Toml { path: PathBuf, line: usize },
    #[error(
        "`{name}` in {place} is not a secret's name: 1 to 128 letters, digits, `-`, `_` and `.`, not beginning with `.`"
    )]
    Name { name: String, place: String },
    #[error("the value of secret `{name}` is larger than {VALUE_MAX} bytes")]
    TooLarge { name: String },
    #[error("the value of secret `{name}` is not UTF-8 text")]
    NotText { name: String },
    #[error("{} exists already", .path.display())]
    Exists { path: PathBuf },
    #[error("{} is not an encrypted file of secrets of this version", .path.display())]
    NotEncrypted { path: PathBuf },
    #[error("{} does not open with this key, or is damaged", .path.display())]
    WrongKey { path: PathBuf },
    #[error("{place} holds no key: `weft secrets init` makes one")]
    NotAKey { place: String },
    #[error("the system gives no randomness")]
    Randomness,
}

impl SecretsError {
    pub fn code(&self) -> Code {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => code::FILE_MISSING,
            Self::Write { .. } | Self::Exists { .. } => code::DATA_UNUSABLE,
            _ => code::SECRET_MISSING,
        }
    }
}
