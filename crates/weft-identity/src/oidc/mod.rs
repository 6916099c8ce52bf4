//! Logins of browsers at a provider (OpenID Connect Core 1.0, code flow with PKCE), and the sessions that they give.
//!
//! ```text
//!   GET /page ──────────► no session: begin ──► the provider, with state, nonce and challenge; a sealed cookie keeps them
//!   GET …/callback ─────► state is this browser's ─► exchange: code for token ─► token verified ─► session, sealed
//!   GET /page ──────────► the session says who
//! ```
//!
//! Nothing of a login lies here but which states were used: what is known of it comes back in its cookie. A session is a
//! cookie too, good until its end and not to be withdrawn before but by another key of the node.

mod begin;
mod callback;
mod exchange;
mod metadata;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use weft_dial::Tls;
use weft_types::{Answer, Checked, Denial, Guard, Identity, LOGIN_COOKIES, Name, Pending, Presented, Timestamp, code};

use crate::{
    cache::{self, Cache},
    cookies,
    denied::{Denied, challenge},
    form,
    guard::Found,
    jwks::Jwks,
    keys::KeyError,
    person,
    remote::Remote,
    seal::{Sealer, SessionKeys},
    token::{ClaimNames, Rules},
};
use callback::Logins;
use metadata::Metadata;

/// Below this, and the declaration's name, lie the pages of a login.
pub const LOGIN_PATH: &str = "/.weft/login";
/// So long the last good description and keys of a provider are used while no newer ones can be had.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);
/// Longer cookies are not kept by every browser.
const COOKIE_BYTES_MAX: usize = 3800;
const SESSION: &str = "session";

const UNAVAILABLE: Denied = Denied::unavailable("the provider cannot be reached");

/// Who is asked, and what is made of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcOptions {
    /// Exactly as the provider calls itself.
    pub issuer: String,
    pub client_id: String,
    /// With `openid` among them.
    pub scopes: Vec<String>,
    /// By which its tokens may be signed: public keys only.
    pub algorithms: Vec<String>,
    pub leeway: Duration,
    pub claims: ClaimNames,
    /// A session is good for so long.
    pub session: Duration,
}

/// Logins by one provider.
pub struct Oidc {
    auth: Name,
    options: OidcOptions,
    secret: Option<Box<str>>,
    rules: Rules,
    metadata: Arc<Remote<Metadata>>,
    /// Where they were last said to be.
    keys: Mutex<Option<(String, Arc<Jwks>)>>,
    sealer: Sealer,
    sessions: Cache,
    logins: Logins,
    tls: Tls,
}

/// What a session's cookie holds.
#[derive(Serialize, Deserialize)]
struct Session {
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    /// Seconds since 1970 at which it ends.
    until: u64,
}

/// Where a browser without a session goes.
pub(crate) enum Login {
    To(Box<Answer>),
    Later(Pending<'static, ()>),
    Never(Denied),
}

impl Oidc {
    /// `secret`: what the provider knows this client by, if it is not a public one.
    pub fn new(
        application: &Name,
        auth: Name,
        options: OidcOptions,
        secret: Option<&str>,
        keys: &SessionKeys,
    ) -> Result<Self, KeyError> {
        let allowed = options.algorithms.iter().filter_map(|name| {
            let algorithm = name.parse().ok()?;
            Some((name.clone(), (algorithm, Rules::validation(algorithm))))
        });
        let rules = Rules {
            auth: auth.clone(),
            issuer: options.issuer.clone(),
            audience: vec![options.client_id.clone()],
            leeway: options.leeway,
            claims: options.claims.clone(),
            allowed: allowed.collect(),
        };
        let issuer = options.issuer.clone();
        let read = move |body: &[u8]| Metadata::read(body, &issuer);
        let place = metadata::place(&options.issuer);
        let metadata = Remote::at(&place, "the description of a provider", MAX_AGE, Box::new(read))?;
        // A session of another provider, or of the same one by other rules, says nothing here.
        let roles = options.claims.roles.as_deref().unwrap_or_default();
        let tenant = options.claims.tenant.as_deref().unwrap_or_default();
        let of = [application.as_str(), auth.as_str(), &options.issuer, &options.client_id, &options.claims.identity];
        let sealer = keys.sealer(&[&of[..], &[tenant, roles]].concat())?;
        Ok(Self {
            auth,
            secret: secret.map(Box::from),
            rules,
            metadata: Arc::new(metadata),
            keys: Mutex::default(),
            sealer,
            sessions: Cache::new(),
            logins: Logins::default(),
            tls: Tls::new(Vec::new()),
            options,
        })
    }

    pub(crate) fn warm(&self, now: Timestamp) {
        drop(self.metadata.refresh_aside(now));
    }

    /// A session that is not good is none: browsers send what they have, and mean nothing by it.
    pub(crate) fn check(&self, presented: &Presented<'_>, now: Timestamp) -> Found {
        let name = self.session_cookie(presented.secure);
        let Some(sealed) = cookies::find(presented.headers, &name).filter(|it| it.len() <= COOKIE_BYTES_MAX) else {
            return Found::Absent;
        };
        let hash = cache::hash(sealed.as_bytes());
        if let Some(known) = self.sessions.find(&hash, now) {
            return Found::Good(known);
        }
        let Some((identity, until)) = self.open(sealed).filter(|(_, until)| now < *until) else { return Found::Absent };
        let identity = Arc::new(identity);
        self.sessions.keep(hash, Arc::clone(&identity), until, now);
        Found::Good(identity)
    }

    pub(crate) fn challenge(&self, denied: Option<&Denied>) -> Option<HeaderValue> {
        challenge("Cookie", self.auth.as_str(), denied)
    }

    /// Begins a login, if whoever asks is a browser that shows a page.
    pub(crate) fn login(&self, presented: &Presented<'_>, now: Timestamp) -> Option<Login> {
        if !is_page(presented) {
            return None;
        }
        let Some(held) = self.metadata.held(now) else {
            return Some(self.metadata.wait(now).map_or(Login::Never(UNAVAILABLE), Login::Later));
        };
        if held.due {
            drop(self.metadata.refresh_aside(now));
        }
        let begun = self.begin(&held.value, presented, now);
        Some(begun.map_or(Login::Never(UNAVAILABLE), |answer| Login::To(Box::new(answer))))
    }

    fn logout(&self, presented: &Presented<'_>, now: Timestamp) -> Checked {
        // Another site's page may not end a session that is not its own.
        if presented.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
            return failed(code::FORBIDDEN, "another site asks to log out");
        }
        let home = format!("{}/", origin(presented));
        let held = self.metadata.held(now);
        // A provider that cannot be asked keeps nobody from leaving here.
        if held.is_none()
            && let Some(ready) = self.metadata.wait(now)
        {
            return Checked::Later(ready);
        }
        let end = held.and_then(|held| held.value.end.clone());
        let to = end.map_or(home.clone(), |end| {
            let client = [("client_id", &*self.options.client_id), ("post_logout_redirect_uri", &*home)];
            with_query(&end, &form::pairs(&client))
        });
        let forget = cookies::set(&self.session_cookie(presented.secure), None, Duration::ZERO, presented.secure);
        redirect(&to, forget).map_or_else(|| failed(code::INTERNAL, "no answer can be made"), Checked::Answered)
    }

    fn seal(&self, identity: &Identity, now: Timestamp) -> Option<String> {
        let session = Session {
            subject: identity.subject.to_string(),
            tenant: identity.tenant.0.as_deref().map(str::to_owned),
            roles: identity.roles.iter().map(|role| role.to_string()).collect(),
            until: now.saturating_add(self.options.session).as_millis() / 1000,
        };
        let sealed = self.sealer.seal(SESSION, &serde_json::to_vec(&session).ok()?)?;
        Some(sealed).filter(|sealed| sealed.len() <= COOKIE_BYTES_MAX)
    }

    fn open(&self, sealed: &str) -> Option<(Identity, Timestamp)> {
        let session: Session = serde_json::from_slice(&self.sealer.open(SESSION, sealed)?).ok()?;
        let roles = session.roles.iter().map(|role| Arc::from(role.as_str())).collect();
        let identity = person::identity(&self.auth, &session.subject, session.tenant.as_deref(), roles).ok()?;
        Some((identity, Timestamp::from_nanos(session.until.saturating_mul(1_000_000_000))))
    }

    fn session_cookie(&self, secure: bool) -> String {
        cookies::named(&format!("{}{}", LOGIN_COOKIES[0], self.auth), secure)
    }

    /// Which page of this login a whole path names.
    fn page<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(LOGIN_PATH)?.strip_prefix('/')?.strip_prefix(self.auth.as_str())?.strip_prefix('/')
    }

    fn callback_uri(&self, presented: &Presented<'_>) -> String {
        format!("{}{LOGIN_PATH}/{}/callback", origin(presented), self.auth)
    }
}

/// What stands before the pages of a login, and answers for them.
pub struct LoginPages(pub Arc<Oidc>);

impl Guard for LoginPages {
    fn check(&self, presented: &Presented<'_>, now: Timestamp) -> Checked {
        match (self.0.page(presented.uri.path()), presented.method) {
            (Some("callback"), &Method::GET) => Oidc::callback(&self.0, presented, now),
            (Some("logout"), &Method::GET | &Method::POST) => self.0.logout(presented, now),
            _ => failed(code::NOT_FOUND, "a login has no such page"),
        }
    }

    fn is_ours(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for LoginPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LoginPages").field(&self.0.auth).finish()
    }
}

fn failed(code: weft_types::Code, why: &str) -> Checked {
    Checked::Refused(Box::new(Denial { code, challenges: Vec::new(), why: why.to_owned() }))
}

/// A page that a person looks at, and not what such a page fetches by itself: that could show no login.
fn is_page(presented: &Presented<'_>) -> bool {
    let text = |name: &str| presented.headers.get(name).and_then(|value| value.to_str().ok());
    presented.method == Method::GET
        && text("accept").is_some_and(|types| types.contains("text/html"))
        && text("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
}

/// Where the request arrived, as its browser sees it.
fn origin(presented: &Presented<'_>) -> String {
    let scheme = if presented.secure { "https" } else { "http" };
    format!("{scheme}://{}", presented.authority)
}

fn with_query(url: &str, query: &str) -> String {
    let join = if url.contains('?') { '&' } else { '?' };
    format!("{url}{join}{query}")
}

/// Never cached, and never with the address of this page.
fn redirect(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Option<Box<Answer>> {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, HeaderValue::try_from(to).ok()?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    Some(Box::new(Answer { status: StatusCode::SEE_OTHER, headers }))
}
