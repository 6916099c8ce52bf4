//! The command line's side of the admin API.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Serialize, de::DeserializeOwned};
use weft_api::Problem;
use weft_node::AdminFile;
use weft_types::{Code, code};

use crate::failure::{Exit, Failure};

/// No answer of the admin API is larger.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How a command finds the node that it speaks to.
#[derive(Args)]
pub(crate) struct Target {
    /// Where the node's admin API is. Without it, admin.json in the data folder says.
    #[arg(long, value_name = "URL", env = "WEFT_ADMIN")]
    admin_url: Option<String>,
    /// The admin API's token. Without it, admin.json in the data folder says.
    #[arg(long, value_name = "TOKEN", env = "WEFT_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The node's data folder.
    #[arg(long, value_name = "FOLDER", env = "WEFT_DATA", default_value = ".weft")]
    data: PathBuf,
}

/// A node's admin API.
pub(crate) struct Admin {
    url: String,
    token: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Target {
    /// Whether a node was named, rather than left to be found.
    pub(crate) fn is_named(&self) -> bool {
        self.admin_url.is_some()
    }

    pub(crate) fn find(&self) -> Result<Admin, Failure> {
        let file = AdminFile::read(&self.data);
        let (url, token) = match (&self.admin_url, file) {
            (Some(url), file) => {
                // The token of another node is none of this one's business.
                let own = file.ok().filter(|file| file.url == url.trim_end_matches('/')).map(|file| file.token);
                (url.clone(), self.token.clone().or(own))
            }
            (None, Ok(file)) => (file.url, self.token.clone().or(Some(file.token))),
            (None, Err(error)) => {
                let path = self.data.join(AdminFile::NAME);
                let message = format!("no node is known here: {} cannot be read: {error}", path.display());
                return Err(Failure::new(code::NODE_UNREACHABLE, "weft", message).help(
                    "start one with `weft serve`, or name its data folder with --data or its address with --admin-url",
                ));
            }
        };
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Ok(Admin { url: url.trim_end_matches('/').to_owned(), token, client })
    }
}

impl Admin {
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::GET, path, Bytes::new()).await
    }

    /// What is there, as text.
    pub(crate) async fn text(&self, path: &str) -> Result<String, Failure> {
        match self.send(Method::GET, path, Bytes::new()).await? {
            (status, body) if status.is_success() => Ok(String::from_utf8_lossy(&body).into_owned()),
            (status, body) => Err(self.refused(status, &body)),
        }
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| self.odd(&error.to_string()))?;
        self.json(Method::POST, path, body.into()).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::DELETE, path, Bytes::new()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Bytes) -> Result<weft_api::Artefact, Failure> {
        self.json(Method::PUT, path, body).await
    }

    /// Whether there is something at `path`.
    pub(crate) async fn has(&self, path: &str) -> Result<bool, Failure> {
        match self.send(Method::HEAD, path, Bytes::new()).await? {
            (StatusCode::NOT_FOUND, _) => Ok(false),
            (status, _) if status.is_success() => Ok(true),
            (status, body) => Err(self.refused(status, &body)),
        }
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, Failure> {
        let (status, body) = self.send(method, path, body).await?;
        if !status.is_success() {
            return Err(self.refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| self.odd(&error.to_string()))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Failure> {
        let uri: Uri = format!("{}{path}", self.url).parse().map_err(|error: http::uri::InvalidUri| {
            Failure::new(code::USAGE, self.url.as_str(), format!("this is not a URL: {error}"))
        })?;
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Full::new(body));
        let request = request.map_err(|error| Failure::new(code::USAGE, self.url.as_str(), error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| self.odd(&error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> Failure {
        let why = std::error::Error::source(error).map_or_else(|| error.to_string(), |source| source.to_string());
        Failure::new(code::NODE_UNREACHABLE, self.url.as_str(), format!("the node cannot be reached: {why}"))
            .help("is it running? Start one with `weft serve`, or name another with --admin-url")
    }

    fn odd(&self, why: &str) -> Failure {
        let message = format!("what answers there is not a node of this version: {why}");
        Failure { exit: Exit::Unreachable, ..Failure::new(code::NODE_UNREACHABLE, self.url.as_str(), message) }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
            return self.odd(&format!("it answered {status}"));
        };
        let code = Code::find(&problem.code).unwrap_or(code::INTERNAL);
        let message = if problem.detail.is_empty() { problem.title } else { problem.detail };
        let failure = Failure::new(code, self.url.as_str(), message);
        let failure = Failure { exit: Exit::Failed, ..failure };
        match problem.hint {
            Some(hint) => failure.help(hint),
            None => failure,
        }
    }
}
