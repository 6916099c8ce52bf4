//! The end of a login: the provider has sent the browser back, with a code or an error.
//!
//! A state is used once. Its code is exchanged by a task of its own, so that a browser that leaves does not end it; the request
//! that brought it waits, is checked again, and finds what came of it:
//!
//! ```text
//!   unknown ──► under way ──► done ──► used        used, and under way for another request: refused
//! ```

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use weft_types::{Checked, Code, Identity, Presented, Timestamp, code};

use super::{
    Oidc,
    begin::{Begun, KIND, LOGIN},
    failed, origin, redirect,
};
use crate::{
    cache::{self, Hash},
    cookies, form,
};

/// Logins that are remembered at once, and exchanges at once.
const LOGINS_MAX: usize = 4096;
const EXCHANGES_MAX: usize = 64;
const CODE_MAX: usize = 4096;

/// Why a login came to nothing, for the log.
pub(super) struct Failed {
    pub(super) code: Code,
    pub(super) why: String,
}

impl Failed {
    pub(super) fn login(why: impl Into<String>) -> Self {
        Self { code: code::LOGIN_FAILED, why: why.into() }
    }

    pub(super) fn unavailable(why: impl Into<String>) -> Self {
        Self { code: code::IDENTITY_UNAVAILABLE, why: why.into() }
    }
}

/// Logins by the hash of their state, until they would be over.
#[derive(Default)]
pub(super) struct Logins {
    all: Mutex<HashMap<Hash, (Progress, Timestamp)>>,
    /// The second in which a failure was told of last, and how many were not since.
    told: Mutex<(u64, u64)>,
}

enum Progress {
    UnderWay,
    Done(Result<Identity, Failed>),
    Used,
}

/// What a callback finds.
enum Entered {
    First,
    Done(Result<Identity, Failed>),
    Refused(Failed),
}

impl Logins {
    fn enter(&self, state: Hash, now: Timestamp) -> Entered {
        let mut all = self.all.lock();
        if let Some((progress, _)) = all.get_mut(&state) {
            return match std::mem::replace(progress, Progress::Used) {
                Progress::Done(outcome) => Entered::Done(outcome),
                Progress::Used => Entered::Refused(Failed::login("its state was used before")),
                Progress::UnderWay => {
                    *progress = Progress::UnderWay;
                    Entered::Refused(Failed::unavailable("the provider has not answered yet"))
                }
            };
        }
        if all.len() >= LOGINS_MAX {
            all.retain(|_, (_, until)| now < *until);
        }
        let under_way = all.values().filter(|(progress, _)| matches!(progress, Progress::UnderWay)).count();
        if under_way >= EXCHANGES_MAX {
            return Entered::Refused(Failed::unavailable("too many logins at once"));
        }
        if all.len() >= LOGINS_MAX {
            // One that is over makes room, so that nobody keeps others out: the provider takes its code once, too.
            let over = all.iter().filter(|(_, (progress, _))| !matches!(progress, Progress::UnderWay));
            let oldest = over.min_by_key(|(_, (progress, until))| (matches!(progress, Progress::Done(_)), *until));
            if let Some(oldest) = oldest.map(|(state, _)| *state) {
                all.remove(&oldest);
            }
        }
        all.insert(state, (Progress::UnderWay, now.saturating_add(LOGIN)));
        Entered::First
    }

    /// Whether a failure is told of now, and how many were not before it.
    fn tells(&self, second: u64) -> Option<u64> {
        let mut told = self.told.lock();
        if told.0 == second {
            told.1 += 1;
            return None;
        }
        Some(std::mem::replace(&mut *told, (second, 0)).1)
    }

    fn done(&self, state: &Hash, outcome: Result<Identity, Failed>) {
        if let Some((progress, _)) = self.all.lock().get_mut(state) {
            *progress = Progress::Done(outcome);
        }
    }
}

impl Oidc {
    pub(super) fn callback(this: &Arc<Self>, presented: &Presented<'_>, now: Timestamp) -> Checked {
        let query = presented.uri.query().unwrap_or_default();
        let begun = match this.begun(query, presented, now) {
            Ok(begun) => begun,
            // Anybody can send this.
            Err(error) => {
                tracing::debug!(auth = %this.auth, code = %error.code, why = error.why, "no login");
                return failed(error.code, &error.why);
            }
        };
        // What is no code is no end of a login: it must cost nothing, least of all a place among them. Where the
        // provider is not known yet, the exchange asks again.
        let names_itself = this.metadata.held(now).is_some_and(|held| held.value.names_itself);
        if let Err(error) = this.code(query, names_itself) {
            return this.refuse(&error, now);
        }
        let state = cache::hash(begun.state.as_bytes());
        match this.logins.enter(state, now) {
            Entered::Refused(error) => this.refuse(&error, now),
            Entered::Done(Err(error)) => this.refuse(&error, now),
            Entered::Done(Ok(identity)) => this.welcome(&identity, &begun, presented, now),
            Entered::First => {
                let (task, query) = (Arc::clone(this), query.to_owned());
                let redirect_uri = this.callback_uri(presented);
                let work = async move {
                    let outcome = task.exchange(&query, &begun, &redirect_uri, now).await;
                    task.logins.done(&state, outcome);
                };
                match Handle::try_current() {
                    Ok(runtime) => {
                        let task = runtime.spawn(work);
                        Checked::Later(Box::pin(async move { drop(task.await) }))
                    }
                    Err(_) => Checked::Later(Box::pin(work)),
                }
            }
        }
    }

    /// The login that this browser has begun, by its cookie.
    fn begun(&self, query: &str, presented: &Presented<'_>, now: Timestamp) -> Result<Begun, Failed> {
        let state = form::only(query, "state").ok().flatten().ok_or(Failed::login("there is no state, or two"))?;
        let cookie = self.login_cookie(&state, presented.secure);
        let sealed = cookies::find(presented.headers, &cookie);
        let opened = sealed.and_then(|sealed| self.sealer.open(KIND, sealed));
        let begun: Option<Begun> = opened.and_then(|opened| serde_json::from_slice(&opened).ok());
        let begun = begun.filter(|begun| begun.state == state && begun.origin == origin(presented));
        let begun = begun.ok_or(Failed::login("this browser has not begun it"))?;
        match now.as_millis() / 1000 < begun.until {
            true => Ok(begun),
            false => Err(Failed::login("it was begun too long ago")),
        }
    }

    /// The session begins here: whatever one there was before is replaced.
    fn welcome(&self, identity: &Identity, begun: &Begun, presented: &Presented<'_>, now: Timestamp) -> Checked {
        let secure = presented.secure;
        let Some(sealed) = self.seal(identity, now) else {
            return self.refuse(&Failed::login("who it is does not fit into a cookie"), now);
        };
        let session = cookies::set(&self.session_cookie(secure), Some(&sealed), self.options.session, secure);
        let forget = cookies::set(&self.login_cookie(&begun.state, secure), None, LOGIN, secure);
        // With the origin, so that a path that begins with two slashes leads nowhere else.
        let to = format!("{}{}", begun.origin, begun.path);
        let answer = redirect(&to, session.into_iter().chain(forget));
        answer.map_or_else(|| failed(code::INTERNAL, "no answer can be made"), Checked::Answered)
    }

    /// Told of once a second, so that nobody fills the log.
    fn refuse(&self, error: &Failed, now: Timestamp) -> Checked {
        if let Some(untold) = self.logins.tells(now.as_millis() / 1000) {
            tracing::info!(auth = %self.auth, code = %error.code, why = error.why, untold, "a login failed");
        }
        failed(error.code, &error.why)
    }

    /// The code of an answer, if it is the provider's and says nothing else.
    pub(super) fn code(&self, query: &str, names_itself: bool) -> Result<String, Failed> {
        let only = |name: &str| form::only(query, name).map_err(|()| Failed::login(format!("`{name}` is there twice")));
        match only("iss")? {
            Some(issuer) if issuer != self.options.issuer => {
                return Err(Failed::login("another provider has answered"));
            }
            None if names_itself => return Err(Failed::login("the provider does not say who it is")),
            _ => {}
        }
        if let Some(error) = only("error")? {
            let plain = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return Err(Failed::login(format!("the provider said {}", if plain { &error } else { "something else" })));
        }
        let code = only("code")?.filter(|code| (1..=CODE_MAX).contains(&code.len()));
        code.ok_or(Failed::login("there is no code"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(logins: &Logins, nr: usize, millis: u64) -> bool {
        let state = cache::hash(&nr.to_le_bytes());
        matches!(logins.enter(state, Timestamp::from_millis(millis)), Entered::First)
    }

    #[test]
    fn failures_are_told_of_once_a_second_and_counted() {
        let logins = Logins::default();
        assert_eq!(
            [7, 7, 7, 8, 8, 9].map(|second| logins.tells(second)),
            [Some(0), None, None, Some(2), None, Some(1)]
        );
    }

    #[test]
    fn whoever_ends_logins_in_vain_keeps_nobody_out() {
        let logins = Logins::default();
        for nr in 0..LOGINS_MAX + 100 {
            assert!(enter(&logins, nr, nr as u64), "{nr}");
            logins.done(&cache::hash(&nr.to_le_bytes()), Err(Failed::login("no")));
        }
        assert_eq!(logins.all.lock().len(), LOGINS_MAX);
        let (first, last) = (100, LOGINS_MAX + 99);
        assert!(!enter(&logins, first, 0) && !enter(&logins, last, 0), "the newest are the ones that are known");
        // Those under way are bounded by themselves, and make room for nobody.
        for nr in 0..EXCHANGES_MAX {
            assert!(enter(&logins, usize::MAX - nr, 20_000), "{nr}");
        }
        assert!(!enter(&logins, usize::MAX - EXCHANGES_MAX, 20_000));
        assert!(!enter(&logins, usize::MAX, 20_000), "it is under way still");
    }
}
