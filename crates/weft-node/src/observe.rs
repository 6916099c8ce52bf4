//! What is told of every request when it is over: its route's meter, and a line for those who want one a request.

use std::sync::Arc;

use arc_swap::ArcSwap;
use weft_gateway::{Observed, Observer};
use weft_telemetry::metrics::{Method, Metrics, RouteMeter};
use weft_traffic::{CompiledRoute, RouteSpec, Table};

/// The meters of the routes that are served, found by their place in the table.
#[derive(Default)]
pub(crate) struct RouteMeters(ArcSwap<Metered>);

#[derive(Default)]
struct Metered {
    table: Arc<Table>,
    meters: Vec<Arc<RouteMeter>>,
}

impl RouteMeters {
    /// To be called before `table` is served.
    pub(crate) fn follow(&self, metrics: &Metrics, table: &Arc<Table>) {
        let meters = table.routes().iter().map(|route| meter(metrics, &route.spec)).collect();
        self.0.store(Arc::new(Metered { table: Arc::clone(table), meters }));
    }
}

fn meter(metrics: &Metrics, route: &RouteSpec) -> Arc<RouteMeter> {
    metrics.route(&route.application, route.host.as_deref().unwrap_or_default(), &route.path)
}

/// Tells telemetry of every request.
pub(crate) struct Watcher {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) meters: Arc<RouteMeters>,
}

impl Watcher {
    fn with_meter(&self, route: Option<&CompiledRoute>, then: impl FnOnce(&RouteMeter)) {
        let Some(route) = route else { return then(self.metrics.unrouted()) };
        let metered = self.meters.0.load();
        let (known, meter_of) = (metered.table.routes(), &metered.meters);
        let at = route.index as usize;
        match known.get(at).filter(|known| std::ptr::eq(*known, route)) {
            Some(_) => then(&meter_of[at]),
            // It was matched by a table that has been replaced since.
            None => then(&meter(&self.metrics, &route.spec)),
        }
    }
}

impl Observer for Watcher {
    fn request(&self, seen: &Observed<'_>) {
        let took = seen.ended.since(seen.started);
        self.with_meter(seen.route, |meter| {
            meter.began();
            meter.ended(Method::of(seen.method.as_str()), seen.status.as_u16(), took);
        });
        if let (None, Some(code)) = (seen.route, seen.code) {
            self.metrics.node().fault(seen.class, code);
        }
        tracing::debug!(
            target: "weft::access",
            id = %seen.id,
            trace = %seen.trace.trace,
            method = %seen.method,
            status = seen.status.as_u16(),
            route = seen.route.map(|route| &*route.spec.path),
            application = seen.route.map(|route| route.spec.application.as_str()),
            code = seen.code.map(|code| code.as_str()),
            took_us = took.as_micros() as u64,
            bytes_in = seen.bytes_in,
            bytes_out = seen.bytes_out,
            complete = seen.complete,
            "request"
        );
    }
}
