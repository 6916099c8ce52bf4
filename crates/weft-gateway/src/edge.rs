//! One request: its head checked and matched, an invocation made of it, and its outcome answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, request::Parts, uri::Scheme,
};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use weft_fault::{Injector, Kinds};
use weft_traffic::{
    Action, Callee, CompiledRoute, Miss, RequestHead, Table, Upstream,
    forwarded::{self, Client, Forwarding},
    gcra::By,
};
use weft_types::{
    Blame, Body, Class, ClientAddress, Clock, Code, Context, Fault, InvocationId, Invoke, Timestamp, Upgrade, code,
};

use crate::{
    Observer, Randomness, authority,
    cache::{self, Cache},
    errand::Answer,
    exchange::{Answered, Exchange},
    feature, files,
    guard::{self, Arrived, Said, Waiting},
    handler::{Handler, Peer, Refuse},
    harm, hop,
    inflow::{Inflow, Wire},
    mirror::{Ask, Mirrors, RouteOf},
    patience::Patience,
    problem::Problem,
    rates::Rates,
    socket::{Count, handshake},
    split::Taken,
    tail::Tail,
    trace,
};

/// Everything that enters the gateway from outside of the wire.
pub(crate) struct Senses {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// `None`: no request is harmed on purpose.
    pub(crate) faults: Option<Arc<Injector>>,
    /// A drain has run out of patience: whatever ends unanswered from here on is not its client's doing.
    pub(crate) cut_off: AtomicBool,
}

/// Turns requests into invocations.
pub(crate) struct Edge {
    pub(crate) door: Arc<dyn Invoke>,
    pub(crate) table: Arc<ArcSwap<Table>>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) mirrors: Arc<Mirrors>,
    pub(crate) sockets: Arc<Count>,
    pub(crate) forwarding: Option<Arc<Forwarding>>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) senses: Arc<Senses>,
}

/// What has become of a request once its head is read.
pub(crate) enum Step {
    Answered(Response<Body>, Option<Code>),
    Call(Box<Request<Body>>, Arc<Context>, Timestamp),
    /// A WebSocket's handshake, for a service that is asked whether it agrees.
    Switch(Box<Request<Body>>, Arc<Context>, Timestamp),
    Files(Box<Wanted>),
    /// Its guard asks somebody who is calling.
    Ask(Box<Waiting>),
    /// Answered from the cache, or into it.
    Cached(Box<cache::Call>),
}

/// A static file that a request asks for.
pub(crate) struct Wanted {
    files: weft_traffic::Files,
    /// The path below the route's prefix, as it was sent.
    rest: String,
    headers: http::HeaderMap,
}

impl Refuse for Edge {
    fn refuse(&self, code: Code, now: Timestamp) -> Bytes {
        let id = InvocationId::new(now, self.senses.randomness.next());
        tracing::debug!(%id, %code, "request refused before it could be read");
        if let Some(observer) = &self.senses.observer {
            observer.refused(code);
        }
        Problem::new(code).wire(id, now)
    }

    fn cut_off(&self) {
        self.senses.cut_off.store(true, Relaxed);
    }
}

impl Handler for Edge {
    type Body = Tail;
    type Memo = authority::Memo;

    type Taken = (Exchange, Step);

    fn take(&self, peer: &Peer, memo: &mut authority::Memo, request: Request<Incoming>) -> (Exchange, Step) {
        let (mut exchange, parts, body) = self.begin(peer, request);
        let step =
            self.enter(&mut exchange, peer, memo, parts, body).unwrap_or_else(|problem| exchange.refuse(&problem));
        if let Some(observer) = &self.senses.observer {
            observer.began(exchange.route());
        }
        (exchange, step)
    }

    async fn answer(self: Arc<Self>, (mut exchange, mut step): (Exchange, Step)) -> Response<Tail> {
        if let Step::Ask(asked) = step {
            step = Box::pin(self.ask(&mut exchange, *asked)).await;
        }
        if exchange.harmed.is_some()
            && let Some(refusal) = Box::pin(harm::before(&exchange)).await
        {
            return self.conclude(exchange, refusal);
        }
        match step {
            Step::Ask(_) => unreachable!("a guard is asked once"),
            Step::Answered(response, code) => self.finish(exchange, response, None, code, Class::CallerFault),
            Step::Call(request, context, deadline) => self.call(exchange, request, context, deadline).await,
            Step::Switch(request, context, deadline) => {
                Box::pin(self.switch(exchange, request, context, deadline)).await
            }
            Step::Files(wanted) => Box::pin(self.file(exchange, *wanted)).await,
            Step::Cached(call) => Box::pin(self.cached(exchange, *call)).await,
        }
    }
}

impl Edge {
    fn begin(&self, peer: &Peer, request: Request<Incoming>) -> (Exchange, Parts, Option<Incoming>) {
        let (mut parts, body) = request.into_parts();
        let started = self.senses.clock.now();
        let (a, b) = (self.senses.randomness.next(), self.senses.randomness.next());
        let trace = trace::join(&mut parts.headers, (a, (b >> 80) as u64 | (b << 48) as u64));
        let exchange = Exchange {
            id: InvocationId::new(started, b),
            method: parts.method.clone(),
            version: parts.version,
            started,
            trace,
            table: self.table.load_full(),
            route: None,
            client: Client { address: peer.remote.ip(), secure: peer.secure },
            meter: None,
            answered: None,
            quota: None,
            asked: None,
            identity: None,
            spoils: None,
            taken: None,
            socket: None,
            harmed: None,
            injected: Kinds::default(),
            senses: Arc::clone(&self.senses),
        };
        let body = Some(body).filter(|body| !body.is_end_stream());
        (exchange, parts, body)
    }

    /// Checks the head, and does what needs no waiting.
    fn enter(
        &self,
        exchange: &mut Exchange,
        peer: &Peer,
        memo: &mut authority::Memo,
        mut parts: Parts,
        body: Option<Incoming>,
    ) -> Result<Step, Problem> {
        let authority = check(memo, peer, &mut parts)?;
        if parts.uri.path() == "*" {
            return Ok(options());
        }
        self.client(exchange, peer, &mut parts.headers);
        if let Some(step) = feature::preflight(exchange, &authority, &parts) {
            return Ok(step);
        }
        self.go(exchange, peer, Arrived { parts, body, authority }, false)
    }

    /// Finds the route and enters it. `again`: its guard has been asked before, and has what it was missing.
    pub(crate) fn go(
        &self,
        exchange: &mut Exchange,
        peer: &Peer,
        arrived: Arrived,
        again: bool,
    ) -> Result<Step, Problem> {
        let Arrived { mut parts, body, authority } = arrived;
        let table = Arc::clone(&exchange.table);
        let found = table.find(&RequestHead {
            host: authority.as_str(),
            path: parts.uri.path(),
            method: &parts.method,
            headers: &parts.headers,
        });
        let found = found.map_err(|miss| match miss {
            Miss::MethodNotAllowed { ref allow } => Problem::new(miss.code()).allow(allow),
            _ => Problem::new(miss.code()),
        })?;
        exchange.route = Some(found.route.index);
        if let Some(features) = &found.route.spec.features {
            feature::admit(features, exchange.client)?;
            exchange.asked = feature::arrive(features, &parts);
        }
        if self.cache.is_used() && cache::spoils(&parts.method) {
            exchange.spoils = Some(cache::address(&found.route.spec.application, &authority, &parts.uri));
        }
        let policy = &found.route.spec.policy;
        let (limited, asks) = (policy.rate_limit.rate.is_some(), policy.auth.asks());
        // Addresses are counted first: whoever guesses credentials is to be stopped, too.
        let first = !asks || policy.rate_limit.by == By::Address;
        if limited && first && !again {
            self.limit(exchange, found.route)?;
        }
        if asks {
            let place = (authority.as_str(), exchange.client.secure);
            let from = (peer, exchange.client.address);
            let said = guard::check(&found, &parts, place, from, self.senses.clock.now());
            match said.map_err(|denial| guard::problem(exchange, *denial))? {
                Said::Pass(identity) => exchange.identity = identity,
                Said::Answer(answer) => return Ok(guard::answer(*answer)),
                Said::Later(_) if again => {
                    let denial = guard::unavailable("the guard is not done after it was waited for");
                    return Err(guard::problem(exchange, *denial));
                }
                Said::Later(ready) => {
                    drop(found);
                    let (arrived, peer) = (Arrived { parts, body, authority }, peer.clone());
                    return Ok(Step::Ask(Box::new(Waiting { ready, arrived, peer })));
                }
            }
        }
        if limited && !first {
            self.limit(exchange, found.route)?;
        }
        if self.senses.faults.as_ref().is_some_and(|faults| faults.is_armed()) {
            harm::meet(exchange, found.route, &parts.headers);
        }
        match &found.route.spec.action {
            Action::Component(_) | Action::Upstream(_) | Action::Split(_) => {
                let (context, outside) = self.callee(exchange, &found.route.spec.action, &parts.headers)?;
                let context = guard::context(&context, exchange.identity.as_ref());
                let deadline = exchange.started.saturating_add(policy.timeout);
                let has_body = body.is_some();
                // Whoever cannot speak it answers as it answers any request.
                if parts.extensions.remove::<Upgrade>().is_some() && outside {
                    exchange.socket = Some(self.shake(&found.route.spec, &parts, has_body)?);
                    parts.extensions.insert(Upgrade);
                }
                // Where it cannot lead is not where the path as it came leads: that may be guarded as another route.
                let rewrite = feature::rewrite(&found, parts.uri.query());
                let rewrite = rewrite.map_err(|miss| Problem::new(miss.code()))?;
                let body = match body {
                    None => weft_types::empty(),
                    Some(body) => exchange.body(body, policy, peer)?,
                };
                let key = cache::key(&found, &authority, &parts.uri, exchange.client.secure, &context.tenant);
                drop(found);
                let mirror = exchange.features().and_then(|features| features.mirror.as_ref());
                if outside || mirror.is_some() {
                    self.introduce(exchange.client, peer, &mut parts);
                }
                place(&mut parts, exchange.client, authority);
                hop::strip_logins(&mut parts.headers);
                if let Some(features) = exchange.features() {
                    feature::enter(features, rewrite, &mut parts);
                    if let (Some(options), Some(key)) = (&features.cache, key)
                        && exchange.socket.is_none()
                        && let Ok(asked) = cache::meets(options, &parts, has_body, exchange.identity.is_some())
                    {
                        let identity = exchange.identity.clone();
                        let call = cache::Call { key, parts, asked, context, deadline, outside, identity };
                        return Ok(Step::Cached(Box::new(call)));
                    }
                    features.request_headers.apply(&mut parts.headers);
                }
                guard::tell(&mut parts.headers, exchange.identity.as_ref());
                if exchange.socket.is_some() {
                    return Ok(Step::Switch(Box::new(Request::from_parts(parts, body)), context, deadline));
                }
                let body = self.copied(exchange, &parts, body);
                Ok(Step::Call(Box::new(Request::from_parts(parts, body)), context, deadline))
            }
            Action::Redirect { to, status } => Ok(redirect(&found.location(to), parts.uri.query(), *status)),
            Action::Files(files) => {
                let (files, rest) = (files.clone(), found.rest.to_owned());
                drop(found);
                Ok(Step::Files(Box::new(Wanted { files, rest, headers: parts.headers })))
            }
        }
    }

    /// Finds out who is calling, and takes away or replaces whatever the request says of it.
    fn client(&self, exchange: &mut Exchange, peer: &Peer, headers: &mut HeaderMap) {
        let Some(forwarding) = &self.forwarding else { return forwarded::strip(headers) };
        let remote = peer.remote.ip();
        exchange.client = forwarding.client(remote, peer.secure, headers);
        forwarding.write(remote, exchange.client, headers);
    }

    /// Who is called, and whether that is an upstream.
    fn callee(
        &self,
        exchange: &mut Exchange,
        action: &Action,
        headers: &HeaderMap,
    ) -> Result<(Arc<Context>, bool), Problem> {
        match action {
            Action::Component(context) => Ok((Arc::clone(context), false)),
            Action::Upstream(Upstream { context, .. }) => Ok((Arc::clone(context), true)),
            Action::Split(arms) => {
                let random = self.senses.randomness.next() as u64;
                let taken = Taken::of(arms, headers, random, exchange.client.secure);
                let callee = arms.callee(taken.arm).ok_or_else(|| Problem::new(code::INTERNAL))?;
                exchange.taken = Some(Box::new(taken));
                Ok((Arc::clone(callee.context()), matches!(callee, Callee::Upstream(_))))
            }
            Action::Files(_) | Action::Redirect { .. } => Err(Problem::new(code::INTERNAL)),
        }
    }

    /// A body that is copied for the route's mirror while it is read, if the route has one that takes this request.
    fn copied(&self, exchange: &Exchange, parts: &Parts, body: Body) -> Body {
        let to = exchange.features().and_then(|features| features.mirror.as_ref());
        let (Some(to), Some(route)) = (to, exchange.route()) else { return body };
        let (spec, trace) = (&route.spec, &exchange.trace);
        let route = RouteOf::new(&exchange.table, route.index);
        let context = guard::context(to.callee.context(), exchange.identity.as_ref());
        let ask = Ask { to, context, route, spec, door: &self.door, senses: &self.senses, trace };
        match self.mirrors.copy(ask, body.size_hint().exact()) {
            Some(copying) => copying.follow(parts, body),
            None => body,
        }
    }

    /// Lets an upstream be told who is calling, unless the headers tell it already.
    fn introduce(&self, client: Client, peer: &Peer, parts: &mut Parts) {
        if self.forwarding.is_none() {
            parts.extensions.insert(ClientAddress(SocketAddr::new(client.address, peer.remote.port())));
        }
    }

    /// Counts the request at its route's rate limit.
    fn limit(&self, exchange: &mut Exchange, route: &CompiledRoute) -> Result<(), Problem> {
        let known = exchange.identity.clone();
        let subject = guard::subject(known.as_deref(), exchange.client.address);
        let (current, randomness) = (|| self.table.load_full(), &*self.senses.randomness);
        let quota = self.rates.check(&exchange.table, current, route, exchange.started, &subject, randomness);
        exchange.quota = quota;
        match quota.map(|quota| quota.verdict.allowed) {
            Some(Err(denied)) => Err(Problem::new(code::RATE_LIMITED).after(denied.retry_after)),
            _ => Ok(()),
        }
    }

    async fn file(&self, exchange: Exchange, wanted: Wanted) -> Response<Tail> {
        let Wanted { files, rest, headers } = wanted;
        match files::serve(&files, &rest, &exchange.method, &headers).await {
            Ok(response) => {
                let owed = response.body().size_hint().exact();
                self.finish(exchange, response, owed, None, Class::Ok)
            }
            Err(problem) => {
                let response = problem.response(exchange.id, exchange.method == Method::HEAD);
                self.finish(exchange, response, None, Some(problem.code), Class::CallerFault)
            }
        }
    }

    async fn call(
        &self,
        exchange: Exchange,
        request: Box<Request<Body>>,
        context: Arc<Context>,
        deadline: Timestamp,
    ) -> Response<Tail> {
        let answer = self.run(&exchange.errand(), request, &context, deadline).await;
        self.conclude(exchange, answer)
    }

    pub(crate) fn conclude(&self, mut exchange: Exchange, Answer { reply, class, told }: Answer) -> Response<Tail> {
        match reply {
            Ok((response, owed)) => {
                harm::note(&mut exchange, response.extensions().get().copied());
                self.finish(exchange, response, owed, None, class)
            }
            Err(fault) => {
                harm::note(&mut exchange, weft_fault::mark(&fault).map(|mark| mark.kinds));
                log(&exchange, &fault, class, told);
                let mut problem = Problem::of(&fault);
                // What is left of a body that nobody will read would be taken for the next request.
                problem.close = exchange.version < Version::HTTP_2
                    && exchange.meter.as_ref().is_some_and(|meter| meter.broken().is_some());
                let class = if class == Class::Ok { Class::Failure } else { class };
                let response = problem.response(exchange.id, exchange.method == Method::HEAD);
                self.finish(exchange, response, None, Some(fault.code), class)
            }
        }
    }

    pub(crate) fn finish(
        &self,
        mut exchange: Exchange,
        mut response: Response<Body>,
        mut owed: Option<u64>,
        code: Option<Code>,
        class: Class,
    ) -> Response<Tail> {
        if let Some(address) = exchange.spoils.take() {
            self.cache.spoil(&address, &response);
        }
        let patience = exchange.route().map(|route| Patience::new(&route.spec.policy));
        let class = if code.is_none() && class == Class::CallerFault { Class::Ok } else { class };
        exchange.answered = Some(Answered::new(response.status(), class, code));
        if let Some(features) = exchange.features() {
            owed = feature::leave(features, &exchange, &mut response, owed, code.is_some());
        }
        if let Some(taken) = &exchange.taken {
            taken.leave(response.headers_mut());
        }
        if let Some(quota) = &exchange.quota {
            quota.tell(response.headers_mut());
        }
        let response = match exchange.injected.is_empty() {
            true => response,
            false => harm::after(&exchange, response),
        };
        response.map(|body| Tail::new(body, owed, exchange, patience))
    }
}

impl Exchange {
    pub(crate) fn refuse(&self, problem: &Problem) -> Step {
        let mut problem = problem.clone();
        problem.close &= self.version < Version::HTTP_2;
        let (id, code, trace) = (self.id, problem.code, self.trace.trace);
        tracing::debug!(invocation = %id, %code, trace_id = %trace, why = problem.why, "request refused");
        Step::Answered(problem.response(self.id, self.method == Method::HEAD), Some(problem.code))
    }

    /// The request's body as a stream, refused at once where its declared length is over the limit.
    fn body(&mut self, body: Incoming, policy: &weft_traffic::Policy, peer: &Peer) -> Result<Body, Problem> {
        if body.size_hint().lower() > policy.body_max {
            return Err(Problem::new(code::BODY_TOO_LARGE).closing());
        }
        let wire = match self.version >= Version::HTTP_2 {
            true => Wire::Stream,
            false if body.size_hint().exact().is_none() => Wire::Chunks(Arc::clone(&peer.pulse)),
            false => Wire::Bytes,
        };
        let (inflow, meter) = Inflow::new(body, policy.body_max, policy.idle, wire);
        self.meter = Some(meter);
        Ok(Body::new(inflow))
    }
}

/// What HTTP itself demands of a head, beyond what hyper has already refused.
fn check(memo: &mut authority::Memo, peer: &Peer, parts: &mut Parts) -> Result<http::uri::Authority, Problem> {
    let refused = |why| Problem::new(code::BAD_REQUEST).why(why).closing();
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Problem::new(code::METHOD_NOT_ALLOWED).allow(&[]).closing());
    }
    target(parts).map_err(refused)?;
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        framing(peer, parts).map_err(refused)?;
    }
    let authority = authority::find(memo, peer, parts.version, &parts.uri, &mut parts.headers).map_err(refused)?;
    let foreign = |why| Problem::new(code::UPGRADE_REFUSED).why(why).closing();
    if handshake::asked(parts.version, &parts.headers).map_err(foreign)? {
        parts.extensions.insert(Upgrade);
    }
    hop::strip(&mut parts.headers);
    guard::strip(&mut parts.headers);
    parts.headers.remove(header::EXPECT);
    if parts.version >= Version::HTTP_2 {
        // In HTTP/1 it would be no part of the value: what comes after us might see another one (RFC 9113, 8.2.1).
        if parts.headers.values().any(|value| value.as_bytes().trim_ascii().len() != value.len()) {
            return Err(refused("white space around a value"));
        }
        hop::join_crumbs(&mut parts.headers);
    }
    Ok(authority)
}

/// The forms of a target that RFC 9112, 3.2 has for what is not CONNECT.
fn target(parts: &Parts) -> Result<(), &'static str> {
    match (parts.uri.scheme(), parts.uri.authority()) {
        (None, Some(_)) => return Err("only CONNECT names an authority alone"),
        (Some(scheme), _) if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS => return Err("another scheme"),
        _ => {}
    }
    if parts.uri.path_and_query().is_some_and(|target| !target.as_str().is_ascii()) {
        return Err("a target that is not percent-encoded");
    }
    match parts.uri.path() == "*" && parts.method != Method::OPTIONS {
        true => Err("only OPTIONS asks about the server as a whole"),
        false => Ok(()),
    }
}

/// A transfer-encoding that can be read in one way only.
fn framing(peer: &Peer, parts: &Parts) -> Result<(), &'static str> {
    let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    // hyper reads any list that ends in `chunked`; we know no other coding, and a guest would get it raw.
    if !chunked || codings.next().is_some() {
        return Err("a transfer-encoding other than chunked");
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let begins = match parts.uri.scheme() {
        None => format!("{} {target}", parts.method),
        // In absolute form the target is not kept as it was written: the method must do.
        Some(_) => format!("{} ", parts.method),
    };
    if !peer.pulse.heard_one_length(&begins) {
        return Err("both a transfer-encoding and a content-length, or so it may be");
    }
    peer.pulse.chunks_begin();
    Ok(())
}

/// Gives the request an absolute URI: where it really arrived, whatever form its target had.
fn place(parts: &mut Parts, client: Client, authority: http::uri::Authority) {
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(if client.secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(authority);
    // Scheme, authority and a path that was just matched always make a URI.
    parts.uri = Uri::from_parts(uri).unwrap_or_default();
}

/// `OPTIONS *`: the server is there.
fn options() -> Step {
    let mut response = Response::new(weft_types::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Step::Answered(response, None)
}

fn redirect(to: &str, query: Option<&str>, status: u16) -> Step {
    // A fragment comes after the query, or the query would be part of it.
    let (place, fragment) = to.find('#').map_or((to, ""), |at| to.split_at(at));
    let location = match query {
        Some(query) if !place.contains('?') => format!("{place}?{query}{fragment}"),
        _ => to.to_owned(),
    };
    let mut response = Response::new(weft_types::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Step::Answered(response, None)
}

/// One line a failure. What the door answered as a failure, it has told of (`told`); only a target that it does not
/// have is for us to tell, as is what failed out here.
fn log(exchange: &Exchange, fault: &Fault, class: Class, told: bool) {
    let (invocation, code, trace_id) = (exchange.id, fault.code, exchange.trace.trace);
    let source = fault.source.as_ref().map(tracing::field::display);
    let spec = exchange.route().map(|route| &route.spec);
    let (application, route) = (spec.map(|s| tracing::field::display(&s.application)), spec.map(|s| &*s.path));
    match fault.blame {
        _ if code == code::FAULT_INJECTED => {
            tracing::debug!(%invocation, %code, %trace_id, application, route, %fault, source, "request failed on purpose")
        }
        // Shedding is by design many: it is counted, not told one by one.
        _ if class == Class::Shed => {
            tracing::debug!(%invocation, %code, %trace_id, application, route, %fault, "request shed")
        }
        Blame::Caller => {
            tracing::debug!(%invocation, %code, %trace_id, application, route, %fault, source, "request refused")
        }
        _ if told && code != code::NOT_DEPLOYED => {
            tracing::debug!(%invocation, %code, %trace_id, application, route, "request failed behind the door")
        }
        Blame::Platform => {
            tracing::error!(%invocation, %code, %trace_id, application, route, %fault, source, "request failed")
        }
        Blame::Application => {
            tracing::warn!(%invocation, %code, %trace_id, application, route, %fault, source, "request failed")
        }
    }
}
