//! From the features of a resolved route to those that the gateway runs, and what `weft explain` says of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use weft_traffic::{
    Network, cache,
    feature::{
        self, AddressRules, HeaderChanges,
        compression::{self, TypeRule},
        rewrite::HostName,
    },
    units,
};

use crate::feature::{Cache, Coding, Compression, Cors, Features, Rewrite};
use crate::values::Time;

/// `(field, value, origin)`, as [`weft_traffic::RouteSpec::origins`] has them.
type Rows = Vec<(&'static str, String, String)>;

impl Features {
    /// `None`: the route only routes. Every text has been checked.
    /// `partition` names the route and all that its answers come from.
    pub(crate) fn lower(&self, path: &str, partition: impl FnOnce() -> String) -> Option<Arc<feature::Features>> {
        if self.is_empty() {
            return None;
        }
        let changes = |remove: &[String], set: &BTreeMap<_, _>, add: &BTreeMap<_, _>| HeaderChanges {
            remove: remove.iter().filter_map(|name| name.parse().ok()).collect(),
            set: fields(set),
            add: fields(add),
        };
        let request = self.request_headers.as_ref().map(|said| changes(&said.remove, &said.set, &said.add));
        let response = self.response_headers.as_ref().map(|said| changes(&said.remove, &said.set, &said.add));
        let networks = |said: &[String]| said.iter().filter_map(|text| text.parse::<Network>().ok()).collect();
        let addresses = AddressRules { allow: networks(&self.allow), deny: networks(&self.deny) };
        let ruled = !(self.allow.is_empty() && self.deny.is_empty());
        Some(Arc::new(feature::Features {
            addresses: ruled.then_some(addresses),
            rewrite: self.rewrite.as_ref().map(|rewrite| rewrite.lower(path)),
            request_headers: request.unwrap_or_default(),
            response_headers: response.unwrap_or_default(),
            cors: self.cors.as_ref().map(Cors::lower),
            cache: self.cache.as_ref().map(|cache| cache.lower(partition().into())),
            compression: self.compression.as_ref().map(Compression::lower),
            ..feature::Features::default()
        }))
    }

    pub(crate) fn explain(&self, path: &str, origin: &str, rows: &mut Rows) {
        let mut row = |field, value: String| rows.push((field, value, origin.to_owned()));
        for (field, networks) in [("allow", &self.allow), ("deny", &self.deny)] {
            if !networks.is_empty() {
                row(field, networks.join(", "));
            }
        }
        if let Some(rewrite) = &self.rewrite {
            rewrite.template(path).into_iter().for_each(|path| row("rewrite.path", path));
            rewrite.host.iter().for_each(|host| row("rewrite.host", host.clone()));
        }
        if let Some(cors) = &self.cors {
            cors.rows(&mut row);
        }
        if let Some(compression) = &self.compression {
            compression.rows(&mut row);
        }
        if let Some(cache) = &self.cache {
            cache.rows(&mut row);
        }
        let mut changes = |field, remove: &[String], set: &BTreeMap<_, _>, add: &BTreeMap<_, _>| {
            let removed = remove.iter().map(|name| format!("-{name}"));
            let set = set.iter().map(|(name, value): (&String, &String)| format!("{name}: {value}"));
            let add = add.iter().map(|(name, value): (&String, &String)| format!("+{name}: {value}"));
            let all: Vec<String> = removed.chain(set).chain(add).collect();
            row(field, all.join(", "));
        };
        if let Some(said) = &self.request_headers {
            changes("request-headers", &said.remove, &said.set, &said.add);
        }
        if let Some(said) = &self.response_headers {
            changes("response-headers", &said.remove, &said.set, &said.add);
        }
    }
}

impl Cors {
    fn lower(&self) -> feature::Cors {
        feature::Cors::new(&feature::cors::Options {
            origins: &self.origins,
            methods: &self.methods,
            headers: &self.headers,
            expose: &self.expose,
            credentials: self.credentials,
            max_age: self.max_age.map(|time| time.0),
        })
    }

    fn rows(&self, row: &mut impl FnMut(&'static str, String)) {
        let lists = [
            ("cors.origins", &self.origins),
            ("cors.methods", &self.methods),
            ("cors.headers", &self.headers),
            ("cors.expose", &self.expose),
        ];
        for (field, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            row(field, list.join(", "));
        }
        if self.credentials {
            row("cors.credentials", "true".to_owned());
        }
        if let Some(time) = self.max_age {
            row("cors.max-age", units::format_duration(time.0));
        }
    }
}

/// Bytes of one answer that is kept, and of all that a route keeps, unless its author says otherwise.
pub(crate) const CACHE_BODY: u64 = 1 << 20;
pub(crate) const CACHE_SIZE: u64 = 16 << 20;

impl Cache {
    fn lower(&self, partition: Arc<str>) -> cache::Options {
        let names = |said: &[String]| said.iter().filter_map(|name| name.parse().ok()).collect();
        let time = |said: Option<Time>| said.map_or(Duration::ZERO, |time| time.0);
        cache::Options {
            partition,
            ttl: self.ttl.map(|time| time.0),
            key: names(&self.key),
            forward: names(&self.forward),
            ignore_cookies: self.ignore_cookies,
            stale_while_revalidate: time(self.stale_while_revalidate),
            stale_if_error: time(self.stale_if_error),
            body_max: self.body.map_or(CACHE_BODY, |size| size.0),
            bytes_max: self.size.map_or(CACHE_SIZE, |size| size.0),
        }
    }

    fn rows(&self, row: &mut impl FnMut(&'static str, String)) {
        let ttl = self.ttl.map_or("as answers say".to_owned(), |time| units::format_duration(time.0));
        row("cache.ttl", ttl);
        let lists = [("cache.key", &self.key), ("cache.forward", &self.forward)];
        for (field, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            row(field, list.join(", "));
        }
        if self.ignore_cookies {
            row("cache.ignore-cookies", "true".to_owned());
        }
        let times = [
            ("cache.stale-while-revalidate", self.stale_while_revalidate),
            ("cache.stale-if-error", self.stale_if_error),
        ];
        for (field, time) in times {
            time.into_iter().for_each(|time| row(field, units::format_duration(time.0)));
        }
        row("cache.body", units::format_bytes(self.body.map_or(CACHE_BODY, |size| size.0)));
        row("cache.size", units::format_bytes(self.size.map_or(CACHE_SIZE, |size| size.0)));
    }
}

/// Shorter answers are hardly shorter when compressed.
const COMPRESSION_MIN: u64 = 1 << 10;

impl Compression {
    fn lower(&self) -> feature::Compression {
        let rules =
            |types: &mut dyn Iterator<Item = &str>| types.filter_map(|text| TypeRule::parse(text).ok()).collect();
        feature::Compression {
            codings: self.codings(),
            min: self.min.map_or(COMPRESSION_MIN, |size| size.0),
            types: match self.types.is_empty() {
                true => rules(&mut compression::TYPES.iter().copied()),
                false => rules(&mut self.types.iter().map(String::as_str)),
            },
        }
    }

    fn codings(&self) -> Vec<compression::Coding> {
        let coding = |coding: &Coding| match coding {
            Coding::Zstd => compression::Coding::Zstd,
            Coding::Br => compression::Coding::Brotli,
            Coding::Gzip => compression::Coding::Gzip,
        };
        match self.codings.is_empty() {
            true => compression::Coding::ALL.to_vec(),
            false => self.codings.iter().map(coding).collect(),
        }
    }

    fn rows(&self, row: &mut impl FnMut(&'static str, String)) {
        let codings: Vec<&str> = self.codings().into_iter().map(compression::Coding::as_str).collect();
        row("compression.codings", codings.join(", "));
        row("compression.min", units::format_bytes(self.min.map_or(COMPRESSION_MIN, |size| size.0)));
        let types = if self.types.is_empty() { compression::TYPES.join(", ") } else { self.types.join(", ") };
        row("compression.types", types);
    }
}

impl Rewrite {
    fn lower(&self, path: &str) -> feature::Rewrite {
        feature::Rewrite {
            path: self.template(path).map(Arc::from),
            host: self.host.as_deref().and_then(HostName::new),
        }
    }

    /// What stays of a route's path without its prefix is the template of what stays of a request's.
    fn template(&self, path: &str) -> Option<String> {
        match &self.strip_prefix {
            Some(prefix) => stripped(path, prefix).map(str::to_owned),
            None => self.path.clone(),
        }
    }
}

/// What follows a prefix of whole segments. `None`: it is no such prefix.
pub(crate) fn stripped<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix.strip_suffix('/').unwrap_or(prefix))?;
    match rest {
        "" => Some("/"),
        _ => rest.starts_with('/').then_some(rest),
    }
}

fn fields(said: &BTreeMap<String, String>) -> Vec<(HeaderName, HeaderValue)> {
    said.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_of_whole_segments() {
        for (path, prefix, left) in [
            ("/api/:id/*", "/api", Some("/:id/*")),
            ("/api/:id/*", "/api/", Some("/:id/*")),
            ("/api/v1", "/api/v1", Some("/")),
            ("/apis", "/api", None),
            ("/api", "/v1", None),
        ] {
            assert_eq!(stripped(path, prefix), left, "{path} {prefix}");
        }
    }
}
