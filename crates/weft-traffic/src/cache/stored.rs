//! What is remembered of an answer, and what that says of using it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use weft_types::Timestamp;

use super::{Asked, Options, Said, date};

/// An answer that is kept, as far as its use is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// When it came.
    came: Timestamp,
    /// How old it was then.
    aged: Duration,
    lifetime: Duration,
    /// To be asked about again each time.
    no_cache: bool,
    /// Never used when it is stale.
    must_revalidate: bool,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    /// For everybody by its own words.
    shared: bool,
    pub etag: Option<HeaderValue>,
    pub last_modified: Option<HeaderValue>,
}

/// What may be done with an answer that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Used as it is.
    Fresh,
    /// Used as it is, while it is asked about again.
    Stale,
    /// Asked about again first.
    Ask,
    /// Not for this request.
    Never,
}

impl Stored {
    pub(super) fn new(
        options: &Options,
        said: &Said,
        lifetime: Duration,
        answer: &HeaderMap,
        asked_at: Timestamp,
        now: Timestamp,
    ) -> Self {
        // RFC 9111, 4.2.3: whichever clock and header says most.
        let apparent = date_of(answer).map_or(Duration::ZERO, |date| now.since(date));
        let corrected = age_of(answer).saturating_add(now.since(asked_at));
        Self {
            came: now,
            aged: apparent.max(corrected),
            lifetime,
            no_cache: said.no_cache,
            // A shared cache that is told of its time by `s-maxage` may not stretch it (RFC 9111, 5.2.2.10).
            must_revalidate: said.must_revalidate || said.proxy_revalidate || said.s_maxage.is_some(),
            stale_while_revalidate: said.stale_while_revalidate.unwrap_or(options.stale_while_revalidate),
            stale_if_error: said.stale_if_error.unwrap_or(options.stale_if_error),
            shared: said.shared(),
            etag: answer.get(header::ETAG).cloned(),
            last_modified: answer.get(header::LAST_MODIFIED).cloned(),
        }
    }

    /// How old it is: the `Age` that its next reader is told.
    pub fn age(&self, now: Timestamp) -> Duration {
        self.aged.saturating_add(now.since(self.came))
    }

    /// How long it stays fresh.
    pub fn fresh_for(&self, now: Timestamp) -> Duration {
        self.lifetime.saturating_sub(self.age(now))
    }

    fn staleness(&self, now: Timestamp) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    fn has_validator(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Whether it can ever be used: at once, or once it has been asked about.
    pub(super) fn is_of_use(&self) -> bool {
        let fresh = self.aged < self.lifetime && !self.no_cache;
        fresh
            || self.has_validator()
            || (!self.strict() && self.stale_while_revalidate.max(self.stale_if_error) > self.staleness(self.came))
    }

    /// Whether it forbids to be used stale, in every case.
    fn strict(&self) -> bool {
        self.no_cache || self.must_revalidate
    }

    /// Whether it may answer this request, which came now.
    pub fn judge(&self, asked: &Asked, now: Timestamp) -> Judged {
        if asked.personal && !self.shared {
            return Judged::Never;
        }
        let age = self.age(now);
        let wanted = asked.max_age.is_none_or(|most| age <= most)
            && asked.min_fresh.is_none_or(|least| self.fresh_for(now) >= least);
        if self.no_cache || asked.no_cache || !wanted {
            return Judged::Ask;
        }
        // Fresh until its age is its lifetime (RFC 9111, 4.2).
        if age < self.lifetime {
            return Judged::Fresh;
        }
        if self.strict() {
            return Judged::Ask;
        }
        let stale = self.staleness(now);
        if asked.max_stale.is_some_and(|most| most.is_none_or(|most| stale <= most)) {
            return Judged::Fresh;
        }
        if stale < self.stale_while_revalidate { Judged::Stale } else { Judged::Ask }
    }

    /// Whether it may stand in for an answer that failed (RFC 5861, 4).
    pub fn stands_in(&self, asked: &Asked, now: Timestamp) -> bool {
        !self.strict()
            && !asked.no_cache
            && (!asked.personal || self.shared)
            && self.staleness(now) < self.stale_if_error
    }

    /// How whoever answers is asked whether it is still so.
    pub fn ask_again(&self, request: &mut HeaderMap) {
        if let Some(etag) = &self.etag {
            request.insert(header::IF_NONE_MATCH, etag.clone());
        }
        if let Some(date) = &self.last_modified {
            request.insert(header::IF_MODIFIED_SINCE, date.clone());
        }
    }

    /// Whether a 304 with these headers speaks of this answer (RFC 9111, 4.3.4).
    pub fn is_meant(&self, unchanged: &HeaderMap) -> bool {
        match (unchanged.get(header::ETAG), &self.etag) {
            (Some(theirs), Some(ours)) => weak(theirs.as_bytes()) == weak(ours.as_bytes()),
            (Some(_), None) => false,
            (None, _) => match (unchanged.get(header::LAST_MODIFIED), &self.last_modified) {
                (Some(theirs), Some(ours)) => theirs == ours,
                _ => true,
            },
        }
    }
}

/// A status after which an old answer may be better than the new one (RFC 5861, 4).
pub fn failed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// Takes over what a 304 says of an answer that is kept (RFC 9111, 3.2): all but how its body is to be read.
pub fn unchanged(kept: &mut HeaderMap, told: &HeaderMap) {
    const OF_THE_BODY: [HeaderName; 5] = [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_TYPE,
        header::CONTENT_RANGE,
        header::TRANSFER_ENCODING,
    ];
    for name in told.keys().filter(|name| !OF_THE_BODY.contains(name)) {
        kept.remove(name);
        for value in told.get_all(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    // The answer is as old as it now says.
    if !told.contains_key(header::AGE) {
        kept.remove(header::AGE);
    }
}

/// Whether a client that asks about its own copy has this answer already (RFC 9110, 13.2.2).
pub fn not_modified(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let mut tags = request.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let Some(ours) = answer.get(header::ETAG) else {
            return tags.any(|line| line.as_bytes().trim_ascii() == b"*");
        };
        return tags.any(|line| has_tag(line.as_bytes(), weak(ours.as_bytes())));
    }
    let date = |headers: &HeaderMap, name| headers.get(name)?.to_str().ok().and_then(date::parse);
    let since = date(request, header::IF_MODIFIED_SINCE);
    let modified = date(answer, header::LAST_MODIFIED);
    since.zip(modified).is_some_and(|(since, modified)| modified <= since)
}

/// Whether a list of tags has this one. Commas within a tag are part of it.
fn has_tag(line: &[u8], wanted: &[u8]) -> bool {
    let mut rest = line.trim_ascii();
    if rest == b"*" {
        return true;
    }
    while let Some(start) = rest.iter().position(|b| *b == b'"') {
        let Some(end) = rest[start + 1..].iter().position(|b| *b == b'"').map(|end| start + 1 + end) else { break };
        if &rest[start..=end] == wanted {
            return true;
        }
        rest = &rest[end + 1..];
    }
    rest == wanted
}

/// A tag without what says that it is weak.
fn weak(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

pub(super) fn date_of(answer: &HeaderMap) -> Option<Timestamp> {
    answer.get(header::DATE)?.to_str().ok().and_then(date::parse)
}

/// RFC 9111, 5.1: the first, and only if it is a number.
fn age_of(answer: &HeaderMap) -> Duration {
    let text = answer.get(header::AGE).and_then(|age| age.to_str().ok()).unwrap_or_default();
    let text = text.split(',').next().unwrap_or_default().trim();
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = if good { text.parse().unwrap_or(1 << 31).min(1 << 31) } else { 0 };
    Duration::from_secs(seconds)
}
