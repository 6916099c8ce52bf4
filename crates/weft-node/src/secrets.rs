//! Secrets of a node: looked up when an application is deployed, handed on as values that cannot be printed.

use std::{collections::BTreeMap, sync::Arc};

use weft_host::Secret;
use weft_manifest::{Application, UpstreamTls, node::SecretSources};
use weft_secrets::{KeySource, SecretsError, Sources};
use weft_types::{Code, Name, code};
use weft_upstream::{Identity, Roots, Tls};

/// What each component is given, and what each upstream's TLS is made of.
#[derive(Clone, Default)]
pub struct Granted {
    pub components: BTreeMap<Name, Given>,
    pub upstreams: BTreeMap<Name, Security>,
    /// By the declaration of `[auth]` that verifies by it.
    pub auth: AuthSecrets,
}

/// Secrets of declarations, none of which can be printed.
#[derive(Clone, Default)]
pub struct AuthSecrets(pub BTreeMap<Name, Secret>);

impl std::fmt::Debug for AuthSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whom an upstream must prove to be, and who we say we are.
#[derive(Clone, Default)]
pub struct Security {
    pub roots: Roots,
    pub identity: Option<Arc<Identity>>,
}

/// The secrets of one component.
#[derive(Clone, Default)]
pub struct Given {
    /// By the key of `wasi:config` that the guest reads.
    pub keys: BTreeMap<String, Secret>,
    /// By the variable of its environment.
    pub env: BTreeMap<String, Secret>,
}

/// Where this node's secrets come from.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    sources: Sources,
}

/// Why an application cannot be given its secrets.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("component `{component}` of application `{application}`: {source}")]
    Component { application: Name, component: Name, source: SecretsError },
    #[error("upstream `{upstream}` of application `{application}`: {source}")]
    Upstream { application: Name, upstream: Name, source: SecretsError },
    #[error("`tls` of upstream `{upstream}` of application `{application}`: {why}")]
    Tls { application: Name, upstream: Name, why: String },
    #[error("`auth.{auth}` of application `{application}`: {source}")]
    Auth { application: Name, auth: Name, source: SecretsError },
    #[error(transparent)]
    Sources(#[from] SecretsError),
}

impl SecretError {
    pub fn code(&self) -> Code {
        match self {
            Self::Component { source, .. } | Self::Upstream { source, .. } | Self::Auth { source, .. } => source.code(),
            Self::Tls { .. } => code::TLS_INVALID,
            Self::Sources(error) => error.code(),
        }
    }
}

impl Secrets {
    pub fn new(sources: SecretSources) -> Self {
        let SecretSources { env_prefix, file, encrypted } = sources;
        let encrypted = encrypted.map(|(file, key)| (file, KeySource::File(key)));
        Self { sources: Sources { env_prefix, file, encrypted } }
    }

    /// Whether an application reads any.
    pub(crate) fn needed(application: &Application) -> bool {
        application.secrets().next().is_some()
            || application.upstream_secrets().next().is_some()
            || application.auth_secrets().next().is_some()
    }

    /// Finds every secret that an application is granted. Read anew each time, so that a changed secret comes with
    /// the next deploy.
    pub fn of(&self, application: &Application) -> Result<Granted, SecretError> {
        if !Self::needed(application) {
            return Ok(Granted::default());
        }
        let all = weft_secrets::Secrets::read(&self.sources)?;
        let of = |(name, component): (&Name, &weft_manifest::Component)| {
            let find = |wanted: &BTreeMap<String, String>| -> Result<BTreeMap<String, Secret>, SecretError> {
                let found = all.resolve(wanted).map_err(|source| SecretError::Component {
                    application: application.name.clone(),
                    component: name.clone(),
                    source,
                })?;
                Ok(found.into_iter().map(|(key, value)| (key, Secret::new(value))).collect())
            };
            let given = Given { keys: find(&component.grants.secrets)?, env: find(&component.grants.secret_env)? };
            Ok::<_, SecretError>((name.clone(), given))
        };
        let with_tls = application.upstreams.iter().filter_map(|(name, upstream)| Some((name, upstream.tls.as_ref()?)));
        let secured = |(name, tls): (&Name, &UpstreamTls)| {
            let pem = |key: &str, secret: &str| -> Result<Vec<u8>, SecretError> {
                let missing = || SecretError::Upstream {
                    application: application.name.clone(),
                    upstream: name.clone(),
                    source: SecretsError::Missing { key: key.to_owned(), name: secret.to_owned() },
                };
                Ok(all.get(secret).ok_or_else(missing)?.as_bytes().to_vec())
            };
            let wrong = |why| SecretError::Tls { application: application.name.clone(), upstream: name.clone(), why };
            let given: BTreeMap<&str, Vec<u8>> =
                tls.secrets().map(|(key, secret)| Ok((key, pem(key, secret)?))).collect::<Result<_, SecretError>>()?;
            Ok((name.clone(), secure(&given).map_err(wrong)?))
        };
        let shared = |(auth, secret): (&Name, &str)| {
            let missing = || SecretError::Auth {
                application: application.name.clone(),
                auth: auth.clone(),
                source: SecretsError::Missing { key: "secret".to_owned(), name: secret.to_owned() },
            };
            Ok::<_, SecretError>((auth.clone(), Secret::new(all.get(secret).cloned().ok_or_else(missing)?)))
        };
        Ok(Granted {
            components: application.components.iter().map(of).collect::<Result<_, SecretError>>()?,
            upstreams: with_tls.map(secured).collect::<Result<_, SecretError>>()?,
            auth: AuthSecrets(application.auth_secrets().map(shared).collect::<Result<_, SecretError>>()?),
        })
    }

    /// A setting of the node's own that may be `secret:NAME`.
    pub(crate) fn setting(&self, text: &str) -> Result<Secret, SecretError> {
        let Some(name) = text.strip_prefix("secret:") else { return Ok(Secret::new(text.to_owned().into())) };
        let all = weft_secrets::Secrets::read(&self.sources)?;
        let missing = || SecretsError::Missing { key: text.to_owned(), name: name.to_owned() };
        Ok(Secret::new(all.get(name).cloned().ok_or_else(missing)?))
    }
}

/// Checked whole, so that what cannot work is refused when it is deployed and not when it is called.
fn secure(given: &BTreeMap<&str, Vec<u8>>) -> Result<Security, String> {
    let roots = given.get("ca").map(|pem| Roots::only(pem).map_err(|error| format!("`ca`: {error}"))).transpose()?;
    let identity = match (given.get("cert"), given.get("key")) {
        (Some(cert), Some(key)) => {
            let identity = Identity::read(cert, key).map_err(|error| format!("`cert` and `key`: {error}"))?;
            Some(Arc::new(identity))
        }
        _ => None,
    };
    let security = Security { roots: roots.unwrap_or_default(), identity };
    Tls::with(security.roots.clone(), security.identity.clone()).check().map_err(|error| error.to_string())?;
    Ok(security)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use weft_manifest::Disk;

    use super::*;

    #[test]
    fn an_application_gets_what_it_is_granted_and_a_missing_secret_names_the_component() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("secrets.toml");
        fs::write(&path, "stripe = \"sk_live\"\nother = \"x\"\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        let text = "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"api.wasm\"\nsecrets = { key = \"stripe\" }\n\
             env = { STRIPE = { secret = \"stripe\" }, MODE = \"test\" }\n";
        let application = weft_manifest::load_text("weft.toml", text, Path::new("/"), Disk::Skip).expect("good");
        let error = Secrets::default().of(&application).map(drop).expect_err("no sources");
        assert_eq!(error.code().as_str(), "secret-missing");
        assert!(error.to_string().contains("`api`") && error.to_string().contains("`stripe`"), "{error}");
        let secrets = Secrets::new(SecretSources { file: Some(path), ..SecretSources::default() });
        let granted = secrets.of(&application).expect("found");
        let Given { keys, env } = &granted.components["api"];
        assert_eq!((keys.len(), env.len()), (1, 1), "no more than was granted");
        assert_eq!((keys["key"].expose(), env["STRIPE"].expose()), ("sk_live", "sk_live"));
    }
}
