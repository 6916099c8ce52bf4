//! A dashboard of Grafana: what comes in, what becomes of it, what is promised, and what protects.

use serde_json::{Value, json};
use weft_manifest::Application;

/// Panels stand two in a row, each half of Grafana's 24 columns wide.
const WIDTH: usize = 12;
const HEIGHT: usize = 8;

/// A title, a unit, and for each line its expression and its name.
type Panel = (&'static str, &'static str, Vec<(String, &'static str)>);

pub(super) fn of(application: &Application) -> Value {
    let name = application.name.as_str();
    let mut panels = traffic(name);
    if application.components.values().any(|component| component.slo.is_some()) {
        panels.extend(levels(name));
    }
    panels.extend(protection(name));
    let panels: Vec<Value> = panels.into_iter().enumerate().map(|(at, panel)| shown(at, panel)).collect();
    json!({
        "title": format!("Weft: {name}"),
        "uid": format!("weft-{name}").chars().take(40).collect::<String>(),
        "tags": ["weft"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [{
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
        }] },
        "panels": panels,
    })
}

fn shown(at: usize, (title, unit, lines): Panel) -> Value {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    let targets: Vec<Value> = lines
        .into_iter()
        .zip('A'..)
        .map(|((expr, legend), id)| {
            json!({ "refId": id.to_string(), "expr": expr, "legendFormat": legend, "datasource": source.clone() })
        })
        .collect();
    json!({
        "id": at + 1,
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "gridPos": { "x": at % 2 * WIDTH, "y": at / 2 * HEIGHT, "w": WIDTH, "h": HEIGHT },
        "fieldConfig": { "defaults": { "unit": unit }, "overrides": [] },
        "targets": targets,
    })
}

fn traffic(name: &str) -> Vec<Panel> {
    let of = format!(r#"{{application="{name}"}}"#);
    let took = |quantile: &str, metric: &str, by: &str| {
        format!("histogram_quantile({quantile}, sum by (le, {by}) (rate({metric}_bucket{of}[$__rate_interval])))")
    };
    let requests = "http_server_request_duration_seconds";
    vec![
        (
            "Requests by route and status",
            "reqps",
            vec![(
                format!(
                    "sum by (http_route, http_response_status_code) (rate({requests}_count{of}[$__rate_interval]))"
                ),
                "{{http_route}} {{http_response_status_code}}",
            )],
        ),
        (
            "How long requests take",
            "s",
            vec![
                (took("0.5", requests, "http_route"), "p50 {{http_route}}"),
                (took("0.99", requests, "http_route"), "p99 {{http_route}}"),
            ],
        ),
        (
            "Calls by component and how they ended",
            "reqps",
            vec![(
                format!("sum by (component, class) (rate(weft_invocations_total{of}[$__rate_interval]))"),
                "{{component}} {{class}}",
            )],
        ),
        (
            "How long calls take",
            "s",
            vec![(took("0.99", "weft_invocation_duration_seconds", "component"), "p99 {{component}}")],
        ),
        (
            "Calls inside, and waiting",
            "short",
            vec![
                (format!("sum by (component) (weft_invocations_active{of})"), "{{component}} inside"),
                (format!("sum by (component) (weft_queue_waiting{of})"), "{{component}} waiting"),
            ],
        ),
        (
            "Processor time of guests",
            "s",
            vec![(
                format!("sum by (component) (rate(weft_guest_cpu_seconds_total{of}[$__rate_interval]))"),
                "{{component}}",
            )],
        ),
    ]
}

fn levels(name: &str) -> Vec<Panel> {
    let of = format!(r#"{{application="{name}"}}"#);
    vec![
        (
            "What is left of each budget",
            "percentunit",
            vec![(
                format!("min by (component, objective) (weft_slo_budget_remaining_ratio{of})"),
                "{{component}} {{objective}}",
            )],
        ),
        (
            "How fast budgets are spent",
            "short",
            vec![(
                format!(r#"max by (component, objective) (weft_slo_burn_rate{{application="{name}",window="1h"}})"#),
                "{{component}} {{objective}} in 1h",
            )],
        ),
    ]
}

fn protection(name: &str) -> Vec<Panel> {
    let of = format!(r#"{{application="{name}"}}"#);
    let rate = |metric: &str, by: &str| format!("sum by ({by}) (rate({metric}{of}[$__rate_interval]))");
    vec![
        (
            "Upstreams: tries, retries, refused by a breaker",
            "reqps",
            vec![
                (rate("weft_upstream_tries_total", "upstream, class"), "{{upstream}} {{class}}"),
                (rate("weft_upstream_retries_total", "upstream"), "{{upstream}} retried"),
                (rate("weft_breaker_refused_total", "upstream"), "{{upstream}} refused"),
            ],
        ),
        (
            "Shed, and harmed on purpose",
            "reqps",
            vec![
                (rate("weft_shed_total", "component, code"), "{{component}} {{code}}"),
                (rate("weft_faults_injected_total", "at, harm"), "{{at}} {{harm}}"),
            ],
        ),
    ]
}
