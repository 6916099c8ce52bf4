//! Where a node's secrets are: its environment, a file or folder, an encrypted file. Asked in that order.
//!
//! Values are UTF-8, at most 64 KiB, and wiped from memory when dropped. Nothing here prints one: no type that holds a
//! value has a `Debug`, and no error names more than a secret's name.

mod encrypted;
mod environment;
mod error;
mod file;
mod name;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

pub use encrypted::{Encrypted, Key};
pub use error::SecretsError;
pub use name::check_name;
use zeroize::Zeroizing;

/// A secret's value.
pub type Value = Zeroizing<String>;

/// Largest value, in bytes.
pub const VALUE_MAX: usize = 64 << 10;

/// Which providers a node asks. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Secret `stripe-key` is the variable PREFIX`STRIPE_KEY`.
    pub env_prefix: Option<String>,
    /// A TOML file of `name = "value"`, its owner's alone; or a folder with one file for each secret, as container
    /// platforms mount them.
    pub file: Option<PathBuf>,
    /// An encrypted file, and where its key is.
    pub encrypted: Option<(PathBuf, KeySource)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that its owner alone can read.
    File(PathBuf),
    /// A variable of the node's environment.
    Variable(String),
}

/// All secrets that a node has, read once. Read anew for each deploy, so that what was added since is found.
pub struct Secrets(BTreeMap<String, Value>);

impl Secrets {
    /// Asks every source. What the environment says comes before the file, that before the encrypted file.
    pub fn read(sources: &Sources) -> Result<Self, SecretsError> {
        Self::read_with(sources, std::env::vars_os())
    }

    fn read_with(
        sources: &Sources,
        variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Result<Self, SecretsError> {
        let variables: Vec<_> = variables.collect();
        let mut all = BTreeMap::new();
        if let Some((path, key)) = &sources.encrypted {
            let key = match key {
                KeySource::File(path) => Key::read(path)?,
                KeySource::Variable(name) => Key::from_variable(name, environment::find(&variables, name))?,
            };
            all.append(&mut Encrypted::open(path, &key)?.into_values());
        }
        if let Some(path) = &sources.file {
            all.append(&mut file::read(path)?);
        }
        if let Some(prefix) = &sources.env_prefix {
            all.append(&mut environment::read(prefix, &variables)?);
        }
        Ok(Self(all))
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names alone.
    pub fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// The values that a component is granted: `wanted` has what it reads = the secret's name. All are there, or the
    /// deploy is refused.
    pub fn resolve(&self, wanted: &BTreeMap<String, String>) -> Result<BTreeMap<String, Value>, SecretsError> {
        let value = |(key, name): (&String, &String)| match self.get(name) {
            Some(value) => Ok((key.clone(), value.clone())),
            None => Err(SecretsError::Missing { key: key.clone(), name: name.clone() }),
        };
        wanted.iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn variables(all: &[(&str, &str)]) -> impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)> {
        all.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn the_environment_comes_before_the_file_and_that_before_the_encrypted_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, sealed) = (dir.path().join("secrets.toml"), dir.path().join("secrets.weft"));
        fs::write(&file, "a = \"file\"\nb = \"file\"\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let key_file = dir.path().join("key");
        let key = Key::create(&key_file).unwrap();
        let mut encrypted = Encrypted::create(&sealed, &key).unwrap();
        for name in ["a", "b", "c"] {
            encrypted.set(name, "sealed".to_owned().into()).unwrap();
        }
        encrypted.save(&key).unwrap();
        let sources = Sources {
            env_prefix: Some("WEFT_SECRET_".into()),
            file: Some(file),
            encrypted: Some((sealed, KeySource::File(key_file))),
        };
        let all = Secrets::read_with(&sources, variables(&[("WEFT_SECRET_A", "env"), ("PATH", "/bin")])).unwrap();
        let got = |name| all.get(name).map(|value| value.as_str());
        assert_eq!((got("a"), got("b"), got("c"), got("path")), (Some("env"), Some("file"), Some("sealed"), None));
        assert_eq!(all.names().into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_granted_is_there_or_named() {
        let sources = Sources { env_prefix: Some("S_".into()), ..Sources::default() };
        let all = Secrets::read_with(&sources, variables(&[("S_STRIPE_KEY", "sk_1")])).unwrap();
        let wanted = |name: &str| BTreeMap::from([("payment".to_owned(), name.to_owned())]);
        assert_eq!(all.resolve(&wanted("stripe-key")).ok().unwrap()["payment"].as_str(), "sk_1");
        assert_eq!(all.resolve(&wanted("stripe_key")).ok().unwrap()["payment"].as_str(), "sk_1");
        let Err(error) = all.resolve(&wanted("paypal")) else { panic!("resolved") };
        assert_eq!(error.code(), weft_types::code::SECRET_MISSING);
        assert!(error.to_string().contains("`paypal`") && error.to_string().contains("`payment`"), "{error}");
    }

    #[test]
    fn without_sources_there_are_no_secrets() {
        assert!(Secrets::read(&Sources::default()).unwrap().names().is_empty());
    }
}
