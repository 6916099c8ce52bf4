//! Answers that are kept for others: a shared cache (RFC 9111) for the routes that ask for one.
//!
//! ```text
//! meets    may this request be answered from here, and by what is it asked      weft_traffic::cache decides
//! flow     found and fresh · stale and asked about behind · one asks for all who wait
//! serve    what is kept, as an answer: age, parts, what the client has already
//! store    what is kept, bounded by bytes; who is asking now
//! ```
//!
//! What is kept is what whoever answers said to a request that had nothing but its key: see [`weft_traffic::cache`]. It is
//! neither compressed nor changed for a client: that is done for each as it leaves.

mod flow;
mod serve;
mod store;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, header, request::Parts, uri::Authority};
use tokio::sync::Semaphore;
use weft_traffic::{
    Found,
    cache::{Asked, Meets, Options},
};
use weft_types::{Body, Context, Identity, Name, Tenant, Timestamp};

pub(crate) use store::Key;
use store::Store;

static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Answers asked about behind the back of their readers, at once.
const BEHIND_MAX: usize = 32;

/// What is kept, by all listeners of a gateway.
pub(crate) struct Cache {
    store: Store,
    behind: Arc<Semaphore>,
}

impl Cache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { store: Store::new(bytes_max), behind: Arc::new(Semaphore::new(BEHIND_MAX)) }
    }

    /// Something is kept, or soon may be.
    pub(crate) fn is_used(&self) -> bool {
        self.store.is_used()
    }

    /// A request that may have changed a thing was answered so: unless it failed, what is kept of the thing is old.
    pub(crate) fn spoil(&self, address: &str, answer: &Response<Body>) {
        if !(answer.status().is_success() || answer.status().is_redirection()) {
            return;
        }
        self.store.forget(address);
        // What it says of other places, as far as they are in the same one (RFC 9111, 4.4).
        let Some((origin, _)) = address.split_once('/') else { return };
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let place = answer.headers().get(name).and_then(|place| place.to_str().ok());
            let Some(place) = place.and_then(|place| place.parse::<Uri>().ok()) else { continue };
            let authority = origin.split_once(' ').map_or("", |(_, authority)| authority);
            if place.authority().is_none_or(|other| other.as_str().eq_ignore_ascii_case(authority)) {
                let target = place.path_and_query().map_or("/", |target| target.as_str());
                self.store.forget(&format!("{origin}{target}"));
            }
        }
    }
}

/// A request that is answered from the cache, or into it.
pub(crate) struct Call {
    pub(crate) key: Key,
    /// As the client sent it, at the address that whoever answers sees.
    pub(crate) parts: Parts,
    pub(crate) asked: Asked,
    pub(crate) context: Arc<Context>,
    pub(crate) deadline: Timestamp,
    /// A server answers it, and no component.
    pub(crate) outside: bool,
    /// Who was proven to be asking.
    pub(crate) identity: Option<Arc<Identity>>,
}

/// By what the answers to a request are kept. Only for routes that keep any.
pub(crate) fn key(found: &Found<'_>, authority: &Authority, uri: &Uri, secure: bool, tenant: &Tenant) -> Option<Key> {
    let options = found.route.spec.features.as_ref()?.cache.as_ref()?;
    let uri = address(&found.route.spec.application, authority, uri);
    let partition = Arc::clone(&options.partition);
    Some(Key { uri, authority: authority.as_str().into(), partition, secure, tenant: tenant.clone() })
}

/// What names a thing within a node: the application, and where a client finds it.
pub(crate) fn address(application: &Name, authority: &Authority, uri: &Uri) -> Arc<str> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    format!("{application} {}{target}", authority.as_str().to_ascii_lowercase()).into()
}

/// Whether a request is for the cache. `Err` says why it goes past.
pub(crate) fn meets(
    options: &Options,
    parts: &Parts,
    has_body: bool,
    authenticated: bool,
) -> Result<Asked, &'static str> {
    match options.ask(&parts.method, &parts.headers, has_body, authenticated) {
        Meets::Asks(asked) => Ok(asked),
        Meets::Past(why) => Err(why),
    }
}

/// Says what the cache has done (RFC 9211).
pub(crate) fn tell(headers: &mut HeaderMap, what: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("weft; {what}")) {
        headers.append(CACHE_STATUS.clone(), value);
    }
}

/// Whether what such a method does may change what is kept (RFC 9111, 4.4).
pub(crate) fn spoils(method: &Method) -> bool {
    !method.is_safe()
}
