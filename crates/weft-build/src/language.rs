//! The languages that Weft has templates, kits and toolchains for.

use std::{fmt, str::FromStr};

/// A language of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    Rust,
    Js,
    Python,
    Go,
    C,
}

impl Language {
    pub const ALL: [Self; 5] = [Self::Rust, Self::Js, Self::Python, Self::Go, Self::C];

    /// As in `weft new -l NAME`, and as its folders are named.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no template for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language known here; one of: rust, js, python, go, c")]
pub struct UnknownLanguage(String);

impl FromStr for Language {
    type Err = UnknownLanguage;
    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text {
            "rust" | "rs" => Ok(Self::Rust),
            "js" | "javascript" => Ok(Self::Js),
            "python" | "py" => Ok(Self::Python),
            "go" | "golang" => Ok(Self::Go),
            "c" => Ok(Self::C),
            other => Err(UnknownLanguage(other.to_owned())),
        }
    }
}
