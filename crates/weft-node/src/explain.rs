//! What a request would meet, and why: of a running node, or of manifests that nobody runs.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use weft_api::{Candidate, ExplainQuery, Explanation, Param, PolicyField, Service, UpstreamStatus};
use weft_manifest::Application;
use weft_traffic::{RequestHead, Table};
use weft_types::Name;

use crate::{explain_access::access, node::Node, upstreams};

/// Why a question cannot be answered: it speaks of no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("`{0}` is not a method")]
    Method(String),
    #[error("`{0}` is not a URL or a path that begins with `/`")]
    Url(String),
    #[error("`{0}` is not a header's name, or its value cannot be sent")]
    Header(String),
    #[error("nobody can be asked about so: {0}")]
    Who(String),
    #[error("the policies cannot be used: {0}")]
    Policies(String),
}

/// Answers from a table and the applications in it.
pub fn explain(
    table: &Table,
    find: impl Fn(&Name) -> Option<Arc<Application>>,
    query: &ExplainQuery,
) -> Result<Explanation, AskError> {
    let method: Method = query.method.parse().map_err(|_| AskError::Method(query.method.clone()))?;
    let url: Uri = query.url.parse().map_err(|_| AskError::Url(query.url.clone()))?;
    if !url.path().starts_with('/') {
        return Err(AskError::Url(query.url.clone()));
    }
    let headers = headers(&query.headers)?;
    let host = url.authority().map(|authority| authority.as_str());
    let host = host.or_else(|| headers.get(http::header::HOST).and_then(|host| host.to_str().ok())).unwrap_or_default();
    let head = RequestHead { host, path: url.path(), method: &method, headers: &headers };
    let said = table.explain(&head);
    let services = said.winner().and_then(|winner| {
        let component: Name = winner.action.strip_prefix("component ")?.parse().ok()?;
        Some(services(&*find(&winner.application.parse().ok()?)?, &component))
    });
    let access =
        match (said.miss.is_none().then(|| table.find(&head)), &said.winner().map(|one| one.application.parse())) {
            (Some(Ok(found)), Some(Ok(name))) => match find(name) {
                Some(application) => access(table, &found, &application, query, (host, url.path()))?,
                None => None,
            },
            _ => None,
        };
    Ok(Explanation {
        request: said.request,
        miss: said.miss,
        candidates: said.candidates.into_iter().map(candidate).collect(),
        omitted: said.omitted,
        services: services.unwrap_or_default(),
        upstream: None,
        access,
    })
}

impl Node {
    /// Answers for what this node serves now.
    pub fn explain(&self, query: &ExplainQuery) -> Result<Explanation, AskError> {
        let find = |name: &Name| self.world.lock().running.get(name).map(|running| Arc::clone(&running.application));
        let mut said = explain(&self.table.load_full(), find, query)?;
        said.upstream = said.candidates.first().and_then(|winner| self.upstream_of(winner));
        Ok(said)
    }

    /// How the upstream stands that a winner passes requests on to.
    pub(crate) fn upstream_of(&self, winner: &Candidate) -> Option<UpstreamStatus> {
        let name = winner.action.strip_prefix("upstream ").filter(|_| winner.lost.is_none())?;
        let application: Name = winner.application.parse().ok()?;
        let world = self.world.lock();
        let all = world.running.get(&application)?.upstreams();
        all.into_iter().find(|gated| &*gated.shared.name == name).map(|gated| upstreams::status(gated))
    }
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, AskError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let wrong = || AskError::Header(name.clone());
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    Ok(headers)
}

pub(crate) fn candidate(said: weft_traffic::Candidate) -> Candidate {
    let weft_traffic::Candidate { application, route, place, action, revision, lost, params, policy } = said;
    let params = params.into_iter().map(|(name, value)| Param { name, value }).collect();
    let field = |said: weft_traffic::Origin| PolicyField { field: said.field, value: said.value, origin: said.origin };
    let policy = policy.into_iter().map(field).collect();
    Candidate { application, route, place, action, revision, lost, params, policy }
}

/// What a component was granted. Secrets by name, and settings by key: a value may be nobody's business.
fn services(application: &Application, component: &Name) -> Vec<Service> {
    let Some(component) = application.components.get(component) else { return Vec::new() };
    let grants = &component.grants;
    let service = |kind: &str, name: &str, bound: String| Service { kind: kind.into(), name: name.into(), bound };
    let stores =
        grants.stores.iter().map(|(name, store)| service("key-value", name, format!("store {store}, embedded")));
    let config = grants.config.keys().map(|key| service("config", key, "weft.toml".to_owned()));
    let env = grants.env.keys().map(|key| service("environment", key, "weft.toml".to_owned()));
    let variable = |(key, secret): (&String, &String)| service("environment", key, format!("secret {secret}"));
    let env = env.chain(grants.secret_env.iter().map(variable));
    let secrets = grants.secrets.iter().map(|(key, secret)| service("secret", key, format!("secret {secret}")));
    let mode = |write: bool| if write { "read and write" } else { "read" };
    let files = grants.files.iter().map(|f| service("files", &f.to, format!("{}, {}", f.from, mode(f.write))));
    let outbound = grants.outbound.rules.iter().map(|rule| service("outbound", &rule.to_string(), "HTTP".to_owned()));
    stores.chain(config).chain(env).chain(secrets).chain(files).chain(outbound).collect()
}
