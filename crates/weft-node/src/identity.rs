//! From `[auth]` of an application to the guards before its routes.
//!
//! A declaration that a new revision has as it was is the one that runs already: it knows the tokens that it has seen.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use http::HeaderName;
use parking_lot::Mutex;
use weft_host::Secret;
use weft_identity::{
    ApiKey, ApiKeys, ClaimNames, Demand, Facts, Jwks, JwksOptions, Jwt, JwtOptions, KeyError, KeySet, LOGIN_PATH,
    LoginPages, Mtls, MtlsOptions, NameKind, Oidc, OidcOptions, Policies, PolicyFault, PolicyFile, Provider, RouteFact,
    RouteGuard, SessionKeys,
};
use weft_manifest::{Application, Auth, CertificateName, KeyHash, Keys, Published};
use weft_traffic::{Action, Policy, RouteSpec};
use weft_types::{Guard, Name, Timestamp};

use crate::deploy::{Deployment, PolicyProblem, Refusal};

/// In the data folder.
const SESSION_KEYS: &str = "session-keys";
/// Longer than whatever a provider is asked takes.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Providers by application and declaration, for as long as some route is guarded by them.
#[derive(Default)]
pub(crate) struct Providers {
    all: Mutex<HashMap<(Name, Name), Known>>,
    /// Whether clients of this node are asked for certificates.
    certificates: bool,
    /// Where what seals sessions is kept. `None`: for as long as this is asked, which is a check.
    data: Option<PathBuf>,
    sessions: OnceLock<SessionKeys>,
}

struct Known {
    auth: Auth,
    secret: Option<Secret>,
    provider: Weak<Provider>,
}

impl Providers {
    pub(crate) fn new(certificates: bool, data: &Path) -> Self {
        Self { certificates, data: Some(data.to_owned()), ..Self::default() }
    }

    /// Read, or made, when the first declaration needs them.
    fn sessions(&self) -> Result<&SessionKeys, KeyError> {
        if let Some(known) = self.sessions.get() {
            return Ok(known);
        }
        let keys = match &self.data {
            Some(data) => session_keys(&data.join(SESSION_KEYS))?,
            None => SessionKeys::parse(&SessionKeys::generate()?)?,
        };
        Ok(self.sessions.get_or_init(|| keys))
    }

    /// Puts a guard before every route that asks who is calling. The refusals say which declarations cannot be used.
    /// `now`: what has to be fetched is begun to be fetched; `None`: nothing is.
    pub(crate) fn guard(&self, deployment: &mut Deployment, now: Option<Timestamp>) -> Result<(), Vec<Refusal>> {
        let application = Arc::clone(&deployment.application);
        let (mut ready, mut refusals) = (BTreeMap::new(), Vec::new());
        for (name, auth) in &application.auth {
            match self.provider(&application.name, name, auth, deployment.auth_secrets.0.get(name)) {
                Ok(provider) => {
                    now.iter().for_each(|now| provider.warm(*now));
                    if now.is_some() && matches!(auth, Auth::Mtls(_)) && !self.certificates {
                        let (application, why) = (&application.name, "node.toml has no `client-ca`");
                        tracing::warn!(%application, auth = %name, why, "clients are asked for no certificate: none can be shown");
                    }
                    ready.insert(name.as_str(), provider);
                }
                Err(source) => {
                    let (application, auth) = (application.name.clone(), name.clone());
                    refusals.push(Refusal::Auth { application, auth, source });
                }
            }
        }
        let policies = match policies(&application, &deployment.routes) {
            Ok(policies) => policies,
            Err(wrong) => {
                refusals.extend(wrong);
                None
            }
        };
        deployment.routes.iter_mut().for_each(|route| route.guard = guard(route, &ready, policies.as_ref()));
        let pages = logins(&deployment.routes, &ready);
        deployment.routes.extend(pages);
        if refusals.is_empty() { Ok(()) } else { Err(refusals) }
    }

    fn provider(
        &self,
        application: &Name,
        name: &Name,
        auth: &Auth,
        secret: Option<&Secret>,
    ) -> Result<Arc<Provider>, KeyError> {
        let mut all = self.all.lock();
        all.retain(|_, known| known.provider.strong_count() > 0);
        let key = (application.clone(), name.clone());
        let same = |known: &&Known| {
            known.auth == *auth && known.secret.as_ref().map(Secret::expose) == secret.map(Secret::expose)
        };
        if let Some(provider) = all.get(&key).filter(same).and_then(|known| known.provider.upgrade()) {
            return Ok(provider);
        }
        let provider = Arc::new(self.make(application, name, auth, secret)?);
        all.insert(key, Known { auth: auth.clone(), secret: secret.cloned(), provider: Arc::downgrade(&provider) });
        Ok(provider)
    }

    fn make(
        &self,
        application: &Name,
        name: &Name,
        auth: &Auth,
        secret: Option<&Secret>,
    ) -> Result<Provider, KeyError> {
        match auth {
            Auth::Jwt(said) => jwt(name, said, secret).map(Provider::Jwt),
            Auth::ApiKey(said) => api_keys(name, said).map(Provider::ApiKeys),
            Auth::Mtls(said) => mtls(name, said).map(Provider::Mtls),
            Auth::Oidc(said) => {
                let (secret, keys) = (secret.map(Secret::expose), self.sessions()?);
                let oidc = Oidc::new(application, name.clone(), oidc(said), secret, keys)?;
                Ok(Provider::Oidc(Arc::new(oidc)))
            }
        }
    }
}

fn jwt(name: &Name, jwt: &weft_manifest::Jwt, secret: Option<&Secret>) -> Result<Jwt, KeyError> {
    let algorithms: Vec<String> = jwt.algorithms.iter().map(|algorithm| algorithm.as_str().to_owned()).collect();
    let keys: weft_identity::Keys = match &jwt.keys {
        Keys::Text(text) => KeySet::parse(text)?.into(),
        Keys::Url(Published { url, max_age }) => {
            Jwks::new(&JwksOptions { url: url.clone(), max_age: *max_age }).map_err(KeyError::Url)?.into()
        }
        Keys::Secret(_) => match secret {
            Some(secret) => KeySet::secret(secret.expose().as_bytes(), &algorithms)?.into(),
            // Checked without the node's secrets: it verifies nothing.
            None => KeySet::default().into(),
        },
    };
    let claims = ClaimNames { identity: jwt.identity.clone(), tenant: jwt.tenant.clone(), roles: jwt.roles.clone() };
    let (issuer, audience) = (jwt.issuer.clone(), jwt.audience.clone());
    let options = JwtOptions { issuer, audience, algorithms, leeway: jwt.leeway, claims };
    Ok(Jwt::new(name.clone(), options, keys))
}

fn api_keys(name: &Name, said: &weft_manifest::ApiKeys) -> Result<ApiKeys, KeyError> {
    let key = |(who, key): (&String, &KeyHash)| {
        let KeyHash { hash, tenant, roles } = key.clone();
        ApiKey { name: who.clone(), hash, tenant, roles }
    };
    let wrong = |_| KeyError::ApiKey { name: said.header.clone(), why: "its header cannot be sent".to_owned() };
    let header = said.header.parse::<HeaderName>().map_err(wrong)?;
    ApiKeys::new(name.clone(), header, &said.keys.iter().map(key).collect::<Vec<_>>())
}

fn mtls(name: &Name, said: &weft_manifest::Mtls) -> Result<Mtls, KeyError> {
    let kind = match said.identity {
        CertificateName::Uri => NameKind::Uri,
        CertificateName::Dns => NameKind::Dns,
        CertificateName::CommonName => NameKind::CommonName,
    };
    let names = said.names.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let (issuers, roles) = (said.issuers.clone(), said.roles.iter().map(|role| Arc::from(role.as_str())).collect());
    Ok(Mtls::new(name.clone(), MtlsOptions { kind, names, issuers, roles }))
}

fn oidc(said: &weft_manifest::Oidc) -> OidcOptions {
    let weft_manifest::Oidc { issuer, client_id, scopes, session, leeway, identity, tenant, roles, .. } = said.clone();
    let algorithms = said.algorithms.iter().map(|algorithm| algorithm.as_str().to_owned()).collect();
    let claims = ClaimNames { identity, tenant, roles };
    OidcOptions { issuer, client_id, scopes, algorithms, leeway, claims, session }
}

/// The pages of logins, on every host where some route may ask for one.
fn logins(routes: &[RouteSpec], ready: &BTreeMap<&str, Arc<Provider>>) -> Vec<RouteSpec> {
    let mut pages: Vec<RouteSpec> = Vec::new();
    for route in routes {
        for (name, oidc) in route.policy.auth.any.iter().filter_map(|name| match &**ready.get(&**name)? {
            Provider::Oidc(oidc) => Some((name, oidc)),
            _ => None,
        }) {
            let path = format!("{LOGIN_PATH}/{name}/*");
            if pages.iter().any(|known| *known.path == *path && known.host == route.host) {
                continue;
            }
            let auth = weft_traffic::policy::Auth { any: vec![Arc::clone(name)], ..Default::default() };
            pages.push(RouteSpec {
                application: route.application.clone(),
                host: route.host.clone(),
                path: path.into(),
                methods: vec![http::Method::GET, http::Method::POST],
                headers: Vec::new(),
                // Never reached: the guard answers, or refuses.
                action: Action::Redirect { to: "/".into(), status: 307 },
                policy: Policy { auth, timeout: LOGIN_TIMEOUT, ..Policy::default() },
                features: None,
                guard: Some(Arc::new(LoginPages(Arc::clone(oidc)))),
                origins: Vec::new(),
                place: route.place.clone(),
            });
        }
    }
    pages
}

/// The keys of a file that its owner alone can read, which is made where there is none.
fn session_keys(path: &Path) -> Result<SessionKeys, KeyError> {
    let wrong = |error: io::Error| KeyError::Sessions(format!("{}: {error}", path.display()));
    // An empty one is what a process left that ended while it made it.
    if !fs::metadata(path).is_ok_and(|known| known.len() > 0) {
        make_session_keys(path, &SessionKeys::generate()?).map_err(wrong)?;
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).map_err(wrong)?);
        if mode & 0o077 != 0 {
            return Err(wrong(io::Error::other("others than its owner can read it: `chmod 600` it, and renew it")));
        }
    }
    SessionKeys::parse(&fs::read_to_string(path).map_err(wrong)?)
        .map_err(|error| KeyError::Sessions(format!("{}: {error}", path.display())))
}

/// Written aside and renamed: a process that ends meanwhile must not leave half of them.
fn make_session_keys(path: &Path, made: &str) -> io::Result<()> {
    let aside = path.with_extension("part");
    let _ = fs::remove_file(&aside);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&aside)?;
    file.write_all(made.as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

/// The application's policies, compiled. `None`: it has none.
pub(crate) fn policies(application: &Application, routes: &[RouteSpec]) -> Result<Option<Arc<Policies>>, Vec<Refusal>> {
    if application.policies.is_empty() {
        return Ok(None);
    }
    let file = |(name, text): (&String, &String)| PolicyFile { name: name.clone(), text: text.clone() };
    let files: Vec<PolicyFile> = application.policies.iter().map(file).collect();
    let facts = Facts {
        application: application.name.to_string(),
        auths: application.auth.keys().map(ToString::to_string).collect(),
        routes: routes.iter().map(fact).collect(),
        nobody: routes.iter().any(|RouteSpec { policy, .. }| policy.auth.optional || !policy.auth.authenticates()),
    };
    let compiled = Policies::compile(&facts, &files);
    let problem = |fault: PolicyFault| {
        let (application, file) = (application.name.clone(), files[fault.file].clone());
        Refusal::Policy(Box::new(PolicyProblem { application, file, fault }))
    };
    compiled.map(|policies| Some(Arc::new(policies))).map_err(|faults| faults.into_iter().map(problem).collect())
}

/// A route as policies know it.
pub(crate) fn fact(route: &RouteSpec) -> RouteFact {
    let params = route.path.split('/').filter_map(|segment| segment.strip_prefix(':')).map(str::to_owned).collect();
    let name = format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path);
    RouteFact { name, methods: route.methods.clone(), params }
}

/// Without one of its declarations, or without policies that there should be, a route has no guard, and so lets nobody in.
fn guard(
    route: &RouteSpec,
    ready: &BTreeMap<&str, Arc<Provider>>,
    policies: Option<&Arc<Policies>>,
) -> Option<Arc<dyn Guard>> {
    let auth = &route.policy.auth;
    if !auth.asks() {
        return None;
    }
    let providers = auth.any.iter().map(|name| ready.get(&**name).cloned()).collect::<Option<Vec<_>>>()?;
    let demand = Demand { optional: auth.optional, roles: auth.roles.clone() };
    let guard = RouteGuard::new(providers, demand);
    if !auth.ruled {
        return Some(Arc::new(guard));
    }
    let policies = policies?;
    let rules = policies.route(&fact(route))?;
    Some(Arc::new(guard.ruled(Arc::clone(policies), rules)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_sessions_are_whole_or_made_anew_and_good_ones_are_kept() {
        let data = tempfile::tempdir().expect("folder");
        let path = data.path().join(SESSION_KEYS);
        fs::write(path.with_extension("part"), "half of").expect("written");
        fs::write(&path, "").expect("written");
        session_keys(&path).expect("made in place of nothing");
        let made = fs::read_to_string(&path).expect("there");
        session_keys(&path).expect("read");
        assert_eq!(fs::read_to_string(&path).expect("there"), made, "good ones are kept");
        assert_eq!(fs::read_dir(data.path()).expect("there").count(), 1, "nothing is left beside them");
        fs::write(&path, "no keys").expect("written");
        assert!(session_keys(&path).is_err(), "what somebody wrote is not overwritten");
    }
}
