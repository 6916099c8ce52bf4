//! Answers of the admin API, and the one table from a failure to its status.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use weft_api::{Place, Problem};
use weft_types::{Body, Code, code};

use crate::{
    deploy::{DeployError, Refusal},
    explain::AskError,
    keeper::KeepError,
};

/// What a handler gives.
pub(super) type Answer = Result<Response<Body>, Box<Problem>>;

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text =
        serde_json::to_vec(value).map_err(|error| Box::new(Problem::new(code::INTERNAL, 500, error.to_string())))?;
    Ok(bytes(status, "application/json", text))
}

pub(super) fn bytes(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(weft_types::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn problem(code: Code, detail: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::new(code, status(code), detail))
}

/// The problem as it is sent.
pub(super) fn refuse(problem: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = bytes(status, Problem::CONTENT_TYPE, text);
    if let Ok(code) = HeaderValue::from_str(&problem.code) {
        response.headers_mut().insert(HeaderName::from_static("weft-error"), code);
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn status(code: Code) -> u16 {
    match code {
        code::UNAUTHENTICATED => 401,
        code::FORBIDDEN => 403,
        code::NO_ROUTE | code::NOT_FOUND | code::UNKNOWN_APPLICATION => 404,
        code::METHOD_NOT_ALLOWED => 405,
        code::STORE_CONFLICT | code::ROUTE_CONFLICT | code::USAGE => 409,
        code::BODY_TOO_LARGE => 413,
        code::FILE_MISSING
        | code::SECRET_MISSING
        | code::KEYS_INVALID
        | code::POLICY_INVALID
        | code::NOT_WASM
        | code::CORE_MODULE
        | code::UNSUPPORTED_COMPONENT
        | code::UNKNOWN_IMPORT
        | code::NO_HANDLER
        | code::MANIFEST_REFERENCE => 422,
        code::STORE_UNAVAILABLE | code::UNKNOWN_OUTCOME | code::DRAINING => 503,
        code::STORE_FULL => 507,
        code::INTERNAL | code::STORE_CORRUPT => 500,
        _ => 400,
    }
}

impl From<AskError> for Box<Problem> {
    fn from(error: AskError) -> Self {
        problem(code::BAD_REQUEST, error.to_string())
    }
}

impl From<KeepError> for Box<Problem> {
    fn from(error: KeepError) -> Self {
        match &error {
            KeepError::Control(control) => {
                let said = problem(control.code(), error.to_string());
                match control.hint() {
                    Some(hint) => Box::new(said.hint(hint)),
                    None => said,
                }
            }
            KeepError::Secrets(secrets) => problem(secrets.code(), error.to_string()),
            KeepError::Deploy(refused) => deploy(refused),
        }
    }
}

/// The first refusal gives the code; all of them are told, with every place.
fn deploy(error: &DeployError) -> Box<Problem> {
    let DeployError(refusals) = error;
    let mut said = match refusals.first() {
        Some(Refusal::Route(route)) => Problem::new(route.code, status(route.code), "").hint(route.help.clone()),
        Some(Refusal::Component { source, .. }) => Problem::new(source.code(), status(source.code()), ""),
        Some(Refusal::Auth { .. }) => Problem::new(code::KEYS_INVALID, status(code::KEYS_INVALID), ""),
        Some(Refusal::Policy(_)) => Problem::new(code::POLICY_INVALID, status(code::POLICY_INVALID), ""),
        None => Problem::new(code::INTERNAL, 500, ""),
    };
    said.detail = error.to_string();
    let place =
        |place: &weft_traffic::Place| Place { file: place.file.to_string(), line: place.line, column: place.column };
    for refusal in refusals {
        if let Refusal::Route(route) = refusal {
            said.places.extend([&route.place].into_iter().chain(&route.other).map(place));
        }
    }
    Box::new(said)
}
