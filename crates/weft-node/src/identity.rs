//! From `[auth]` of an application to the guards before its routes.
//!
//! A declaration that a new revision has as it was is the one that runs already: it knows the tokens that it has seen.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use http::HeaderName;
use parking_lot::Mutex;
use weft_host::Secret;
use weft_identity::{
    ApiKey, ApiKeys, ClaimNames, Demand, Jwks, JwksOptions, Jwt, JwtOptions, KeyError, KeySet, Mtls, MtlsOptions,
    NameKind, Provider, RouteGuard,
};
use weft_manifest::{Auth, CertificateName, KeyHash, Keys, Published};
use weft_traffic::RouteSpec;
use weft_types::{Guard, Name, Timestamp};

use crate::deploy::{Deployment, Refusal};

/// Providers by application and declaration, for as long as some route is guarded by them.
#[derive(Default)]
pub(crate) struct Providers {
    all: Mutex<HashMap<(Name, Name), Known>>,
    /// Whether clients of this node are asked for certificates.
    certificates: bool,
}

struct Known {
    auth: Auth,
    secret: Option<Secret>,
    provider: Weak<Provider>,
}

impl Providers {
    pub(crate) fn new(certificates: bool) -> Self {
        Self { certificates, ..Self::default() }
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
        deployment.routes.iter_mut().for_each(|route| route.guard = guard(route, &ready));
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
        let provider = Arc::new(make(name, auth, secret)?);
        all.insert(key, Known { auth: auth.clone(), secret: secret.cloned(), provider: Arc::downgrade(&provider) });
        Ok(provider)
    }
}

fn make(name: &Name, auth: &Auth, secret: Option<&Secret>) -> Result<Provider, KeyError> {
    let jwt = match auth {
        Auth::Jwt(jwt) => jwt,
        Auth::ApiKey(said) => return api_keys(name, said).map(Provider::ApiKeys),
        Auth::Mtls(said) => return mtls(name, said).map(Provider::Mtls),
    };
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
    Ok(Provider::Jwt(Jwt::new(name.clone(), options, keys)))
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

/// Without one of its declarations a route has no guard, and so lets nobody in.
fn guard(route: &RouteSpec, ready: &BTreeMap<&str, Arc<Provider>>) -> Option<Arc<dyn Guard>> {
    let auth = &route.policy.auth;
    if !auth.asks() {
        return None;
    }
    let providers = auth.any.iter().map(|name| ready.get(&**name).cloned()).collect::<Option<Vec<_>>>()?;
    let demand = Demand { optional: auth.optional, roles: auth.roles.clone() };
    Some(Arc::new(RouteGuard::new(providers, demand)))
}
