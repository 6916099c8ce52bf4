//! Secrets of a node: found by name when an application is deployed, handed on as values that cannot be printed.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt, path::PathBuf};

use weft_host::Secret;
use weft_manifest::{Application, node::SecretSources};
use weft_types::{Code, Name, code};
use zeroize::Zeroizing;

/// Longest file of secrets that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Of each component: the key that the guest reads, and the value.
pub type Granted = BTreeMap<Name, BTreeMap<String, Secret>>;

/// Where secrets come from, in the order in which they are asked: environment, file, encrypted file.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    sources: SecretSources,
}

/// Why an application cannot be given its secrets.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("component `{component}` of application `{application}` needs the secret `{secret}`, which {asked}")]
    Missing { application: Name, component: Name, secret: String, asked: String },
    #[error("the file of secrets {} cannot be read: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the file of secrets {} can be read by others: `chmod 600` it", .path.display())]
    Open { path: PathBuf },
    #[error("the file of secrets {} is not TOML of `name = \"value\"`, in line {line}", .path.display())]
    Form { path: PathBuf, line: usize },
}

impl SecretError {
    pub fn code(&self) -> Code {
        match self {
            Self::Missing { .. } => code::SECRET_MISSING,
            Self::Unreadable { .. } | Self::Open { .. } => code::FILE_MISSING,
            Self::Form { .. } => code::MANIFEST_SYNTAX,
        }
    }
}

impl Secrets {
    pub fn new(sources: SecretSources) -> Self {
        Self { sources }
    }

    /// Finds every secret that an application is granted. Read anew each time, so that a changed secret comes with
    /// the next deploy.
    pub fn of(&self, application: &Application) -> Result<Granted, SecretError> {
        let mut granted = Granted::new();
        let mut wanted = application.secrets().peekable();
        if wanted.peek().is_none() {
            return Ok(granted);
        }
        let file = self.file()?;
        for (component, key, secret) in wanted {
            let found = self.variable(secret).or_else(|| file.get(secret).cloned());
            let found = found.ok_or_else(|| SecretError::Missing {
                application: application.name.clone(),
                component: component.clone(),
                secret: secret.to_owned(),
                asked: self.asked(secret),
            })?;
            granted.entry(component.clone()).or_default().insert(key.to_owned(), found);
        }
        Ok(granted)
    }

    fn variable(&self, secret: &str) -> Option<Secret> {
        let name = self.name_of_variable(secret)?;
        std::env::var(name).ok().map(|value| Secret::new(Zeroizing::new(value)))
    }

    fn name_of_variable(&self, secret: &str) -> Option<String> {
        let prefix = self.sources.env_prefix.as_ref()?;
        Some(format!("{prefix}{}", secret.to_ascii_uppercase().replace('-', "_")))
    }

    /// What was looked at, for the error.
    fn asked(&self, secret: &str) -> String {
        let variable = self.name_of_variable(secret).map(|name| format!("the variable {name}"));
        let file = self.sources.file.as_ref().map(|file| file.display().to_string());
        let asked: Vec<_> = variable.into_iter().chain(file).collect();
        match asked.as_slice() {
            [] => "no provider has: name one under [secrets] in node.toml, and start with --node".to_owned(),
            asked => format!("is not in {}", asked.join(" nor in ")),
        }
    }

    fn file(&self) -> Result<BTreeMap<String, Secret>, SecretError> {
        let Some(path) = &self.sources.file else { return Ok(BTreeMap::new()) };
        let unreadable = |source| SecretError::Unreadable { path: path.clone(), source };
        let meta = fs::metadata(path).map_err(unreadable)?;
        if meta.mode() & 0o077 != 0 {
            return Err(SecretError::Open { path: path.clone() });
        }
        if meta.len() > FILE_BYTES_MAX {
            return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
        parse(&text).map_err(|line| SecretError::Form { path: path.clone(), line })
    }
}

/// Reads `name = "value"` lines. An error is the number of the line alone: its text may be a secret.
fn parse(text: &str) -> Result<BTreeMap<String, Secret>, usize> {
    let document = toml_edit::Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        text.get(..at).unwrap_or_default().lines().count().max(1)
    })?;
    let mut all = BTreeMap::new();
    for (at, (name, item)) in document.as_table().iter().enumerate() {
        let value = item.as_str().ok_or(at + 1)?;
        all.insert(name.to_owned(), Secret::new(Zeroizing::new(value.to_owned())));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use weft_manifest::Disk;

    use super::*;

    fn application() -> Application {
        let text =
            "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"api.wasm\"\nsecrets = { key = \"stripe\" }\n";
        weft_manifest::load_text("weft.toml", text, std::path::Path::new("/"), Disk::Skip).expect("good")
    }

    fn shown(secrets: &Secrets) -> String {
        secrets.of(&application()).map(drop).expect_err("missing").to_string()
    }

    #[test]
    fn a_missing_secret_names_what_was_asked() {
        let nobody = Secrets::default();
        assert!(shown(&nobody).contains("name one under [secrets] in node.toml"), "{}", shown(&nobody));
        let variable = SecretSources { env_prefix: Some("WEFT_NONE_".into()), ..SecretSources::default() };
        assert!(shown(&Secrets::new(variable)).ends_with("is not in the variable WEFT_NONE_STRIPE"));
    }

    #[test]
    fn a_file_is_read_if_it_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("secrets.toml");
        fs::write(&path, "stripe = \"sk_live\"\n").expect("written");
        let secrets = Secrets::new(SecretSources { file: Some(path.clone()), ..SecretSources::default() });
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode");
        assert!(matches!(secrets.of(&application()), Err(SecretError::Open { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        let granted = secrets.of(&application()).expect("found");
        assert_eq!(granted["api"]["key"].expose(), "sk_live");
        fs::write(&path, "ok = \"1\"\nstripe = sk_live\n").expect("written");
        let error = secrets.of(&application()).map(drop).expect_err("no TOML").to_string();
        assert!(error.contains("line 2") && !error.contains("sk_live"), "{error}");
    }
}
