//! What a lookup is given and what it answers.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use smallvec::SmallVec;
use weft_types::{Code, code};

use crate::{CompiledRoute, path};

/// The part of a request's head that routing may look at.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// `Host` or `:authority` as received: any case, with or without a port. Empty where the request has none.
    pub host: &'a str,
    /// The raw path of the request target, still percent-encoded, without the query.
    pub path: &'a str,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
}

/// A parameter of the matched path: its name without `:`, and its value, percent-decoded exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param<'a> {
    pub name: &'a str,
    /// Never empty. May hold `/`, which a client sent as `%2F`.
    pub value: Cow<'a, str>,
}

/// The route that answers a request.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    pub route: &'a CompiledRoute,
    pub params: SmallVec<[Param<'a>; 2]>,
    /// What a final `*` matched: raw, without a leading `/`. Empty for every other route.
    pub rest: &'a str,
}

impl Found<'_> {
    /// Fills a redirect's `to`: `/:name` segments by parameters (encoded again), a final `*` by the rest.
    /// A path stays one: whatever the rest begins with, no `//` comes first, after which a browser reads a host.
    pub fn location(&self, to: &str) -> String {
        let mut out = self.filled(to);
        if to.starts_with('/') {
            let slashes = out.bytes().take_while(|b| *b == b'/').count();
            out.drain(1..slashes);
        }
        out
    }

    /// A template with its parameters and rest, as they are.
    pub(crate) fn filled(&self, to: &str) -> String {
        let mut out = String::with_capacity(to.len() + self.rest.len());
        let (path, tail) = template(to);
        for (i, segment) in path.split('/').enumerate() {
            if i > 0 {
                out.push('/');
            }
            match segment.strip_prefix(':').and_then(|name| self.params.iter().find(|p| p.name == name)) {
                Some(param) => path::encode_segment(&param.value, &mut out),
                None if segment == "*" && self.route.has_rest() => out.push_str(self.rest),
                None => out.push_str(segment),
            }
        }
        out.push_str(tail);
        out
    }
}

/// The part of a template that is filled, and its query and fragment, which are not.
pub(crate) fn template(to: &str) -> (&str, &str) {
    to.find(['?', '#']).map_or((to, ""), |at| to.split_at(at))
}

/// Why no route answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    NoRoute,
    /// Routes match in everything but the method. `allow` is sorted, without duplicates, for the `Allow` header.
    MethodNotAllowed {
        allow: Vec<Method>,
    },
    /// The path is refused before any route is looked at.
    BadPath {
        reason: &'static str,
    },
}

impl Miss {
    pub fn code(&self) -> Code {
        match self {
            Self::NoRoute => code::NO_ROUTE,
            Self::MethodNotAllowed { .. } => code::METHOD_NOT_ALLOWED,
            Self::BadPath { .. } => code::BAD_PATH,
        }
    }
}
