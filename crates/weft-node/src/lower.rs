//! From a resolved application to a deployment: what the engine and the router are told of it.

use std::{
    collections::BTreeMap,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use weft_dispatch::{GateOptions, StageOptions};
use weft_host::{ComponentSpec, Grants, Isolation, Limits, OutboundRules, Source};
use weft_manifest::{Application, Destination, Outbound, Scheme};
use weft_traffic::{
    Resolution,
    adaptive::{self, Binds},
    codel,
};
use weft_types::{Digest, Name};
use weft_upstream::{Call, Endpoint, Health, Options};

use crate::{
    deploy::Deployment,
    door::{UpstreamShared, UpstreamSpec},
    secrets::{Given, Granted},
};

/// Longest wait in a component's or upstream's queue, unless the caller's own deadline is nearer.
const QUEUE_WAIT: Duration = Duration::from_secs(10);

/// Where each component's bytes are.
pub type Sources = BTreeMap<Name, Source>;

/// Reads and hashes every component's file, once. The error names the component and its path.
pub fn sources(application: &Application) -> Result<Sources, Vec<(Name, io::Error)>> {
    let (mut sources, mut errors) = (Sources::new(), Vec::new());
    for (name, component) in &application.components {
        match source(&application.locate(&component.source)) {
            Ok(source) => drop(sources.insert(name.clone(), source)),
            Err(error) => errors.push((name.clone(), error)),
        }
    }
    if errors.is_empty() { Ok(sources) } else { Err(errors) }
}

/// A file by its digest; its bytes are not kept.
pub fn source(path: &Path) -> io::Result<Source> {
    let bytes = fs::read(path)?;
    Ok(Source::File { digest: ComponentSpec::digest_of(&bytes), path: path.into() })
}

/// The revision that an application makes with its components' bytes and the files of its folders, which are read.
/// The error names the folder.
pub fn revision(application: &Application, sources: &Sources) -> Result<Digest, (PathBuf, io::Error)> {
    let mut files = BTreeMap::new();
    for folder in application.folders() {
        let root = application.locate(folder);
        let hashed = hashed(&root).map_err(|error| (root, error))?;
        files.insert(folder.to_owned(), hashed);
    }
    Ok(application.revision(&sources.iter().map(|(name, source)| (name.clone(), source.digest())).collect(), &files))
}

fn hashed(folder: &Path) -> io::Result<BTreeMap<String, Digest>> {
    let files = weft_control::files_in(folder)?;
    files.into_iter().map(|(name, path)| Ok((name, ComponentSpec::digest_of(&fs::read(path)?)))).collect()
}

/// Everything that is to run. A component without a source is left out: callers have made sure that there is none.
pub fn lower(application: &Arc<Application>, revision: Digest, sources: &Sources, secrets: &Granted) -> Deployment {
    let component = |(name, component): (&Name, &weft_manifest::Component)| {
        let resolution = application.component_policy(name);
        // A component that fails is an answer of the application's own: it is broken off where somebody asks for it.
        let breaker = resolution.says("breaker").then(|| resolution.policy.breaker.options()).flatten();
        let stage = StageOptions { gate: gate_of(&resolution, Binds::Busy), breaker };
        let spec = ComponentSpec {
            application: application.name.clone(),
            component: name.clone(),
            revision,
            wasm: sources.get(name)?.clone(),
            isolation: isolation(component.isolation),
            limits: limits_of(&component.limits),
            grants: Arc::new(grants(application, component, secrets.components.get(name))),
        };
        Some((spec, stage))
    };
    Deployment {
        application: Arc::clone(application),
        revision,
        components: application.components.iter().filter_map(component).collect(),
        upstreams: upstreams(application, revision, secrets),
        routes: application.lower(revision),
        auth_secrets: secrets.auth.clone(),
    }
}

/// What computes here is held to what the cores can do. What computes elsewhere is where somebody asks for it.
fn gate_of(resolution: &Resolution, binds: Binds) -> GateOptions {
    let policy = &resolution.policy;
    let limits = weft_traffic::Limits { concurrency: policy.concurrency, queue: policy.queue, wait: QUEUE_WAIT };
    let shedding = policy.shedding.options();
    // A queue that stands because of the adaptive limit is shed unless somebody says otherwise; one before places that
    // somebody has counted is what was asked for.
    let adapted = if resolution.says("shedding") { shedding } else { codel::Options::default() };
    let wanted = binds == Binds::Busy || resolution.says("adaptive");
    let gradient = policy.adaptive.options(cores()).filter(|_| wanted);
    let adaptive = gradient.map(|gradient| adaptive::Options { gradient, binds, shedding: adapted });
    GateOptions { limits, shedding, adaptive }
}

fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// The upstreams that routes are passed on to, as arms of a split and as mirrors too.
fn upstreams(application: &Application, revision: Digest, secrets: &Granted) -> Vec<UpstreamSpec> {
    let mut specs: Vec<UpstreamSpec> = Vec::new();
    let routes = 0..application.routes.len();
    for (target, to, policy) in routes.flat_map(|at| application.destinations(at, revision)) {
        let shared = shared(application, to, secrets);
        let way = (target, Call::of(&policy));
        match specs.iter_mut().find(|known| known.shared == shared) {
            Some(known) => known.ways.push(way),
            None => specs.push(UpstreamSpec { shared, ways: vec![way] }),
        }
    }
    specs
}

fn shared(application: &Application, to: Destination, secrets: &Granted) -> UpstreamShared {
    let endpoint = |weft_manifest::Endpoint(endpoint): &weft_manifest::Endpoint| {
        Some(Endpoint { address: endpoint.url.parse().ok()?, weight: endpoint.weight, locality: endpoint.locality() })
    };
    let security = secrets.upstreams.get(to.name.as_str()).cloned().unwrap_or_default();
    let options = Options {
        roots: security.roots,
        identity: security.identity,
        health: to.upstream.health.as_ref().and_then(health_of),
        ..Options::of(&to.resolution.policy)
    };
    UpstreamShared {
        application: application.name.clone(),
        name: to.name.into(),
        endpoints: to.upstream.endpoints.iter().filter_map(endpoint).collect(),
        options,
        gate: gate_of(&to.resolution, Binds::Always),
    }
}

fn health_of(health: &weft_manifest::Health) -> Option<Health> {
    Some(Health {
        path: health.path.parse().ok()?,
        host: health.host.as_ref().and_then(|host| host.parse().ok()),
        interval: health.interval.map_or(weft_manifest::Health::INTERVAL, |time| time.0),
        timeout: health.timeout.map_or(weft_manifest::Health::TIMEOUT, |time| time.0),
    })
}

fn isolation(isolation: weft_manifest::Isolation) -> Isolation {
    match isolation {
        weft_manifest::Isolation::Request => Isolation::Request,
        weft_manifest::Isolation::Instance => Isolation::Instance,
    }
}

fn limits_of(limits: &weft_manifest::Limits) -> Limits {
    let weft_manifest::Limits { memory, cpu, instances, reuse, share, age } = *limits;
    Limits { memory, cpu, warm: instances, reuse, share, age }
}

fn grants(application: &Application, component: &weft_manifest::Component, given: Option<&Given>) -> Grants {
    let granted = &component.grants;
    let folder = |folder: &weft_manifest::Folder| weft_host::Folder {
        from: application.locate(&folder.from),
        to: folder.to.clone(),
        write: folder.write,
    };
    Grants {
        env: granted.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        config: granted.config.clone(),
        stores: granted.stores.iter().map(|(opened, store)| (opened.clone(), store.to_string())).collect(),
        files: granted.files.iter().map(folder).collect(),
        secrets: given.map(|given| given.keys.clone()).unwrap_or_default(),
        secret_env: given.map(|given| given.env.clone()).unwrap_or_default(),
        outbound: (!granted.outbound.rules.is_empty()).then(|| Arc::new(Calls(granted.outbound.clone())) as _),
    }
}

/// What a manifest lets a component call, as the host asks for it.
#[derive(Debug)]
struct Calls(Outbound);

impl OutboundRules for Calls {
    fn allows(&self, https: bool, host: &str, port: u16) -> bool {
        self.0.allows(if https { Scheme::Https } else { Scheme::Http }, host, port)
    }
    fn allows_address(&self, host: &str, address: IpAddr) -> bool {
        self.0.allows_address(host, address)
    }
}
