//! What routes do with requests and answers besides passing them on.
//!
//! ```text
//! preflight   an OPTIONS that a browser sends on its own is answered here
//! arrive      what the request's head decides about its answer is kept
//! rewrite · enter      the request, as whoever answers it sees it
//! leave       the answer, as the client sees it
//! ```

mod cors;

use http::{Response, Uri, header, request::Parts, uri::PathAndQuery};
use weft_traffic::{
    Found,
    feature::{Features, cors::Grant},
};
use weft_types::Body;

pub(crate) use cors::preflight;

/// What a request's head decides about its answer.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Which page may read it. `None`: not for us to say.
    cors: Option<Grant>,
}

/// Looks at the head of a request, while it is whole.
pub(crate) fn arrive(features: &Features, parts: &Parts) -> Option<Box<Asked>> {
    let cors = features.cors.as_ref().map(|cors| cors.grant(&parts.headers));
    cors.is_some().then(|| Box::new(Asked { cors }))
}

/// The path that whoever answers sees, where it is another one.
pub(crate) fn rewrite(found: &Found<'_>, query: Option<&str>) -> Option<PathAndQuery> {
    found.route.spec.features.as_ref()?.rewrite.as_ref()?.target(found, query)
}

/// Changes a request that goes to whoever answers. Its URI is absolute.
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
    features.request_headers.apply(&mut parts.headers);
}

/// Changes an answer that goes to the client. `ours`: it is an error that we made.
pub(crate) fn leave(features: &Features, asked: Option<&Asked>, response: &mut Response<Body>, ours: bool) {
    if let (Some(cors), Some(grant)) = (&features.cors, asked.and_then(|asked| asked.cors.as_ref())) {
        cors.answer(grant, response.headers_mut());
    }
    match ours {
        false => features.response_headers.apply(response.headers_mut()),
        true => features.response_headers.complete(response.headers_mut()),
    }
}
