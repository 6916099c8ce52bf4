//! `weft status`: what a node serves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use weft_api::{ApplicationStatus, Change, NodeState, Revisions, State, Status as Node, path};
use weft_types::Name;

use crate::{args::Format, client::Target, failure::Failure, output};

/// Show what a running node serves; of one application, its kept revisions.
#[derive(Args)]
#[command(after_help = "Examples:\n  weft status\n  weft status orders --format json")]
pub(crate) struct Status {
    /// The application whose revisions to show. Without one: the node.
    #[arg(value_name = "APPLICATION")]
    application: Option<Name>,
    #[command(flatten)]
    target: Target,
}

impl Status {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        super::block_on(async {
            let admin = self.target.find()?;
            match &self.application {
                Some(name) => {
                    let revisions: Revisions = admin.get(&path::of_application(path::REVISIONS, name)).await?;
                    output::print(format, &revisions, history)
                }
                None => output::print(format, &admin.get::<Node>(path::STATUS).await?, node),
            }
        })
    }
}

fn node(status: &Node) -> String {
    let state = match status.node {
        NodeState::Starting => "starting",
        NodeState::Ready => "ready",
        NodeState::Draining => "draining",
    };
    let mut rows = vec![
        vec!["node".to_owned(), format!("{state}, version {}, up {}", status.version, ago(status.started_ms))],
        vec!["data".to_owned(), status.data.clone()],
    ];
    rows.extend(status.listeners.iter().map(|at| vec![format!("{:?}", at.serves).to_lowercase(), at.url.clone()]));
    for store in &status.stores {
        let how = if store.writable { "writable".to_owned() } else { format!("read only: {}", store.detail) };
        rows.push(vec!["store".to_owned(), format!("{}, {how}", store.engine)]);
    }
    let mut text = output::table(&rows);
    if status.applications.is_empty() {
        text.push_str("\nno applications; apply one with: weft apply FOLDER\n");
        return text;
    }
    let head =
        ["application", "revision", "change", "since", "state", "calls", "failures", "shed", "active", "waiting"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(status.applications.iter().map(application));
    text.push('\n');
    text.push_str(&output::table(&rows));
    text.push_str(&levels(status));
    text.push_str(&limits(status));
    let components = |of: &ApplicationStatus| -> Vec<Vec<String>> {
        let line = |component: &weft_api::ComponentStatus| {
            let breaker = super::upstreams::breaker(component.breaker.as_ref()?);
            Some(vec![format!("  {}", of.summary.name), component.name.to_string(), format!("breaker {breaker}")])
        };
        of.components.iter().filter_map(line).collect()
    };
    let breakers: Vec<_> = status.applications.iter().flat_map(components).collect();
    if !breakers.is_empty() {
        text.push_str(&format!("\nbreakers of components\n{}", output::table(&breakers)));
    }
    for of in status.applications.iter().filter(|of| !of.upstreams.is_empty()) {
        text.push_str(&format!("\nupstreams of {}\n", of.summary.name));
        text.extend(of.upstreams.iter().map(|upstream| super::upstreams::shown(upstream, "  ")));
    }
    for of in status.applications.iter().filter(|of| !of.splits.is_empty()) {
        text.push_str(&format!("\nsplit routes of {}\n", of.summary.name));
        text.push_str(&output::table(&splits(of)));
    }
    text
}

/// Service levels, one objective a line; nothing where nothing is promised.
fn levels(status: &Node) -> String {
    let head = ["objective", "", "of", "good", "bad", "budget left", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let components =
        status.applications.iter().flat_map(|of| of.components.iter().map(move |component| (of, component)));
    for (of, component) in components {
        rows.extend(component.slo.iter().map(|slo| {
            let within = slo.latency.as_ref().map_or(String::new(), |most| format!(" within {most}"));
            vec![
                format!("{}/{}", of.summary.name, component.name),
                slo.objective.clone(),
                format!("{}{within} in {}", slo.target, slo.window),
                slo.good.to_string(),
                slo.bad.to_string(),
                format!("{:.1}%", slo.remaining * 100.0),
                slo.burning.as_ref().map_or(String::new(), |severity| format!("burning: {severity}")),
            ]
        }));
    }
    if rows.len() == 1 { String::new() } else { format!("\n{}", output::table(&rows)) }
}

/// Adaptive limits that hold now, or that something was shed for.
fn limits(status: &Node) -> String {
    let mut rows = vec![["adaptive limit", "now", "at least", "calls take", ""].map(str::to_owned).to_vec()];
    let components =
        status.applications.iter().flat_map(|of| of.components.iter().map(move |component| (of, component)));
    for (of, component) in components {
        let Some(adaptive) = component.adaptive.as_ref().filter(|found| found.binds || component.shed > 0) else {
            continue;
        };
        let places = component.places;
        let holds = if adaptive.binds { format!("the cores are in use: {places} places") } else { String::new() };
        rows.push(vec![
            format!("{}/{}", of.summary.name, component.name),
            adaptive.limit.to_string(),
            adaptive.floor.to_string(),
            format!("{:.1} ms", adaptive.usual_us as f64 / 1e3),
            holds,
        ]);
    }
    if rows.len() == 1 { String::new() } else { format!("\n{}", output::table(&rows)) }
}

fn splits(of: &ApplicationStatus) -> Vec<Vec<String>> {
    let head = ["  route", "answers", "weight", "ok", "failures", "shed"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for split in &of.splits {
        for arm in &split.arms {
            let weight = arm.weight.map_or_else(|| "mirror".to_owned(), |weight| weight.to_string());
            let counts = [arm.ok, arm.failures, arm.shed].map(|count| count.to_string());
            rows.push([vec![format!("  {}", split.route), arm.callee.clone(), weight], counts.to_vec()].concat());
        }
    }
    rows
}

fn application(of: &ApplicationStatus) -> Vec<String> {
    let sum = |field: fn(&weft_api::ComponentStatus) -> u64| of.components.iter().map(field).sum::<u64>().to_string();
    let state = match of.summary.state {
        State::Preparing => "preparing",
        State::Serving => "serving",
        State::Failed => "failed",
    };
    vec![
        of.summary.name.to_string(),
        of.summary.revision.short(),
        of.summary.number.to_string(),
        ago(of.summary.applied_ms),
        state.to_owned(),
        sum(|component| component.invocations),
        sum(|component| component.failures),
        sum(|component| component.shed),
        sum(|component| component.active),
        sum(|component| component.waiting),
    ]
}

fn history(revisions: &Revisions) -> String {
    let mut rows = vec![["change", "revision", "since", "by", ""].map(str::to_owned).to_vec()];
    for revision in &revisions.revisions {
        let by = match revision.by {
            Change::Apply => "apply",
            Change::Rollback => "rollback",
            Change::Watch => "watch",
        };
        let current = if revision.current { "serves" } else { "" };
        let (number, digest) = (revision.number.to_string(), revision.revision.to_string());
        rows.push(vec![number, digest, ago(revision.applied_ms), by.to_owned(), current.to_owned()]);
    }
    output::table(&rows)
}

/// How long ago, in the two largest units.
fn ago(millis: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.saturating_sub(Duration::from_millis(millis)).as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, ..) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}
