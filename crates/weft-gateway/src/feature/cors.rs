//! Preflights: what a browser asks before it sends a request that a page of another origin wants.

use std::sync::Arc;

use http::{Method, Response, StatusCode, request::Parts, uri::Authority};
use weft_traffic::{
    RequestHead,
    feature::cors::{self, Grant},
};
use weft_types::code;

use crate::{edge::Step, exchange::Exchange, feature::Asked, problem::Problem};

/// Answers a preflight for a route that says who may read its answers. `None`: a request like any other.
///
/// The route is the one that the request itself will find: it is asked for by the method that is to be used, and
/// without the headers, which a preflight does not have.
pub(crate) fn preflight(exchange: &mut Exchange, authority: &Authority, parts: &Parts) -> Option<Step> {
    if parts.method != Method::OPTIONS || !cors::is_preflight(&parts.method, &parts.headers) {
        return None;
    }
    let method = cors::asked_method(&parts.headers)?;
    let (host, path) = (authority.as_str(), parts.uri.path());
    let found = exchange.table.find(&RequestHead { host, path, method: &method, headers: &parts.headers }).ok()?;
    let route = found.route.index;
    let features = Arc::clone(found.route.spec.features.as_ref()?);
    drop(found);
    let cors = features.cors.as_ref()?;
    exchange.route = Some(route);
    if let Err(problem) = super::admit(&features, exchange.client) {
        return Some(exchange.refuse(&problem));
    }
    let grant = cors.grant(&parts.headers);
    if grant == Grant::Nobody {
        exchange.asked = Some(Box::new(Asked { cors: Some(grant), coding: None }));
        return Some(exchange.refuse(&Problem::new(code::ORIGIN_REFUSED)));
    }
    let mut response = Response::new(weft_types::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    cors.preflight(&grant, &method, response.headers_mut());
    Some(Step::Answered(response, None))
}
