//! Rules of Prometheus: how fast each budget is spent in each window, and when somebody should know.
//!
//! Availability is computed from the counters, over all nodes. Whether a call was slower than promised only its node
//! knows, so of latency the fastest burning node counts.

use std::fmt::Write;

use serde::Serialize;
use weft_manifest::Application;
use weft_traffic::{
    slo::{Objective, Rule, Severity},
    units::format_duration,
};

/// What is evaluated together.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    name: String,
    rules: Vec<One>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum One {
    Record { record: String, expr: String, labels: [(&'static str, String); 3] },
    Alert { alert: String, expr: String, labels: [(&'static str, String); 4], summary: String },
}

/// One group for each objective of each component.
pub(super) fn groups(application: &Application) -> Vec<Group> {
    let name = application.name.as_str();
    let promised = application.components.iter().filter_map(|(component, of)| Some((component, of.slo?)));
    let each = promised.flat_map(|(component, slo)| {
        let objectives = slo.objectives().into_iter();
        objectives.map(move |(objective, of)| group([name, component.as_str(), &objective], &of))
    });
    each.collect()
}

fn group(of @ [application, component, objective]: [&str; 3], promised: &Objective) -> Group {
    let labels = || {
        [
            ("application", application.to_owned()),
            ("component", component.to_owned()),
            ("objective", objective.to_owned()),
        ]
    };
    let mut windows: Vec<_> = Rule::ALL.iter().flat_map(|rule| [rule.short(), rule.long()]).collect();
    windows.sort();
    windows.dedup();
    let records = windows.iter().map(|window| {
        let window = format_duration(*window);
        One::Record { record: burn(&window), expr: expr(of, promised, &window), labels: labels() }
    });
    let over = |window: &str, rate: f64| format!("{}{} >= {rate}", burn(window), selector(of));
    let alerts = [Severity::Page, Severity::Ticket].map(|severity| {
        let [a, b, c] = labels();
        let rules = Rule::ALL.iter().filter(|rule| rule.severity == severity);
        let pairs = rules.map(|rule| {
            let [short, long] = [rule.short(), rule.long()].map(|window| over(&format_duration(window), rule.rate));
            format!("({short} and {long})")
        });
        One::Alert {
            alert: "WeftServiceLevelBurns".to_owned(),
            expr: pairs.collect::<Vec<_>>().join(" or "),
            labels: [a, b, c, ("severity", severity.as_str().to_owned())],
            summary: format!(
                "{application}/{component} spends its {objective} budget too fast ({})",
                severity.as_str()
            ),
        }
    });
    Group { name: format!("weft-{application}-{component}-{objective}"), rules: records.chain(alerts).collect() }
}

fn burn(window: &str) -> String {
    format!("weft:slo_burn:rate{window}")
}

fn selector([application, component, objective]: [&str; 3]) -> String {
    format!(r#"{{application="{application}",component="{component}",objective="{objective}"}}"#)
}

/// The burn rate in this window. What was never called burns nothing.
fn expr([application, component, objective]: [&str; 3], promised: &Objective, window: &str) -> String {
    let component_of = format!(r#"application="{application}",component="{component}""#);
    if promised.latency.is_some() {
        let of = format!(r#"{{{component_of},objective="{objective}",window="{window}"}}"#);
        return format!("max(weft_slo_burn_rate{of})");
    }
    let calls = |more: &str| format!("sum(rate(weft_invocations_total{{{component_of}{more}}}[{window}]))");
    let bad = calls(r#",class=~"failure|shed""#);
    format!("({bad} or vector(0)) / ({} > 0) / {}", calls(""), promised.target.rest().as_f64())
}

/// Names, labels and expressions hold nothing that a quoted string of YAML does not.
pub(super) fn yaml(groups: &[Group]) -> String {
    let mut text = "# Written by `weft export prometheus`.\ngroups:\n".to_owned();
    for group in groups {
        let _ = writeln!(text, "- name: {}\n  rules:", group.name);
        for rule in &group.rules {
            let (kind, name, expr, labels, summary) = match rule {
                One::Record { record, expr, labels } => ("record", record, expr, labels.as_slice(), None),
                One::Alert { alert, expr, labels, summary } => ("alert", alert, expr, labels.as_slice(), Some(summary)),
            };
            let _ = writeln!(text, "  - {kind}: {name}\n    expr: '{expr}'\n    labels:");
            labels.iter().for_each(|(label, value)| {
                let _ = writeln!(text, "      {label}: '{value}'");
            });
            if let Some(summary) = summary {
                let _ = writeln!(text, "    annotations:\n      summary: '{summary}'");
            }
        }
    }
    text
}
