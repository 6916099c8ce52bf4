//! Copies of a route's requests, sent to a second callee whose answers nobody sees.
//!
//! A copy is sent when the request has been read whole, and never holds it up: a body is copied while whoever answers
//! reads it. What is too long, broken off, or one too many is left out and counted.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{Request, request::Parts};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::time::timeout;
use weft_traffic::{
    CompiledRoute, MirrorTo, RouteSpec,
    mirror::{Mirror, Options},
};
use weft_types::{Body, Fault, Invocation, InvocationId, Invoke, Origin, Outcome, Payload, Reply, Trace};

use crate::{Observer, edge::Senses};

/// Bytes of a mirror's answer that are read before it is dropped.
const ANSWER_MAX: usize = 1 << 20;

/// Routes whose mirrors are remembered; beyond it those without a copy under way are forgotten.
const ROUTES_MAX: usize = 4_096;

/// The mirrors of all routes that have one. They outlive a table: a bound that a deployment lifts would be none.
#[derive(Default)]
pub(crate) struct Mirrors(Mutex<HashMap<String, Arc<Mutex<Mirror>>>>);

/// A copy that is to be sent.
pub(crate) struct Copying {
    door: Arc<dyn Invoke>,
    senses: Arc<Senses>,
    context: Arc<weft_types::Context>,
    route: Arc<RouteOf>,
    trace: Trace,
    time: std::time::Duration,
    place: Place,
}

/// What the observer is told of.
pub(crate) struct RouteOf {
    table: Arc<weft_traffic::Table>,
    index: u32,
}

impl RouteOf {
    pub(crate) fn new(table: &Arc<weft_traffic::Table>, index: u32) -> Self {
        Self { table: Arc::clone(table), index }
    }

    fn route(&self) -> Option<&CompiledRoute> {
        self.table.routes().get(self.index as usize)
    }
}

/// One of the copies that may be under way.
struct Place(Weak<Mutex<Mirror>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mirror) = self.0.upgrade() {
            mirror.lock().done();
        }
    }
}

impl Mirrors {
    /// Whether this request is copied. `body`: its length, where it is known.
    fn takes(&self, spec: &RouteSpec, options: Options, body: Option<u64>, random: u64) -> Option<Place> {
        let mirror = self.of(spec, options);
        let takes = mirror.lock().takes(body, random);
        takes.then(|| Place(Arc::downgrade(&mirror)))
    }

    fn of(&self, spec: &RouteSpec, options: Options) -> Arc<Mutex<Mirror>> {
        let key = format!("{}\n{}\n{}\n{:?}", spec.application, spec.place, spec.path, options);
        let mut all = self.0.lock();
        if let Some(known) = all.get(&key) {
            return Arc::clone(known);
        }
        if all.len() >= ROUTES_MAX {
            all.retain(|_, mirror| mirror.lock().in_flight() > 0);
        }
        let made = Arc::new(Mutex::new(Mirror::new(options)));
        all.insert(key, Arc::clone(&made));
        made
    }

    /// `None`: this request is not copied.
    pub(crate) fn copy(&self, ask: Ask<'_>, body: Option<u64>) -> Option<Copying> {
        let Ask { to, context, route, spec, door, senses, trace } = ask;
        let place = self.takes(spec, to.options, body, senses.randomness.next() as u64)?;
        let time = spec.policy.timeout;
        let (door, senses, trace) = (Arc::clone(door), Arc::clone(senses), trace.clone());
        Some(Copying { door, senses, context, route: Arc::new(route), trace, time, place })
    }
}

/// What a copy is made of.
pub(crate) struct Ask<'a> {
    pub(crate) to: &'a MirrorTo,
    /// That of the mirror, with who is calling in it.
    pub(crate) context: Arc<weft_types::Context>,
    pub(crate) route: RouteOf,
    pub(crate) spec: &'a RouteSpec,
    pub(crate) door: &'a Arc<dyn Invoke>,
    pub(crate) senses: &'a Arc<Senses>,
    pub(crate) trace: &'a Trace,
}

impl Copying {
    /// The request with its body; it is copied once that has been read to its end.
    pub(crate) fn follow(self, parts: &Parts, body: Body) -> Body {
        let mut copy = Request::new(());
        *copy.method_mut() = parts.method.clone();
        *copy.uri_mut() = parts.uri.clone();
        *copy.version_mut() = parts.version;
        *copy.headers_mut() = parts.headers.clone();
        *copy.extensions_mut() = parts.extensions.clone();
        let mut tee = Tee { body, held: BytesMut::new(), copy: Some(Box::new((self, copy))) };
        if tee.body.is_end_stream() {
            tee.whole();
        }
        tee.boxed_unsync()
    }

    fn send(self, request: Request<()>, body: Bytes) {
        // Owned by its place, which bounds how many there are, and ended by its deadline.
        tokio::spawn(async move {
            let Self { door, senses, context, route, trace, time, place } = self;
            let now = senses.clock.now();
            let call = Invocation {
                id: InvocationId::new(now, senses.randomness.next()),
                key: None,
                payload: Payload::Http(Box::new(request.map(|()| weft_types::full(body)))),
                deadline: now.saturating_add(time),
                attempt: NonZeroU32::MIN,
                idempotency: None,
                origin: Origin::Http,
                trace,
                context,
            };
            let Outcome { reply, class, .. } = door.invoke(call).await;
            if let Some(observer) = &senses.observer {
                told(&**observer, &route, class);
            }
            if let Ok(Reply::Http(response)) = reply {
                let _ = timeout(time, read(response.into_body())).await;
            }
            drop(place);
        });
    }
}

fn told(observer: &dyn Observer, route: &RouteOf, class: weft_types::Class) {
    if let Some(route) = route.route() {
        observer.mirrored(route, class);
    }
}

/// To its end, where that is near.
async fn read(mut body: Body) {
    let mut left = ANSWER_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(less) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = less;
    }
}

/// A body that is copied while it is read.
struct Tee {
    body: Body,
    held: BytesMut,
    /// Until it is sent, or cannot be.
    copy: Option<Box<(Copying, Request<()>)>>,
}

impl Tee {
    fn whole(&mut self) {
        if let Some(copy) = self.copy.take() {
            let (copying, request) = *copy;
            copying.send(request, self.held.split().freeze());
        }
    }
}

impl HttpBody for Tee {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) if this.copy.is_some() => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                match (this.held.len() + data.len()) as u64 <= Options::BODY_MAX {
                    true => this.held.extend_from_slice(data),
                    false => this.copy = None,
                }
                // Whoever knows the length does not ask for the end.
                if this.body.is_end_stream() {
                    this.whole();
                }
            }
            Poll::Ready(None) => this.whole(),
            Poll::Ready(Some(Err(_))) => this.copy = None,
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
