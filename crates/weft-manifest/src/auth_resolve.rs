//! `[auth]` resolved: keys read into the application, names bound, and what would demand nothing refused.

use std::{collections::BTreeMap, fs, time::Duration};

use serde::{Deserialize, Serialize};
use weft_traffic::{gcra, units};
use weft_types::{Name, code};

use crate::{
    Application,
    auth::{self, Algorithm, AuthUse, CertificateName, KeyHash, NONE},
    author,
    check::shown,
    disk::{self, Disk},
    resolve::Resolver,
    tree::Spot,
};

/// Largest file of keys, in bytes.
const KEYS_BYTES_MAX: u64 = 256 << 10;
const LEEWAY: Duration = Duration::from_secs(30);
const KEYS_MAX_AGE: Duration = Duration::from_secs(3600);
const KEYS_MAX_AGE_MIN: Duration = Duration::from_secs(60);
const LEEWAY_MAX: Duration = Duration::from_secs(300);
const SESSION: Duration = Duration::from_secs(8 * 3600);
const SESSION_MIN: Duration = Duration::from_secs(60);
const SESSION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// A declaration, ready to be made into what verifies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    Jwt(Jwt),
    ApiKey(ApiKeys),
    Mtls(Mtls),
    Oidc(Oidc),
}

/// Logins of browsers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Oidc {
    pub issuer: String,
    pub client_id: String,
    /// The name of a secret of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// With `openid` first.
    pub scopes: Vec<String>,
    pub algorithms: Vec<Algorithm>,
    #[serde(with = "units::duration")]
    pub session: Duration,
    #[serde(with = "units::duration")]
    pub leeway: Duration,
    pub identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
}

/// Certificates of clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mtls {
    pub identity: CertificateName,
    /// Patterns. `*` and `{tenant}` are each in one once at most.
    pub names: Vec<String>,
    pub issuers: Vec<String>,
    pub roles: Vec<String>,
}

/// Keys that are sent in a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApiKeys {
    /// In lower case.
    pub header: String,
    pub keys: BTreeMap<String, KeyHash>,
}

/// Tokens of one issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Jwt {
    pub issuer: String,
    pub audience: Vec<String>,
    pub algorithms: Vec<Algorithm>,
    pub keys: Keys,
    #[serde(with = "units::duration")]
    pub leeway: Duration,
    pub identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keys {
    /// The text of a file, PEM or JWKS. It is public, and a part of the revision.
    Text(String),
    /// Published at a URL.
    Url(Published),
    /// The name of a secret of the node.
    Secret(String),
}

/// Keys that an issuer publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Published {
    pub url: String,
    /// So long the last good ones are used.
    #[serde(with = "units::duration")]
    pub max_age: Duration,
}

impl Resolver<'_> {
    pub(crate) fn auth(&mut self, name: &str, auth: &author::Auth, at: &Spot<'_>) -> Option<Auth> {
        if name == NONE {
            let help = "call it something else: `auth = \"none\"` lifts what a level above demands";
            let message = format!("`{NONE}` cannot be the name of a declaration");
            self.problem(at.key_span(), code::MANIFEST_TYPE, message, "this name", help);
        }
        match (&auth.jwt, &auth.api_key, &auth.mtls, &auth.oidc) {
            (Some(jwt), ..) => self.jwt(jwt, &at.key("jwt")).map(Auth::Jwt),
            (_, Some(keys), ..) => Some(Auth::ApiKey(self.api_keys(keys, &at.key("api-key")))),
            (_, _, Some(mtls), _) => Some(Auth::Mtls(self.mtls(mtls, &at.key("mtls")))),
            (.., Some(oidc)) => Some(Auth::Oidc(self.oidc(oidc, &at.key("oidc")))),
            // The schema's check has said that there is none.
            (None, None, None, None) => None,
        }
    }

    fn oidc(&mut self, said: &auth::Oidc, at: &Spot<'_>) -> Oidc {
        self.secured(&said.issuer, &at.key("issuer"), "could log in as anybody");
        let leeway = self.leeway(said.leeway, at);
        let session = said.session.map_or(SESSION, |time| time.0);
        if !(SESSION_MIN..=SESSION_MAX).contains(&session) {
            let span = at.key("session").value_span();
            let help = "from `1m` to `30d`: a session cannot be withdrawn before its end";
            self.problem(span, code::MANIFEST_TYPE, "`session` is out of range".to_owned(), "this value", help);
        }
        let algorithms = said.algorithms.clone().unwrap_or_else(|| vec![Algorithm::RS256]);
        if algorithms.is_empty() {
            let span = at.key("algorithms").value_span();
            let message = "`algorithms` is empty: no token could be good".to_owned();
            self.problem(span, code::MANIFEST_TYPE, message, "empty", "name at least one");
        }
        for (i, one) in algorithms.iter().enumerate().filter(|(_, one)| one.is_shared()) {
            let span = at.key("algorithms").item(i).value_span();
            let message = format!("`{}` is not by the provider's published keys", one.as_str());
            self.problem(span, code::MANIFEST_TYPE, message, "this algorithm", "such as RS256 or ES256");
        }
        let others = said.scopes.iter().filter(|scope| *scope != "openid").cloned();
        Oidc {
            issuer: said.issuer.clone(),
            client_id: said.client_id.clone(),
            client_secret: said.client_secret.clone(),
            scopes: std::iter::once("openid".to_owned()).chain(others).collect(),
            algorithms,
            session,
            leeway,
            identity: said.identity.clone().unwrap_or_else(|| "sub".to_owned()),
            tenant: said.tenant.clone(),
            roles: said.roles.clone(),
        }
    }

    fn leeway(&mut self, said: Option<crate::values::Time>, at: &Spot<'_>) -> Duration {
        let leeway = said.map_or(LEEWAY, |time| time.0);
        if leeway > LEEWAY_MAX {
            let help = "at most `5m`: clocks that are further apart need mending";
            let message = "`leeway` is too long".to_owned();
            self.problem(at.key("leeway").value_span(), code::MANIFEST_TYPE, message, "this value", help);
        }
        leeway
    }

    /// Only this machine is trusted in the clear.
    fn secured(&mut self, url: &str, at: &Spot<'_>, could: &str) {
        let local = |uri: &http::Uri| matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let uri = url.parse::<http::Uri>().ok();
        if uri.is_some_and(|uri| uri.scheme_str() == Some("http") && !local(&uri)) {
            let message = format!("`{}` is not secured: whoever is on the way {could}", shown(url));
            self.problem(at.value_span(), code::MANIFEST_TYPE, message, "this URL", "use `https`");
        }
    }

    fn mtls(&mut self, said: &auth::Mtls, at: &Spot<'_>) -> Mtls {
        for (i, name) in said.names.iter().enumerate().filter(|(_, name)| !is_pattern(name)) {
            let message = format!("`{}` is no pattern of names", shown(name));
            let help = "`*` (any text) and `{tenant}` (one segment) may each stand there once, and no other braces";
            self.problem(at.key("names").item(i).value_span(), code::MANIFEST_TYPE, message, "this name", help);
        }
        let auth::Mtls { identity, names, issuers, roles } = said.clone();
        Mtls { identity, names, issuers, roles }
    }

    fn api_keys(&mut self, said: &auth::ApiKey, at: &Spot<'_>) -> ApiKeys {
        for (name, key) in &said.keys {
            let digits = key.hash.strip_prefix("sha256:").unwrap_or_default();
            if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                let span = at.key("keys").key(name).key("hash").value_span();
                let message = format!("the hash of key `{}` is not `sha256:` and 64 hexadecimal digits", shown(name));
                let help = "`weft key new` makes a key, and prints its hash; the key itself never stands here";
                self.problem(span, code::MANIFEST_TYPE, message, "this hash", help);
            }
        }
        let header = said.header.clone().unwrap_or_else(|| "x-api-key".to_owned());
        if matches!(header.as_str(), "authorization" | "cookie" | "host") {
            let message = format!("`{header}` cannot hold a key: it means something else");
            let span = at.key("header").value_span();
            self.problem(span, code::MANIFEST_TYPE, message, "this header", "such as `x-api-key`");
        }
        ApiKeys { header, keys: said.keys.clone() }
    }

    fn jwt(&mut self, jwt: &auth::Jwt, at: &Spot<'_>) -> Option<Jwt> {
        for (key, empty) in [("audience", jwt.audience.is_empty()), ("algorithms", jwt.algorithms.is_empty())] {
            if empty {
                let message = format!("`{key}` is empty: no token could be good");
                let spot = at.key(key);
                self.problem(spot.value_span(), code::MANIFEST_TYPE, message, "empty", "name at least one");
            }
        }
        let leeway = self.leeway(jwt.leeway, at);
        self.algorithms(jwt, at);
        let published = self.published(jwt, at);
        let keys = match (&jwt.keys, published, &jwt.secret) {
            (Some(path), ..) => Keys::Text(self.keys(path, &at.key("keys"))?),
            (None, Some(published), _) => Keys::Url(published),
            (None, None, Some(secret)) => Keys::Secret(secret.clone()),
            // The schema's check has said that there is none.
            (None, None, None) => return None,
        };
        Some(Jwt {
            issuer: jwt.issuer.clone(),
            audience: jwt.audience.clone(),
            algorithms: jwt.algorithms.clone(),
            keys,
            leeway,
            identity: jwt.identity.clone().unwrap_or_else(|| "sub".to_owned()),
            tenant: jwt.tenant.clone(),
            roles: jwt.roles.clone(),
        })
    }

    fn published(&mut self, jwt: &auth::Jwt, at: &Spot<'_>) -> Option<Published> {
        let max_age = jwt.keys_max_age.map_or(KEYS_MAX_AGE, |time| time.0);
        let Some(url) = &jwt.jwks_url else {
            if jwt.keys_max_age.is_some() {
                let message = "`keys-max-age` has no effect: nothing is fetched".to_owned();
                let span = at.key("keys-max-age").key_span();
                self.problem(span, code::MANIFEST_TYPE, message, "without effect", "remove it, or give `jwks-url`");
            }
            return None;
        };
        if max_age < KEYS_MAX_AGE_MIN {
            let span = at.key("keys-max-age").value_span();
            let help = "at least `1m`: an issuer that restarts must not lock everybody out";
            self.problem(span, code::MANIFEST_TYPE, "`keys-max-age` is too short".to_owned(), "this value", help);
        }
        self.secured(url, &at.key("jwks-url"), "could give keys of his own");
        Some(Published { url: url.clone(), max_age })
    }

    /// What one side keeps for itself and what both sides know are never mixed: that is how keys are confused.
    fn algorithms(&mut self, jwt: &auth::Jwt, at: &Spot<'_>) {
        let shared = jwt.secret.is_some();
        for (i, algorithm) in jwt.algorithms.iter().enumerate().filter(|(_, one)| one.is_shared() != shared) {
            let span = at.key("algorithms").item(i).value_span();
            let (message, help) = match shared {
                true => ("needs a public key, and `secret` is none", "give `keys`, or use HS256, HS384 or HS512"),
                false => {
                    ("needs a secret that both sides know, and public keys are none", "give `secret`, or leave it out")
                }
            };
            let message = format!("`{}` {message}", algorithm.as_str());
            self.problem(span, code::MANIFEST_TYPE, message, "this algorithm", help);
        }
    }

    fn keys(&mut self, path: &str, at: &Spot<'_>) -> Option<String> {
        if self.disk == Disk::Skip {
            return Some(String::new());
        }
        let file = self.folder.join(path);
        let read = match fs::metadata(&file) {
            Ok(known) if known.len() > KEYS_BYTES_MAX => Err(format!("has more than {KEYS_BYTES_MAX} bytes")),
            _ => fs::read_to_string(&file).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => "does not exist".to_owned(),
                _ => format!("cannot be read: {error}"),
            }),
        };
        match read {
            Ok(text) => Some(text),
            Err(why) => {
                let help = match disk::near(&file) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("paths are relative to the folder of {}", self.source.file),
                };
                let message = format!("`{}` {why}", shown(path));
                self.problem(at.value_span(), code::FILE_MISSING, message, "this path", &help);
                None
            }
        }
    }

    /// Every name that some policy uses must be declared.
    pub(crate) fn auth_uses(&mut self, root: &Spot<'_>) {
        let author = self.author;
        let of = |policy: &Option<author::Policy>| policy.as_ref().and_then(|policy| policy.auth.clone());
        let mut uses: Vec<(AuthUse, Spot<'_>)> = Vec::new();
        uses.extend(of(&author.policy).map(|said| (said, root.key("policy"))));
        let components = author.component.iter();
        let at = |name: &str| root.key("component").key(name).key("policy");
        uses.extend(components.filter_map(|(name, said)| Some((of(&said.policy)?, at(name)))));
        let routes = author.route.iter().enumerate();
        uses.extend(routes.filter_map(|(i, said)| Some((of(&said.policy)?, root.key("route").item(i).key("policy")))));
        for (said, at) in uses {
            self.auth_use(&said, &at.key("auth"));
        }
    }

    fn auth_use(&mut self, said: &AuthUse, at: &Spot<'_>) {
        if said.any.is_empty() && (said.optional || !said.roles.is_empty()) {
            let message = "`auth` names no declaration that could prove who is calling".to_owned();
            self.problem(
                at.key("any").value_span(),
                code::MANIFEST_MISSING,
                message,
                "demands nothing",
                "name one in `any`",
            );
        }
        for (i, name) in said.any.iter().enumerate() {
            let known = || self.root.key("auth").keys();
            if known().any(|declared| declared == name) {
                continue;
            }
            // A string, a list, or a table with a list.
            let span = match (at.item(i).value_span(), at.key("any").item(i).value_span()) {
                (item, inner) if item == inner => at.value_span(),
                (item, inner) if inner == at.value_span() => item,
                (_, inner) => inner,
            };
            let fix = format!("declare it: `[auth.{}.jwt]`", shown(name));
            self.reference("auth", name, known(), span, &fix);
        }
    }

    /// A limit by who is calling, where nobody is asked who that is, would count something else.
    pub(crate) fn rates_by_caller(&mut self, application: &Application, at: &Spot<'_>) {
        let digest = weft_types::Digest([0; 32]);
        for (i, route) in application.lower(digest).iter().enumerate() {
            let by = route.policy.rate_limit.by;
            let by_caller = matches!(by, gcra::By::Identity | gcra::By::Tenant);
            if !by_caller || route.policy.rate_limit.rate.is_none() || route.policy.auth.authenticates() {
                continue;
            }
            let message =
                format!("`rate-limit` counts by `{}`, and this route does not ask who is calling", by.as_str());
            let help = "add `auth` to the route's policy, or count by `address`";
            self.problem(at.item(i).value_span(), code::MANIFEST_MISSING, message, "this route", help);
        }
    }
}

/// The same is refused by whoever matches names by it.
fn is_pattern(text: &str) -> bool {
    const TENANT: &str = "{tenant}";
    let rest = text.replacen(TENANT, "", 1).replacen('*', "", 1);
    !text.is_empty() && !rest.contains(['*', '{', '}'])
}

impl Application {
    /// Every secret of the node that some declaration of `[auth]` needs: `(declaration, secret's name)`.
    pub fn auth_secrets(&self) -> impl Iterator<Item = (&Name, &str)> {
        self.auth.iter().filter_map(|(name, auth)| match auth {
            Auth::Jwt(Jwt { keys: Keys::Secret(secret), .. }) => Some((name, secret.as_str())),
            Auth::Oidc(Oidc { client_secret: Some(secret), .. }) => Some((name, secret.as_str())),
            Auth::Jwt(_) | Auth::ApiKey(_) | Auth::Mtls(_) | Auth::Oidc(_) => None,
        })
    }
}
