//! Keys that an issuer publishes: fetched, kept while they are good, and used for no longer than a limit.
//!
//! ```text
//!   fetched ──── refresh (5 m) ──── max-age (1 h)
//!      good        good, and fetched again aside        none: nobody is let in (503)
//! ```
//!
//! A token by an unknown key fetches them again, but not more often than every 10 s, whoever asks. One fetch at a time;
//! whoever needs it waits for it. An endpoint that is down, or that answers with anything but good keys, changes nothing.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Uri};
use parking_lot::Mutex;
use tokio::{runtime::Handle, task::JoinHandle};
use weft_dial::Tls;
use weft_types::{Pending, Timestamp};

use crate::{
    cache::{Hash, hash},
    fetch::{self, Fetched},
    keys::KeySet,
};

/// Keys that are older are fetched again.
const REFRESH: Duration = Duration::from_secs(5 * 60);
/// The least time between two fetches.
const FLOOR: Duration = Duration::from_secs(10);

/// Why an address cannot be that of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an https URL nor an http URL of this machine")]
pub struct JwksError(pub String);

/// Where keys are, and how long they are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksOptions {
    pub url: String,
    /// So long the last good keys are used while no newer ones can be had.
    pub max_age: Duration,
}

/// The keys of one issuer, as last fetched.
pub struct Jwks {
    uri: Uri,
    max_age: Duration,
    tls: Tls,
    state: Mutex<State>,
    /// Held during a fetch.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Arc<KeySet>,
    /// Of the answer from which they are.
    hash: Option<Hash>,
    etag: Option<HeaderValue>,
    /// When they were last found good.
    fetched: Option<Timestamp>,
    tried: Option<Timestamp>,
    /// Changes with the keys. From 1.
    generation: u64,
    failing: bool,
}

/// Keys that may be used.
pub(crate) struct Held {
    pub(crate) keys: Arc<KeySet>,
    pub(crate) generation: u64,
    /// It is time to fetch them again.
    pub(crate) due: bool,
}

impl Jwks {
    /// Fetches nothing yet.
    pub fn new(options: &JwksOptions) -> Result<Self, JwksError> {
        let wrong = || JwksError(options.url.clone());
        let uri: Uri = options.url.parse().map_err(|_| wrong())?;
        let local = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match uri.scheme_str() {
            Some("https") => {}
            // Whoever is on the way could give keys of his own.
            Some("http") if local => {}
            _ => return Err(wrong()),
        }
        let (state, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { uri, max_age: options.max_age, tls: Tls::new(Vec::new()), state, turn })
    }

    /// The keys, if they are not too old.
    pub(crate) fn held(&self, now: Timestamp) -> Option<Held> {
        let state = self.state.lock();
        let age = now.since(state.fetched?);
        let held = || Held { keys: Arc::clone(&state.keys), generation: state.generation, due: age >= REFRESH };
        (age < self.max_age).then(held)
    }

    /// Ends when a fetch has that may bring newer keys; `None` where one has just been tried.
    pub(crate) fn wait(self: &Arc<Self>, now: Timestamp) -> Option<Pending<'static, ()>> {
        let this = Arc::clone(self);
        if self.may_try(now) {
            return Some(match self.refresh_aside(now) {
                Some(fetch) => Box::pin(async move { drop(fetch.await) }),
                None => Box::pin(async move { this.refresh(now).await }),
            });
        }
        let under_way = self.turn.try_lock().is_err();
        under_way.then(|| Box::pin(async move { drop(this.turn.lock().await) }) as _)
    }

    /// Fetches them on a task of its own: a client that asks for it and leaves must not end it.
    pub(crate) fn refresh_aside(self: &Arc<Self>, now: Timestamp) -> Option<JoinHandle<()>> {
        let runtime = Handle::try_current().ok().filter(|_| self.may_try(now))?;
        let this = Arc::clone(self);
        Some(runtime.spawn(async move { this.refresh(now).await }))
    }

    fn may_try(&self, now: Timestamp) -> bool {
        self.state.lock().tried.is_none_or(|tried| now.since(tried) >= FLOOR)
    }

    /// Ends within the time that a fetch may take, whatever happens.
    async fn refresh(&self, now: Timestamp) {
        let _turn = self.turn.lock().await;
        let etag = {
            let mut state = self.state.lock();
            // Whoever had the turn before has done it.
            if state.tried.is_some_and(|tried| now.since(tried) < FLOOR) {
                return;
            }
            state.tried = Some(now);
            state.etag.clone()
        };
        let fetched = fetch::get(&self.uri, etag.as_ref(), &self.tls).await;
        let read = fetched.and_then(|fetched| match fetched {
            Fetched::Same => Ok(None),
            Fetched::New { body, etag } => {
                let keys = KeySet::jwks(&body).map_err(|error| error.to_string())?;
                Ok(Some((keys, hash(&body), etag)))
            }
        });
        self.learn(read, now);
    }

    fn learn(&self, read: Result<Option<(KeySet, Hash, Option<HeaderValue>)>, String>, now: Timestamp) {
        let mut state = self.state.lock();
        let url = &self.uri;
        match read {
            Err(error) => {
                if !state.failing {
                    let kept = state.fetched.is_some();
                    tracing::warn!(%url, error, kept, "the keys of an issuer could not be fetched");
                }
                state.failing = true;
                return;
            }
            Ok(Some((keys, hash, etag))) => {
                state.etag = etag;
                if state.hash != Some(hash) {
                    state.keys = Arc::new(keys);
                    state.hash = Some(hash);
                    state.generation += 1;
                    tracing::info!(%url, generation = state.generation, "new keys of an issuer");
                }
            }
            Ok(None) => {}
        }
        state.failing = false;
        state.fetched = Some(now);
    }
}
