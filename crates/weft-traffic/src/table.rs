//! The route table: compiled whole from specs, never changed, swapped as one.
//!
//! ```text
//! host ─► tree of segments ─► leaf: the routes with this host and path shape ─► best by method and headers
//!           literal children first, then `:param`, then `*`; back up where a subtree holds no match
//! ```
//!
//! A request visits each node at most once, so a lookup is bounded by the table, never by what a client sends.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use http::Method;
use smallvec::SmallVec;
use weft_types::Code;

use crate::{
    Action, Found, HeaderMatch, Miss, Param, Place, RequestHead, RouteSpec,
    host::{Host, HostPattern},
    path,
    pattern::{Part, Pattern},
    tie,
};

/// Why a route cannot be part of a table. `Display` is the place and the message, which names the other place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct RouteError {
    pub code: Code,
    pub message: String,
    pub place: Place,
    /// The manifest's key that is wrong: `path`, `host` or `redirect`.
    pub key: &'static str,
    /// The route it conflicts with, which came first.
    pub other: Option<Place>,
    pub help: String,
}

/// All routes of all applications of a node.
#[derive(Debug, Default)]
pub struct Table {
    routes: Vec<CompiledRoute>,
    nodes: Vec<Node>,
    exactly: Map<Box<[u8]>, u32>,
    below: Map<Box<[u8]>, u32>,
    any: Option<u32>,
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
}

#[derive(Debug, Default)]
struct Node {
    literals: Map<Box<[u8]>, u32>,
    param: Option<u32>,
    /// Routes whose path ends here.
    ends: Vec<u32>,
    /// Routes whose path continues with `*`.
    rests: Vec<u32>,
}

impl Table {
    /// More routes than this are refused.
    pub const ROUTES_MAX: usize = 1 << 20;

    /// Validates every route and builds the table, or answers every error at once, in the order of the specs.
    pub fn compile(specs: Vec<RouteSpec>) -> Result<Self, Vec<RouteError>> {
        let mut table = Self::default();
        let mut errors = Vec::new();
        for spec in specs {
            match CompiledRoute::new(spec, table.routes.len() as u32) {
                Ok(route) if table.routes.len() == Self::ROUTES_MAX => {
                    errors.push(too_many(&route));
                    break;
                }
                Ok(route) => table.insert(route),
                Err(mut wrong) => errors.append(&mut wrong),
            }
        }
        for node in &table.nodes {
            for leaf in [&node.ends, &node.rests] {
                tie::find(&table.routes, leaf, &mut errors);
            }
        }
        match errors.is_empty() {
            true => Ok(table),
            false => {
                errors.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
                Err(errors)
            }
        }
    }

    /// Every route, in the order in which it was compiled: `routes()[i].index == i`.
    pub fn routes(&self) -> &[CompiledRoute] {
        &self.routes
    }

    /// The route that answers this request, by the precedence told at the crate's root.
    pub fn find<'a>(&'a self, head: &RequestHead<'a>) -> Result<Found<'a>, Miss> {
        let encoded = path::check(head.path).map_err(|reason| Miss::BadPath { reason })?;
        let host = Host::new(head.host);
        let mut won = None;
        self.visit(&host, head.path, encoded, &mut |leaf, rest| {
            won = self.best(leaf, head).map(|route| (route, rest));
            won.is_some()
        });
        match won {
            Some((route, rest)) => Ok(Found { route, params: params(route, head.path)?, rest }),
            None => Err(self.miss(&host, head, encoded)),
        }
    }

    fn best(&self, leaf: &[u32], head: &RequestHead<'_>) -> Option<&CompiledRoute> {
        let mut best = None;
        for route in leaf.iter().map(|index| &self.routes[*index as usize]) {
            let Some(method) = route.methods.rank(head.method) else { continue };
            let rank = (method, route.spec.headers.len());
            if best.is_none_or(|(other, _)| other < rank) && route.headers_match(head) {
                best = Some((rank, route));
            }
        }
        best.map(|(_, route)| route)
    }

    #[cold]
    fn miss(&self, host: &Host<'_>, head: &RequestHead<'_>, encoded: bool) -> Miss {
        let mut allow: Vec<Method> = Vec::new();
        self.visit(host, head.path, encoded, &mut |leaf, _| {
            let routes = leaf.iter().map(|index| &self.routes[*index as usize]);
            for route in routes.filter(|route| route.headers_match(head)) {
                route.methods.list(&mut allow);
            }
            false
        });
        if allow.is_empty() {
            return Miss::NoRoute;
        }
        allow.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        allow.dedup();
        Miss::MethodNotAllowed { allow }
    }

    /// Shows each leaf that matches host and path, the most specific first, until `see` says that it is enough.
    fn visit<'p>(&self, host: &Host<'_>, path: &'p str, encoded: bool, see: &mut dyn FnMut(&[u32], &'p str) -> bool) {
        let exactly = self.exactly.get(host.as_bytes());
        let below = if self.below.is_empty() { None } else { host.parent().and_then(|name| self.below.get(name)) };
        for root in [exactly, below, self.any.as_ref()].into_iter().flatten() {
            if self.walk(*root, path.strip_prefix('/'), encoded, see) {
                return;
            }
        }
    }

    fn walk<'p>(
        &self,
        node: u32,
        left: Option<&'p str>,
        encoded: bool,
        see: &mut dyn FnMut(&[u32], &'p str) -> bool,
    ) -> bool {
        let node = &self.nodes[node as usize];
        let Some(left) = left else {
            return (!node.ends.is_empty() && see(&node.ends, "")) || (!node.rests.is_empty() && see(&node.rests, ""));
        };
        let (segment, after) = match left.as_bytes().iter().position(|b| *b == b'/') {
            Some(slash) => (&left[..slash], Some(&left[slash + 1..])),
            None => (left, None),
        };
        if let Some(child) = node.literal(segment, encoded)
            && self.walk(child, after, encoded, see)
        {
            return true;
        }
        if let Some(child) = node.param
            && !segment.is_empty()
            && self.walk(child, after, encoded, see)
        {
            return true;
        }
        !node.rests.is_empty() && see(&node.rests, left)
    }

    fn insert(&mut self, route: CompiledRoute) {
        let mut at = self.root(&route.host);
        for part in &route.pattern.parts {
            at = self.child(at, part);
        }
        let node = &mut self.nodes[at as usize];
        let leaf = if route.pattern.rest { &mut node.rests } else { &mut node.ends };
        leaf.push(route.index);
        self.routes.push(route);
    }

    fn root(&mut self, host: &HostPattern) -> u32 {
        let fresh = self.nodes.len() as u32;
        let root = match host {
            HostPattern::Exactly(name) => *self.exactly.entry(name.as_bytes().into()).or_insert(fresh),
            HostPattern::Below(parent) => *self.below.entry(parent.as_bytes().into()).or_insert(fresh),
            HostPattern::Any => *self.any.get_or_insert(fresh),
        };
        self.node(root)
    }

    fn child(&mut self, at: u32, part: &Part) -> u32 {
        let fresh = self.nodes.len() as u32;
        let parent = &mut self.nodes[at as usize];
        let child = match part {
            Part::Literal(text) => *parent.literals.entry(text.clone()).or_insert(fresh),
            Part::Param(_) => *parent.param.get_or_insert(fresh),
        };
        self.node(child)
    }

    fn node(&mut self, at: u32) -> u32 {
        if at as usize == self.nodes.len() {
            self.nodes.push(Node::default());
        }
        at
    }
}

impl Node {
    fn literal(&self, segment: &str, encoded: bool) -> Option<u32> {
        match self.literals.is_empty() {
            true => None,
            false if encoded => self.literals.get(path::decode(segment.as_bytes()).as_slice()).copied(),
            false => self.literals.get(segment.as_bytes()).copied(),
        }
    }
}

fn too_many(route: &CompiledRoute) -> RouteError {
    RouteError {
        code: weft_types::code::MANIFEST_UNSUPPORTED,
        message: format!("a node serves at most {} routes", Table::ROUTES_MAX),
        place: route.spec.place.clone(),
        key: "path",
        other: None,
        help: "serve some of the applications from another node".to_owned(),
    }
}

fn params<'a>(route: &'a CompiledRoute, path: &'a str) -> Result<SmallVec<[Param<'a>; 2]>, Miss> {
    let mut params = SmallVec::new();
    let segments = path.split('/').skip(1);
    for (part, segment) in route.pattern.parts.iter().zip(segments) {
        let Part::Param(name) = part else { continue };
        let not_text = Miss::BadPath { reason: "a parameter of the path is not UTF-8" };
        params.push(Param { name, value: path::decode_text(segment).ok_or(not_text)? });
    }
    Ok(params)
}

impl CompiledRoute {
    fn new(spec: RouteSpec, index: u32) -> Result<Self, Vec<RouteError>> {
        let mut wrong = Vec::new();
        let pattern = Pattern::parse(&spec.path);
        if let Err(why) = &pattern {
            let help = "a path looks like `/orders`, `/orders/:id` or `/assets/*`";
            wrong.push(bad(&spec, "path", &spec.path, why, help));
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
        match (pattern, host) {
            (Ok(pattern), Ok(host)) if wrong.is_empty() => {
                let methods = Methods::new(&spec.methods);
                Ok(Self { host, pattern, methods, index, spec })
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
    if let Some(c) = to.chars().find(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        return Err(format!("it holds {c:?}, which must be percent-encoded"));
    }
    let Some(pattern) = pattern else { return Ok(()) };
    let wanted = |segment: &&str| segment.strip_prefix(':').is_some_and(|name| !pattern.params().any(|p| p == name));
    match to.split('/').find(wanted) {
        Some(segment) => Err(format!("the path has no parameter `{segment}`")),
        None => Ok(()),
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The methods of a route: a bit for each of the usual ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Methods {
    any: bool,
    usual: u16,
    others: Vec<Method>,
}

const USUAL: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

impl Methods {
    fn new(list: &[Method]) -> Self {
        let mut methods = Self { any: list.is_empty(), usual: 0, others: Vec::new() };
        for method in list {
            match bit(method) {
                0 => methods.others.push(method.clone()),
                bit => methods.usual |= bit,
            }
        }
        methods
    }

    /// How closely this names the method: 2 listed, 1 HEAD implied by GET, 0 any; `None`: not at all.
    pub(crate) fn rank(&self, method: &Method) -> Option<u8> {
        if self.any {
            return Some(0);
        }
        let bit = bit(method);
        if self.usual & bit != 0 || (bit == 0 && self.others.contains(method)) {
            return Some(2);
        }
        (*method == Method::HEAD && self.usual & GET != 0).then_some(1)
    }

    /// Whether some method has the same rank in both.
    pub(crate) fn ties(&self, other: &Self) -> bool {
        match (self.any, other.any) {
            (true, true) => true,
            (false, false) => self.usual & other.usual != 0 || self.others.iter().any(|m| other.others.contains(m)),
            _ => false,
        }
    }

    fn list(&self, out: &mut Vec<Method>) {
        let implied = if self.usual & GET != 0 { HEAD } else { 0 };
        out.extend(USUAL.iter().filter(|method| (self.usual | implied) & bit(method) != 0).cloned());
        out.extend(self.others.iter().cloned());
    }
}

const GET: u16 = 1;
const HEAD: u16 = 2;

fn bit(method: &Method) -> u16 {
    match *method {
        Method::GET => GET,
        Method::HEAD => HEAD,
        Method::POST => 4,
        Method::PUT => 8,
        Method::DELETE => 16,
        Method::PATCH => 32,
        Method::OPTIONS => 64,
        Method::CONNECT => 128,
        Method::TRACE => 256,
        _ => 0,
    }
}

/// FNV-1a. The keys are the operator's own, so nobody can flood it; segments are short, where it is fastest.
#[derive(Debug, Clone, Copy)]
struct Fnv(u64);

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn write_usize(&mut self, length: usize) {
        self.0 = (self.0 ^ length as u64).wrapping_mul(0x0100_0000_01b3);
    }
}
