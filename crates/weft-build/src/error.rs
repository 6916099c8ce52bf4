//! Why there is no component.

use std::{io, path::PathBuf, process::ExitStatus};

use weft_types::{Code, code};

/// What went wrong in a build. [`BuildError::hint`] is the next thing to try.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The command ran and failed.
    #[error("`{command}` failed in {}: {status}", dir.display())]
    Failed {
        command: String,
        dir: PathBuf,
        status: ExitStatus,
        /// The last lines that it printed, oldest first.
        tail: Vec<String>,
    },
    #[error("`{tool}` is not installed; {needed_for} needs it")]
    ToolMissing {
        tool: String,
        needed_for: String,
        /// What a person types to install it.
        install: String,
    },
    /// The command succeeded and left nothing where the manifest says the component is.
    #[error("`{command}` succeeded, but there is no {}", path.display())]
    NoOutput { command: String, path: PathBuf },
    #[error("{} is not WebAssembly", path.display())]
    NotWasm { path: PathBuf },
    #[error("{} is a core module, not a component", path.display())]
    CoreModule { path: PathBuf },
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The language's output does not fit the world that it is built for.
    #[error("cannot make a component of {}", path.display())]
    Encode { path: PathBuf, source: anyhow::Error },
    /// Our own interfaces could not be read, or bindings not be written.
    #[error("cannot generate bindings for {language}")]
    Bindings { language: &'static str, source: anyhow::Error },
    #[error("{0}")]
    Usage(String),
}

impl BuildError {
    pub fn code(&self) -> Code {
        match self {
            Self::ToolMissing { .. } => code::TOOL_MISSING,
            Self::NotWasm { .. } => code::NOT_WASM,
            Self::CoreModule { .. } => code::CORE_MODULE,
            Self::NoOutput { .. } => code::FILE_MISSING,
            Self::Usage(_) => code::USAGE,
            Self::Failed { .. } | Self::Io { .. } | Self::Encode { .. } | Self::Bindings { .. } => code::BUILD_FAILED,
        }
    }

    /// The next thing to try, as a sentence or a command.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ToolMissing { install, .. } => Some(format!("install it with: {install}")),
            Self::NoOutput { .. } => {
                Some("let `source` in weft.toml name the file that the build command writes".to_owned())
            }
            Self::CoreModule { path } => {
                let path = path.display();
                Some(format!("make it one with: weft componentize module {path} -o component.wasm"))
            }
            Self::Failed { .. } => Some("the lines above are its own".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
