//! `weft explain REQUEST-ID`: what became of a request that was sent.

use std::time::{Duration, UNIX_EPOCH};

use weft_api::{RequestReport, TryReport, path};
use weft_types::Code;

use super::logs;
use crate::{args::Format, client::Target, failure::Failure, output};

/// Whether somebody means a request that was sent, and not one that could be.
pub(super) fn is_id(text: &str) -> bool {
    text.starts_with("inv_")
}

pub(super) fn explain(id: &str, target: &Target, format: Format) -> Result<(), Failure> {
    let report: RequestReport =
        super::block_on(async { target.find()?.get(&path::REQUEST.replace("{id}", id)).await })?;
    output::print(format, &report, shown)
}

fn shown(report: &RequestReport) -> String {
    let RequestReport { id, trace_id, method, version, status, class, .. } = report;
    let route = report.route.as_ref();
    let mut text =
        format!("{id}\n  {method} {}, {version}: {status}, {class}\n", route.map_or("no route", |route| &route.route));
    if let Some(code) = &report.code {
        let title = Code::find(code).map_or("", |code| code.info().title);
        text.push_str(&format!("  {code}: {title}\n"));
    }
    if !report.complete {
        text.push_str("  the answer was not handed over to its end\n");
    }
    let began = humantime(report.started_ms);
    text.push_str(&format!(
        "  began {began}, {} bytes in, {} out, trace {trace_id}\n",
        report.bytes_in, report.bytes_out
    ));
    text.push_str(&format!("\n  answered by\n{}", output::table(&answered(report))));
    text.push_str(&format!("\n  time\n{}", output::table(&times(report))));
    if let Some(route) = route.filter(|route| !route.policy.is_empty()) {
        let rows: Vec<_> = route
            .policy
            .iter()
            .map(|field| vec![format!("    {}", field.field), field.value.clone(), format!("({})", field.origin)])
            .collect();
        text.push_str(&format!("\n  policy\n{}", output::table(&rows)));
    }
    if let Some(upstream) = &report.upstream {
        text.push_str(&format!("\n  upstream, as it stands now\n{}", super::upstreams::shown(upstream, "    ")));
    }
    if !report.log.is_empty() {
        text.push_str("\n  log\n");
        text.extend(report.log.iter().map(|line| format!("    {}\n", logs::shown(line))));
    }
    text
}

/// Whom it met, in the order in which it did.
fn answered(report: &RequestReport) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |what: &str, text: String| rows.push(vec![format!("    {what}"), text]);
    match &report.route {
        None => row("route", "none".to_owned()),
        Some(route) => {
            row("route", format!("{} {}", route.route, if route.place.is_empty() { "" } else { &route.place }));
            row("application", format!("{}, {}", route.application, route.action));
        }
    }
    if let Some(arm) = &report.arm {
        row("arm", arm.clone());
    }
    if let Some(limit) = &report.limit {
        let said = if limit.allowed { "allowed" } else { "refused" };
        row("rate limit", format!("{said}, {} of {} left", limit.remaining, limit.burst));
    }
    match (&report.identity, &report.tenant) {
        (Some(identity), Some(tenant)) => row("identity", format!("{identity}, tenant {tenant}")),
        (Some(identity), None) => row("identity", identity.clone()),
        _ => {}
    }
    rows
}

/// Where the time went, as far as it is known: tries last until the head of their answer.
fn times(report: &RequestReport) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |what: String, us: u64, how: String| rows.push(vec![format!("    {what}"), time(us), how]);
    let mut at = 0;
    for one in &report.tries {
        let before = if one.attempt == 1 { "until it was sent" } else { "waited" };
        row(before.to_owned(), one.after_us.saturating_sub(at), String::new());
        row(format!("try {}", one.attempt), one.took_us, format!("{}: {}", one.endpoint, ended(one)));
        at = one.after_us + one.took_us;
    }
    if !report.tries.is_empty() {
        row("from its head to the last byte".to_owned(), report.took_us.saturating_sub(at), String::new());
    }
    row("in all".to_owned(), report.took_us, String::new());
    if let Some(open) = report.open_us {
        row("open as a WebSocket".to_owned(), open, String::new());
    }
    rows
}

fn ended(one: &TryReport) -> String {
    match (&one.code, one.status) {
        (Some(code), _) => code.clone(),
        (None, Some(status)) => status.to_string(),
        (None, None) => String::new(),
    }
}

fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// How long ago, since nobody reads milliseconds since an epoch.
fn humantime(started_ms: u64) -> String {
    let ago = (UNIX_EPOCH + Duration::from_millis(started_ms)).elapsed().unwrap_or_default();
    match ago.as_secs() {
        0..120 => format!("{} s ago", ago.as_secs()),
        120..7_200 => format!("{} min ago", ago.as_secs() / 60),
        seconds => format!("{} h ago", seconds / 3_600),
    }
}
