//! All meters as one OpenMetrics text. The format is prometheus-client's; the cells are ours, since its histogram
//! takes a lock for each observation.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};
use weft_types::Class;

use super::{
    CodeFrom, ComponentMeter, LevelReading, LimitReading, Metrics, UpstreamReading,
    arm::CLASSES,
    component::ComponentReading,
    families::{counters, gauge, gauges, histograms, info, one_counter},
    latency::Reading,
    living,
    process::Process,
    tally::class_name,
};

/// The `content-type` of what [`Metrics::render`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn render(metrics: &Arc<Metrics>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Everything(Arc::clone(metrics))));
    let mut out = String::with_capacity(16 * 1024);
    // A `String` takes whatever is written, and nothing of ours refuses to be encoded.
    let _ = text::encode(&mut out, &registry);
    out
}

#[derive(Debug)]
struct Everything(Arc<Metrics>);

impl Collector for Everything {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        build(&self.0, &mut out)?;
        process(&Process::read(), &mut out)?;
        node(&self.0, &mut out)?;
        stores(&self.0, &mut out)?;
        routes(&self.0, &mut out)?;
        arms(&self.0, &mut out)?;
        components(&self.0, &mut out)?;
        upstreams(&self.0, &mut out)?;
        levels(&self.0, &mut out)?;
        limits(&self.0, &mut out)?;
        faults(&self.0, &mut out)
    }
}

fn build(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let build = metrics.build;
    let labels = [("version", build.version), ("commit", build.commit), ("wasmtime", build.wasmtime)];
    info(out, "weft_build", "What this build is", labels)
}

fn process(process: &Process, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    if let Some(seconds) = process.cpu_seconds {
        one_counter(out, "process_cpu_seconds", "User and system time of this process", seconds)?;
    }
    if let Some(seconds) = process.start_seconds {
        gauge(out, "process_start_time_seconds", "Start of this process since the Unix epoch", seconds)?;
    }
    let levels = [
        ("process_resident_memory_bytes", "Memory of this process that is in RAM", process.resident_bytes),
        ("process_virtual_memory_bytes", "Address space of this process", process.virtual_bytes),
        ("process_threads", "Threads of this process", process.threads),
        ("process_open_fds", "Open file descriptors", process.open_fds),
        ("process_max_fds", "Limit of open file descriptors", process.max_fds),
    ];
    levels.into_iter().try_for_each(|(name, help, value)| match value {
        Some(value) => gauge(out, name, help, value as f64),
        None => Ok(()),
    })
}

fn node(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let node = &metrics.node;
    let active = node.connections_active.get() as f64;
    gauge(out, "weft_connections_active", "Open connections", active)?;
    gauge(out, "weft_code_loaded", "Components whose code is mapped", node.code_loaded.get() as f64)?;
    let counts = [
        ("weft_accept_errors", "Failures of accepting a connection", &node.accept_errors),
        ("weft_tls_handshakes_failed", "TLS handshakes that failed", &node.tls_handshakes_failed),
        ("weft_proxy_headers_failed", "Connections that lacked their PROXY header", &node.proxy_headers_failed),
        ("weft_code_evicted", "Components whose idle code was unmapped", &node.code_evicted),
        ("weft_node_log_dropped", "Log lines of the node dropped on a full queue", &node.log_dropped),
        ("weft_spans_dropped", "Spans dropped before or during export", &node.spans_dropped),
        ("weft_spans_exported", "Spans that the collector took", &node.spans_exported),
        ("weft_points_dropped", "Metric points of guests dropped before or during export", &node.points_dropped),
        ("weft_points_exported", "Metric points of guests that the collector took", &node.points_exported),
        ("weft_exports_failed", "Exports given up after retries", &node.exports_failed),
    ];
    for (name, help, count) in counts {
        one_counter(out, name, help, count.get())?;
    }
    let accepted = [("http", &node.connections_http), ("https", &node.connections_https)];
    let accepted = accepted.into_iter().map(|(scheme, count)| ([("url_scheme", scheme)], count.get()));
    counters(out, "weft_connections", "Connections accepted", accepted)?;
    let faults = node.faults().map(|(class, code, count)| ([("class", class_name(class)), ("code", code)], count));
    counters(out, "weft_edge_faults", "Requests answered by the edge itself", faults)?;
    let code = CodeFrom::ALL.into_iter().map(|(from, name)| ([("from", name)], node.code(from)));
    histograms(out, "weft_compile_seconds", "Time until a component's code was ready", code.filter(observed))
}

fn stores(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all = living(&metrics.stores);
    let commits = all.iter().map(|store| ([("store", store.store.as_str())], store.read()));
    histograms(out, "weft_store_commit_seconds", "Time until a commit was durable", commits.filter(observed))?;
    let conflicts = all.iter().map(|store| ([("store", store.store.as_str())], store.conflicts.get()));
    counters(out, "weft_store_conflicts", "Commits refused by their checks", conflicts)?;
    let failures = all.iter().map(|store| ([("store", store.store.as_str())], store.failures.get()));
    counters(out, "weft_store_failures", "Commits that could not be made durable", failures)
}

fn routes(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut all = living(&metrics.routes);
    all.insert(0, Arc::clone(&metrics.unrouted));
    let labels: Vec<_> = all
        .iter()
        .map(|route| {
            let application = route.labels.application.as_ref().map_or("", |name| name.as_str());
            [("application", application), ("server_address", &*route.labels.host), ("http_route", &*route.labels.path)]
        })
        .collect();
    let active = all.iter().zip(&labels).map(|(route, labels)| (*labels, route.active() as f64));
    gauges(out, "http_server_active_requests", "Requests between their head and their last byte", active)?;
    let sockets = all.iter().zip(&labels).map(|(route, labels)| (*labels, route.sockets() as f64));
    gauges(out, "weft_websockets_active", "Open WebSockets", sockets)?;
    let read: Vec<_> = all.iter().zip(&labels).map(|(route, labels)| (labels, route.read())).collect();
    let series = read.iter().flat_map(|(labels, series)| {
        series.iter().map(move |(method, status, reading)| {
            let [application, host, path] = **labels;
            let pair = [("http_request_method", *method), ("http_response_status_code", status.as_str())];
            ([application, host, path, pair[0], pair[1]], reading.clone())
        })
    });
    histograms(out, "http_server_request_duration_seconds", "From a request's head to its response's last byte", series)
}

fn arms(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all = living(&metrics.arms);
    let ended = all.iter().flat_map(|arm| {
        let route = &arm.labels.route;
        let labels = [
            ("application", route.application.as_ref().map_or("", |name| name.as_str())),
            ("server_address", &*route.host),
            ("http_route", &*route.path),
            ("role", arm.labels.role),
            ("callee", &*arm.labels.callee),
        ];
        CLASSES.map(|class| {
            let [application, host, path, role, callee] = labels;
            ([application, host, path, role, callee, ("class", class_name(class))], arm.count(class))
        })
    });
    counters(out, "weft_route_arm", "Requests that an arm of a split route answered, or its mirror was given", ended)
}

fn components(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all = living(&metrics.components);
    let read: Vec<_> = all.iter().map(|meter| (labels_of(meter), meter.read())).collect();
    ended(&read, out)?;
    let took = read.iter().map(|(labels, one)| (*labels, one.took.clone()));
    histograms(out, "weft_invocation_duration_seconds", "From admission to the End", took.filter(observed))?;
    let cpu = read.iter().map(|(labels, one)| (*labels, one.cpu_seconds));
    counters(out, "weft_guest_cpu_seconds", "Time spent running the guest", cpu)?;
    instances(&read, out)?;
    tenants(&read, out)?;
    type Of = fn(&ComponentReading) -> u64;
    let counts: [(&str, &str, Of); 4] = [
        ("weft_bytes_in", "Bytes of bodies that the component was given", |one| one.bytes_in),
        ("weft_bytes_out", "Bytes of bodies that the component answered", |one| one.bytes_out),
        ("weft_log_lines", "Lines that the component logged", |one| one.log_lines),
        ("weft_log_dropped", "Lines of the component dropped on a full queue", |one| one.log_dropped),
    ];
    for (name, help, of) in counts {
        counters(out, name, help, read.iter().map(|(labels, one)| (*labels, of(one))))?;
    }
    let levels: [(&str, &str, Of); 3] = [
        ("weft_guest_memory_peak_bytes", "Largest linear memory of any instance", |one| one.memory_peak),
        ("weft_invocations_active", "Invocations between admission and End", |one| one.active),
        ("weft_queue_waiting", "Invocations that wait for a place", |one| one.waiting),
    ];
    for (name, help, of) in levels {
        gauges(out, name, help, read.iter().map(|(labels, one)| (*labels, of(one) as f64)))?;
    }
    Ok(())
}

type Labels<'a> = [(&'static str, &'a str); 2];

fn labels_of(meter: &ComponentMeter) -> Labels<'_> {
    [("application", meter.application().as_str()), ("component", meter.component().as_str())]
}

fn ended(read: &[(Labels<'_>, ComponentReading)], out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let each = || read.iter().flat_map(|(labels, one)| one.ended.iter().map(move |ended| (*labels, *ended)));
    let all = each().map(|([application, component], (class, code, count))| {
        ([application, component, ("class", class_name(class)), ("code", code)], count)
    });
    counters(out, "weft_invocations", "Invocations that ended, by class and our code", all)?;
    let shed = each().filter(|(_, (class, ..))| *class == Class::Shed);
    let shed =
        shed.map(|([application, component], (_, code, count))| ([application, component, ("code", code)], count));
    counters(out, "weft_shed", "Invocations refused to protect something", shed)
}

fn instances(read: &[(Labels<'_>, ComponentReading)], out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let live = read.iter().map(|(labels, one)| (*labels, one.live as f64));
    gauges(out, "weft_instances_live", "Instances in memory", live)?;
    let created = read.iter().map(|(labels, one)| (*labels, one.created));
    counters(out, "weft_instances_created", "Instances made", created)?;
    let reused = read.iter().map(|(labels, one)| (*labels, one.reused));
    counters(out, "weft_instances_reused", "Invocations that met an instance in use before", reused)?;
    let lost = read.iter().map(|(labels, one)| (*labels, one.lost));
    counters(out, "weft_instances_lost", "Instances that a failure of their guest ended", lost)
}

/// Use by tenant; an empty name is that of calls without one.
fn tenants(read: &[(Labels<'_>, ComponentReading)], out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let each = || {
        read.iter().flat_map(|([application, component], one)| {
            one.tenants.iter().map(|(tenant, used)| ([*application, *component, ("tenant", &**tenant)], used))
        })
    };
    let calls = each().map(|(labels, used)| (labels, used.calls));
    counters(out, "weft_tenant_invocations", "Admitted invocations that ended, by tenant", calls)?;
    let cpu = each().map(|(labels, used)| (labels, used.cpu_nanos as f64 / 1e9));
    counters(out, "weft_tenant_guest_cpu_seconds", "Time spent running the guest, by tenant", cpu)?;
    let bytes = each().map(|(labels, used)| (labels, used.bytes_in));
    counters(out, "weft_tenant_bytes_in", "Bytes of bodies that the component was given, by tenant", bytes)?;
    let bytes = each().map(|(labels, used)| (labels, used.bytes_out));
    counters(out, "weft_tenant_bytes_out", "Bytes of bodies that the component answered, by tenant", bytes)?;
    let named = each().filter(|([.., (_, tenant)], _)| !tenant.is_empty());
    let peak = named.map(|(labels, used)| (labels, used.memory_peak as f64));
    gauges(out, "weft_tenant_guest_memory_peak_bytes", "Largest linear memory that a call of the tenant met", peak)
}

fn levels(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all: Vec<_> = metrics.levels.get().map(|source| source.read()).unwrap_or_default();
    let left = all.iter().map(|one| (level_labels(one), one.remaining));
    gauges(out, "weft_slo_budget_remaining_ratio", "What is left of the budget of bad calls; below 0 overspent", left)?;
    let burns = all.iter().flat_map(|one| {
        let [application, component, objective] = level_labels(one);
        one.burns.iter().map(move |(window, rate)| ([application, component, objective, ("window", window)], *rate))
    });
    gauges(out, "weft_slo_burn_rate", "How fast the budget is spent; 1 spends it exactly by its end", burns)?;
    let burning = all.iter().flat_map(|one| {
        let [application, component, objective] = level_labels(one);
        ["page", "ticket"].map(|severity| {
            let burns = f64::from(u8::from(one.severity == Some(severity)));
            ([application, component, objective, ("severity", severity)], burns)
        })
    });
    gauges(out, "weft_slo_burning", "Whether it burns so fast that somebody should know", burning)
}

fn limits(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all: Vec<_> = metrics.limits.get().map(|source| source.read()).unwrap_or_default();
    let labelled: Vec<_> = all.iter().map(|one| (limit_labels(one), one)).collect();
    let places = labelled.iter().map(|(labels, one)| (*labels, f64::from(one.places)));
    gauges(out, "weft_concurrency_limit", "Calls that may be inside a component at once, as it stands", places)?;
    let adaptive = labelled.iter().filter_map(|(labels, one)| Some((*labels, f64::from(one.adaptive?))));
    let help = "The limit on calls yet to answer that was found from how long they take, whether it holds now or not";
    gauges(out, "weft_concurrency_adaptive_limit", help, adaptive)
}

fn limit_labels(one: &LimitReading) -> Labels<'_> {
    [("application", one.application.as_str()), ("component", one.component.as_str())]
}

fn faults(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Some(source) = metrics.faults.get() else { return Ok(()) };
    gauge(out, "weft_faults_standing", "Faults put in on purpose that have not ended", source.standing() as f64)?;
    let all = source.read();
    let done = all.iter().map(|one| {
        ([("application", one.application.as_str()), ("at", one.at.as_str()), ("harm", one.harm)], one.count)
    });
    counters(out, "weft_faults_injected", "Calls that were harmed on purpose", done)
}

fn level_labels(one: &LevelReading) -> [(&'static str, &str); 3] {
    let (application, component) = (one.application.as_str(), one.component.as_str());
    [("application", application), ("component", component), ("objective", &one.objective)]
}

fn upstreams(metrics: &Metrics, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all: Vec<_> = metrics.upstreams.get().map(|source| source.read()).unwrap_or_default();
    let all: Vec<_> = all.into_iter().map(UpstreamReading::bounded).collect();
    requests(&all, out)?;
    type Of = fn(&UpstreamReading) -> u64;
    let counts: [(&str, &str, Of); 2] = [
        ("weft_upstream_retries", "Tries of calls to an upstream after the first", |one| one.retries),
        ("weft_upstream_retries_refused", "Retries for which the budget had nothing left", |one| one.retries_refused),
    ];
    for (name, help, of) in counts {
        counters(out, name, help, all.iter().map(|one| (upstream_labels(one), of(one))))?;
    }
    hedges(&all, out)?;
    let levels: [(&str, &str, Of); 3] = [
        (
            "weft_upstream_concurrency_limit",
            "Calls that may be under way to an upstream at once, as it stands",
            |one| one.places,
        ),
        ("weft_upstream_active", "Calls of an upstream between admission and End", |one| one.active),
        ("weft_upstream_waiting", "Calls that wait for a place at an upstream", |one| one.waiting),
    ];
    for (name, help, of) in levels {
        gauges(out, name, help, all.iter().map(|one| (upstream_labels(one), of(one) as f64)))?;
    }
    breakers(&all, out)
}

fn hedges(all: &[UpstreamReading], out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let each = all.iter().filter_map(|one| Some((upstream_labels(one), one.hedges?)));
    let each = each.flat_map(|([application, upstream], hedges)| {
        [("sent", hedges.sent), ("won", hedges.won), ("refused", hedges.refused)]
            .map(|(outcome, count)| ([application, upstream, ("outcome", outcome)], count))
    });
    counters(out, "weft_upstream_hedges", "Second tries beside a late one: sent, won, refused for want of budget", each)
}

fn upstream_labels(one: &UpstreamReading) -> Labels<'_> {
    [("application", one.application.as_str()), ("upstream", &*one.upstream)]
}

fn requests(all: &[UpstreamReading], out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let each = || {
        all.iter().flat_map(|one| {
            let [application, upstream] = upstream_labels(one);
            one.endpoints
                .iter()
                .map(move |endpoint| ([application, upstream, ("endpoint", &*endpoint.endpoint)], endpoint))
        })
    };
    let tries = each().flat_map(|([application, upstream, endpoint], one)| {
        [("ok", one.ok), ("failure", one.failures)]
            .map(|(class, count)| ([application, upstream, endpoint, ("class", class)], count))
    });
    counters(out, "weft_upstream_tries", "Tries of calls to an endpoint that were answered or failed", tries)?;
    let ejections = each().map(|(labels, one)| (labels, one.ejections));
    counters(out, "weft_upstream_ejections", "Times that an endpoint was left out for a while", ejections)?;
    let up = each().map(|(labels, one)| (labels, f64::from(u8::from(one.up))));
    gauges(out, "weft_upstream_endpoint_up", "Whether calls may go to an endpoint", up)?;
    let active = each().map(|(labels, one)| (labels, one.active as f64));
    gauges(out, "weft_upstream_endpoint_active", "Tries between their choice of an endpoint and their End", active)
}

fn breakers(all: &[UpstreamReading], out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let each = || all.iter().filter_map(|one| Some((upstream_labels(one), one.breaker?)));
    let states = each().flat_map(|([application, upstream], breaker)| {
        ["closed", "open", "probing"].map(|state| {
            let is = f64::from(u8::from(breaker.state == state));
            ([application, upstream, ("state", state)], is)
        })
    });
    gauges(out, "weft_breaker_state", "1 for the state that a breaker is in", states)?;
    counters(
        out,
        "weft_breaker_opens",
        "Times that a breaker opened",
        each().map(|(labels, one)| (labels, one.opens)),
    )?;
    let refused = each().map(|(labels, one)| (labels, one.refused));
    counters(out, "weft_breaker_refused", "Calls that an open breaker refused", refused)
}

/// A histogram without observations is twenty lines about nothing.
fn observed<L>((_, reading): &(L, Reading)) -> bool {
    reading.count > 0
}
