//! What the admin API tells of the node and of its applications.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use weft_api::{
    Application, ApplicationStatus, ApplicationSummary, Applications, ArmStatus, Component, ComponentStatus, Listener,
    NodeState, Problem, Revisions, Route, Routes, Serves, SplitStatus, State, Status, StoreStatus,
};
use weft_control::Current;
use weft_telemetry::metrics::ArmMeter;
use weft_types::{Class, Digest, Name, Timestamp, code};

use super::{Admin, answer::problem};
use crate::{
    deploy::{Part, Running},
    keeper::KeepError,
    levels, limits,
    observe::Meters,
    upstreams,
};

type Told<T> = Result<T, Box<Problem>>;

impl Admin {
    pub(super) async fn status(&self) -> Told<Status> {
        let node = &self.node;
        let addresses = node.addresses();
        let listener = |url: String, serves| Listener { url, serves };
        let http = addresses.http.iter().map(|at| listener(format!("http://{at}"), Serves::Applications));
        let https = addresses.https.iter().map(|at| listener(format!("https://{at}"), Serves::Applications));
        let admin = listener(format!("http://{}", addresses.admin), Serves::Admin);
        let refused = node.store_refuses();
        let engine = StoreStatus {
            engine: "embedded".to_owned(),
            writable: refused.is_none(),
            detail: refused.unwrap_or_default(),
        };
        let draining = node.draining.load(Relaxed);
        let summaries = self.summaries().await?;
        let now = node.telemetry.clock.now();
        let world = node.world.lock();
        let application = |summary: ApplicationSummary| {
            let running = world.running.get(&summary.name);
            let parts = running.map_or(&[][..], |running| &running.parts);
            let upstreams = running.map(|running| running.upstreams()).unwrap_or_default();
            ApplicationStatus {
                components: parts.iter().map(|part| component_status(part, now)).collect(),
                splits: running.map(|running| splits(running)).unwrap_or_default(),
                upstreams: upstreams.into_iter().map(|gated| upstreams::status(gated)).collect(),
                summary,
            }
        };
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: node.started.as_millis(),
            node: if draining { NodeState::Draining } else { NodeState::Ready },
            listeners: http.chain(https).chain([admin]).collect(),
            data: node.data.canonicalize().unwrap_or_else(|_| node.data.clone()).display().to_string(),
            stores: vec![engine],
            applications: summaries.into_iter().map(application).collect(),
        })
    }

    pub(super) fn routes(&self) -> Routes {
        Routes { routes: self.node.table.load_full().routes().iter().map(|route| shown(&route.spec)).collect() }
    }

    pub(super) async fn applications(&self) -> Told<Applications> {
        Ok(Applications { applications: self.summaries().await? })
    }

    pub(super) async fn application(&self, name: &Name) -> Told<Application> {
        let unknown = || problem(code::UNKNOWN_APPLICATION, format!("there is no application `{name}`"));
        let summary = self.summaries().await?.into_iter().find(|summary| summary.name == *name).ok_or_else(unknown)?;
        let running = self.node.world.lock().running.get(name).cloned();
        let Some(running) = running else {
            let failed = self.keeper.as_ref().and_then(|keeper| keeper.failed.lock().get(name).cloned());
            return Err(problem(code::COMPONENT_UNAVAILABLE, failed.unwrap_or_default()));
        };
        let component = |part: &std::sync::Arc<Part>| Component {
            name: part.spec.component.clone(),
            source: part.spec.wasm.digest(),
            state: State::Serving,
            detail: String::new(),
        };
        Ok(Application {
            summary,
            manifest: serde_json::to_value(&*running.application).unwrap_or_default(),
            components: running.parts.iter().map(component).collect(),
            routes: running.routes.iter().map(shown).collect(),
        })
    }

    pub(super) async fn revisions(&self, name: Name) -> Told<Revisions> {
        let revisions = self.keeper()?.control.revisions(&name).await.map_err(KeepError::from)?;
        Ok(Revisions { application: name, revisions })
    }

    /// Every application that runs or should. Control knows numbers and times; without it they are the node's.
    async fn summaries(&self) -> Told<Vec<ApplicationSummary>> {
        let pointers: BTreeMap<Name, Current> = match &self.keeper {
            Some(keeper) => keeper.control.list().await.map_err(KeepError::from)?.into_iter().collect(),
            None => BTreeMap::new(),
        };
        let running: BTreeMap<Name, Digest> = {
            let world = self.node.world.lock();
            world.running.iter().map(|(name, running)| (name.clone(), running.revision())).collect()
        };
        let mut names: Vec<Name> = pointers.keys().chain(running.keys()).cloned().collect();
        names.sort();
        names.dedup();
        let summary = |name: Name| {
            let (current, runs) = (pointers.get(&name), running.get(&name));
            let revision = runs.copied().or_else(|| current.map(|current| current.revision))?;
            let state = if runs.is_some() { State::Serving } else { State::Failed };
            // Of a revision that runs though another is current, the number is not known.
            let current = current.filter(|current| current.revision == revision);
            let (number, applied_ms) = match current {
                Some(current) => (current.number, current.applied_ms),
                None => (u64::from(self.keeper.is_none()), self.node.started.as_millis()),
            };
            Some(ApplicationSummary { name, revision, number, applied_ms, state })
        };
        Ok(names.into_iter().filter_map(summary).collect())
    }
}

fn component_status(part: &Part, now: Timestamp) -> ComponentStatus {
    let load = part.stage.gate.load();
    let totals = part.stage.meter.counts();
    ComponentStatus {
        name: part.spec.component.clone(),
        state: State::Serving,
        invocations: totals.invocations,
        failures: totals.failures,
        shed: totals.shed,
        active: load.running.into(),
        waiting: load.waiting.into(),
        places: load.places.into(),
        adaptive: limits::status(&load),
        instances: totals.instances,
        slo: levels::status(&part.stage, now),
        breaker: part.stage.guard.as_ref().map(|guard| {
            let (view, now) = guard.view();
            upstreams::breaker(&view, now)
        }),
    }
}

/// The routes that several answer, or that are copied.
fn splits(running: &Running) -> Vec<SplitStatus> {
    let pairs = running.routes.iter().zip(&running.meters);
    let split = |(route, meters): (&weft_traffic::RouteSpec, &std::sync::Arc<Meters>)| {
        let callees: Vec<(String, Option<u32>)> = match &route.action {
            weft_traffic::Action::Split(arms) => {
                let weights = arms.split.arms().iter().map(|arm| Some(arm.weight));
                arms.callees.iter().map(ToString::to_string).zip(weights).collect()
            }
            _ => Vec::new(),
        };
        let mirror = route.features.as_ref().and_then(|features| features.mirror.as_ref());
        let mirror = mirror.map(|mirror| (mirror.callee.to_string(), None));
        let all = callees.into_iter().zip(&meters.arms).chain(mirror.into_iter().zip(&meters.mirror));
        let arms: Vec<ArmStatus> = all.map(|((callee, weight), meter)| arm(callee, weight, meter)).collect();
        let name = format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path);
        (!arms.is_empty()).then(|| SplitStatus { route: name, place: route.place.to_string(), arms })
    };
    pairs.filter_map(split).collect()
}

fn arm(callee: String, weight: Option<u32>, meter: &ArmMeter) -> ArmStatus {
    let ok = meter.count(Class::Ok) + meter.count(Class::CallerFault);
    ArmStatus { callee, weight, ok, failures: meter.count(Class::Failure), shed: meter.count(Class::Shed) }
}

fn shown(route: &weft_traffic::RouteSpec) -> Route {
    let header = |wanted: &weft_traffic::HeaderMatch| match &wanted.value {
        Some(value) => format!("{}: {value}", wanted.name),
        None => wanted.name.to_string(),
    };
    Route {
        application: route.application.clone(),
        host: route.host.as_deref().map(str::to_owned),
        path: route.path.to_string(),
        methods: route.methods.iter().map(ToString::to_string).collect(),
        headers: route.headers.iter().map(header).collect(),
        action: match &route.action {
            weft_traffic::Action::Component(context) => format!("component {}", context.target.component),
            weft_traffic::Action::Files(files) => format!("files {}", files.root.display()),
            weft_traffic::Action::Redirect { to, status } => format!("redirect {status} {to}"),
            weft_traffic::Action::Upstream(upstream) => format!("upstream {}", upstream.name),
            weft_traffic::Action::Split(arms) => format!("split {arms}"),
        },
        place: route.place.to_string(),
    }
}
