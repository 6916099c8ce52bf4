//! What is sent: a URL from the command line, or request files as the examples have them.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use weft_build::requests::{Answer, Case, Known, Request, RequestsError, read_requests};
use weft_load::driver::{self, Driver};
use weft_types::{Code, code};

use crate::failure::Failure;

/// No answer that names are learned from is longer.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What the command is given.
#[derive(Debug, Clone)]
pub(super) enum What {
    Url(Uri),
    File(PathBuf),
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let uri: Uri = text.parse().map_err(|error| format!("this is no URL: {error}"))?;
        match uri.scheme_str() {
            Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(Self::Url(uri)),
            _ => Err("a URL begins with `http://` or `https://` and a host".to_owned()),
        }
    }
}

/// Reads request files. Where they hold `{{name}}`, all are sent once, in order, to learn what the names stand for.
pub(super) async fn read(path: &Path, driver: &Driver) -> Result<Vec<driver::Request>, Failure> {
    let read = read_requests(path).map_err(|error| unreadable(path, &error))?;
    if read.is_empty() {
        return Err(Failure::new(code::FILE_MISSING, about(path), "this folder has no `.http` files"));
    }
    let mut known = Known::default();
    let learns = read.iter().any(|(_, request, _)| has_names(request));
    let mut requests = Vec::new();
    for (name, request, expected) in read {
        let file = if path.is_dir() { path.join(format!("{name}.http")) } else { path.to_owned() };
        let status = expected.as_ref().map(|expected| expected.status);
        let case = Case { name, request, expected: expected.unwrap_or_default() };
        let filled = case.fill(&known);
        if has_names(&filled) {
            let message = "it holds a `{{name}}` that no answer before it teaches";
            return Err(Failure::new(code::USAGE, about(&file), message)
                .help("give the whole folder, so that the requests before it are sent once and their answers read"));
        }
        let sent = sendable(&file, &filled, status)?;
        if learns && status.is_some() {
            learn(&file, &case, &sent, driver, &mut known).await?;
        }
        requests.push(sent);
    }
    Ok(requests)
}

async fn learn(
    file: &Path,
    case: &Case,
    request: &driver::Request,
    driver: &Driver,
    known: &mut Known,
) -> Result<(), Failure> {
    let answer = driver.ask(request, ANSWER_BYTES_MAX).await.map_err(|broken| {
        Failure::new(
            code::NODE_UNREACHABLE,
            about(file),
            format!("sent once to learn its names, it failed: {broken:?}"),
        )
    })?;
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let answer = Answer {
        status: answer.status().as_u16(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(answer.body()).into_owned(),
    };
    let wrong = case.compare(&answer, known);
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!("sent once to learn its names, it was not answered as expected: {}", wrong.join("; "));
    Err(Failure::new(code::USAGE, about(file), message))
}

fn has_names(request: &Request) -> bool {
    let has = |text: &str| text.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}"));
    has(&request.target) || has(&request.body) || request.headers.iter().any(|(_, value)| has(value))
}

fn sendable(file: &Path, request: &Request, expected: Option<u16>) -> Result<driver::Request, Failure> {
    let wrong = |what: &str| Failure::new(code::USAGE, about(file), format!("{what} cannot be sent"));
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let pair = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
        let (name, value) = pair.ok_or_else(|| wrong(&format!("the header `{name}`")))?;
        headers.append(name, value);
    }
    Ok(driver::Request {
        method: request.method.parse().map_err(|_| wrong("the method"))?,
        path: request.target.parse().map_err(|_| wrong("the target"))?,
        headers,
        body: request.body.clone().into(),
        expected: expected.map(StatusCode::from_u16).transpose().map_err(|_| wrong("the expected status"))?,
    })
}

fn unreadable(path: &Path, error: &RequestsError) -> Failure {
    let (code, message): (Code, String) = match error {
        RequestsError::Io { source, .. } => (code::FILE_MISSING, format!("{error}: {source}")),
        _ => (code::USAGE, error.to_string()),
    };
    Failure::new(code, about(path), message).help("a request file is `METHOD /path`, headers, an empty line, a body")
}

fn about(path: &Path) -> String {
    path.display().to_string()
}
