//! Running `weft:http/handler@0.1`: small, buffered HTTP as plain values, for guests to whom streams are dear.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Empty, Full};
use wasmtime::Store;
use weft_types::{Fault, Ran, code};

use crate::{
    body::HttpBody,
    call::{Call, Head},
    guest::Guest,
};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/weft-http",
        world: "weft:http/service",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

use bindings::exports::weft::http::handler::Response;
use bindings::weft::http::types::{BodyParam, BodyResult};
pub(crate) use bindings::{Service, ServicePre};

/// A request read whole: the route's limit on bodies bounds it.
pub(crate) struct Whole {
    head: http::request::Parts,
    body: Bytes,
}

/// Reads the body to its end, before an instance is taken: a slow sender holds no memory of a guest.
pub(crate) async fn read(request: http::Request<HttpBody>) -> Result<Whole, Fault> {
    let (head, mut body) = request.into_parts();
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let failed =
            |error: wasmtime_wasi_http::Error| Fault::new(code::CLIENT_GONE, Ran::No).detail(error.to_string());
        let Ok(data) = frame.map_err(failed)?.into_data() else { continue };
        match &first {
            None => first = Some(data),
            Some(one) => {
                if rest.is_empty() {
                    rest.extend_from_slice(one);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    let body = if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() };
    Ok(Whole { head, body })
}

/// Hands the request to the guest and answers through `call`.
///
/// A request's number need be unique only among the calls that an instance has not answered; one is served at a time.
pub(crate) async fn handle(
    store: &mut Store<Guest>,
    service: &Service,
    request: Whole,
    call: &Arc<Call>,
) -> wasmtime::Result<()> {
    const NUMBER: u32 = 1;
    let target = request.head.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = || request.head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let authority = request.head.uri.authority().map(|authority| authority.as_str()).or_else(host).unwrap_or("");
    let headers = fields(&request.head.headers);
    let body = match std::str::from_utf8(&request.body) {
        Ok("") => BodyParam::None,
        Ok(text) => BodyParam::Text(text),
        Err(_) => BodyParam::Bytes(&request.body),
    };
    let handler = service.weft_http_handler();
    let method = request.head.method.as_str();
    let answer = match handler.call_handle(&mut *store, NUMBER, method, target, authority, &headers, body).await? {
        Ok(Some(response)) => Ok(response),
        Ok(None) => store.run_concurrent(async |accessor| handler.call_settle(accessor, NUMBER).await).await??,
        Err(text) => Err(text),
    };
    call.answer(match answer {
        Ok(response) => match respond(response) {
            Ok(response) => Head::Response(response),
            Err(why) => Head::Fault(Fault::new(code::GUEST_BAD_RESPONSE, Ran::Yes).detail(why)),
        },
        Err(text) => Head::Fault(Fault::new(code::GUEST_ERROR, Ran::Yes).detail(bounded(&text))),
    });
    Ok(())
}

/// A guest's own words, fit for a line of the log.
fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(1024).collect()
}

/// One `name: value` a line; a value that is not UTF-8 is read as Latin-1.
fn fields(headers: &HeaderMap) -> String {
    let mut out =
        String::with_capacity(headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum());
    for (name, value) in headers {
        if *name == http::header::HOST {
            continue; // `authority` says it
        }
        out.push_str(name.as_str());
        out.push_str(": ");
        match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => out.push_str(text),
            Err(_) => out.extend(value.as_bytes().iter().map(|byte| char::from(*byte))),
        }
        out.push_str("\r\n");
    }
    out
}

fn respond(answer: Response) -> Result<http::Response<HttpBody>, String> {
    if !(200..600).contains(&answer.status) {
        return Err(format!("{} is not a status from 200 to 599", answer.status));
    }
    let body = match answer.body {
        BodyResult::None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        BodyResult::Text(text) => Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync(),
        BodyResult::Bytes(bytes) => Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync(),
    };
    let mut response = http::Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(answer.status).map_err(|error| error.to_string())?;
    for line in answer.headers.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("the header line {line:?} has no colon"))?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a header name"))?;
        if CONNECTION.contains(&name) {
            return Err(format!("`{name}` belongs to the connection, not to the handler"));
        }
        let value = HeaderValue::from_str(value.trim_matches([' ', '\t']))
            .map_err(|_| format!("the value of `{name}` holds a control character"))?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

const CONNECTION: [HeaderName; 7] = [
    http::header::CONNECTION,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
    http::header::TE,
    http::header::TRAILER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];
