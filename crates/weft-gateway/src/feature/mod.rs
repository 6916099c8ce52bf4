//! What routes do with requests and answers besides passing them on: rewrites and changes to headers.

use http::{Response, Uri, header, request::Parts, uri::PathAndQuery};
use weft_traffic::{Found, feature::Features};
use weft_types::Body;

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
pub(crate) fn leave(features: &Features, response: &mut Response<Body>, ours: bool) {
    match ours {
        false => features.response_headers.apply(response.headers_mut()),
        true => features.response_headers.complete(response.headers_mut()),
    }
}
