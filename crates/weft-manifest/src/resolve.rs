//! From what the author wrote to an [`Application`]: names bound, defaults filled in, files found, routes compiled.

use std::{collections::BTreeMap, path::Path};

use weft_traffic::Table;
use weft_types::{Code, Digest, Name, code};

use crate::{
    Problem, Report, Source,
    application::{Answer, Application, Component, Grants, Limits, Origin, Route},
    author,
    check::shown,
    disk::{self, Disk},
    feature::Features,
    feature_check::{self, At},
    near::nearest,
    outbound::Outbound,
    parse::Parsed,
    slo::Slo,
    tree::{Span, Spot},
    upstream::Written,
    variable::Variable,
};

pub(crate) fn resolve(
    source: &Source,
    parsed: Parsed<author::Manifest>,
    folder: &Path,
    disk: Disk,
) -> Result<Application, Report> {
    let root = Spot::root(&parsed.tree);
    let whole = parsed.problems.is_empty();
    let mut resolver =
        Resolver { source, author: &parsed.value, root: &root, whole, folder, disk, problems: parsed.problems };
    let application = resolver.application(&root);
    match (application, resolver.problems.is_empty()) {
        (Some(application), true) => Ok(application),
        (_, _) => Err(Report::new(resolver.problems)),
    }
}

pub(crate) struct Resolver<'a> {
    pub(crate) source: &'a Source,
    pub(crate) author: &'a author::Manifest,
    pub(crate) root: &'a Spot<'a>,
    /// Nothing was left out of `author`.
    whole: bool,
    pub(crate) folder: &'a Path,
    pub(crate) disk: Disk,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    fn application(&mut self, root: &Spot<'_>) -> Option<Application> {
        let author = self.author;
        let stores = self.names(&author.store, &root.key("store"), |store| *store);
        let mut components = BTreeMap::new();
        for (name, component) in &author.component {
            let at = root.key("component").key(name);
            let resolved = self.component(name, component, &at);
            if let (Some(name), Some(resolved)) = (self.name(name, &at), resolved) {
                components.insert(name, resolved);
            }
        }
        let upstreams = self.upstreams(&root.key("upstream"));
        let mut auth = BTreeMap::new();
        for (name, declared) in &author.auth {
            let at = root.key("auth").key(name);
            if let (Some(name), Some(declared)) = (self.name(name, &at), self.auth(name, declared, &at)) {
                auth.insert(name, declared);
            }
        }
        self.auth_uses(root);
        let policies = self.policies(author.access.as_ref(), &root.key("access"));
        let rows = author.route.iter().enumerate();
        let routes = rows.map(|(i, route)| self.route(route, &root.key("route").item(i))).collect::<Vec<_>>();
        let origin = Origin { folder: self.folder.to_owned(), file: Some(self.source.file.clone()) };
        let application = Application {
            application: Application::FORM,
            name: self.name(&author.name, &root.key("name"))?,
            policy: author.policy.clone().unwrap_or_default(),
            stores,
            auth,
            policies,
            components,
            upstreams,
            routes: routes.into_iter().flatten().collect(),
            origin: Some(origin),
        };
        if self.whole {
            self.rates(root);
            self.rates_by_caller(&application, &root.key("route"));
        }
        self.table(&application, &root.key("route"));
        Some(application)
    }

    fn names<A, B>(&mut self, map: &BTreeMap<String, A>, at: &Spot<'_>, to: impl Fn(&A) -> B) -> BTreeMap<Name, B> {
        let pairs = map.iter().filter_map(|(name, value)| Some((self.name(name, &at.key(name))?, to(value))));
        pairs.collect()
    }

    pub(crate) fn name(&mut self, text: &str, at: &Spot<'_>) -> Option<Name> {
        let name = Name::new(text);
        if let Err(error) = &name {
            self.problem(at.key_span(), code::MANIFEST_TYPE, error.to_string(), "this name", "");
        }
        name.ok()
    }

    fn component(&mut self, name: &str, component: &author::Component, at: &Spot<'_>) -> Option<Component> {
        self.source_file(name, component, at);
        if let Some(dir) = component.build.as_ref().and_then(|build| build.dir.as_deref()) {
            self.folder(dir, at.key("build").key("dir").value_span());
        }
        let policy = self.component_policy(name, component, at);
        let limits = self.limits(component, &at.key("limits"));
        self.slo(component.slo.as_ref(), &at.key("slo"));
        let grants = self.grants(component, at)?;
        let (source, build) = (component.source.clone(), component.build.clone());
        Some(Component { source, build, isolation: component.isolation, limits, grants, policy, slo: component.slo })
    }

    fn source_file(&mut self, name: &str, component: &author::Component, at: &Spot<'_>) {
        // What is built may not exist yet.
        if component.build.is_some() {
            return;
        }
        let path = self.folder.join(&component.source);
        if let Err(why) = self.disk.file(&path) {
            let help = match disk::near(&path) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "build it first, or let `weft build` do it: `[component.{name}] build = {{ command = \"…\" }}`"
                ),
            };
            let message = format!("`{}` {why}", shown(&component.source));
            self.problem(at.key("source").value_span(), code::FILE_MISSING, message, "this path", &help);
        }
    }

    fn folder(&mut self, written: &str, span: Span) {
        let path = self.folder.join(written);
        if let Err(why) = self.disk.folder(&path) {
            let help = match disk::near(&path) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("paths are relative to the folder of {}", self.source.file),
            };
            self.problem(span, code::FILE_MISSING, format!("`{}` {why}", shown(written)), "this path", &help);
        }
    }

    /// `limits.concurrency` is the same thing as `policy.concurrency` of the component.
    fn component_policy(&mut self, name: &str, component: &author::Component, at: &Spot<'_>) -> author::Policy {
        let mut policy = component.policy.clone().unwrap_or_default();
        let limit = component.limits.and_then(|limits| limits.concurrency);
        if let (Some(_), Some(_)) = (limit, policy.concurrency) {
            let spots = (at.key("limits").key("concurrency"), at.key("policy").key("concurrency"));
            let message = format!("component `{name}` has two values for `concurrency`");
            let problem = Problem::at(self.source, spots.1.key_span(), code::MANIFEST_DUPLICATE, message, "and here");
            let problem = problem.mark(spots.0.key_span(), "here");
            self.problems.push(problem.help("both mean the same: keep one of them"));
        }
        self.upstreams_only(&policy, at);
        policy.concurrency = policy.concurrency.or(limit);
        policy
    }

    fn limits(&mut self, component: &author::Component, at: &Spot<'_>) -> Limits {
        let said = component.limits.unwrap_or_default();
        let reused = [
            ("instances", said.instances.is_some()),
            ("reuse", said.reuse.is_some()),
            ("share", said.share.is_some()),
            ("age", said.age.is_some()),
        ];
        for (key, _) in reused.iter().filter(|(_, given)| *given && component.isolation == author::Isolation::Request) {
            let message = format!("`{key}` has no effect: this component has a fresh instance for each call");
            let help = format!("add `isolation = \"instance\"`, or remove `{key}`");
            self.problem(at.key(key).key_span(), code::MANIFEST_TYPE, message, "without effect", &help);
        }
        let base = Limits::default();
        Limits {
            memory: said.memory.map_or(base.memory, |size| size.0),
            cpu: said.cpu.map_or(base.cpu, |time| time.0),
            instances: said.instances.unwrap_or(base.instances),
            reuse: said.reuse.unwrap_or(base.reuse),
            share: said.share.unwrap_or(base.share),
            age: said.age.map_or(base.age, |time| time.0),
        }
    }

    fn slo(&mut self, slo: Option<&Slo>, at: &Spot<'_>) {
        let Some((key, message, help)) = slo.and_then(Slo::fault) else { return };
        let span = key.map_or_else(|| at.key_span(), |key| at.key(key).value_span());
        self.problem(span, code::MANIFEST_TYPE, message, "this objective", help);
    }

    fn grants(&mut self, component: &author::Component, at: &Spot<'_>) -> Option<Grants> {
        let stores = self.stores(component, &at.key("stores"));
        self.folders(component, &at.key("files"));
        for (table, values) in [("config", &component.config), ("secrets", &component.secrets)] {
            for (key, value) in values {
                self.plain(value, at.key(table).key(key).value_span(), table == "secrets");
            }
        }
        let (mut env, mut secret_env) = (BTreeMap::new(), BTreeMap::new());
        for (name, variable) in &component.env {
            let spot = at.key("env").key(name);
            match variable {
                Variable::Text(text) => {
                    self.plain(text, spot.value_span(), false);
                    env.insert(name.clone(), text.clone());
                }
                Variable::Secret(from) => {
                    self.plain(&from.secret, spot.key("secret").value_span(), true);
                    secret_env.insert(name.clone(), from.secret.clone());
                }
            }
        }
        // The schema has checked the form of each.
        let rules = component.outbound.iter().map(|rule| rule.parse()).collect::<Result<_, _>>().ok()?;
        let private = component.private_networks.iter().map(|net| net.parse()).collect::<Result<_, _>>().ok()?;
        Some(Grants {
            stores,
            files: component.files.clone(),
            secrets: component.secrets.clone(),
            config: component.config.clone(),
            env,
            secret_env,
            outbound: Outbound { rules, private },
        })
    }

    fn stores(&mut self, component: &author::Component, at: &Spot<'_>) -> BTreeMap<String, Name> {
        let mut stores = BTreeMap::new();
        for (opened, store) in &component.stores {
            let mut known = self.root.key("store").keys();
            match Name::new(store).ok().filter(|_| known.any(|name| name == store)) {
                Some(name) => {
                    stores.insert(opened.clone(), name);
                }
                None => {
                    let known = self.root.key("store").keys();
                    let fix =
                        format!("declare it: `[store]` and below it `{} = {{ kind = \"key-value\" }}`", shown(store));
                    self.reference("store", store, known, at.key(opened).value_span(), &fix);
                }
            }
        }
        stores
    }

    fn folders(&mut self, component: &author::Component, at: &Spot<'_>) {
        for (i, folder) in component.files.iter().enumerate() {
            self.folder(&folder.from, at.item(i).key("from").value_span());
            let same = |other: &&author::Folder| other.to.trim_end_matches('/') == folder.to.trim_end_matches('/');
            if let Some(first) = component.files[..i].iter().position(|other| same(&other)) {
                let message = format!("two folders are put at `{}`", shown(&folder.to));
                let span = at.item(i).key("to").value_span();
                let problem = Problem::at(self.source, span, code::MANIFEST_DUPLICATE, message, "again here");
                let problem = problem.mark(at.item(first).key("to").value_span(), "first here");
                self.problems.push(problem.help("give each folder a place of its own"));
            }
        }
    }

    fn plain(&mut self, value: &str, span: Span, needed: bool) {
        if value.contains('\0') {
            let help = "text for a guest ends where NUL is: remove it";
            self.problem(span, code::MANIFEST_TYPE, "the value holds NUL".to_owned(), "this value", help);
        } else if needed && value.trim().is_empty() {
            let help = "name a secret that the node has";
            self.problem(span, code::MANIFEST_TYPE, "the secret's name is empty".to_owned(), "this value", help);
        }
    }

    fn route(&mut self, route: &author::Route, at: &Spot<'_>) -> Option<Route> {
        let answer = self.answer(route, at);
        self.shared(route, at);
        for (name, value) in &route.headers {
            if value.parse::<http::HeaderValue>().is_err() {
                let message = format!("`{}` is not a header value", shown(value));
                let help = "a header value is printable ASCII; `*` stands for any";
                self.problem(
                    at.key("headers").key(name).value_span(),
                    code::MANIFEST_TYPE,
                    message,
                    "this value",
                    help,
                );
            }
        }
        let features = self.features(route, at);
        self.without_split(route, at);
        let mirror = self.mirror(route, at);
        let (line, column) = self.source.position(at.value_span().start);
        Some(Route {
            host: route.host.clone(),
            path: route.path.clone(),
            methods: route.methods.clone(),
            headers: route.headers.clone(),
            answer: answer?,
            policy: route.policy.clone().unwrap_or_default(),
            features,
            mirror,
            line,
            column,
        })
    }

    fn features(&mut self, route: &author::Route, at: &Spot<'_>) -> Features {
        let (source, problems) = (self.source, &mut self.problems);
        feature_check::resolve(route, at, &mut |spot, part, code, message, label, help| {
            let span = match part {
                At::Key => spot.key_span(),
                At::Value => spot.value_span(),
            };
            problems.push(Problem::at(source, span, code, message, label).help(help));
        })
    }

    fn answer(&mut self, route: &author::Route, at: &Spot<'_>) -> Option<Answer> {
        if let Some(component) = &route.component {
            let known = || self.root.key("component").keys();
            if let Some(name) = Name::new(component).ok().filter(|_| known().any(|name| name == component)) {
                return Some(Answer::Component(name));
            }
            let fix = format!("declare it: `[component.{}] source = \"…\"`", shown(component));
            self.reference("component", component, known(), at.key("component").value_span(), &fix);
            return None;
        }
        if let Some(files) = &route.files {
            self.folder(&files.from, at.key("files").key("from").value_span());
            self.files_route(route, at);
            return Some(Answer::Files(files.clone()));
        }
        if let Some(upstream) = &route.upstream {
            return self.forward(upstream, &at.key("upstream")).map(Answer::Upstream);
        }
        if !route.split.is_empty() {
            return self.split(route, at).map(Answer::Split);
        }
        route.redirect.clone().map(Answer::Redirect)
    }

    /// What is the callee's and not a route's to say, and what only some routes can say.
    fn shared(&mut self, route: &author::Route, at: &Spot<'_>) {
        let policy = route.policy.clone().unwrap_or_default();
        let callee = callee(route);
        let of_callee = [
            ("concurrency", policy.concurrency.is_some()),
            ("queue", policy.queue.is_some()),
            ("adaptive", policy.adaptive.is_some() && !matches!(callee, Callee::Own)),
            ("shedding", policy.shedding.is_some()),
            ("breaker", policy.breaker.is_some() && !matches!(callee, Callee::Own)),
            ("hedge", policy.hedge.is_some() && matches!(callee, Callee::Shared(_) | Callee::Many { upstreams: true })),
            (
                "locality",
                policy.locality.is_some() && matches!(callee, Callee::Shared(_) | Callee::Many { upstreams: true }),
            ),
        ];
        for (key, _) in of_callee.iter().filter(|(_, said)| *said) {
            match &callee {
                Callee::Component(name) => {
                    let message =
                        format!("`{key}` cannot be set on a route: all routes of a component share its places");
                    let help =
                        format!("set it on the component: `[component.{}] policy = {{ {key} = … }}`", shown(name));
                    self.not_here(key, message, &help, at);
                }
                Callee::Shared(name) => {
                    let message = format!("`{key}` cannot be set on a route: all routes of an upstream share it");
                    let help = format!("set it on the upstream: `[upstream.{}] policy = {{ {key} = … }}`", shown(name));
                    self.not_here(key, message, &help, at);
                }
                Callee::Many { .. } => {
                    let message =
                        format!("`{key}` cannot be set on a route: each arm of a split has places of its own");
                    let help = "set it on the components and upstreams";
                    self.not_here(key, message, help, at);
                }
                Callee::None => {
                    let message = format!("`{key}` cannot be set on a route: nobody waits for files or a redirect");
                    self.not_here(key, message, "remove it", at);
                }
                Callee::Own => {}
            }
        }
        if policy.priority.is_some() && matches!(callee, Callee::None) {
            let message = "`priority` has no effect here: nobody waits for files or a redirect".to_owned();
            self.not_here("priority", message, "remove it", at);
        }
        self.retries(&policy, &callee, at);
    }

    fn retries(&mut self, policy: &author::Policy, callee: &Callee<'_>, at: &Spot<'_>) {
        let budget = policy.retry.is_some_and(|retry| retry.budget.is_some() || retry.floor.is_some());
        match callee {
            Callee::Shared(name) if budget => {
                let message = "`retry.budget` and `retry.floor` cannot be set on a route: all routes of an upstream \
                               share them";
                let help = format!("set them on the upstream: `[upstream.{}] policy.retry`", shown(name));
                self.not_here("retry", message.to_owned(), &help, at);
            }
            Callee::Component(_) | Callee::None | Callee::Many { upstreams: false } => self.upstreams_only(policy, at),
            _ => {}
        }
    }

    /// What is said of calls to upstreams where there are none.
    fn upstreams_only(&mut self, policy: &author::Policy, at: &Spot<'_>) {
        let said = [
            ("retry", policy.retry.is_some()),
            ("hedge", policy.hedge.is_some()),
            ("locality", policy.locality.is_some()),
        ];
        for (key, _) in said.iter().filter(|(_, said)| *said) {
            let message = format!("`{key}` has no effect here: this version has it for upstreams only");
            self.not_here(key, message, "remove it", at);
        }
    }

    fn not_here(&mut self, key: &str, message: String, help: &str, at: &Spot<'_>) {
        let span = at.key("policy").key(key).key_span();
        self.problem(span, code::MANIFEST_UNSUPPORTED, message, "not here", help);
    }

    /// A limit without a rate limits nothing: that may not pass in silence.
    fn rates(&mut self, root: &Spot<'_>) {
        let author = self.author;
        let of = |policy: &Option<author::Policy>| policy.as_ref().and_then(|policy| policy.rate_limit);
        let rated = |policy: &Option<author::Policy>| of(policy).is_some_and(|limit| limit.rate.is_some());
        let component = |name: &String| author.component.get(name).is_some_and(|component| rated(&component.policy));
        let routed = |name: &str| author.route.iter().any(|r| rated(&r.policy) && r.component.as_deref() == Some(name));
        let above = rated(&author.policy);
        let below =
            || author.component.values().any(|c| rated(&c.policy)) || author.route.iter().any(|r| rated(&r.policy));
        let mut idle = Vec::new();
        if of(&author.policy).is_some() && !above && !below() {
            idle.push(root.key("policy"));
        }
        for (name, said) in &author.component {
            if of(&said.policy).is_some() && !(above || rated(&said.policy) || routed(name)) {
                idle.push(root.key("component").key(name).key("policy"));
            }
        }
        for (i, route) in author.route.iter().enumerate() {
            let beside = route.component.as_ref().is_some_and(component);
            if of(&route.policy).is_some() && !(above || beside || rated(&route.policy)) {
                idle.push(root.key("route").item(i).key("policy"));
            }
        }
        for policy in idle {
            let span = policy.key("rate-limit").key_span();
            let message = "`rate-limit` lacks `rate`, and no other level has one".to_owned();
            let help = "add `rate`, such as `rate = \"100/s\"`";
            self.problem(span, code::MANIFEST_MISSING, message, "limits nothing", help);
        }
    }

    fn files_route(&mut self, route: &author::Route, at: &Spot<'_>) {
        if !route.path.ends_with("/*") {
            let message = format!("`{}` cannot serve a folder: it matches a single path", shown(&route.path));
            let help = format!("end it in `/*`: `path = \"{}/*\"`", shown(route.path.trim_end_matches('/')));
            self.problem(at.key("path").value_span(), code::MANIFEST_TYPE, message, "this path", &help);
        }
        for (i, method) in route.methods.iter().enumerate().filter(|(_, m)| !matches!(m.as_str(), "GET" | "HEAD")) {
            let message = format!("files do not take {}", shown(method));
            let help = "leave `methods` out: files take GET and HEAD";
            self.problem(at.key("methods").item(i).value_span(), code::MANIFEST_TYPE, message, "this method", help);
        }
    }

    pub(crate) fn reference<'k>(
        &mut self,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'k str>,
        span: Span,
        fix: &str,
    ) {
        let message = format!("there is no {what} `{}`", shown(name));
        let help = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => fix.to_owned(),
        };
        self.problem(span, code::MANIFEST_REFERENCE, message, &format!("no such {what}"), &help);
    }

    /// Routes are compiled here already, so that a bad path or a tie is told with its span.
    fn table(&mut self, application: &Application, at: &Spot<'_>) {
        let Err(errors) = Table::compile(application.lower(Digest([0; 32]))) else { return };
        let rows: Vec<_> = (0..self.author.route.len()).map(|i| at.item(i)).collect();
        let row = |place: &weft_traffic::Place| {
            rows.iter().find(|row| self.source.position(row.value_span().start) == (place.line, place.column))
        };
        let mut found = Vec::new();
        for error in errors {
            // A route that lost its bad methods or headers could tie where what was meant does not.
            if !self.whole && error.code == code::ROUTE_CONFLICT {
                continue;
            }
            let Some(spot) = row(&error.place) else {
                found.push(Problem::route(&error));
                continue;
            };
            let problem =
                Problem::at(self.source, spot.key(error.key).value_span(), error.code, &error.message, "this route");
            let problem = match error.other.as_ref().and_then(row) {
                Some(other) => problem.mark(other.key("path").value_span(), "and this one"),
                None => problem,
            };
            found.push(problem.help(&error.help));
        }
        self.problems.append(&mut found);
    }

    pub(crate) fn problem(&mut self, span: Span, code: Code, message: String, label: &str, help: &str) {
        let problem = Problem::at(self.source, span, code, message, label);
        self.problems.push(if help.is_empty() { problem } else { problem.help(help) });
    }
}

/// Who answers a route's requests, as far as its policy asks.
enum Callee<'a> {
    Component(&'a str),
    /// A named upstream.
    Shared(&'a str),
    /// An upstream of this route alone.
    Own,
    /// The arms of a split.
    Many {
        upstreams: bool,
    },
    None,
}

fn callee(route: &author::Route) -> Callee<'_> {
    match (&route.component, &route.upstream) {
        (Some(name), _) => Callee::Component(name),
        (_, Some(Written::Name(name))) => Callee::Shared(name),
        (_, Some(Written::Endpoints(_))) => Callee::Own,
        _ if !route.split.is_empty() => {
            Callee::Many { upstreams: route.split.iter().any(|arm| arm.upstream.is_some()) }
        }
        _ => Callee::None,
    }
}
