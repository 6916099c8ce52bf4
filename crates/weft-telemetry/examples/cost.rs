//! What telemetry costs a request: `cargo run --release -p weft-telemetry --example cost`.
//!
//! Nanoseconds of CPU for each call, the median of seven rounds. Linux only: wall time would measure the neighbours.

use std::{
    hint::black_box,
    io,
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};

use weft_telemetry::{
    logs::{During, Format, GuestLog, Level, Logs, Options, Redactor, Source},
    metrics::{Build, Method, Metrics},
    trace::{SpanRecord, SpanSink},
};
use weft_types::{Class, ManualClock, Name, Tenant, Trace, Usage};

/// Enough that the kernel's clock tick does not matter.
const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 7;

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{threads} cores; nanoseconds of CPU a call\n{:44} {:>9} {:>9}",
        "",
        "1 thread",
        format!("{threads} threads")
    );
    metrics(threads);
    peers(threads);
    spans(threads);
    logs(threads);
    scrape();
}

fn row(name: &str, threads: usize, call: impl Fn(u32) + Sync) {
    println!("{name:44} {:9.1} {:9.1}", measure(1, &call), measure(threads, &call));
}

fn measure(threads: usize, call: &(impl Fn(u32) + Sync)) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(threads, call)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// The mean over threads of the time that each took, starting together.
fn round(threads: usize, call: &(impl Fn(u32) + Sync)) -> f64 {
    let start = Barrier::new(threads);
    let took: u64 = std::thread::scope(|scope| {
        let run = || {
            start.wait();
            let began = cpu();
            (0..CALLS).for_each(call);
            cpu() - began
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        all.into_iter().map(|thread| thread.join().expect("a round ends")).sum()
    });
    took as f64 / f64::from(CALLS) / threads as f64
}

/// Nanoseconds that this thread has run, as Linux counts them.
fn cpu() -> u64 {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    read.split_whitespace().next().and_then(|text| text.parse().ok()).expect("a number")
}

fn build() -> Build {
    Build { version: "0", commit: "", wasmtime: "" }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn metrics(threads: usize) {
    let metrics = Metrics::new(build(), threads);
    let route = metrics.route(&name("orders"), "", "/orders/:id");
    let component = metrics.component(&name("orders"), &name("api"));
    let usage = Usage { cpu: Duration::from_micros(20), memory_peak: 1 << 20, bytes_in: 100, bytes_out: 2000 };
    let took = |at: u32| Duration::from_nanos(u64::from(at) * 997 % 10_000_000);
    let nobody = Tenant::default();
    row("a request: route and component, all counts", threads, |at| {
        route.began();
        component.began();
        component.instance_reused();
        component.ended(Class::Ok, None, took(at), &usage, &nobody);
        route.ended(Method::of("GET"), 200, took(at));
    });
    row("  of it the component's", threads, |at| {
        component.began();
        component.ended(Class::Ok, None, took(at), &usage, &nobody);
    });
    row("  of it the route's", threads, |at| {
        route.began();
        route.ended(Method::of("GET"), 200, took(at));
    });
}

/// The library's own cells, to see what ours are worth.
fn peers(threads: usize) {
    use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
    let counter = Counter::<u64>::default();
    row("prometheus-client: one counter", threads, |_| _ = counter.inc());
    let histogram = Histogram::new((0..18).map(|at| f64::from(1 << at) * 5e-5));
    row("prometheus-client: one histogram", threads, |at| histogram.observe(f64::from(at) * 1e-8));
}

fn spans(threads: usize) {
    let off = SpanSink::off();
    let trace = Trace { flags: Trace::SAMPLED, ..Trace::default() };
    row("a span nobody wants", threads, |_| assert!(!black_box(&off).wants(black_box(&trace))));
    row("a span made, and dropped by the sink", threads, |_| off.emit(span(&trace)));
}

fn span(trace: &Trace) -> SpanRecord {
    let now = weft_types::Timestamp::from_millis(1);
    let mut span = SpanRecord::new("GET /orders/:id", weft_telemetry::trace::Kind::Server, trace.clone(), now, now);
    span.attributes = Vec::with_capacity(8);
    for key in ["http.request.method", "url.path", "url.scheme", "http.route"] {
        span.attributes.push((key.into(), "GET".into()));
    }
    span.attributes.push(("http.response.status_code".into(), 200u16.into()));
    span
}

fn logs(threads: usize) {
    let metrics = Metrics::new(build(), threads);
    let clock = Arc::new(ManualClock::default());
    let options = Options { held: false, ..Options::held(Format::Json) };
    let (logs, subscriber) = Logs::start(options, clock, &metrics, io::sink()).expect("a log");
    tracing::subscriber::set_global_default(subscriber).expect("the only subscriber");
    row("a debug event that is filtered out", threads, |at| tracing::debug!(at, "served"));
    row("an info event, JSON", threads, |at| tracing::info!(at, "served"));
    let guest = logs.guest(metrics.component(&name("orders"), &name("api")), Redactor::default());
    let log = GuestLog {
        source: Source::Stdout,
        level: Level::INFO,
        context: "",
        message: "order 7 was placed by a customer of ours",
        during: During::default(),
    };
    row("a guest's line, JSON", threads, |_| guest.log(log));
}

fn scrape() {
    let metrics = Metrics::new(build(), 2);
    let usage = Usage::default();
    let all: Vec<_> = (0..1000)
        .map(|at| {
            let application = name(&format!("app-{at}"));
            let route = metrics.route(&application, "", "/");
            let component = metrics.component(&application, &name("api"));
            (route, component)
        })
        .collect();
    for (route, component) in &all {
        route.began();
        component.began();
        component.ended(Class::Ok, None, Duration::from_millis(1), &usage, &Tenant::default());
        route.ended(Method::of("GET"), 200, Duration::from_millis(1));
    }
    let began = Instant::now();
    let text = metrics.render();
    println!(
        "\na scrape of 1,000 applications: {:?}, {} KiB, {} series",
        began.elapsed(),
        text.len() >> 10,
        text.lines().filter(|line| !line.starts_with('#')).count()
    );
}
