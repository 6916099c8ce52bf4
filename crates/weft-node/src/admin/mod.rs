//! The admin API: on a listener of its own, behind a token. Health and metrics need none.

mod answer;
mod audit;
mod faults;
mod logs;
mod operators;
mod requests;
mod status;
mod token;
mod upload;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use weft_api::{ExplainQuery, Problem, REQUEST_BYTES_MAX, path};
use weft_gateway::{Listener, Running, SystemRandomness};
use weft_manifest::{Operator, Operators};
use weft_telemetry::metrics::CONTENT_TYPE;
use weft_types::{Body, Digest, Name, code};

use crate::{
    keeper::{KeepError, Keeper},
    node::Node,
};
use answer::{Answer, bytes, json, problem, refuse};
use audit::Audit;
pub use audit::{AuditLine, Audited};
use operators::Known;
pub use token::AdminFile;
use token::Token;

/// Answers the admin API of one node.
pub(crate) struct Admin {
    node: Arc<Node>,
    /// `None` in `weft up`, whose applications come from folders.
    keeper: Option<Arc<Keeper>>,
    known: Known,
    /// Opened with the first line: a data folder that takes no writes may take some later.
    audit: Mutex<Option<Audit>>,
}

impl Admin {
    pub(crate) fn open(
        node: Arc<Node>,
        keeper: Option<Arc<Keeper>>,
        data: &Path,
        operators: Operators,
    ) -> std::io::Result<Arc<Self>> {
        let url = format!("http://{}", node.addresses().admin);
        let token = Token::open(data, url, &SystemRandomness)?;
        let known = Known::new(token, operators);
        Ok(Arc::new(Self { node, keeper, known, audit: Mutex::default() }))
    }

    pub(crate) fn serve(self: Arc<Self>, listener: Listener) -> Running {
        let clock = Arc::clone(&self.node.telemetry.clock);
        weft_gateway::serve(listener, weft_gateway::Limits::default(), clock, move |request| {
            let admin = Arc::clone(&self);
            async move { admin.answer(request).await }
        })
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        if !is_change(request.method(), request.uri().path()) {
            return self.answered(request).await;
        }
        // Once begun it is written down how a change ended, whether or not its client waits for that.
        match tokio::spawn(async move { self.answered(request).await }).await {
            Ok(response) => response,
            Err(error) => refuse(&problem(code::INTERNAL, format!("the change did not end well: {error}"))),
        }
    }

    async fn answered(&self, request: Request<Incoming>) -> Response<Body> {
        let (method, uri) = (request.method().clone(), request.uri().path().to_owned());
        let operator = self.known.who(&request);
        let answer = self.route(request, operator.as_ref()).await;
        let line = self.ending(&method, &uri, &answer);
        if let Some(line) = line {
            self.ended(line.by(operator)).await;
        }
        match answer {
            Ok(response) => response,
            Err(problem) => {
                tracing::debug!(%method, path = uri, code = problem.code, detail = problem.detail, "admin request refused");
                refuse(&problem)
            }
        }
    }

    async fn route(&self, request: Request<Incoming>, operator: Option<&Operator>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let reads = method == Method::GET || method == Method::HEAD;
        match uri.path() {
            path::LIVE if reads => return Ok(bytes(StatusCode::OK, "text/plain", "live\n")),
            path::READY if reads => return Ok(self.ready()),
            path::METRICS if reads => return self.metrics().await,
            _ => operators::allow(operator, &method, uri.path())?,
        }
        if is_change(&method, uri.path()) {
            self.begun(&method, uri.path(), operator).await?;
        }
        let segments: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
        match (method.as_str(), segments.as_slice()) {
            ("GET", ["v1", "openapi.json"]) => Ok(bytes(StatusCode::OK, "application/json", weft_api::openapi::text())),
            ("GET", ["v1", "status"]) => json(StatusCode::OK, &self.status().await?),
            ("GET", ["v1", "routes"]) => json(StatusCode::OK, &self.routes()),
            ("GET", ["v1", "explain"]) => self.explain(uri.query().unwrap_or_default()),
            ("GET", ["v1", "requests", id]) => self.request(id),
            ("GET", ["v1", "logs"]) => self.logs(uri.query().unwrap_or_default()).await,
            ("GET", ["v1", "faults"]) => self.faults(),
            ("POST", ["v1", "faults"]) => self.add_fault(&parse(&whole(request.into_body()).await?)?),
            ("DELETE", ["v1", "faults", id]) => self.remove_fault(id),
            ("GET", ["v1", "applications"]) => json(StatusCode::OK, &self.applications().await?),
            ("POST", ["v1", "applications"]) => {
                let apply = parse(&whole(request.into_body()).await?)?;
                let keeper = Arc::clone(self.keeper()?);
                let applied = to_the_end(async move { keeper.apply(apply).await }).await?;
                of(&applied.application, &applied.revision, json(StatusCode::OK, &applied))
            }
            ("GET", ["v1", "applications", name]) => json(StatusCode::OK, &self.application(&named(name)?).await?),
            ("DELETE", ["v1", "applications", name]) => {
                let (keeper, name) = (Arc::clone(self.keeper()?), named(name)?);
                let removed = to_the_end(async move { keeper.remove(&name).await }).await?;
                of(&removed.application, &removed.revision, json(StatusCode::OK, &removed))
            }
            ("GET", ["v1", "applications", name, "revisions"]) => {
                json(StatusCode::OK, &self.revisions(named(name)?).await?)
            }
            ("POST", ["v1", "applications", name, "rollback"]) => {
                let rollback: weft_api::Rollback = parse(&whole(request.into_body()).await?)?;
                let (keeper, name) = (Arc::clone(self.keeper()?), named(name)?);
                let applied = to_the_end(async move { keeper.rollback(&name, rollback.to).await }).await?;
                of(&applied.application, &applied.revision, json(StatusCode::OK, &applied))
            }
            ("HEAD", ["v1", "artefacts", digest]) => upload::find(self.keeper()?, parsed(digest)?).await,
            ("PUT", ["v1", "artefacts", digest]) => {
                upload::take(self.keeper()?, parsed(digest)?, request.into_body()).await
            }
            (_, known) if is_known(known) => {
                Err(problem(code::METHOD_NOT_ALLOWED, format!("{method} is not answered here; see {}", path::OPENAPI)))
            }
            _ => Err(problem(code::NO_ROUTE, format!("there is no {}; see {}", uri.path(), path::OPENAPI))),
        }
    }

    fn audit(&self) -> std::io::Result<Audit> {
        let mut held = self.audit.lock();
        let audit = match held.take() {
            Some(audit) => audit,
            None => Audit::open(&self.node.data)?,
        };
        *held = Some(audit.clone());
        Ok(audit)
    }

    /// A change that cannot be written down is not begun.
    async fn begun(&self, method: &Method, path: &str, operator: Option<&Operator>) -> Result<(), Box<Problem>> {
        let line = AuditLine::new(Audited::Begun, request_line(method, path), self.node.telemetry.clock.now());
        let line = line.by(operator.cloned());
        let written = match self.audit() {
            Ok(audit) => audit.write(line).await,
            Err(error) => Err(error),
        };
        written.map_err(|error| {
            let full = error.kind() == std::io::ErrorKind::StorageFull;
            let code = if full { code::STORE_FULL } else { code::STORE_UNAVAILABLE };
            problem(code, format!("the audit log cannot be written: {error}"))
        })
    }

    /// How a change ended, or who was refused; `None` where it was neither.
    fn ending(&self, method: &Method, path: &str, answer: &Answer) -> Option<AuditLine> {
        let (status, code, subject) = match answer {
            Ok(response) => (response.status().as_u16(), None, response.extensions().get::<Subject>()),
            Err(problem) => (problem.status, Some(problem.code.to_string()), None),
        };
        let what = match status {
            401 | 403 => Audited::Refused,
            _ if is_change(method, path) => Audited::Ended,
            _ => return None,
        };
        let line = AuditLine::new(what, request_line(method, path), self.node.telemetry.clock.now());
        Some(AuditLine { status: Some(status), code, subject: subject.map(|Subject(text)| text.clone()), ..line })
    }

    /// What cannot be written here any more is in the node's log.
    async fn ended(&self, line: AuditLine) {
        let request = line.request.clone();
        let written = match self.audit() {
            Ok(audit) if line.what == Audited::Refused => audit.refused(line).await,
            Ok(audit) => audit.write(line).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(%error, request, "the audit log cannot be written");
        }
    }

    fn keeper(&self) -> Result<&Arc<Keeper>, Box<Problem>> {
        self.keeper.as_ref().ok_or_else(|| {
            let said =
                problem(code::USAGE, "this node is a `weft up`: what it runs comes from the folders it was given");
            Box::new(said.hint("start a node with `weft serve`, and apply to that one"))
        })
    }

    fn ready(&self) -> Response<Body> {
        match self.node.unready() {
            None => bytes(StatusCode::OK, "text/plain", "ready\n"),
            Some(reason) => bytes(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{reason}\n")),
        }
    }

    async fn metrics(&self) -> Answer {
        let metrics = Arc::clone(&self.node.telemetry.metrics);
        metrics.node().connections_active.set(self.node.connections() as u64);
        let text = tokio::task::spawn_blocking(move || metrics.render()).await;
        let text = text.map_err(|error| problem(code::INTERNAL, error.to_string()))?;
        Ok(bytes(StatusCode::OK, CONTENT_TYPE, text))
    }

    fn explain(&self, query: &str) -> Answer {
        let query = ExplainQuery::parse(query).map_err(|error| problem(code::BAD_REQUEST, error.to_string()))?;
        json(StatusCode::OK, &self.node.explain(&query).map_err(Box::<Problem>::from)?)
    }
}

/// What a change was made to, beside its answer.
#[derive(Clone)]
struct Subject(String);

fn of(application: &Name, revision: &Digest, answer: Answer) -> Answer {
    let mut response = answer?;
    response.extensions_mut().insert(Subject(format!("{application} {revision}")));
    Ok(response)
}

/// What somebody asks for that changes what is served. Artefacts change nothing until they are applied.
fn is_change(method: &Method, path: &str) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
        && ["/v1/applications", "/v1/faults"].iter().any(|of| path.starts_with(of))
}

fn request_line(method: &Method, path: &str) -> String {
    format!("{method} {}", path.chars().take(256).collect::<String>())
}

/// Runs a change on a task of its own: a client that leaves must not stop it between the store and what serves.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, KeepError>> + Send + 'static,
) -> Result<T, Box<Problem>> {
    match tokio::spawn(change).await {
        Ok(done) => done.map_err(Box::<Problem>::from),
        Err(error) => Err(problem(code::INTERNAL, format!("the change did not end well: {error}"))),
    }
}

fn is_known(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["v1", "openapi.json" | "status" | "routes" | "explain" | "logs" | "applications" | "faults"]
            | ["v1", "applications" | "artefacts" | "requests" | "faults", _]
            | ["v1", "applications", _, "revisions" | "rollback"]
            | ["healthz", "live" | "ready"]
            | ["metrics"]
    )
}

fn named(text: &str) -> Result<Name, Box<Problem>> {
    Name::new(text).map_err(|error| problem(code::BAD_REQUEST, error.to_string()))
}

fn parsed(text: &str) -> Result<Digest, Box<Problem>> {
    text.parse::<Digest>().map_err(|error| problem(code::BAD_REQUEST, error.to_string()))
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Box<Problem>> {
    serde_json::from_slice(body).map_err(|error| problem(code::BAD_REQUEST, error.to_string()))
}

async fn whole(body: Incoming) -> Result<Bytes, Box<Problem>> {
    match Limited::new(body, REQUEST_BYTES_MAX as usize).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(problem(code::BODY_TOO_LARGE, format!("at most {REQUEST_BYTES_MAX} bytes are read")))
        }
        Err(error) => Err(problem(code::BAD_REQUEST, error.to_string())),
    }
}
