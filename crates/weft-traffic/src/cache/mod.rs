//! A shared cache's decisions (RFC 9111): what may be kept, for whom, for how long, and what is done when it is old. Pure:
//! bytes are kept by the gateway, time comes by argument.
//!
//! ```text
//! request ─► Options::ask        may it be answered from the cache, and what is it asked by?       key
//!         ─► Stored::judge       fresh · stale and good enough · to be asked about again · not to be used
//! answer  ─► Options::keep       may it be kept, and what is remembered of it?                      store
//! ```
//!
//! **Nothing that is not in the key is shown to whoever answers** ([`Options::shown`]). A header that could change an
//! answer without being a part of its key would let one client choose what others read. What is shown is what the
//! author lists in `key`, and what an answer of this very address has named in `Vary`; each is compared for every later
//! request. An answer that varies by more is asked for once again, with that shown.

mod control;
mod date;
mod stored;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use weft_types::Timestamp;

pub use control::{Asked, Said};
pub use date::{format as format_date, parse as parse_date};
pub use stored::{Judged, Stored, failed, not_modified, unchanged};

/// Names in `Vary` beyond which an answer is not kept.
pub const VARY_MAX: usize = 8;

/// A route's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Of what is kept, nothing is ever mixed with that of another route, revision or application.
    pub partition: Arc<str>,
    /// How long an answer is fresh that does not say so. `None`: it is not kept, unless it can be asked about again.
    pub ttl: Option<Duration>,
    /// Shown to whoever answers, and part of the key.
    pub key: Vec<HeaderName>,
    /// Shown to whoever answers and no part of the key: the author's promise that they change nothing.
    pub forward: Vec<HeaderName>,
    /// Cookies are never shown. Otherwise a request that has some goes past the cache.
    pub ignore_cookies: bool,
    /// For answers that do not say so themselves.
    pub stale_while_revalidate: Duration,
    pub stale_if_error: Duration,
    /// Of one answer's body. Bytes.
    pub body_max: u64,
    /// Of all that is kept for the route. Bytes.
    pub bytes_max: u64,
}

/// How a request meets the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meets {
    /// It goes past: not answered from here, and what it is answered is not kept.
    Past(&'static str),
    Asks(Asked),
}

impl Options {
    /// How a request meets the cache. `authenticated`: somebody has proven who it is, whatever the headers say.
    pub fn ask(&self, method: &Method, headers: &HeaderMap, has_body: bool, authenticated: bool) -> Meets {
        if *method != Method::GET && *method != Method::HEAD {
            return Meets::Past("method");
        }
        if has_body {
            return Meets::Past("body");
        }
        if !self.ignore_cookies && headers.contains_key(header::COOKIE) && !self.key.contains(&header::COOKIE) {
            return Meets::Past("cookie");
        }
        // About one state of the thing itself, which only whoever answers knows.
        if headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_UNMODIFIED_SINCE) {
            return Meets::Past("precondition");
        }
        let personal = (authenticated || headers.contains_key(header::AUTHORIZATION))
            && !self.key.contains(&header::AUTHORIZATION);
        let asked = Asked::read(headers, personal || authenticated);
        if asked.no_store { Meets::Past("request") } else { Meets::Asks(asked) }
    }

    /// Whether a header of a request is shown to whoever answers, where the answer may be kept. `learned`: what answers
    /// of this address vary by.
    pub fn shown(&self, name: &HeaderName, learned: &[HeaderName]) -> bool {
        // Framing, and what says who we are and for which trace: of a form that no client chooses.
        const OURS: [&str; 2] = ["host", "traceparent"];
        // Given back to nobody else: see `keep`.
        const PERSONAL: [HeaderName; 1] = [header::AUTHORIZATION];
        OURS.contains(&name.as_str())
            || PERSONAL.contains(name)
            || self.key.contains(name)
            || learned.contains(name)
            || self.forward.contains(name)
    }

    /// What tells the variants of an address apart: the author's headers, and those that its answer varies by. `Err`:
    /// the answer varies by something that cannot be a key.
    pub fn parts(&self, answer: &HeaderMap) -> Result<Vec<HeaderName>, &'static str> {
        let mut parts = self.key.clone();
        let lines = answer.get_all(header::VARY).iter();
        for name in lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii) {
            match name {
                b"" => continue,
                b"*" => return Err("vary"),
                _ => {}
            }
            let name = HeaderName::from_bytes(name).map_err(|_| "vary")?;
            if !parts.contains(&name) {
                parts.push(name);
            }
        }
        if parts.len() > self.key.len() + VARY_MAX { Err("vary") } else { Ok(parts) }
    }

    /// What is remembered of an answer to a GET, asked for at `asked_at` and come at `now`. `Err`: it may not be kept,
    /// and why.
    pub fn keep(
        &self,
        asked: &Asked,
        status: StatusCode,
        answer: &HeaderMap,
        asked_at: Timestamp,
        now: Timestamp,
    ) -> Result<Stored, &'static str> {
        let said = Said::read(answer);
        if asked.no_store {
            return Err("request");
        }
        if said.no_store && !(said.must_understand && understood(status)) {
            return Err("no-store");
        }
        if said.private {
            return Err("private");
        }
        if said.must_understand && !understood(status) {
            return Err("status");
        }
        // It has no end that could be waited for.
        if answer.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            return Err("stream");
        }
        if answer.contains_key(header::SET_COOKIE) {
            return Err("set-cookie");
        }
        if asked.personal && !(said.shared() && status.as_u16() < 400) {
            return Err("authorization");
        }
        let lifetime = self.lifetime(&said, status, answer, now).ok_or("no-freshness")?;
        let stored = Stored::new(self, &said, lifetime, answer, asked_at, now);
        match stored.is_of_use() {
            true => Ok(stored),
            false => Err("no-freshness"),
        }
    }

    /// How long it is fresh: what it says to caches that are shared, to all, when it expires, or the author. `None`: it
    /// says nothing, and is of a kind that is kept only if it does.
    fn lifetime(&self, said: &Said, status: StatusCode, answer: &HeaderMap, now: Timestamp) -> Option<Duration> {
        // 206 is a part; 304 speaks of something else; the others are about one client's connection or credentials.
        if status.is_informational()
            || matches!(status.as_u16(), 206 | 304 | 401 | 407 | 408 | 416 | 417 | 421 | 425 | 426 | 431)
        {
            return None;
        }
        if let Some(lifetime) = said.s_maxage.or(said.max_age) {
            return Some(lifetime);
        }
        if answer.contains_key(header::EXPIRES) {
            return Some(expires(answer, now));
        }
        match (self.ttl, by_default(status)) {
            (Some(ttl), true) => Some(ttl),
            (None, true) => Some(Duration::ZERO),
            (_, false) if said.public => Some(Duration::ZERO),
            _ => None,
        }
    }
}

/// RFC 9111, 5.3: what cannot be read, or is said twice, is past.
fn expires(answer: &HeaderMap, now: Timestamp) -> Duration {
    let mut all = answer.get_all(header::EXPIRES).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return Duration::ZERO };
    let Some(at) = only.to_str().ok().and_then(date::parse) else { return Duration::ZERO };
    let from = stored::date_of(answer).unwrap_or(now);
    at.since(from)
}

/// RFC 9110, 15.1: kept without being told to.
fn by_default(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Those whose meaning for a cache is known here (RFC 9111, 5.2.2.3).
fn understood(status: StatusCode) -> bool {
    by_default(status) || matches!(status.as_u16(), 302 | 303 | 307 | 451 | 500 | 502 | 503 | 504)
}

/// What a request to whoever answers never has, since the answer is to be whole and new: what the client asked about
/// its own copy is answered from what comes.
pub const ABOUT_COPIES: [HeaderName; 4] =
    [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE, header::RANGE];

/// The value of a header, as a part of a key: all of its lines, told apart by what no value holds.
pub fn part(headers: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b'\n').into())
}
