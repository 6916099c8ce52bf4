//! What routes do with requests and answers besides passing them on.
//!
//! ```text
//! admit       some addresses are refused
//! preflight   an OPTIONS that a browser sends on its own is answered here
//! arrive      what the request's head decides about its answer is kept
//! rewrite · enter      the request, as whoever answers it sees it
//! leave       the answer, as the client sees it
//! ```

mod compress;
mod cors;

use http::{Method, Response, StatusCode, Uri, header, request::Parts, uri::PathAndQuery};
use http_body::Body as _;
use weft_traffic::{
    Found, Miss,
    feature::{
        Compression, Features,
        compression::{self, Coding},
        cors::{Grant, vary},
    },
    forwarded::Client,
};
use weft_types::{Body, code};

use crate::{exchange::Exchange, problem::Problem};
use compress::Compressed;

pub(crate) use cors::preflight;

/// What a request's head decides about its answer.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Which page may read it. `None`: not for us to say.
    cors: Option<Grant>,
    /// How its client would like it. `None`: plain.
    coding: Option<Coding>,
}

/// Whether the route answers this client.
pub(crate) fn admit(features: &Features, client: Client) -> Result<(), Problem> {
    match features.addresses.as_ref().is_none_or(|rules| rules.allows(client.address)) {
        true => Ok(()),
        false => Err(Problem::new(code::ADDRESS_REFUSED)),
    }
}

/// Looks at the head of a request, while it is whole.
pub(crate) fn arrive(features: &Features, parts: &Parts) -> Option<Box<Asked>> {
    let cors = features.cors.as_ref().map(|cors| cors.grant(&parts.headers));
    let coding = features.compression.as_ref().and_then(|compression| compression.choose(&parts.headers));
    (cors.is_some() || coding.is_some()).then(|| Box::new(Asked { cors, coding }))
}

/// The path that whoever answers sees, where it is another one.
pub(crate) fn rewrite(found: &Found<'_>, query: Option<&str>) -> Result<Option<PathAndQuery>, Miss> {
    let rewrite = found.route.spec.features.as_ref().and_then(|features| features.rewrite.as_ref());
    rewrite.map_or(Ok(None), |rewrite| rewrite.target(found, query))
}

/// Leads a request to where it goes. Its URI is absolute.
pub(crate) fn enter(features: &Features, target: Option<PathAndQuery>, parts: &mut Parts) {
    let host = features.rewrite.as_ref().and_then(|rewrite| rewrite.host.as_ref());
    if target.is_some() || host.is_some() {
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        if let Some(host) = host {
            uri.authority = Some(host.authority.clone());
            parts.headers.insert(header::HOST, host.header.clone());
        }
        uri.path_and_query = target.or(uri.path_and_query);
        // Each part is one of a URI already.
        parts.uri = Uri::from_parts(uri).unwrap_or_default();
    }
}

/// Changes an answer that goes to the client. `ours`: it is an error that we made.
/// What its head promises of its body, if anything, goes in and comes out.
pub(crate) fn leave(
    features: &Features,
    exchange: &Exchange,
    response: &mut Response<Body>,
    owed: Option<u64>,
    ours: bool,
) -> Option<u64> {
    let asked = exchange.asked.as_deref();
    let owed = match &features.compression {
        Some(compression) if !ours => {
            compress(compression, asked.and_then(|asked| asked.coding), &exchange.method, response, owed)
        }
        _ => owed,
    };
    if let (Some(cors), Some(grant)) = (&features.cors, asked.and_then(|asked| asked.cors.as_ref())) {
        cors.answer(grant, response.headers_mut());
    }
    match ours {
        false => features.response_headers.apply(response.headers_mut()),
        true => features.response_headers.complete(response.headers_mut()),
    }
    owed
}

fn compress(
    compression: &Compression,
    coding: Option<Coding>,
    method: &Method,
    response: &mut Response<Body>,
    owed: Option<u64>,
) -> Option<u64> {
    if response.status() == StatusCode::NOT_MODIFIED {
        // What it speaks of was compressed, as far as it can be known here.
        if coding.is_some() {
            compression::weaken(response.headers_mut());
        }
        vary(response.headers_mut(), header::ACCEPT_ENCODING.as_str());
        return owed;
    }
    let declared = || response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    let length = match *method == Method::HEAD {
        true => declared(),
        false => owed.or_else(|| response.body().size_hint().exact()),
    };
    if !compression.fits(response.status(), response.headers(), length) {
        return owed;
    }
    compression.head(coding, response.headers_mut());
    let Some(coding) = coding else { return owed };
    if *method != Method::HEAD {
        let plain = std::mem::replace(response.body_mut(), weft_types::empty());
        *response.body_mut() = Compressed::body(plain, coding, owed);
    }
    None
}
