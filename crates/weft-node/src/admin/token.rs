//! The admin API's token: made once for a data folder, found by the command line in `DATA/admin.json`, and compared
//! by its hash so that neither time nor memory gives it away.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weft_gateway::Randomness;

/// `DATA/admin.json`, mode 0600: where the admin API is, and the token that it wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminFile {
    pub url: String,
    pub token: String,
}

impl AdminFile {
    pub const NAME: &str = "admin.json";

    pub fn read(data: &Path) -> io::Result<Self> {
        let text = fs::read(data.join(Self::NAME))?;
        serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    /// Written aside and renamed, so that nobody reads half of it.
    fn write(&self, data: &Path) -> io::Result<()> {
        let aside = data.join(format!("{}.part", Self::NAME));
        let _ = fs::remove_file(&aside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(&serde_json::to_vec_pretty(self).map_err(io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(&aside, data.join(Self::NAME))
    }
}

/// What a caller must show.
pub(crate) struct Token([u8; 32]);

impl Token {
    /// The data folder's own token, or a new one of 256 random bits, written down for the command line.
    pub(crate) fn open(data: &Path, url: String, randomness: &dyn Randomness) -> io::Result<Self> {
        let token = known(data).unwrap_or_else(|| format!("{:032x}{:032x}", randomness.next(), randomness.next()));
        let file = AdminFile { url, token };
        match file.write(data) {
            // Reads are served all the same; whoever knows the token from before can still use it.
            Err(error) if refuses_writes(&error) => {
                tracing::warn!(%error, "admin.json cannot be written: the command line does not find this node by itself");
            }
            written => written?,
        }
        Ok(Self::of(&file.token))
    }

    fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Takes as long whatever is shown.
    pub(crate) fn is(&self, shown: &str) -> bool {
        let Self(shown) = Self::of(shown);
        self.0.iter().zip(shown).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

fn refuses_writes(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

/// A token that only this user could have read is used again, so that scripts outlive a restart.
fn known(data: &Path) -> Option<String> {
    let mode = fs::metadata(data.join(AdminFile::NAME)).ok()?.mode();
    let token = AdminFile::read(data).ok()?.token;
    (mode & 0o077 == 0 && token.len() == 64).then_some(token)
}

#[cfg(test)]
mod tests {
    use weft_gateway::SystemRandomness;

    use super::*;

    #[test]
    fn a_token_outlives_a_restart_unless_others_could_read_it() {
        let data = tempfile::tempdir().expect("folder");
        let open = || Token::open(data.path(), "http://127.0.0.1:1".to_owned(), &SystemRandomness).expect("opens");
        open();
        let file = AdminFile::read(data.path()).expect("written");
        let mode = fs::metadata(data.path().join(AdminFile::NAME)).expect("there").mode();
        assert_eq!((file.token.len(), mode & 0o777), (64, 0o600));
        let token = open();
        assert!(token.is(&file.token));
        for wrong in ["", "x", &file.token[1..], &file.token.replace(['0', '1'], "2")] {
            assert!(!token.is(wrong), "{wrong}");
        }
        let open_to_all = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
        fs::set_permissions(data.path().join(AdminFile::NAME), open_to_all).expect("mode");
        assert!(!open().is(&file.token), "a token that others could read is not trusted");
    }
}
