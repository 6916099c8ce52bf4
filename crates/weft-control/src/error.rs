//! Why something asked of control was not done. Nothing has changed then, but where it says that this is not known.

use std::io;

use weft_store::StoreError;
use weft_types::{Code, Digest, Name, code};

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the manifest is not a resolved application: {0}")]
    Form(serde_json::Error),
    #[error("its form is {is}; this node reads form {reads}")]
    OtherForm { is: u32, reads: u32 },
    #[error("component `{component}` has no source: `sources` must give the digest of each component")]
    NoSource { component: Name },
    #[error("the folder `{folder}` has no files: `files` must list those of each folder that the application names")]
    NoFolder { folder: String },
    #[error("`{path}` cannot be the path of a file in a folder")]
    BadPath { path: String },
    #[error("the artefact {digest} of {what} was not sent")]
    Missing { what: String, digest: Digest },
    #[error("there is no application `{0}`")]
    UnknownApplication(Name),
    #[error("application `{application}` has no kept revision {revision}")]
    UnknownRevision { application: Name, revision: Digest },
    #[error("application `{0}` has no revision before the current one")]
    NothingBefore(Name),
    #[error("the current revision is {}, not the one expected", .is.map_or("none".to_owned(), |digest| digest.to_string()))]
    NotCurrent { is: Option<Digest> },
    #[error("what is kept of application `{application}` cannot be read: {reason}")]
    Damaged { application: Name, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The only one after which something may have changed.
    #[error("it is not known whether the change was kept: {0}")]
    Unsettled(#[source] StoreError),
    #[error("the data folder cannot be written: {0}")]
    Disk(#[from] io::Error),
}

impl ControlError {
    pub fn code(&self) -> Code {
        match self {
            Self::Form(_) | Self::BadPath { .. } => code::MANIFEST_TYPE,
            Self::OtherForm { .. } => code::MANIFEST_UNSUPPORTED,
            Self::NoSource { .. } | Self::NoFolder { .. } | Self::Missing { .. } => code::FILE_MISSING,
            Self::UnknownApplication(_) | Self::UnknownRevision { .. } | Self::NothingBefore(_) => {
                code::UNKNOWN_APPLICATION
            }
            Self::NotCurrent { .. } => code::STORE_CONFLICT,
            Self::Damaged { .. } => code::STORE_CORRUPT,
            Self::Store(error) => error.code(),
            Self::Unsettled(_) => code::UNKNOWN_OUTCOME,
            Self::Disk(error) if error.kind() == io::ErrorKind::StorageFull => code::STORE_FULL,
            Self::Disk(_) => code::STORE_UNAVAILABLE,
        }
    }

    /// The next thing to try.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownApplication(_) => Some("`weft status` lists the applications of a node"),
            Self::UnknownRevision { .. } | Self::NothingBefore(_) => {
                Some("`weft status APPLICATION` lists its kept revisions")
            }
            Self::NotCurrent { .. } => Some("somebody else has changed it: look at `weft status`, then try again"),
            Self::Missing { .. } => Some("send it with PUT /v1/artefacts/DIGEST first, as `weft apply` does"),
            Self::OtherForm { .. } => Some("apply it with the `weft` command of the node's own version"),
            Self::Unsettled(_) => Some(
                "the node runs what its store says as soon as that can be read: look at `weft status`, then try again",
            ),
            Self::Disk(_) => Some("make room, or make the data folder writable; what runs goes on running"),
            _ => None,
        }
    }
}
