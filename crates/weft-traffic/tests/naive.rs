//! The table against a matcher that is nothing but the definition: filter all that match, take the greatest.

mod common;

use std::cmp::Ordering;

use common::route;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use weft_traffic::{Miss, RequestHead, RouteSpec, Table};

/// What a route's claim to a request is worth, compared field by field from the first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    host: u8,
    /// Segment by segment: 3 the end of an exact path, 2 a literal, 1 a parameter, 0 the final `*`.
    path: Vec<u8>,
    method: u8,
    headers: usize,
}

struct Naive<'a>(&'a [RouteSpec]);

impl Naive<'_> {
    /// The line that answers, or the methods allowed instead, which are none where nothing matches.
    fn find(&self, head: &RequestHead<'_>) -> Result<u32, Vec<String>> {
        let matching = self.0.iter().filter_map(|route| {
            let headers = headers(route, head)?;
            let (host, path) = (host(route, head.host)?, path(&route.path, head.path)?);
            Some((route, host, path, headers))
        });
        let matching: Vec<_> = matching.collect();
        let claims = matching.iter().filter_map(|(route, host, path, headers)| {
            let method = method(route, head.method)?;
            Some((Claim { host: *host, path: path.clone(), method, headers: *headers }, route.place.line))
        });
        match claims.max_by(|(a, _), (b, _)| a.cmp(b)) {
            Some((_, line)) => Ok(line),
            None => Err(allowed(matching.iter().map(|(route, ..)| *route))),
        }
    }

    /// Two routes that some request of these could not be decided between.
    fn ties(&self, heads: &[RequestHead<'_>]) -> bool {
        heads.iter().any(|head| {
            let mut claims: Vec<Claim> = self.0.iter().filter_map(|r| claim(r, head)).collect();
            claims.sort_by(|a, b| b.cmp(a));
            claims.windows(2).next().is_some_and(|two| two[0].cmp(&two[1]) == Ordering::Equal)
        })
    }
}

fn claim(r: &RouteSpec, head: &RequestHead<'_>) -> Option<Claim> {
    Some(Claim {
        host: host(r, head.host)?,
        path: path(&r.path, head.path)?,
        method: method(r, head.method)?,
        headers: headers(r, head)?,
    })
}

fn host(route: &RouteSpec, sent: &str) -> Option<u8> {
    let sent = sent.to_lowercase();
    match route.host.as_deref() {
        None => Some(0),
        Some(host) => match host.strip_prefix("*.") {
            Some(parent) => sent.split_once('.').filter(|(_, rest)| *rest == parent).map(|_| 1),
            None => (host == sent).then_some(2),
        },
    }
}

fn path(pattern: &str, sent: &str) -> Option<Vec<u8>> {
    let pattern: Vec<&str> = pattern[1..].split('/').collect();
    let sent: Vec<&str> = sent[1..].split('/').collect();
    let mut worth = Vec::new();
    for (i, part) in pattern.iter().enumerate() {
        match sent.get(i) {
            _ if *part == "*" => {
                worth.push(0);
                return Some(worth);
            }
            None => return None,
            Some(segment) if part.starts_with(':') => {
                worth.push(1);
                if segment.is_empty() {
                    return None;
                }
            }
            Some(segment) if part == segment => worth.push(2),
            Some(_) => return None,
        }
    }
    worth.push(3);
    (pattern.len() == sent.len()).then_some(worth)
}

fn method(route: &RouteSpec, sent: &Method) -> Option<u8> {
    let implied = *sent == Method::HEAD && route.methods.contains(&Method::GET);
    match (route.methods.is_empty(), route.methods.contains(sent), implied) {
        (true, ..) => Some(0),
        (_, true, _) => Some(2),
        (.., true) => Some(1),
        _ => None,
    }
}

fn headers(route: &RouteSpec, head: &RequestHead<'_>) -> Option<usize> {
    let has = |wanted: &weft_traffic::HeaderMatch| {
        let got = head.headers.get(&wanted.name)?.to_str().ok()?;
        wanted.value.as_deref().is_none_or(|value| value == got).then_some(())
    };
    route.headers.iter().all(|wanted| has(wanted).is_some()).then_some(route.headers.len())
}

fn allowed<'a>(routes: impl Iterator<Item = &'a RouteSpec>) -> Vec<String> {
    let mut allow: Vec<String> = Vec::new();
    for method in routes.flat_map(|route| &route.methods) {
        allow.push(method.to_string());
        if *method == Method::GET {
            allow.push("HEAD".to_owned());
        }
    }
    allow.sort();
    allow.dedup();
    allow
}

fn any_route() -> impl Strategy<Value = String> {
    let methods = prop::sample::select(vec!["*", "GET", "HEAD", "POST", "GET|POST", "POST|PURGE"]);
    let host = prop::sample::select(vec!["", "a", "b.a", "*.a", "*.b.a"]);
    let segment = prop::sample::select(vec!["", "x", "y", ":p", "z"]);
    let path = (prop::collection::vec(segment, 0..4), any::<bool>());
    let header = prop::sample::select(vec!["", " h", " h=1", " h=2", " g", " g=1 h=1"]);
    (methods, host, path, header).prop_map(|(methods, host, (segments, rest), headers)| {
        let mut path = String::new();
        for (i, segment) in segments.iter().enumerate() {
            // Parameters of one path need different names.
            let name = if *segment == ":p" { format!(":p{i}") } else { (*segment).to_owned() };
            path += &format!("/{name}");
        }
        if rest || path.is_empty() {
            path += "/*";
        }
        format!("{methods} {host}{path}{headers}")
    })
}

#[derive(Debug, Clone)]
struct Request {
    host: String,
    path: String,
    method: Method,
    headers: HeaderMap,
}

fn any_request() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT]);
    let host = prop::sample::select(vec!["", "a", "A", "b.a", "c.b.a", "q"]);
    let segment = prop::sample::select(vec!["", "x", "y", "z", "w"]);
    let path = prop::collection::vec(segment, 1..5).prop_map(|segments| format!("/{}", segments.join("/")));
    let value = prop::sample::select(vec![None, Some("1"), Some("2"), Some("3")]);
    (method, host, path, value.clone(), value).prop_map(|(method, host, path, g, h)| {
        let named = [("g", g), ("h", h)].into_iter().filter_map(|(name, value)| Some((name, value?)));
        let headers = named.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        Request { host: host.to_owned(), path, method, headers }
    })
}

impl Request {
    fn head(&self) -> RequestHead<'_> {
        RequestHead { host: &self.host, path: &self.path, method: &self.method, headers: &self.headers }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_answers_as_the_definition(
        routes in prop::collection::vec(any_route(), 0..12),
        requests in prop::collection::vec(any_request(), 1..24),
    ) {
        // What does not tie with what came before: a table may not hold ties.
        let mut specs: Vec<RouteSpec> = Vec::new();
        for (text, line) in routes.iter().zip(1..) {
            specs.push(route(line, text));
            if Table::compile(specs.clone()).is_err() {
                specs.pop();
            }
        }
        let table = Table::compile(specs.clone()).expect("no ties");
        let naive = Naive(&specs);
        for request in &requests {
            let head = request.head();
            let found = match table.find(&head) {
                Ok(found) => Ok(found.route.spec.place.line),
                Err(Miss::NoRoute) => Err(vec![]),
                Err(Miss::MethodNotAllowed { allow }) => Err(allow.iter().map(ToString::to_string).collect()),
                Err(Miss::BadPath { reason }) => panic!("{reason}: {request:?}"),
            };
            prop_assert_eq!(&found, &naive.find(&head), "{:?} in {:?}", request, specs);
            let explained = table.explain(&head);
            prop_assert_eq!(explained.winner().is_some(), found.is_ok());
            prop_assert!(explained.candidates.iter().skip(1).all(|c| c.lost.is_some()));
        }
    }

    #[test]
    fn whatever_ties_is_refused(
        routes in prop::collection::vec(any_route(), 2..4),
        requests in prop::collection::vec(any_request(), 64),
    ) {
        let specs: Vec<RouteSpec> = routes.iter().zip(1..).map(|(text, line)| route(line, text)).collect();
        let heads: Vec<RequestHead<'_>> = requests.iter().map(Request::head).collect();
        if Naive(&specs).ties(&heads) {
            prop_assert!(Table::compile(specs).is_err());
        }
    }

    #[test]
    fn no_path_panics(path in "[/%.\\\\a:*2eEfF0\u{0}é]{0,24}", host in "[a.:\\[\\]A]{0,12}") {
        let table = Table::compile(vec![route(1, "GET /:a/*"), route(2, "* a/a/%65")]).expect("compiles");
        let head = RequestHead { host: &host, path: &path, method: &Method::GET, headers: &HeaderMap::new() };
        let found = table.find(&head).is_ok();
        prop_assert_eq!(table.explain(&head).winner().is_some(), found);
    }
}
