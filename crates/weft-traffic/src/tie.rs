//! Ties: two routes of one leaf that some request could meet with equal right.

use weft_types::code;

use crate::{CompiledRoute, RouteError};

/// Adds an error for every route that ties with an earlier one; the first such pair is enough to mend it.
pub(crate) fn find(routes: &[CompiledRoute], leaf: &[u32], errors: &mut Vec<RouteError>) {
    let route = |index: &u32| &routes[*index as usize];
    for (i, later) in leaf.iter().map(route).enumerate() {
        if let Some(earlier) = leaf[..i].iter().map(route).find(|earlier| tie(earlier, later)) {
            errors.push(error(earlier, later));
        }
    }
}

/// Host and path shape are equal, being of one leaf. What remains is method rank and number of headers.
fn tie(a: &CompiledRoute, b: &CompiledRoute) -> bool {
    a.methods.ties(&b.methods) && a.spec.headers.len() == b.spec.headers.len() && !headers_exclude(a, b)
}

/// Whether no request can match the headers of both.
fn headers_exclude(a: &CompiledRoute, b: &CompiledRoute) -> bool {
    let differs = |x: &crate::HeaderMatch, y: &crate::HeaderMatch| {
        x.name == y.name && x.value.is_some() && y.value.is_some() && x.value != y.value
    };
    a.spec.headers.iter().any(|x| b.spec.headers.iter().any(|y| differs(x, y)))
}

fn error(earlier: &CompiledRoute, later: &CompiledRoute) -> RouteError {
    let say = |route: &CompiledRoute| format!("`{}` of application `{}`", route.title(), route.spec.application);
    RouteError {
        code: code::ROUTE_CONFLICT,
        message: format!("{} matches the same requests as {} ({})", say(later), say(earlier), earlier.spec.place),
        place: later.spec.place.clone(),
        key: "path",
        other: Some(earlier.spec.place.clone()),
        help: "tell them apart by host, path, method or the number of headers, or remove one".to_owned(),
    }
}
