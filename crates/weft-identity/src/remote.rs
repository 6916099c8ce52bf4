//! A document that an issuer publishes: fetched, kept while it is good, and used for no longer than a limit.
//!
//! ```text
//!   fetched ──── refresh (5 m) ──── max-age (1 h)
//!      good        good, and fetched again aside        none: nobody is let in (503)
//! ```
//!
//! Whoever needs a newer one fetches it again, but not more often than every 10 s, whoever asks. One fetch at a time;
//! whoever needs it waits for it. An endpoint that is down, or that answers with anything but a good document, changes
//! nothing.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Uri};
use parking_lot::Mutex;
use tokio::{runtime::Handle, task::JoinHandle};
use weft_dial::Tls;
use weft_types::{Pending, Timestamp};

use crate::{
    cache::{Hash, hash},
    fetch::{self, Fetched},
    jwks::UrlError,
};

/// Documents that are older are fetched again.
const REFRESH: Duration = Duration::from_secs(5 * 60);
/// The least time between two fetches.
const FLOOR: Duration = Duration::from_secs(10);

/// What an answer's body says, or why it is not good.
pub(crate) type Read<T> = Box<dyn Fn(&[u8]) -> Result<T, String> + Send + Sync>;

/// One document, as last fetched.
pub struct Remote<T> {
    uri: Uri,
    /// For the log.
    what: &'static str,
    max_age: Duration,
    read: Read<T>,
    tls: Tls,
    state: Mutex<State<T>>,
    /// Held during a fetch.
    turn: tokio::sync::Mutex<()>,
}

struct State<T> {
    value: Option<Arc<T>>,
    /// Of the answer from which it is.
    hash: Option<Hash>,
    etag: Option<HeaderValue>,
    /// When it was last found good.
    fetched: Option<Timestamp>,
    tried: Option<Timestamp>,
    /// Changes with the document. From 1.
    generation: u64,
    failing: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self { value: None, hash: None, etag: None, fetched: None, tried: None, generation: 0, failing: false }
    }
}

/// A document that may be used.
pub(crate) struct Held<T> {
    pub(crate) value: Arc<T>,
    pub(crate) generation: u64,
    /// It is time to fetch it again.
    pub(crate) due: bool,
}

/// `https`, or `http` of this machine: whoever is on the way could give keys of his own.
pub(crate) fn trusted(url: &str) -> Result<Uri, UrlError> {
    let wrong = || UrlError(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let local = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match uri.scheme_str() {
        Some("https") if uri.host().is_some() => Ok(uri),
        Some("http") if local => Ok(uri),
        _ => Err(wrong()),
    }
}

impl<T: Send + Sync + 'static> Remote<T> {
    /// Fetches nothing yet.
    pub(crate) fn at(url: &str, what: &'static str, max_age: Duration, read: Read<T>) -> Result<Self, UrlError> {
        let (state, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { uri: trusted(url)?, what, max_age, read, tls: Tls::new(Vec::new()), state, turn })
    }

    /// The document, if it is not too old.
    pub(crate) fn held(&self, now: Timestamp) -> Option<Held<T>> {
        let state = self.state.lock();
        let age = now.since(state.fetched?);
        let value = state.value.as_ref().filter(|_| age < self.max_age)?;
        Some(Held { value: Arc::clone(value), generation: state.generation, due: age >= REFRESH })
    }

    /// Ends when a fetch has that may bring a newer one; `None` where one has just been tried.
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

    /// Fetches it on a task of its own: a client that asks for it and leaves must not end it.
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
            Fetched::New { body, etag } => Ok(Some(((self.read)(&body)?, hash(&body), etag))),
        });
        self.learn(read, now);
    }

    fn learn(&self, read: Result<Option<(T, Hash, Option<HeaderValue>)>, String>, now: Timestamp) {
        let mut state = self.state.lock();
        let (url, what) = (&self.uri, self.what);
        match read {
            Err(error) => {
                if !state.failing {
                    let kept = state.fetched.is_some();
                    tracing::warn!(%url, error, kept, "{what} could not be fetched");
                }
                state.failing = true;
                return;
            }
            Ok(Some((value, hash, etag))) => {
                state.etag = etag;
                if state.hash != Some(hash) {
                    state.value = Some(Arc::new(value));
                    state.hash = Some(hash);
                    state.generation += 1;
                    tracing::info!(%url, generation = state.generation, "{what} are new");
                }
            }
            Ok(None) => {}
        }
        state.failing = false;
        state.fetched = Some(now);
    }
}
