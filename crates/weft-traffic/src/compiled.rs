//! One route, validated, and what can be wrong with it.

use http::Method;
use weft_types::Code;

use crate::{
    Action, HeaderMatch, Place, RequestHead, RouteSpec, head::template, host::HostPattern, methods::Methods,
    pattern::Pattern,
};

/// Why a route cannot be part of a table. `Display` is the place and the message, which names the other place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct RouteError {
    pub code: Code,
    pub message: String,
    pub place: Place,
    /// The manifest's key that is wrong: `path`, `host`, `redirect` or `rewrite`.
    pub key: &'static str,
    /// The route it conflicts with, which came first.
    pub other: Option<Place>,
    pub help: String,
}

/// A validated route. Its spec is unchanged.
#[derive(Debug, Clone)]
pub struct CompiledRoute {
    pub spec: RouteSpec,
    /// Stable within one table: the position in what was compiled. An index for per-route state.
    pub index: u32,
    pub(crate) host: HostPattern,
    pub(crate) pattern: Pattern,
    pub(crate) methods: Methods,
    /// Lies under `/.weft`.
    pub(crate) reserved: bool,
}

impl CompiledRoute {
    pub(crate) fn new(spec: RouteSpec, index: u32) -> Result<Self, Vec<RouteError>> {
        let mut wrong = Vec::new();
        let pattern = Pattern::parse(&spec.path);
        if let Err(why) = &pattern {
            let help = "a path looks like `/orders`, `/orders/:id` or `/assets/*`";
            wrong.push(bad(&spec, "path", &spec.path, why, help));
        }
        let reserved = pattern.as_ref().is_ok_and(Pattern::is_reserved);
        if reserved && !spec.guard.as_ref().is_some_and(|guard| guard.is_ours()) {
            let why = "what lies under `/.weft` is answered by weft itself";
            wrong.push(bad(&spec, "path", &spec.path, why, "choose another first segment"));
        }
        let host = HostPattern::parse(spec.host.as_deref());
        if let Err(why) = &host {
            let help = "a host looks like `shop.example.com` or `*.example.com`; leave it out to match any";
            wrong.push(bad(&spec, "host", spec.host.as_deref().unwrap_or_default(), why, help));
        }
        if let Action::Redirect { to, status } = &spec.action
            && let Err(why) = check_redirect(to, *status, pattern.as_ref().ok())
        {
            let help = "redirect to `/path` or `https://host/path`; a segment `:name` is filled from the path";
            wrong.push(bad(&spec, "redirect", to, &why, help));
        }
        if let Some(to) = spec.features.as_ref().and_then(|features| features.rewrite.as_ref()?.path.clone())
            && let Err(why) = check_rewrite(&to, pattern.as_ref().ok())
        {
            let help = "a path such as `/v2/:id` or `/*`; a segment `:name` and a last `*` are filled from the path";
            wrong.push(bad(&spec, "rewrite", &to, &why, help));
        }
        match (pattern, host) {
            (Ok(pattern), Ok(host)) if wrong.is_empty() => {
                let methods = Methods::new(&spec.methods);
                Ok(Self { host, pattern, methods, reserved, index, spec })
            }
            _ => Err(wrong),
        }
    }

    /// Whether the path ends in `*`.
    pub fn has_rest(&self) -> bool {
        self.pattern.rest
    }

    pub(crate) fn headers_match(&self, head: &RequestHead<'_>) -> bool {
        self.spec.headers.iter().all(|wanted| header_matches(wanted, head))
    }

    /// The route as a person would say it: `GET|POST shop.example/orders/:id`.
    pub(crate) fn title(&self) -> String {
        let methods: Vec<&str> = self.spec.methods.iter().map(Method::as_str).collect();
        let methods = if methods.is_empty() { "any method".to_owned() } else { methods.join("|") };
        format!("{methods} {}{}", self.spec.host.as_deref().unwrap_or_default(), self.spec.path)
    }
}

/// The first value counts where a header is repeated, so that two wanted values exclude each other.
pub(crate) fn header_matches(wanted: &HeaderMatch, head: &RequestHead<'_>) -> bool {
    match (head.headers.get(&wanted.name), &wanted.value) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(got), Some(value)) => got.as_bytes() == value.as_bytes(),
    }
}

fn bad(spec: &RouteSpec, key: &'static str, text: &str, why: &str, help: &str) -> RouteError {
    RouteError {
        code: weft_types::code::MANIFEST_TYPE,
        message: format!("the route's {key} `{text}` cannot be used: {why}"),
        place: spec.place.clone(),
        key,
        other: None,
        help: help.to_owned(),
    }
}

/// Without a pattern, which is told as an error of its own, parameters are not looked at.
fn check_redirect(to: &str, status: u16, pattern: Option<&Pattern>) -> Result<(), String> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Err(format!("status {status} is no redirect: use 301, 302, 303, 307 or 308"));
    }
    let absolute = to.starts_with("https://") || to.starts_with("http://");
    if !absolute && (!to.starts_with('/') || to.starts_with("//")) {
        return Err("it is neither a path nor an http or https URL".to_owned());
    }
    check_template(to, pattern)
}

/// A rewrite stays on this server: a path, in which nothing means another one to a later reader.
fn check_rewrite(to: &str, pattern: Option<&Pattern>) -> Result<(), String> {
    if !to.starts_with('/') || to.starts_with("//") {
        return Err("it must begin with one `/`".to_owned());
    }
    if to.contains(['?', '#']) {
        return Err("the query stays as it is, and is no part of it".to_owned());
    }
    crate::path::check(to).map_err(str::to_owned)?;
    check_template(to, pattern)
}

/// What holds for everything that is filled from a path.
fn check_template(to: &str, pattern: Option<&Pattern>) -> Result<(), String> {
    if let Some(c) = to.chars().find(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        return Err(format!("it holds {c:?}, which must be percent-encoded"));
    }
    let (to, _) = template(to);
    if to.split('/').rev().skip(1).any(|segment| segment == "*") {
        return Err("`*` may only be the last segment".to_owned());
    }
    let Some(pattern) = pattern else { return Ok(()) };
    if to.ends_with("/*") && !pattern.rest {
        return Err("the route's path does not end in `*`".to_owned());
    }
    let wanted = |segment: &&str| segment.strip_prefix(':').is_some_and(|name| !pattern.params().any(|p| p == name));
    match to.split('/').find(wanted) {
        Some(segment) => Err(format!("the path has no parameter `{segment}`")),
        None => Ok(()),
    }
}
