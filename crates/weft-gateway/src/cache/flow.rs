//! A request at a route that keeps answers.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use weft_traffic::{
    cache::{ABOUT_COPIES, Judged, Options, failed, format_date, part, unchanged},
    forwarded::{FORWARDED_HOST, FORWARDED_PROTO},
};
use weft_types::{Body, Class, Fault, Ran, Timestamp, code};

use super::{
    Call,
    serve::{Ready, SAID_ANEW, serve},
    store::{Entry, Guard, Turn, Values},
    tell,
};
use crate::{
    edge::Edge,
    errand::{Answer, Errand},
    exchange::Exchange,
    guard,
    problem::Problem,
    tail::Tail,
};

/// Who has waited so often for somebody else's answer asks for itself.
const WAITS_MAX: u32 = 3;
/// Times that one answer is asked for anew, since it varies by what was not shown.
const ROUNDS_MAX: u32 = 3;

impl Edge {
    pub(crate) async fn cached(self: Arc<Self>, exchange: Exchange, call: Call) -> Response<Tail> {
        let Some(features) = exchange.shared_features() else {
            return self.refused(exchange, Problem::new(code::INTERNAL));
        };
        // The client's words about its trace are no part of any key.
        let mut errand = exchange.errand();
        errand.trace.state = None;
        let work = Work { edge: Arc::clone(&self), features, errand };
        match work.answer(&call).await {
            Done::Ready((response, owed), class) => self.finish(exchange, response, owed, None, class),
            Done::Refused(problem) => self.refused(exchange, problem),
            Done::Failed(answer) => self.conclude(exchange, answer),
            Done::Past(why) => {
                let request = Request::from_parts(work.whole(&call), weft_types::empty());
                let mut answer = self.run(&work.errand, Box::new(request), &call.context, call.deadline).await;
                if let Ok((response, _)) = &mut answer.reply {
                    tell(response.headers_mut(), why);
                }
                self.conclude(exchange, answer)
            }
        }
    }

    fn refused(&self, exchange: Exchange, problem: Problem) -> Response<Tail> {
        let response = problem.response(exchange.id, exchange.method == Method::HEAD);
        self.finish(exchange, response, None, Some(problem.code), Class::CallerFault)
    }
}

/// How a request ended here.
enum Done {
    Ready(Ready, Class),
    Refused(Problem),
    /// Asked for, and failed.
    Failed(Answer),
    /// To be asked for as if there were no cache.
    Past(&'static str),
}

/// One request's dealings with the cache, or those of nobody's, behind a stale answer.
struct Work {
    edge: Arc<Edge>,
    features: Arc<weft_traffic::feature::Features>,
    errand: Errand,
}

/// What was asked for.
enum Got {
    /// Kept, or so it was when it came.
    Kept(Arc<Entry>, String),
    /// Not kept; passed on.
    Plain(Ready, Class),
    Failed(Answer),
}

impl Work {
    fn options(&self) -> &Options {
        self.features.cache.as_ref().expect("only routes with a cache come here")
    }

    fn now(&self) -> Timestamp {
        self.edge.senses.clock.now()
    }

    async fn answer(&self, call: &Call) -> Done {
        let cache = &self.edge.cache;
        let (method, headers) = (&call.parts.method, &call.parts.headers);
        let mut waits = 0;
        loop {
            let now = self.now();
            let found = cache.store.find(&call.key, headers);
            let judged = found.as_ref().map_or(Judged::Never, |entry| entry.stored.judge(&call.asked, now));
            if let (Some(entry), Judged::Fresh | Judged::Stale) = (&found, judged) {
                let mut what = format!("hit; ttl={}", entry.stored.fresh_for(now).as_secs());
                if judged == Judged::Stale {
                    what.push_str("; detail=stale");
                    self.behind(call, entry);
                }
                return ready(entry, method, headers, now, &what);
            }
            if call.asked.only_if_cached {
                return Done::Refused(Problem::new(code::NOT_CACHED));
            }
            if *method == Method::HEAD {
                return Done::Past("fwd=miss; detail=head");
            }
            if headers.contains_key(header::RANGE) {
                return Done::Past("fwd=miss; detail=range");
            }
            let learned = cache.store.learned(&call.key);
            let guard = match cache.turn(&call.key, call.asked.personal, self.values(headers, &learned), now) {
                Turn::Wait(mut asked) if waits < WAITS_MAX => {
                    waits += 1;
                    let left = call.deadline.since(now).max(Duration::from_millis(1));
                    // Closed when whoever asks has ended, well or not.
                    if tokio::time::timeout(left, asked.changed()).await.is_err() {
                        return Done::Failed(Answer::failed(Fault::new(code::DEADLINE_EXCEEDED, Ran::No)));
                    }
                    continue;
                }
                Turn::Mine(guard) => Some(guard),
                Turn::Wait(_) | Turn::Each => None,
            };
            let old = found.filter(|_| judged != Judged::Never);
            return match self.fetch(call, learned, old, guard).await {
                Got::Kept(entry, what) => ready(&entry, method, headers, self.now(), &what),
                Got::Plain(ready, class) => Done::Ready(ready, class),
                Got::Failed(answer) => Done::Failed(answer),
            };
        }
    }

    /// Asks about a stale answer while it is read, at most once at a time.
    fn behind(&self, call: &Call, entry: &Arc<Entry>) {
        let cache = &self.edge.cache;
        let Ok(place) = Arc::clone(&cache.behind).try_acquire_owned() else { return };
        let (now, learned) = (self.now(), cache.store.learned(&call.key));
        let values = self.values(&call.parts.headers, &learned);
        let Turn::Mine(guard) = cache.turn(&call.key, call.asked.personal, values, now) else { return };
        let timeout = call.deadline.since(now);
        let call = Call { deadline: now.saturating_add(timeout), ..call.again() };
        let work = Work {
            edge: Arc::clone(&self.edge),
            features: Arc::clone(&self.features),
            errand: self.errand.anew(&self.edge, now),
        };
        let old = Some(Arc::clone(entry));
        // Nobody waits for it: its own deadline ends it, and the place that it holds bounds how many there are.
        tokio::spawn(async move {
            let asked = work.fetch(&call, learned, old, Some(guard));
            // The head is bounded by the deadline; what follows, by as much again.
            if let Ok(Got::Failed(answer)) = tokio::time::timeout(timeout.saturating_mul(2), asked).await {
                tracing::debug!(uri = %call.key.uri, fault = ?answer.reply.err(), "a stale answer could not be asked about");
            }
            drop(place);
        });
    }

    /// Asks whoever answers, and keeps what comes where it may be kept.
    async fn fetch(
        &self,
        call: &Call,
        mut learned: Vec<http::HeaderName>,
        mut old: Option<Arc<Entry>>,
        guard: Option<Guard>,
    ) -> Got {
        let mut why = if old.is_some() { "stale" } else { "miss" };
        for round in 1.. {
            let asked_at = self.now();
            let request = self.request(call, &learned, old.as_deref());
            let mut answer = self.edge.run(&self.errand, Box::new(request), &call.context, call.deadline).await;
            let now = self.now();
            let status = match &mut answer.reply {
                Ok((response, _)) => {
                    date(response.headers_mut(), now);
                    Some(response.status())
                }
                Err(_) => None,
            };
            if let Some(entry) =
                old.as_ref().filter(|entry| status.is_none_or(failed) && entry.stored.stands_in(&call.asked, now))
            {
                let told = status.map_or(String::new(), |status| format!("; fwd-status={}", status.as_u16()));
                return Got::Kept(Arc::clone(entry), format!("hit; fwd=stale{told}; detail=error"));
            }
            let Ok((response, owed)) = answer.reply else { return Got::Failed(answer) };
            if response.status() == StatusCode::NOT_MODIFIED
                && let Some(entry) = old.take()
            {
                match self.renewed(call, &entry, response.headers(), asked_at, now, guard.as_ref()) {
                    Some(entry) => return Got::Kept(entry, "hit; fwd=stale; fwd-status=304; stored".to_owned()),
                    // It speaks of something else: what is there now is asked for as a whole.
                    None => {
                        self.edge.cache.store.remove(&entry);
                        why = "stale";
                        continue;
                    }
                }
            }
            let parts = self.options().parts(response.headers());
            if let Ok(parts) = &parts {
                let news = |name: &&http::HeaderName| !self.options().key.contains(name) && !learned.contains(name);
                let news: Vec<http::HeaderName> = parts.iter().filter(news).cloned().collect();
                let unseen = news
                    .iter()
                    .any(|name| call.parts.headers.contains_key(name) && !self.options().shown(name, &learned));
                learned.extend(news);
                if unseen && round < ROUNDS_MAX {
                    old = None;
                    continue;
                }
            }
            // What was shown tells answers apart, whether they say so or not.
            let parts = parts.map(|parts| union(parts, &learned));
            return self.take(call, response, owed, answer.class, parts, why, asked_at, guard).await;
        }
        unreachable!("rounds end")
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of one answer")]
    async fn take(
        &self,
        call: &Call,
        response: Response<Body>,
        owed: Option<u64>,
        class: Class,
        parts: Result<Vec<http::HeaderName>, &'static str>,
        why: &str,
        asked_at: Timestamp,
        guard: Option<Guard>,
    ) -> Got {
        let (options, now) = (self.options(), self.now());
        let length = owed.or_else(|| response.body().size_hint().exact());
        let fits = length.is_none_or(|length| length <= options.body_max);
        let kept = parts.and_then(|parts| {
            let stored = options.keep(&call.asked, response.status(), response.headers(), asked_at, now)?;
            if fits { Ok((parts, stored)) } else { Err("size") }
        });
        let (parts, stored) = match kept {
            Ok(kept) => kept,
            Err(reason) => return self.plain(call, response, owed, class, why, reason),
        };
        let (mut head, body) = response.into_parts();
        let collected = collect(body, length, options.body_max, self.errand.patience);
        let collected = tokio::time::timeout(self.errand.lifetime, collected).await;
        let body = match collected.unwrap_or_else(|_| Err(Fault::new(code::LIFETIME_EXCEEDED, Ran::Yes))) {
            Ok(Collected::Whole(body)) => body,
            Ok(Collected::Other(body, reason)) => {
                return self.plain(call, Response::from_parts(head, body), owed, class, why, reason);
            }
            Err(fault) => return Got::Failed(Answer::failed(fault)),
        };
        for name in SAID_ANEW {
            head.headers.remove(name);
        }
        let request = &call.parts.headers;
        let values =
            parts.into_iter().map(|name| (part(request, &name), name)).map(|(value, name)| (name, value)).collect();
        let spoiled = guard.as_ref().is_some_and(Guard::is_spoiled);
        let entry = Entry::new(call.key.clone(), values, stored, head.status, head.headers, body);
        let entry = match spoiled {
            // Changed while it was asked for: for this reader, and nobody else.
            true => Arc::new(entry),
            false => self.edge.cache.store.put(entry, request, options.bytes_max),
        };
        Got::Kept(entry, format!("fwd={why}{}", if spoiled { "" } else { "; stored" }))
    }

    /// An answer that is passed on, and not kept.
    fn plain(
        &self,
        call: &Call,
        mut response: Response<Body>,
        owed: Option<u64>,
        class: Class,
        why: &str,
        reason: &str,
    ) -> Got {
        let store = &self.edge.cache.store;
        store.pass(&call.key, call.asked.personal, self.now());
        // What was kept is no longer what there is, unless this is only a failure. What somebody was told who may have
        // made up their credentials says nothing of what everybody else is given.
        if !call.asked.personal
            && !failed(response.status())
            && let Some(old) = store.find(&call.key, &call.parts.headers)
        {
            store.remove(&old);
        }
        tell(response.headers_mut(), &format!("fwd={why}; detail={reason}"));
        Got::Plain((response, owed), class)
    }

    /// An answer that is still what it was (RFC 9111, 4.3.4). `None`: the 304 speaks of another one.
    fn renewed(
        &self,
        call: &Call,
        old: &Entry,
        told: &HeaderMap,
        asked_at: Timestamp,
        now: Timestamp,
        guard: Option<&Guard>,
    ) -> Option<Arc<Entry>> {
        if !old.stored.is_meant(told) {
            return None;
        }
        let mut headers = old.headers.clone();
        unchanged(&mut headers, told);
        let entry = match self.options().keep(&call.asked, old.status, &headers, asked_at, now) {
            Ok(stored) => {
                SAID_ANEW.iter().for_each(|name| drop(headers.remove(name)));
                old.renewed(stored, headers)
            }
            // It says now that it may not be kept: this reader has it still.
            Err(_) => {
                if !call.asked.personal {
                    self.edge.cache.store.remove(old);
                }
                return Some(Arc::new(old.renewed(old.stored.clone(), headers)));
            }
        };
        match guard.is_some_and(Guard::is_spoiled) {
            true => Some(Arc::new(entry)),
            false => Some(self.edge.cache.store.put(entry, &call.parts.headers, self.options().bytes_max)),
        }
    }

    /// A request that has nothing but what the key has.
    fn request(&self, call: &Call, learned: &[http::HeaderName], old: Option<&Entry>) -> Request<Body> {
        let mut headers = HeaderMap::new();
        for (name, value) in &call.parts.headers {
            if self.options().shown(name, learned) && !ABOUT_COPIES.contains(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        if call.outside {
            place(&call.parts.uri, &mut headers);
        }
        self.features.request_headers.apply(&mut headers);
        // Only what is for everybody is kept of what somebody asked for.
        guard::tell(&mut headers, call.identity.as_ref());
        if let Some(old) = old {
            old.stored.ask_again(&mut headers);
        }
        let mut request = Request::new(weft_types::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = call.parts.uri.clone();
        *request.headers_mut() = headers;
        request
    }

    /// A request that has all that the client sent.
    fn whole(&self, call: &Call) -> http::request::Parts {
        let mut parts = call.parts.clone();
        self.features.request_headers.apply(&mut parts.headers);
        guard::tell(&mut parts.headers, call.identity.as_ref());
        parts
    }

    /// The values of all that whoever answers is shown: two requests with the same ask for the same.
    fn values(&self, headers: &HeaderMap, learned: &[http::HeaderName]) -> Values {
        let mut names: Vec<&http::HeaderName> = self.options().key.iter().chain(learned).collect();
        if headers.contains_key(header::AUTHORIZATION) {
            names.push(&header::AUTHORIZATION);
        }
        names.into_iter().map(|name| (name.clone(), part(headers, name))).collect()
    }
}

impl Call {
    fn again(&self) -> Self {
        Self {
            key: self.key.clone(),
            parts: self.parts.clone(),
            asked: self.asked.clone(),
            context: Arc::clone(&self.context),
            deadline: self.deadline,
            outside: self.outside,
            identity: self.identity.clone(),
        }
    }
}

fn ready(entry: &Entry, method: &Method, headers: &HeaderMap, now: Timestamp, what: &str) -> Done {
    match serve(entry, method, headers, now, what) {
        Ok(ready) => Done::Ready(ready, Class::Ok),
        Err(problem) => Done::Refused(problem),
    }
}

fn union(mut parts: Vec<http::HeaderName>, more: &[http::HeaderName]) -> Vec<http::HeaderName> {
    for name in more {
        if !parts.contains(name) {
            parts.push(name.clone());
        }
    }
    parts
}

/// Tells a server where its client asked. Both are a part of the key; who the client is is not, and is not told.
fn place(uri: &http::Uri, headers: &mut HeaderMap) {
    let said =
        [(FORWARDED_PROTO, uri.scheme_str()), (FORWARDED_HOST, uri.authority().map(http::uri::Authority::as_str))];
    for (name, value) in said {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
}

/// An answer without a date was made when it came (RFC 9110, 6.6.1).
fn date(headers: &mut HeaderMap, now: Timestamp) {
    if !headers.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::try_from(format_date(now))
    {
        headers.insert(header::DATE, date);
    }
}

/// A body that was read as far as it may be kept.
enum Collected {
    Whole(Bytes),
    /// All of it, read or not: it is too long, or ends in trailers, which few later readers would see.
    Other(Body, &'static str),
}

/// Reads a body, which must be as long as was said, up to the most that may be kept. `patience`: for each frame.
async fn collect(mut body: Body, length: Option<u64>, most: u64, patience: Duration) -> Result<Collected, Fault> {
    let wrong =
        || Fault::new(code::GUEST_BODY_FAILED, Ran::Yes).detail("the body is not as long as its content-length");
    let mut all = BytesMut::new();
    let idle = |_| Fault::new(code::IDLE_TIMEOUT, Ran::Yes);
    while let Some(frame) = tokio::time::timeout(patience, body.frame()).await.map_err(idle)? {
        match frame?.into_data() {
            Ok(data) if all.is_empty() => all = data.try_into_mut().unwrap_or_else(|data| data[..].into()),
            Ok(data) => all.extend_from_slice(&data),
            Err(frame) => return Ok(Collected::Other(chained(all.freeze(), Some(frame), body), "trailers")),
        }
        let read = all.len() as u64;
        if length.is_some_and(|length| read > length) {
            return Err(wrong());
        }
        if read > most {
            return Ok(Collected::Other(chained(all.freeze(), None, body), "size"));
        }
    }
    match length.is_none_or(|length| length == all.len() as u64) {
        true => Ok(Collected::Whole(all.freeze())),
        false => Err(wrong()),
    }
}

/// What was read of a body, and then the rest of it.
fn chained(read: Bytes, frame: Option<Frame<Bytes>>, rest: Body) -> Body {
    let first = futures_util::stream::iter([Some(Frame::data(read)), frame].into_iter().flatten().map(Ok));
    Body::new(StreamBody::new(first.chain(BodyStream::new(rest))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// `n` frames of a byte, so long after each other.
    fn slow(n: u64, pause: Duration) -> Body {
        let frames = futures_util::stream::iter(0..n).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from_static(b"x")))
        });
        Body::new(StreamBody::new(frames))
    }

    #[tokio::test(start_paused = true)]
    async fn patience_is_for_each_frame_and_not_for_the_whole_body() {
        match collect(slow(5, PATIENCE * 2 / 3), None, 10, PATIENCE).await {
            Ok(Collected::Whole(body)) => assert_eq!(body, "xxxxx"),
            Ok(Collected::Other(_, why)) => panic!("not whole: {why}"),
            Err(fault) => panic!("{fault:?}"),
        }
        let Err(fault) = collect(slow(1, PATIENCE * 2), None, 10, PATIENCE).await else { panic!("it stood still") };
        assert_eq!(fault.code, code::IDLE_TIMEOUT);
    }
}
