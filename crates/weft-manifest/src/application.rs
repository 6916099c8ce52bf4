//! A resolved application: names bound, defaults filled in, everything that runs it needs. No spans, no options.
//!
//! It serialises to one canonical JSON (sorted maps, fixed field order), in which a node keeps a revision. Paths
//! stay as written and relative: the same application in another folder is the same revision.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::Method;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use weft_traffic::{Action, Callee, HeaderMatch, Patch, Place, Resolution, RouteSpec, units};
use weft_types::{Context, Digest, Name, Priority, Target};

use crate::{
    Features,
    auth_resolve::Auth,
    author::{Build, Files, Folder, Isolation, Policy, Redirect, Store},
    outbound::Outbound,
    slo::Slo,
    split::{MirrorRoute, SplitBetween, To},
    upstream::{Destination, Forward, Upstream},
};

/// An application, ready to be built, stored and run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Application {
    /// Version of this form.
    pub application: u32,
    pub name: Name,
    #[serde(default)]
    pub policy: Policy,
    pub stores: BTreeMap<Name, Store>,
    /// How callers prove who they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub auth: BTreeMap<Name, Auth>,
    /// The texts of its policies, by their paths as they are written. Some: what none permits is refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, String>,
    pub components: BTreeMap<Name, Component>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstreams: BTreeMap<Name, Upstream>,
    pub routes: Vec<Route>,
    /// Where it was read from; absent in one that came out of a store.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

/// Where an application was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The folder to which its paths are relative. Absolute.
    pub folder: PathBuf,
    /// The manifest as people are shown it; `None` for a bare component.
    pub file: Option<Arc<str>>,
}

/// A component: where it comes from, what it may use, what it may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Component {
    /// Relative to the application's folder: see [`Application::locate`].
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    pub isolation: Isolation,
    pub limits: Limits,
    pub grants: Grants,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
}

/// What one instance or call of a component may use. How many calls at once is a matter of policy:
/// [`Application::component_policy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// Bytes of linear memory of one instance. Default 128 MiB.
    #[serde(with = "units::bytes")]
    pub memory: u64,
    /// CPU time of one call. Default 10 s.
    #[serde(with = "units::duration")]
    pub cpu: Duration,
    /// Warm instances at most. Default 64.
    pub instances: u32,
    /// Calls that one warm instance answers. Default 100,000.
    pub reuse: u32,
    /// Calls that one 0.3 instance serves at once. Default 16; 1 in what was stored before it could be said.
    #[serde(default = "one")]
    pub share: u32,
    /// A warm instance's longest life. Default 1 h.
    #[serde(with = "units::duration")]
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (memory, cpu, age) = (128 << 20, Duration::from_secs(10), Duration::from_secs(3600));
        Self { memory, cpu, instances: 64, reuse: 100_000, share: 16, age }
    }
}

fn one() -> u32 {
    1
}

/// What a component may touch. Everything else is denied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grants {
    /// The name that the guest opens = a store of the application.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stores: BTreeMap<String, Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Folder>,
    /// The key that the guest reads = the secret's name at the node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The variable that the guest reads = the secret's name at the node. None of them is in `env`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_env: BTreeMap<String, String>,
    #[serde(default)]
    pub outbound: Outbound,
}

/// One route. Its form is valid; that it fits the others is known once a table has been compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Route {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    pub path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// `*`: any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    pub answer: Answer,
    #[serde(default)]
    pub policy: Policy,
    /// What it does besides finding who answers.
    #[serde(default, skip_serializing_if = "Features::is_empty")]
    pub features: Features,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorRoute>,
    /// In the manifest, from 1; 0 without one.
    pub line: u32,
    pub column: u32,
}

/// What answers a route's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Component(Name),
    Files(Files),
    Redirect(Redirect),
    Upstream(Forward),
    Split(SplitBetween),
}

/// The grants of a component that is run without a manifest: `weft up x.wasm --env K=V …`.
#[derive(Debug, Clone, Default)]
pub struct BareGrants {
    pub env: BTreeMap<String, String>,
    pub config: BTreeMap<String, String>,
    /// Each is opened by the guest under its own name; the first also as `default`.
    pub stores: Vec<Name>,
    pub outbound: Vec<crate::OutboundRule>,
    pub files: Vec<Folder>,
}

impl Application {
    pub const FORM: u32 = 1;

    /// One component that answers every request, from a file and flags. `source` is absolute, or relative to `folder`.
    pub fn bare(name: Name, source: &Path, folder: &Path, grants: BareGrants) -> Self {
        let kind = crate::author::StoreKind::KeyValue;
        let stores = grants.stores.iter().map(|store| (store.clone(), Store { kind })).collect();
        let mut opens: BTreeMap<String, Name> = grants.stores.iter().map(|s| (s.to_string(), s.clone())).collect();
        if let Some(first) = grants.stores.first() {
            opens.entry("default".to_owned()).or_insert_with(|| first.clone());
        }
        let grants = Grants {
            stores: opens,
            files: grants.files,
            secrets: BTreeMap::new(),
            config: grants.config,
            env: grants.env,
            secret_env: BTreeMap::new(),
            outbound: Outbound { rules: grants.outbound, private: Vec::new() },
        };
        let component = Component {
            source: source.to_string_lossy().into_owned(),
            build: None,
            isolation: Isolation::default(),
            limits: Limits::default(),
            grants,
            policy: Policy::default(),
            slo: None,
        };
        Self {
            application: Self::FORM,
            policy: Policy::default(),
            stores,
            auth: BTreeMap::new(),
            policies: BTreeMap::new(),
            components: BTreeMap::from([(name.clone(), component)]),
            upstreams: BTreeMap::new(),
            routes: vec![Route::everything(name.clone())],
            name,
            origin: Some(Origin { folder: folder.to_owned(), file: None }),
        }
    }

    /// The absolute path of what the manifest names; relative to the current folder where none is known.
    pub fn locate(&self, written: &str) -> PathBuf {
        match &self.origin {
            Some(origin) => origin.folder.join(written),
            None => PathBuf::from(written),
        }
    }

    /// How people are shown the place of a route.
    pub fn file(&self) -> Arc<str> {
        let known = self.origin.as_ref().map(|origin| origin.file.clone());
        match known {
            Some(Some(file)) => file,
            Some(None) => Arc::from("command line"),
            None => format!("{}/weft.toml", self.name).into(),
        }
    }

    /// The policy of a component's calls that come through no route.
    pub fn component_policy(&self, component: &Name) -> Resolution {
        let of_component = self.components.get(component).map(|c| c.policy.clone()).unwrap_or_default();
        self.resolve(component, &of_component, None)
    }

    fn resolve(&self, component: &Name, of_component: &Policy, route: Option<(&str, &Policy)>) -> Resolution {
        let named = format!("component {component}");
        let (application, component) = (Patch::from(&self.policy), Patch::from(of_component));
        let route = route.map(|(place, policy)| (place, Patch::from(policy)));
        let mut levels = vec![("application", &application), (named.as_str(), &component)];
        levels.extend(route.as_ref().map(|(place, patch)| (*place, patch)));
        weft_traffic::Policy::resolve(&levels)
    }

    /// What a route's requests are passed on to, those of a split and a mirror too: each with the target that names its
    /// calls, and the policy of the calls themselves. The targets are those of [`lower`](Self::lower).
    pub fn destinations(&self, at: usize, revision: Digest) -> Vec<(Target, Destination, weft_traffic::Policy)> {
        let Some(route) = self.routes.get(at) else { return Vec::new() };
        let target = |upstream: &weft_traffic::Upstream| upstream.context.target.clone();
        let mut all = Vec::new();
        if let Answer::Upstream(forward) = &route.answer {
            let upstream = self.upstream(&at.to_string(), forward, revision, Priority::default());
            let policy = self.route_policy(route, "route").policy;
            all.extend(self.destination(route, forward).map(|to| (target(&upstream), to, policy)));
        }
        let called = |place: String, to: &To| {
            let To::Upstream(name) = to else { return None };
            let upstream = self.upstream(&place, &Forward::To(name.clone()), revision, Priority::default());
            let destination = self.destination(route, &Forward::To(name.clone()))?;
            Some((target(&upstream), destination, self.upstream_policy(name, route, "route").policy))
        };
        if let Answer::Split(split) = &route.answer {
            let arms = split.arms.iter().enumerate();
            all.extend(arms.filter_map(|(i, arm)| called(format!("{at}.{i}"), &arm.to)));
        }
        all.extend(route.mirror.as_ref().and_then(|mirror| called(format!("{at}.mirror"), &mirror.to)));
        all
    }

    fn destination(&self, route: &Route, forward: &Forward) -> Option<Destination> {
        let application = Patch::from(&self.policy);
        match forward {
            Forward::To(name) => {
                let upstream = self.upstreams.get(name)?.clone();
                let levels = [("application", &application), ("upstream", &upstream.patch())];
                let resolution = weft_traffic::Policy::resolve(&levels);
                Some(Destination { name: name.to_string(), upstream, resolution })
            }
            Forward::Endpoints(urls) => {
                let levels = [("application", &application), ("route", &Patch::from(&route.policy))];
                let resolution = weft_traffic::Policy::resolve(&levels);
                Some(Destination { name: called(urls), upstream: Upstream::plain(urls), resolution })
            }
        }
    }

    /// The routes of one revision, for a table.
    pub fn lower(&self, revision: Digest) -> Vec<RouteSpec> {
        self.routes.iter().enumerate().map(|(at, route)| self.lower_route(at, route, revision)).collect()
    }

    fn route_policy(&self, route: &Route, level: &str) -> Resolution {
        let (application, of_route) = (Patch::from(&self.policy), Patch::from(&route.policy));
        match &route.answer {
            Answer::Component(name) => {
                let of_component = self.components.get(name).map(|c| c.policy.clone()).unwrap_or_default();
                self.resolve(name, &of_component, Some((level, &route.policy)))
            }
            Answer::Upstream(Forward::To(name)) => self.upstream_policy(name, route, level),
            _ => weft_traffic::Policy::resolve(&[("application", &application), (level, &of_route)]),
        }
    }

    fn upstream_policy(&self, name: &Name, route: &Route, level: &str) -> Resolution {
        let (application, of_route) = (Patch::from(&self.policy), Patch::from(&route.policy));
        let patch = self.upstreams.get(name).map(Upstream::patch).unwrap_or_default();
        let named = format!("upstream {name}");
        weft_traffic::Policy::resolve(&[("application", &application), (&named, &patch), (level, &of_route)])
    }

    fn lower_route(&self, at: usize, route: &Route, revision: Digest) -> RouteSpec {
        let place = Place { file: self.file(), line: route.line, column: route.column };
        let level = format!("route {place}");
        let Resolution { mut policy, mut origins } = self.route_policy(route, &level);
        policy.auth.ruled = !self.policies.is_empty();
        if policy.auth.ruled {
            let files: Vec<&str> = self.policies.keys().map(String::as_str).collect();
            origins.push(("access", files.join(", "), "application".to_owned()));
        }
        route.features.explain(&route.path, &level, &mut origins);
        let mirror = route.mirror.as_ref().map(|mirror| format!("{} of the requests to {}", mirror.share, mirror.to));
        origins.extend(mirror.map(|mirror| ("mirror", mirror, level.clone())));
        RouteSpec {
            application: self.name.clone(),
            host: route.host.as_deref().map(Arc::from),
            path: route.path.as_str().into(),
            methods: route.lower_methods(),
            headers: route.headers.iter().filter_map(header_match).collect(),
            action: self.action(at, route, revision, policy.priority),
            policy,
            features: self.features(at, route, revision),
            guard: None,
            origins,
            place,
        }
    }

    /// Names a route, and what its answers come from.
    fn partition(&self, route: &Route, revision: Digest) -> String {
        let Route { host, path, methods, headers, .. } = route;
        format!("{} {revision} {} {path} {methods:?} {headers:?}", self.name, host.as_deref().unwrap_or_default())
    }

    fn action(&self, at: usize, route: &Route, revision: Digest, priority: Priority) -> Action {
        match &route.answer {
            Answer::Component(component) => Action::Component(self.context(component, None, revision, priority)),
            Answer::Files(files) => Action::Files(weft_traffic::Files {
                root: self.locate(&files.from),
                index: files.index.as_deref().unwrap_or("index.html").into(),
                fallback: files.fallback.as_deref().map(Arc::from),
                cache_control: files.cache_control.as_deref().map(Arc::from),
            }),
            Answer::Redirect(Redirect { to, status }) => Action::Redirect { to: to.as_str().into(), status: *status },
            Answer::Upstream(forward) => Action::Upstream(self.upstream(&at.to_string(), forward, revision, priority)),
            Answer::Split(between) => {
                let callee =
                    |(i, arm): (usize, &crate::ArmTo)| self.callee(&format!("{at}.{i}"), &arm.to, revision, priority);
                let callees: Vec<_> = between.arms.iter().enumerate().map(callee).collect();
                let split =
                    between.split(self.seed(route)).expect("checked when it was resolved, and when it was read");
                Action::Split(Arc::new(weft_traffic::Arms { split, callees }))
            }
        }
    }

    fn context(
        &self,
        component: &Name,
        function: Option<Arc<str>>,
        revision: Digest,
        priority: Priority,
    ) -> Arc<Context> {
        let target = Target { application: self.name.clone(), revision, component: component.clone(), function };
        Arc::new(Context { priority, ..Context::anonymous(target) })
    }

    /// By its place in the routes and not by its name: each route makes its calls in its own way.
    fn upstream(&self, place: &str, to: &Forward, revision: Digest, priority: Priority) -> weft_traffic::Upstream {
        let (component, name) = match to {
            Forward::To(name) => (name, name.to_string()),
            Forward::Endpoints(urls) => (&self.name, called(urls)),
        };
        let function = format!("{}{place}", weft_traffic::Upstream::FUNCTION);
        let context = self.context(component, Some(function.into()), revision, priority);
        weft_traffic::Upstream { context, name: name.into() }
    }

    fn callee(&self, place: &str, to: &To, revision: Digest, priority: Priority) -> Callee {
        match to {
            To::Component(name) => Callee::Component(self.context(name, None, revision, priority)),
            To::Upstream(name) => {
                Callee::Upstream(self.upstream(place, &Forward::To(name.clone()), revision, priority))
            }
        }
    }

    /// The same on every node and in every revision, so that a key stays where it is.
    fn seed(&self, route: &Route) -> u64 {
        let mut hash = Sha256::new();
        for part in [self.name.as_str(), route.host.as_deref().unwrap_or_default(), &route.path] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }

    /// With the mirror, which is written beside the other features.
    fn features(&self, at: usize, route: &Route, revision: Digest) -> Option<Arc<weft_traffic::feature::Features>> {
        let features = route.features.lower(&route.path, || self.partition(route, revision));
        let Some(mirror) = &route.mirror else { return features };
        let options = weft_traffic::mirror::Options::new(mirror.share);
        // Copies are served last of all.
        let callee = self.callee(&format!("{at}.mirror"), &mirror.to, revision, Priority::Batch);
        let mut features = features.map_or_else(Default::default, |features| (*features).clone());
        features.mirror = Some(weft_traffic::MirrorTo { callee, options });
        Some(Arc::new(features))
    }

    /// The canonical form: equal applications are equal bytes.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("maps with string keys and plain fields always serialise")
    }

    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Every folder whose files belong to a revision: those served, and those granted to be read. As they are written.
    pub fn folders(&self) -> BTreeSet<&str> {
        let served = self.routes.iter().filter_map(|route| match &route.answer {
            Answer::Files(files) => Some(files.from.as_str()),
            _ => None,
        });
        let grants = self.components.values().flat_map(|component| &component.grants.files);
        served.chain(grants.filter(|folder| !folder.write).map(|folder| folder.from.as_str())).collect()
    }

    /// Names a revision by all that it consists of: this application, the digest of each component, and that of each
    /// file of its [`folders`](Self::folders) by the path in it. The same wherever it runs.
    pub fn revision(
        &self,
        sources: &BTreeMap<Name, Digest>,
        files: &BTreeMap<String, BTreeMap<String, Digest>>,
    ) -> Digest {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(b"weft revision 2");
        part(self.to_json().as_bytes());
        for (name, digest) in sources {
            part(b"component");
            part(name.as_str().as_bytes());
            part(&digest.0);
        }
        for (folder, files) in files {
            part(b"folder");
            part(folder.as_bytes());
            for (path, digest) in files {
                part(b"file");
                part(path.as_bytes());
                part(&digest.0);
            }
        }
        Digest(hash.finalize().into())
    }

    /// Every secret that some component may read: `(component, key or variable that the guest reads, secret's name)`.
    pub fn secrets(&self) -> impl Iterator<Item = (&Name, &str, &str)> {
        self.components.iter().flat_map(|(name, component)| {
            component
                .grants
                .secrets
                .iter()
                .chain(&component.grants.secret_env)
                .map(move |(key, secret)| (name, key.as_str(), secret.as_str()))
        })
    }

    /// Every secret that some upstream's TLS is made of: `(upstream, key of its table, secret's name)`.
    pub fn upstream_secrets(&self) -> impl Iterator<Item = (&Name, &'static str, &str)> {
        let with_tls = self.upstreams.iter().filter_map(|(name, upstream)| Some((name, upstream.tls.as_ref()?)));
        with_tls.flat_map(|(name, tls)| tls.secrets().map(move |(key, secret)| (name, key, secret)))
    }
}

impl Route {
    /// Files are read, so that a POST may find another route or be told what is allowed.
    fn lower_methods(&self) -> Vec<Method> {
        match &self.answer {
            Answer::Files(_) if self.methods.is_empty() => vec![Method::GET],
            _ => self.methods.iter().filter_map(|method| method.parse().ok()).collect(),
        }
    }

    fn everything(component: Name) -> Self {
        Self {
            host: None,
            path: "/*".to_owned(),
            methods: Vec::new(),
            headers: BTreeMap::new(),
            answer: Answer::Component(component),
            policy: Policy::default(),
            features: Features::default(),
            mirror: None,
            line: 0,
            column: 0,
        }
    }
}

/// What people call an upstream without a name.
fn called(urls: &[String]) -> String {
    match urls {
        [first, _, ..] => format!("{first} and {} more", urls.len() - 1),
        _ => urls.join(""),
    }
}

pub(crate) fn header_match((name, value): (&String, &String)) -> Option<HeaderMatch> {
    let value = (value != "*").then(|| Arc::from(value.as_str()));
    Some(HeaderMatch { name: name.parse().ok()?, value })
}
