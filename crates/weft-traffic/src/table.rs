//! The route table: compiled whole from specs, never changed, swapped as one.
//!
//! ```text
//! host ─► tree of segments ─► leaf: the routes with this host and path shape ─► best by method and headers
//!           literal children first, then `:param`, then `*`; back up where a subtree holds no match
//! ```
//!
//! A request visits each node at most once, so a lookup is bounded by the table, never by what a client sends.

use http::Method;
use smallvec::SmallVec;

use crate::{
    CompiledRoute, Found, Miss, Param, RequestHead, RouteError, RouteSpec, disguise,
    host::{Host, HostPattern},
    map::Map,
    path,
    pattern::Part,
    tie,
};

/// All routes of all applications of a node.
#[derive(Debug, Default)]
pub struct Table {
    routes: Vec<CompiledRoute>,
    nodes: Vec<Node>,
    exactly: Map<Box<[u8]>, u32>,
    below: Map<Box<[u8]>, u32>,
    any: Option<u32>,
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
        let Some((route, rest)) = self.pick(&host, head, encoded) else {
            return Err(self.miss(&host, head, encoded));
        };
        if let Some(path) = disguise::plain(head.path, encoded) {
            let meant = self.pick(&host, &RequestHead { path: &path, ..*head }, encoded);
            if meant.is_some_and(|(meant, _)| disguise::steps_around(route, meant)) {
                return Err(Miss::BadPath { reason: "the path may mean one that another route guards" });
            }
        }
        Ok(Found { route, params: params(route, head.path)?, rest })
    }

    /// The route of a path, and what its `*` matches.
    fn pick<'a>(
        &'a self,
        host: &Host<'_>,
        head: &RequestHead<'a>,
        encoded: bool,
    ) -> Option<(&'a CompiledRoute, &'a str)> {
        let mut won = None;
        self.visit(host, head.path, encoded, &mut |leaf, rest| {
            won = self.best(leaf, head).map(|route| (route, rest));
            won.is_some()
        });
        won
    }

    fn best(&self, leaf: &[u32], head: &RequestHead<'_>) -> Option<&CompiledRoute> {
        let mut best = None;
        let reserved = is_reserved(head.path);
        for route in leaf.iter().map(|index| &self.routes[*index as usize]) {
            if reserved && !route.reserved {
                continue;
            }
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
            let routes = routes.filter(|route| route.reserved || !is_reserved(head.path));
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

/// What a login is brought back to is shown to no application, not even by a route that takes any path.
fn is_reserved(path: &str) -> bool {
    path.starts_with("/.weft/")
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
