//! From deployments to what runs: components loaded, then stages and routes swapped in as one.
//!
//! ```text
//! prepare: routes compiled with everyone else's, components loaded ── any error: nothing has changed
//!    └▶ adopt: stages in ─▶ table swapped ─▶ old stages out, once no request holds the old table
//! ```

use std::{collections::BTreeMap, fmt, sync::Arc};

use tokio::sync::MutexGuard;
use weft_dispatch::{Gate, Guard, Objectives, Stage, StageOptions};
use weft_host::{Component, ComponentSpec, LoadError, Secret};
use weft_identity::{KeyError, PolicyFault, PolicyFile};
use weft_manifest::{Application, Slo, Source};
use weft_traffic::{RouteError, RouteSpec, Table, slo::Objective};
use weft_types::{Digest, Name, Target};

use crate::{
    door::{self, Gated, UpstreamShared, UpstreamSpec, Way},
    identity::Providers,
    load,
    node::Node,
    observe::{self, Meters},
    secrets::AuthSecrets,
};

/// One application's revision, ready to run. It replaces whatever runs under its name.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub application: Arc<Application>,
    pub revision: Digest,
    pub components: Vec<(ComponentSpec, StageOptions)>,
    pub upstreams: Vec<UpstreamSpec>,
    pub routes: Vec<RouteSpec>,
    /// By the declaration of `[auth]` that verifies by it.
    pub auth_secrets: AuthSecrets,
}

/// One reason why a deployment was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("component `{component}` of application `{application}` cannot be run: {source}")]
    Component { application: Name, component: Name, source: LoadError },
    #[error("`auth.{auth}` of application `{application}` cannot be used: {source}")]
    Auth { application: Name, auth: Name, source: KeyError },
    #[error("{}", .0)]
    Policy(Box<PolicyProblem>),
    #[error(transparent)]
    Route(RouteError),
}

/// What is wrong with a policy, and where in which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    pub application: Name,
    /// The file, and all of its text.
    pub file: PolicyFile,
    pub fault: PolicyFault,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, file, fault } = self;
        let (line, column) = Source::new(file.name.as_str(), file.text.as_str()).position(fault.span.start);
        write!(f, "{}:{line}:{column} of application `{application}`: {}", file.name, fault.message)?;
        if fault.help.is_empty() { Ok(()) } else { write!(f, " ({})", fault.help) }
    }
}

/// Why deployments were refused, all reasons at once. What ran before runs on.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct DeployError(pub Vec<Refusal>);

/// One application as it runs.
pub(crate) struct Running {
    pub(crate) application: Arc<Application>,
    revision: Digest,
    pub(crate) parts: Vec<Arc<Part>>,
    pub(crate) routes: Vec<RouteSpec>,
    pub(crate) ways: Vec<Way>,
    /// One for each of `routes`.
    pub(crate) meters: Vec<Arc<Meters>>,
}

impl Running {
    pub(crate) fn revision(&self) -> Digest {
        self.revision
    }
}

/// A component with what it was loaded from, by which a later revision finds it again.
pub(crate) struct Part {
    pub(crate) spec: ComponentSpec,
    gate: StageOptions,
    pub(crate) stage: Arc<Stage>,
}

/// Everything that runs, and what must not be forgotten yet.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) running: BTreeMap<Name, Arc<Running>>,
    /// What each application ran before: a rollback finds its components loaded.
    before: BTreeMap<Name, Arc<Running>>,
    leaving: Vec<Leaving>,
}

/// What only requests of an old table can still reach.
struct Leaving {
    table: Arc<Table>,
    stages: Vec<Arc<Stage>>,
    ways: Vec<Way>,
}

/// A change that is certain to succeed, and has not happened yet. Nobody else can prepare one meanwhile.
pub(crate) struct Prepared<'a> {
    node: &'a Node,
    running: BTreeMap<Name, Arc<Running>>,
    table: Table,
    /// One for each route of the table.
    meters: Vec<Arc<Meters>>,
    _turn: MutexGuard<'a, ()>,
}

impl Node {
    /// Adds applications, or swaps their revisions. All of them, or none.
    pub async fn deploy(&self, deployments: Vec<Deployment>) -> Result<(), DeployError> {
        self.prepare(deployments, &[]).await.map(Prepared::adopt)
    }

    /// Adds or swaps some and takes others out, in one swap. Requests in flight end as they would have.
    pub async fn change(&self, deployments: Vec<Deployment>, remove: &[Name]) -> Result<(), DeployError> {
        self.prepare(deployments, remove).await.map(Prepared::adopt)
    }

    /// The revision of an application that serves now.
    pub fn runs(&self, application: &Name) -> Option<Digest> {
        self.world.lock().running.get(application).map(|running| running.revision)
    }

    /// Every application that serves now.
    pub(crate) fn running(&self) -> Vec<Name> {
        self.world.lock().running.keys().cloned().collect()
    }

    /// Does all that can fail: compiles the routes and loads the components.
    pub(crate) async fn prepare(
        &self,
        mut deployments: Vec<Deployment>,
        remove: &[Name],
    ) -> Result<Prepared<'_>, DeployError> {
        let turn = self.turn.lock().await;
        let now = Some(self.telemetry.clock.now());
        let guard = |one| self.providers.guard(one, now).err().unwrap_or_default();
        let unguarded = deployments.iter_mut().flat_map(guard);
        let unguarded: Vec<Refusal> = unguarded.collect();
        let mut running = self.world.lock().running.clone();
        remove.iter().for_each(|name| drop(running.remove(name)));
        deployments.iter().for_each(|deployment| drop(running.remove(&deployment.application.name)));
        let kept = running.values().flat_map(|running| running.routes.clone());
        let routes = kept.chain(deployments.iter().flat_map(|deployment| deployment.routes.clone())).collect();
        let table = Table::compile(routes);
        let (loaded, mut refusals) = self.load(deployments).await;
        refusals.extend(unguarded);
        let table = table.unwrap_or_else(|errors| {
            refusals.extend(errors.into_iter().map(Refusal::Route));
            Table::default()
        });
        if !refusals.is_empty() {
            return Err(DeployError(refusals));
        }
        // A table keeps the order in which it was given its routes.
        let all = running.values().chain(loaded.iter().map(|(_, running)| running));
        let meters = all.flat_map(|running| running.meters.iter().cloned()).collect();
        running.extend(loaded);
        Ok(Prepared { node: self, running, table, meters, _turn: turn })
    }

    async fn load(&self, deployments: Vec<Deployment>) -> (Vec<(Name, Arc<Running>)>, Vec<Refusal>) {
        let (mut found, mut wanted) = (Vec::new(), Vec::new());
        for Deployment { application, components, .. } in &deployments {
            for (spec, _) in components {
                let known = self.world.lock().find(application, spec);
                wanted.extend(known.is_none().then(|| spec.clone()));
                found.push(known);
            }
        }
        let mut loaded = load::all(self.host.clone(), wanted).await.into_iter();
        let mut found = found.into_iter();
        let mut refusals = Vec::new();
        let mut ready = Vec::with_capacity(deployments.len());
        for Deployment { application, revision, components, upstreams, routes, .. } in deployments {
            let mut parts = Vec::with_capacity(components.len());
            for (spec, gate) in components {
                let known = found.next().flatten();
                let component = match known.as_ref() {
                    Some(part) => Ok(Arc::clone(&part.stage.component)),
                    None => loaded.next().unwrap_or_else(|| Err(LoadError::Ended("it was not loaded".to_owned()))),
                };
                let component_name = spec.component.clone();
                match component {
                    Ok(component) => {
                        let promised = application.components.get(&spec.component).and_then(|of| of.slo);
                        parts.push(Arc::new(self.part(spec, gate, component, known.as_deref(), promised)));
                    }
                    Err(source) => refusals.push(Refusal::Component {
                        application: application.name.clone(),
                        component: component_name,
                        source,
                    }),
                }
            }
            let meters = routes.iter().map(|route| observe::meters(&self.telemetry.metrics, route)).collect();
            let known = |shared: &UpstreamShared| self.world.lock().upstream(shared);
            let ways = door::ways(upstreams, known, &self.senses, &self.faults);
            let running = Running { application, revision, parts, routes, ways, meters };
            ready.push((running.application.name.clone(), Arc::new(running)));
        }
        (ready, refusals)
    }

    fn part(
        &self,
        spec: ComponentSpec,
        options: StageOptions,
        component: Arc<Component>,
        known: Option<&Part>,
        promised: Option<Slo>,
    ) -> Part {
        let (application, revision) = (spec.application.clone(), spec.revision);
        let meter = self.telemetry.metrics.component(&application, &spec.component);
        let target = Target { application, revision, component: spec.component.clone(), function: None };
        let (gate, guard) = match known.filter(|known| known.gate == options) {
            // The same gate: a new revision must not double what is let in. Nor does it forget what failed.
            Some(known) => (Arc::clone(&known.stage.gate), known.stage.guard.clone()),
            None => {
                let (clock, random) = (Arc::clone(&self.telemetry.clock), Arc::clone(&self.senses.random));
                let guard = options.breaker.map(|breaker| Guard::new(breaker, Arc::clone(&clock), random));
                (Gate::new(options.gate, clock, Some(component.computing())), guard)
            }
        };
        let objectives = promised.map(|promised| self.objectives(&spec, &promised.objectives()));
        Part { stage: Arc::new(Stage { target, component, gate, guard, meter, objectives }), spec, gate: options }
    }

    /// Those of the revision before, where it promised the same: its budget is not given twice.
    fn objectives(&self, spec: &ComponentSpec, promised: &[(String, Objective)]) -> Arc<Objectives> {
        let world = self.world.lock();
        let before = world.running.get(&spec.application).map_or(&[][..], |running| &running.parts);
        let before = before.iter().find(|part| part.spec.component == spec.component);
        let kept = before.and_then(|part| part.stage.objectives.clone()).filter(|kept| kept.is(promised));
        kept.unwrap_or_else(|| Arc::new(Objectives::new(promised.to_vec())))
    }
}

impl Prepared<'_> {
    /// The swap. New stages come before the routes that name them, and old ones leave after: no request falls between.
    pub(crate) fn adopt(self) {
        let Self { node, running, table, meters, _turn } = self;
        let table = Arc::new(table);
        let mut world = node.world.lock();
        let (stages, ways) = world.replace(running);
        world.leaving.push(Leaving { table: node.table.load_full(), stages, ways });
        node.dispatch.replace(world.stages());
        node.door.replace(world.ways());
        node.meters.follow(&table, meters);
        node.table.store(table);
        drop(world);
        node.retire();
    }
}

impl Node {
    /// Forgets the stages that no request can reach any more.
    pub(crate) fn retire(&self) {
        let mut world = self.world.lock();
        let before = world.leaving.len();
        // A request holds the table that matched it until its last byte, and finds its stage by it. Only the oldest
        // may go: what a table names may have left with a later one.
        let gone = world.leaving.iter().take_while(|leaving| Arc::strong_count(&leaving.table) == 1).count();
        world.leaving.drain(..gone);
        if world.leaving.len() < before {
            self.dispatch.replace(world.stages());
            self.door.replace(world.ways());
        }
    }
}

impl World {
    /// Swaps what runs, and answers the stages of what no longer does, and the ways.
    fn replace(&mut self, running: BTreeMap<Name, Arc<Running>>) -> (Vec<Arc<Stage>>, Vec<Way>) {
        let old = std::mem::replace(&mut self.running, running);
        let (mut stages, mut ways) = (Vec::new(), Vec::new());
        for (name, old) in old {
            let now = self.running.get(&name);
            if now.is_some_and(|now| Arc::ptr_eq(now, &old)) {
                continue;
            }
            stages.extend(old.parts.iter().map(|part| Arc::clone(&part.stage)));
            ways.extend(old.ways.iter().cloned());
            match now {
                Some(_) => drop(self.before.insert(name, old)),
                None => drop(self.before.remove(&name)),
            }
        }
        (stages, ways)
    }

    /// Every way to an upstream that a request can take. Those that run come last, and so win over what they replace.
    fn ways(&self) -> Vec<Way> {
        let running = self.running.values().flat_map(|running| running.ways.iter().cloned());
        self.leaving.iter().flat_map(|leaving| leaving.ways.iter().cloned()).chain(running).collect()
    }

    /// An upstream as it runs or ran before.
    fn upstream(&self, shared: &UpstreamShared) -> Option<Arc<Gated>> {
        let candidates = [self.running.get(&shared.application), self.before.get(&shared.application)];
        let mut all = candidates.into_iter().flatten().flat_map(|running| &running.ways);
        all.find(|way| way.to.shared == *shared).map(|way| Arc::clone(&way.to))
    }

    /// Every stage that a request can reach. Those that run come last, and so win over what they replace.
    fn stages(&self) -> Vec<Arc<Stage>> {
        let running = self.running.values().flat_map(|running| &running.parts).map(|part| Arc::clone(&part.stage));
        self.leaving.iter().flat_map(|leaving| leaving.stages.iter().cloned()).chain(running).collect()
    }

    /// Every component that is held in memory, reachable or not.
    pub(crate) fn components(&self) -> Vec<Arc<Component>> {
        let parts = self.running.values().chain(self.before.values()).flat_map(|running| &running.parts);
        let leaving = self.leaving.iter().flat_map(|leaving| &leaving.stages);
        parts.map(|part| &part.stage).chain(leaving).map(|stage| Arc::clone(&stage.component)).collect()
    }

    /// A component that is what `spec` asks for but for its revision.
    fn find(&self, application: &Application, spec: &ComponentSpec) -> Option<Arc<Part>> {
        let candidates = [self.running.get(&spec.application), self.before.get(&spec.application)];
        let serves = |running: &&Arc<Running>| same_grants(&running.application, application, &spec.component);
        let mut parts = candidates.into_iter().flatten().filter(serves).flat_map(|running| &running.parts);
        parts.find(|part| alike(&part.spec, spec)).cloned()
    }
}

/// Everything that would refuse these deployments, on a node that runs nothing else. Compiles, and keeps nothing.
pub fn check(deployments: &[Deployment]) -> Vec<Refusal> {
    let routes = deployments.iter().flat_map(|deployment| deployment.routes.clone()).collect();
    let mut refusals: Vec<Refusal> = Table::compile(routes).err().into_iter().flatten().map(Refusal::Route).collect();
    let providers = Providers::default();
    refusals
        .extend(deployments.iter().flat_map(|one| providers.guard(&mut one.clone(), None).err().unwrap_or_default()));
    let clock = Arc::new(weft_types::SystemClock::new());
    let mut options = weft_host::HostOptions::new(clock);
    options.services.stores = Arc::new(Arc::new(weft_store::MemoryStore::default()));
    let host = match weft_host::Host::new(options) {
        Ok(host) => host,
        Err(error) => {
            let failed = |(spec, _): &(ComponentSpec, StageOptions)| Refusal::Component {
                application: spec.application.clone(),
                component: spec.component.clone(),
                source: LoadError::Ended(format!("the engine does not start: {error:#}")),
            };
            refusals.extend(deployments.iter().flat_map(|deployment| &deployment.components).map(failed));
            return refusals;
        }
    };
    for (spec, _) in deployments.iter().flat_map(|deployment| &deployment.components) {
        let (application, component) = (spec.application.clone(), spec.component.clone());
        if let Err(source) = host.load(spec.clone()) {
            refusals.push(Refusal::Component { application, component, source });
        }
    }
    refusals
}

/// Whether two revisions grant a component the same, in the same folder.
fn same_grants(a: &Application, b: &Application, component: &Name) -> bool {
    match (a.components.get(component), b.components.get(component)) {
        (Some(x), Some(y)) => x.grants == y.grants && (x.grants.files.is_empty() || a.locate("") == b.locate("")),
        _ => false,
    }
}

/// Whether a component loaded for one revision serves another as well, its grants aside.
fn alike(a: &ComponentSpec, b: &ComponentSpec) -> bool {
    a.component == b.component
        && a.wasm.digest() == b.wasm.digest()
        && a.isolation == b.isolation
        && a.limits == b.limits
        && same_secrets(&a.grants.secrets, &b.grants.secrets)
        && same_secrets(&a.grants.secret_env, &b.grants.secret_env)
}

/// Compared where they lie: a copy would stay in memory that nobody wipes.
fn same_secrets(a: &BTreeMap<String, Secret>, b: &BTreeMap<String, Secret>) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((x, v), (y, w))| x == y && v.expose() == w.expose())
}
