//! Why a request meets the route it meets: for people, so clear rather than fast.

use std::fmt;

use serde::Serialize;

use crate::{
    Action, CompiledRoute, Miss, RequestHead, Table,
    compiled::header_matches,
    host::Host,
    path,
    pattern::{Part, Pattern},
};

/// What [`Table::explain`] answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// `GET shop.example/orders/7`.
    pub request: String,
    /// Why nothing answers; absent where a route does. The error's code, then what is known besides.
    pub miss: Option<String>,
    /// The winner first, then what came closest. At most [`Explanation::CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
    /// Routes that were considered but not listed, being the least close.
    pub omitted: usize,
}

/// One route that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Candidate {
    pub application: String,
    /// `GET|POST shop.example/orders/:id`.
    pub route: String,
    /// `orders/weft.toml:31`.
    pub place: String,
    /// `component api`, `files /srv/assets`, `redirect 308 /new`, `upstream legacy`.
    pub action: String,
    /// The revision that a component runs, as `sha256:` and hexadecimal digits.
    pub revision: Option<String>,
    /// `None`: this is the winner. Otherwise why it is not.
    pub lost: Option<String>,
    /// Only for the winner: parameters with their decoded values, the rest as `*`.
    pub params: Vec<(String, String)>,
    /// Only for the winner.
    pub policy: Vec<Origin>,
}

/// One field of the policy that holds, and where it was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    pub field: String,
    pub value: String,
    pub origin: String,
}

impl Explanation {
    pub const CANDIDATES_MAX: usize = 50;

    pub fn winner(&self) -> Option<&Candidate> {
        self.candidates.first().filter(|candidate| candidate.lost.is_none())
    }
}

impl Table {
    /// Every route considered for this request and why it lost. Walks the whole table.
    pub fn explain(&self, head: &RequestHead<'_>) -> Explanation {
        let request = format!("{} {}{}", head.method, head.host, head.path);
        let found = self.find(head);
        if let Err(Miss::BadPath { reason }) = &found {
            let miss = Some(format!("bad-path: {reason}"));
            return Explanation { request, miss, candidates: Vec::new(), omitted: 0 };
        }
        let winner = found.as_ref().ok().map(|found| found.route);
        let mut judged: Vec<_> = self.routes().iter().map(|route| judge(route, head, winner)).collect();
        judged.sort_by(|(a, ..), (b, ..)| b.cmp(a));
        let omitted = judged.len().saturating_sub(Explanation::CANDIDATES_MAX);
        judged.truncate(Explanation::CANDIDATES_MAX);
        let mut candidates: Vec<_> = judged.into_iter().map(|(_, route, lost)| candidate(route, lost)).collect();
        if let (Ok(found), Some(first)) = (&found, candidates.first_mut()) {
            first.params = found.params.iter().map(|p| (p.name.to_owned(), p.value.to_string())).collect();
            if found.route.has_rest() {
                first.params.push(("*".to_owned(), found.rest.to_owned()));
            }
            let spec = &found.route.spec;
            first.policy = spec.origins.iter().map(origin).collect();
            let parts: &[&str] = match spec.action {
                Action::Upstream(_) => &["retry", "breaker", "hedge", "balance"],
                Action::Component(_) => &["adaptive"],
                _ => &[],
            };
            first.policy.extend(spec.policy.unsaid(parts, &spec.origins).iter().map(origin));
        }
        Explanation { request, miss: found.err().map(|miss| miss_text(&miss)), candidates, omitted }
    }
}

fn origin((field, value, origin): &(&'static str, String, String)) -> Origin {
    Origin { field: (*field).to_owned(), value: value.clone(), origin: origin.clone() }
}

fn miss_text(miss: &Miss) -> String {
    match miss {
        Miss::MethodNotAllowed { allow } => {
            let allow: Vec<&str> = allow.iter().map(http::Method::as_str).collect();
            format!("{}: allowed are {}", miss.code(), allow.join(", "))
        }
        _ => format!("{}: {}", miss.code(), miss.code().info().title),
    }
}

impl CompiledRoute {
    /// The route by itself, as the one that some request met: with its policy, and without what only a request has.
    pub fn explained(&self) -> Candidate {
        let spec = &self.spec;
        let mut own = candidate(self, None);
        own.policy = spec.origins.iter().map(origin).collect();
        own
    }
}

fn candidate(route: &CompiledRoute, lost: Option<String>) -> Candidate {
    let (action, revision) = match &route.spec.action {
        Action::Component(context) => {
            (format!("component {}", context.target.component), Some(context.target.revision.to_string()))
        }
        Action::Files(files) => (format!("files {}", files.root.display()), None),
        Action::Redirect { to, status } => (format!("redirect {status} {to}"), None),
        Action::Upstream(upstream) => (format!("upstream {}", upstream.name), None),
        Action::Split(arms) => (format!("split {arms}"), None),
    };
    Candidate {
        application: route.spec.application.to_string(),
        route: route.title(),
        place: route.spec.place.to_string(),
        action,
        revision,
        lost,
        params: Vec::new(),
        policy: Vec::new(),
    }
}

/// How close a route came, greater being closer: the winner 5, then by the first test that it failed.
fn judge<'t>(
    route: &'t CompiledRoute,
    head: &RequestHead<'_>,
    winner: Option<&CompiledRoute>,
) -> (u8, &'t CompiledRoute, Option<String>) {
    if winner.is_some_and(|winner| winner.index == route.index) {
        return (5, route, None);
    }
    let (close, why) = if !path_matches(&route.pattern, head.path) {
        (if route.host.matches(&Host::new(head.host)) { 1 } else { 0 }, "the path differs".to_owned())
    } else if !route.host.matches(&Host::new(head.host)) {
        (1, format!("the host is not `{}`", route.spec.host.as_deref().unwrap_or_default()))
    } else if route.methods.rank(head.method).is_none() {
        (2, format!("it does not take {}", head.method))
    } else if let Some(wanted) = route.spec.headers.iter().find(|wanted| !header_matches(wanted, head)) {
        let value = wanted.value.as_deref().map_or(String::new(), |value| format!(" = \"{value}\""));
        (3, format!("the request has no header `{}{value}`", wanted.name))
    } else {
        (4, winner.map_or_else(String::new, |winner| less_specific(route, winner, head)))
    };
    (close, route, Some(why))
}

fn less_specific(route: &CompiledRoute, winner: &CompiledRoute, head: &RequestHead<'_>) -> String {
    let by = if route.host.rank() < winner.host.rank() {
        By::Host
    } else if shape(&route.pattern) != shape(&winner.pattern) {
        By::Path
    } else if route.methods.rank(head.method) < winner.methods.rank(head.method) {
        By::Method
    } else {
        By::Headers
    };
    format!("it matches too, but {by} of `{}` ({}) is more specific", winner.title(), winner.spec.place)
}

/// The first step of the precedence at which two matching routes part.
enum By {
    Host,
    Path,
    Method,
    Headers,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the host",
            Self::Path => "the path",
            Self::Method => "the method",
            Self::Headers => "the number of headers",
        })
    }
}

/// Kinds of the segments: patterns of one shape that both match a request have equal literals.
fn shape(pattern: &Pattern) -> (Vec<bool>, bool) {
    (pattern.parts.iter().map(|part| matches!(part, Part::Literal(_))).collect(), pattern.rest)
}

fn path_matches(pattern: &Pattern, path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    for part in &pattern.parts {
        let Some(segment) = segments.next() else { return false };
        let same = match part {
            Part::Literal(text) => path::decode(segment.as_bytes()).as_slice() == &**text,
            Part::Param(_) => !segment.is_empty(),
        };
        if !same {
            return false;
        }
    }
    pattern.rest || segments.next().is_none()
}
