//! The beginning of a login: what the provider is asked, and what the browser keeps meanwhile.

use std::time::Duration;

use ::ring::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use weft_types::{Answer, LOGIN_COOKIES, Presented, Timestamp};

use super::{Metadata, Oidc, origin, redirect, with_query};
use crate::{cookies, form, seal};

/// A person has so long to log in.
pub(super) const LOGIN: Duration = Duration::from_secs(10 * 60);
/// Logins of one browser at once: more of them are forgotten.
const LOGINS_MAX: usize = 4;
/// Longer addresses are not gone back to.
const PATH_MAX: usize = 1024;
pub(super) const KIND: &str = "login";

/// What a login's cookie holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// Where the login was begun, and is to end.
    pub(super) origin: String,
    /// The page that was asked for.
    pub(super) path: String,
    /// Seconds since 1970 at which it is over.
    pub(super) until: u64,
}

impl Oidc {
    pub(super) fn begin(&self, metadata: &Metadata, presented: &Presented<'_>, now: Timestamp) -> Option<Answer> {
        let target = presented.uri.path_and_query().map_or("/", |target| target.as_str());
        let begun = Begun {
            state: seal::random().ok()?,
            nonce: seal::random().ok()?,
            verifier: seal::random().ok()?,
            origin: origin(presented),
            path: if target.len() <= PATH_MAX && target.starts_with('/') { target } else { "/" }.to_owned(),
            until: now.saturating_add(LOGIN).as_millis() / 1000,
        };
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, begun.verifier.as_bytes()));
        let query = form::pairs(&[
            ("response_type", "code"),
            ("client_id", &self.options.client_id),
            ("redirect_uri", &self.callback_uri(presented)),
            ("scope", &self.options.scopes.join(" ")),
            ("state", &begun.state),
            ("nonce", &begun.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let sealed = self.sealer.seal(KIND, &serde_json::to_vec(&begun).ok()?)?;
        let secure = presented.secure;
        let keep = cookies::set(&self.login_cookie(&begun.state, secure), Some(&sealed), LOGIN, secure)?;
        let before: Vec<&str> = cookies::beginning(presented.headers, &self.login_cookies(secure)).collect();
        let many = before.len() >= LOGINS_MAX;
        let forget = before.iter().filter(|_| many).filter_map(|name| cookies::set(name, None, LOGIN, secure));
        redirect(&with_query(&metadata.authorize, &query), forget.chain([keep])).map(|answer| *answer)
    }

    /// Each login has a cookie of its own, so that two tabs can log in at once.
    pub(super) fn login_cookie(&self, state: &str, secure: bool) -> String {
        let short: String =
            crate::cache::hash(state.as_bytes())[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{short}", self.login_cookies(secure))
    }

    fn login_cookies(&self, secure: bool) -> String {
        cookies::named(&format!("{}{}-", LOGIN_COOKIES[1], self.auth), secure)
    }
}
