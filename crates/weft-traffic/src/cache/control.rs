//! `Cache-Control`, as a request and as an answer says it.

use std::time::Duration;

use http::{HeaderMap, header};

/// Times longer than this are this: 68 years (RFC 9111, 1.2.2).
const TIME_MAX: u64 = 1 << 31;

/// What a request asks of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    pub no_store: bool,
    /// Nothing that was not asked about again.
    pub no_cache: bool,
    /// Nothing that is not here.
    pub only_if_cached: bool,
    pub max_age: Option<Duration>,
    pub min_fresh: Option<Duration>,
    /// `Some(None)`: however stale.
    pub max_stale: Option<Option<Duration>>,
    /// It says who asks, and is answered only with what is for everybody by its own words.
    pub personal: bool,
}

/// What an answer says to caches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    pub no_store: bool,
    pub no_cache: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    pub max_age: Option<Duration>,
    pub s_maxage: Option<Duration>,
    pub stale_while_revalidate: Option<Duration>,
    pub stale_if_error: Option<Duration>,
}

impl Asked {
    pub fn read(headers: &HeaderMap, personal: bool) -> Self {
        let mut asked = Self { personal, ..Self::default() };
        // RFC 9111, 5.4: of old, and only where nothing newer is said.
        if !headers.contains_key(header::CACHE_CONTROL) {
            let mut pragmas = headers.get_all(header::PRAGMA).iter();
            asked.no_cache =
                pragmas.any(|value| value.as_bytes().to_ascii_lowercase().windows(8).any(|w| w == b"no-cache"));
        }
        directives(headers, |name, value| match name {
            "no-store" => asked.no_store = true,
            "no-cache" => asked.no_cache = true,
            "only-if-cached" => asked.only_if_cached = true,
            "max-age" => asked.max_age = least(asked.max_age, time(value)),
            "min-fresh" => asked.min_fresh = Some(time(value)),
            "max-stale" => asked.max_stale = Some(value.map(|value| time(Some(value)))),
            _ => {}
        });
        asked
    }
}

impl Said {
    pub fn read(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        directives(headers, |name, value| match name {
            "no-store" => said.no_store = true,
            // With the names of fields, both speak of these alone; taken for the whole, nothing is given away.
            "no-cache" => said.no_cache = true,
            "private" => said.private = true,
            "public" => said.public = true,
            "must-revalidate" => said.must_revalidate = true,
            "proxy-revalidate" => said.proxy_revalidate = true,
            "must-understand" => said.must_understand = true,
            "max-age" => said.max_age = least(said.max_age, time(value)),
            "s-maxage" => said.s_maxage = least(said.s_maxage, time(value)),
            "stale-while-revalidate" => said.stale_while_revalidate = Some(time(value)),
            "stale-if-error" => said.stale_if_error = Some(time(value)),
            _ => {}
        });
        said
    }

    /// Whether it says that it is for everybody, though the request named somebody (RFC 9111, 3.5).
    pub fn shared(&self) -> bool {
        self.public || self.s_maxage.is_some() || self.must_revalidate
    }
}

/// What contradicts itself is taken at its shortest.
fn least(before: Option<Duration>, new: Duration) -> Option<Duration> {
    Some(before.map_or(new, |before| before.min(new)))
}

/// What is no number of seconds is none: stale at once.
fn time(value: Option<&str>) -> Duration {
    let digits = value.unwrap_or_default();
    let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let seconds = if good { digits.parse().unwrap_or(TIME_MAX).min(TIME_MAX) } else { 0 };
    Duration::from_secs(seconds)
}

/// Shows every directive in lower case, with its value without quotes.
fn directives(headers: &HeaderMap, mut see: impl FnMut(&str, Option<&str>)) {
    for line in headers.get_all(header::CACHE_CONTROL) {
        // What is no text forbids nothing that could be known; what cannot be read is not kept for anybody.
        let Ok(line) = line.to_str() else {
            see("no-store", None);
            continue;
        };
        for directive in split(line) {
            let (name, value) = match directive.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (directive, None),
            };
            let bare = value.and_then(|value| value.strip_prefix('"')).and_then(|value| value.strip_suffix('"'));
            see(&name.to_ascii_lowercase(), bare.or(value));
        }
    }
}

/// Splits at commas that are not within quotes.
fn split(line: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = line.split(move |c: char| {
        let plain = !std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && plain => escaped = true,
            '"' if plain => quoted = !quoted,
            _ => {}
        }
        c == ',' && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str]) -> Said {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CACHE_CONTROL, line.parse().expect("a value"));
        }
        Said::read(&headers)
    }

    fn seconds(time: Option<Duration>) -> Option<u64> {
        time.map(|time| time.as_secs())
    }

    #[test]
    fn numbers_are_numbers_or_nothing() {
        for (line, wanted) in [
            ("max-age=60", Some(60)),
            ("Max-Age=60", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("max-age=060", Some(60)),
            ("max-age=99999999999999999999999", Some(TIME_MAX)),
            ("max-age", Some(0)),
            ("max-age=", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age=1.5", Some(0)),
            ("max-age=60s", Some(0)),
            ("max-age=+60", Some(0)),
            ("max-age=60, max-age=10", Some(10)),
            ("a=\"max-age=60\"", None),
            ("a=\"x, max-age=60\"", None),
            ("a=\"\\\", max-age=60\", b", None),
            ("xmax-age=60", None),
        ] {
            assert_eq!(seconds(said(&[line]).max_age), wanted, "{line}");
        }
        assert_eq!(seconds(said(&["max-age=60", "public, max-age=30"]).max_age), Some(30));
    }

    #[test]
    fn what_names_fields_is_taken_for_all() {
        let both = said(&["private=\"set-cookie, x\", no-cache=\"a\""]);
        assert!(both.private && both.no_cache && !both.no_store);
    }

    #[test]
    fn what_cannot_be_read_is_kept_for_nobody() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_bytes(b"max-age=\xff60").expect("a value"));
        assert!(Said::read(&headers).no_store);
    }
}
