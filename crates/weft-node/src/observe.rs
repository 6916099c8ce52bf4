//! What is told of every request when it is over: its route's meter, and a line for those who want one a request.

use std::sync::Arc;

use arc_swap::ArcSwap;
use weft_gateway::{ConnectionEvent, Observed, Observer};
use weft_telemetry::{
    metrics::{ArmMeter, Method, Metrics, RouteMeter},
    trace::{Kind, Origin, SpanRecord, SpanSink, Status, Value},
};
use weft_traffic::{Action, Callee, CompiledRoute, RouteSpec, Table};
use weft_types::{Class, Code, code};

use crate::{requests::Requests, sampling::wants};

/// The meters of the routes that are served, found by their place in the table.
#[derive(Default)]
pub(crate) struct RouteMeters(ArcSwap<Metered>);

#[derive(Default)]
struct Metered {
    table: Arc<Table>,
    meters: Vec<Arc<Meters>>,
}

/// The meters of one route.
pub(crate) struct Meters {
    route: Arc<RouteMeter>,
    /// One for each arm of a split route.
    pub(crate) arms: Vec<Arc<ArmMeter>>,
    pub(crate) mirror: Option<Arc<ArmMeter>>,
}

impl RouteMeters {
    /// To be called before `table` is served. `meters` has one for each of its routes, in their order.
    pub(crate) fn follow(&self, table: &Arc<Table>, meters: Vec<Arc<Meters>>) {
        debug_assert_eq!(table.routes().len(), meters.len());
        self.0.store(Arc::new(Metered { table: Arc::clone(table), meters }));
    }
}

pub(crate) fn meters(metrics: &Metrics, route: &RouteSpec) -> Arc<Meters> {
    let host = route.host.as_deref().unwrap_or_default();
    let arm = |role, callee: &Callee| metrics.arm(&route.application, host, &route.path, role, &callee.to_string());
    let callees = match &route.action {
        Action::Split(arms) => &arms.callees[..],
        _ => &[],
    };
    let mirror = route.features.as_ref().and_then(|features| features.mirror.as_ref());
    Arc::new(Meters {
        route: metrics.route(&route.application, host, &route.path),
        arms: callees.iter().map(|callee| arm("arm", callee)).collect(),
        mirror: mirror.map(|mirror| arm("mirror", &mirror.callee)),
    })
}

/// Tells telemetry of every request.
pub(crate) struct Watcher {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) meters: Arc<RouteMeters>,
    pub(crate) spans: SpanSink,
    pub(crate) requests: Arc<Requests>,
}

impl Watcher {
    fn with_meter(&self, route: Option<&CompiledRoute>, then: impl FnOnce(&RouteMeter)) {
        let Some(route) = route else { return then(self.metrics.unrouted()) };
        self.with_meters(route, |meters| then(&meters.route));
    }

    fn with_meters(&self, route: &CompiledRoute, then: impl FnOnce(&Meters)) {
        let metered = self.meters.0.load();
        let (known, meter_of) = (metered.table.routes(), &metered.meters);
        let at = route.index as usize;
        match known.get(at).filter(|known| std::ptr::eq(*known, route)).and(meter_of.get(at)) {
            Some(meter) => then(meter),
            // It was matched by a table that has been replaced since.
            None => then(&meters(&self.metrics, &route.spec)),
        }
    }
}

impl Observer for Watcher {
    fn began(&self, route: Option<&CompiledRoute>) {
        self.with_meter(route, RouteMeter::began);
    }

    fn mirrored(&self, route: &CompiledRoute, class: Class) {
        self.with_meters(route, |meters| meters.mirror.iter().for_each(|mirror| mirror.ended(class)));
    }

    fn socket(&self, route: &CompiledRoute, open: bool) {
        self.with_meters(route, |meters| meters.route.socket(open));
    }

    fn refused(&self, code: Code) {
        self.metrics.node().fault(Class::CallerFault, code);
    }

    fn connection(&self, event: ConnectionEvent, secure: bool) {
        let node = self.metrics.node();
        match event {
            ConnectionEvent::Accepted if secure => node.connections_https.add(1),
            ConnectionEvent::Accepted => node.connections_http.add(1),
            ConnectionEvent::AcceptFailed => node.accept_errors.add(1),
            ConnectionEvent::HandshakeFailed => node.tls_handshakes_failed.add(1),
            ConnectionEvent::ProxyHeaderFailed => node.proxy_headers_failed.add(1),
            _ => {}
        }
    }

    fn request(&self, seen: &Observed<'_>) {
        let took = seen.switched.unwrap_or(seen.ended).since(seen.started);
        self.with_meter(seen.route, |meter| {
            meter.ended(Method::of(seen.method.as_str()), seen.status.as_u16(), took);
        });
        if let (Some(route), Some(arm)) = (seen.route, seen.arm) {
            self.with_meters(route, |meters| meters.arms.get(arm).into_iter().for_each(|arm| arm.ended(seen.class)));
        }
        match seen.code {
            // Answered out here, whichever component would have.
            Some(code) if seen.route.is_none() || code == code::RATE_LIMITED => {
                self.metrics.node().fault(seen.class, code);
            }
            _ => {}
        }
        self.requests.keep(seen);
        if wants(&self.spans, seen.trace) {
            self.spans.emit(span(seen));
        }
        tracing::debug!(
            target: "weft::access",
            invocation = %seen.id,
            trace_id = %seen.trace.trace,
            method = %seen.method,
            status = seen.status.as_u16(),
            route = seen.route.map(|route| &*route.spec.path),
            application = seen.route.map(|route| route.spec.application.as_str()),
            code = seen.code.map(|code| code.as_str()),
            took_us = took.as_micros() as u64,
            open_ms = seen.switched.map(|since| seen.ended.since(since).as_millis() as u64),
            bytes_in = seen.bytes_in,
            bytes_out = seen.bytes_out,
            complete = seen.complete,
            injected = (!seen.injected.is_empty()).then(|| tracing::field::display(seen.injected)),
            "request"
        );
    }
}

/// The server's span of a request, in OpenTelemetry's words.
fn span(seen: &Observed<'_>) -> SpanRecord {
    let method = Method::of(seen.method.as_str()).as_str();
    // Few different names, and never a path as it was sent.
    let name = match seen.route {
        Some(route) => format!("{method} {}", route.spec.path),
        None => method.to_owned(),
    };
    let mut span = SpanRecord::new(name, Kind::Server, seen.trace.clone(), seen.started, seen.ended);
    let status = seen.status.as_u16();
    span.attributes = vec![
        ("http.request.method".into(), Value::from(method)),
        ("http.response.status_code".into(), Value::I64(status.into())),
        ("http.request.body.size".into(), Value::I64(seen.bytes_in as i64)),
        ("http.response.body.size".into(), Value::I64(seen.bytes_out as i64)),
        ("weft.request.id".into(), Value::from(seen.id.to_string())),
    ];
    if let Some(CompiledRoute { spec, .. }) = seen.route {
        span.attributes.push(("http.route".into(), Value::from(Arc::clone(&spec.path))));
        if let Action::Component(context) = &spec.action {
            span.origin = Origin::component(&context.target.application, &context.target.component);
        }
    }
    if !seen.injected.is_empty() {
        span.attributes.push(("weft.fault.injected".into(), Value::from(seen.injected.to_string())));
    }
    if let Some(code) = seen.code {
        span.attributes.push(("error.type".into(), Value::from(code.as_str())));
    }
    if status >= 500 || !seen.complete {
        span.status = Status::Error(seen.code.map_or("", |code| code.as_str()).into());
    }
    span
}
