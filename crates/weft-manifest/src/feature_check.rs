//! What the schema cannot know of a route's features: that they fit the route that they stand in.

use weft_types::{Code, code};

use crate::{
    author,
    check::shown,
    feature::{Cache, Cors, Features},
    feature_lower::{CACHE_BODY, CACHE_SIZE, stripped},
    tree::Spot,
};

/// Tells of one mistake: where, its code, what is wrong, the label of the place, and the help.
pub(crate) type Tell<'a> = dyn FnMut(&Spot<'_>, At, Code, String, &str, &str) + 'a;

/// Which part of a spot is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Key,
    Value,
}

/// A route's features, checked.
pub(crate) fn resolve(route: &author::Route, at: &Spot<'_>, tell: &mut Tell<'_>) -> Features {
    rewrite(route, at, tell);
    if route.files.is_some() || route.redirect.is_some() {
        let here = [
            ("rewrite", route.rewrite.is_some()),
            ("request-headers", route.request_headers.is_some()),
            ("cache", route.cache.is_some()),
        ];
        for (key, _) in here.iter().filter(|(_, said)| *said) {
            let message = format!("`{key}` has no effect here: nobody is asked for a file or a redirect");
            tell(&at.key(key), At::Key, code::MANIFEST_UNSUPPORTED, message, "not here", "remove it");
        }
    }
    for (key, said) in [("split", !route.split.is_empty()), ("mirror", route.mirror.is_some())] {
        if said && route.cache.is_some() {
            let message = format!("a route with `{key}` keeps no answers: who is asked must be asked each time");
            let help = format!("remove `cache`, or `{key}`");
            tell(&at.key("cache"), At::Key, code::MANIFEST_UNSUPPORTED, message, "not beside it", &help);
        }
    }
    if let Some(said) = &route.cache {
        cache(said, &at.key("cache"), tell);
    }
    if let Some(said) = &route.cors {
        cors(said, &at.key("cors"), tell);
    }
    Features {
        rewrite: route.rewrite.clone(),
        request_headers: route.request_headers.clone(),
        response_headers: route.response_headers.clone(),
        cors: route.cors.clone(),
        compression: route.compression.clone(),
        cache: route.cache.clone(),
        allow: route.allow.clone(),
        deny: route.deny.clone(),
    }
}

/// With credentials a browser takes `*` for a name (Fetch, 3.2.5), and to mean it for origins would open the route to
/// every page that its user visits.
fn cors(cors: &Cors, at: &Spot<'_>, tell: &mut Tell<'_>) {
    if cors.origins.is_empty() {
        let message = "`cors` names no origin, and so lets nobody read".to_owned();
        let help = "such as `origins = [\"https://shop.example\"]`, or remove `cors`";
        tell(&at.key("origins"), At::Value, code::MANIFEST_MISSING, message, "nobody", help);
    }
    let lists =
        [("origins", &cors.origins), ("methods", &cors.methods), ("headers", &cors.headers), ("expose", &cors.expose)];
    for (key, list) in lists.into_iter().filter(|_| cors.credentials) {
        if let Some(i) = list.iter().position(|word| word == "*") {
            let message = format!("`{key}` cannot be `*` with `credentials`: whose credentials would be anybody's");
            let help = "name each, or remove `credentials`";
            tell(&at.key(key).item(i), At::Value, code::MANIFEST_TYPE, message, "not with credentials", help);
        }
    }
}

fn cache(cache: &Cache, at: &Spot<'_>, tell: &mut Tell<'_>) {
    for (i, name) in cache.forward.iter().enumerate().filter(|(_, name)| cache.key.contains(name)) {
        let message = format!("`{}` is in `key` already", shown(name));
        let help = "what is in `key` is shown; remove it here";
        tell(&at.key("forward").item(i), At::Value, code::MANIFEST_DUPLICATE, message, "again here", help);
    }
    if cache.ignore_cookies && cache.key.iter().any(|name| name == "cookie") {
        let message = "cookies cannot be both ignored and part of the key".to_owned();
        tell(
            &at.key("ignore-cookies"),
            At::Key,
            code::MANIFEST_DUPLICATE,
            message,
            "excluded by `key`",
            "keep one of them",
        );
    }
    let (body, size) = (cache.body.map_or(CACHE_BODY, |size| size.0), cache.size.map_or(CACHE_SIZE, |size| size.0));
    if body > size {
        let message = "the longest body is longer than all that is kept".to_owned();
        let spot = at.key(if cache.body.is_some() { "body" } else { "size" });
        tell(&spot, At::Value, code::MANIFEST_TYPE, message, "this value", "make `size` a multiple of `body`");
    }
}

fn rewrite(route: &author::Route, at: &Spot<'_>, tell: &mut Tell<'_>) {
    let Some(rewrite) = &route.rewrite else { return };
    let at = at.key("rewrite");
    if rewrite.path.is_none() && rewrite.strip_prefix.is_none() && rewrite.host.is_none() {
        let help = "give it `path`, `strip-prefix` or `host`, or remove it";
        tell(&at, At::Key, code::MANIFEST_MISSING, "`rewrite` changes nothing".to_owned(), "changes nothing", help);
    }
    let Some(prefix) = &rewrite.strip_prefix else { return };
    let at = at.key("strip-prefix");
    if rewrite.path.is_some() {
        let message = "`strip-prefix` and `path` exclude each other".to_owned();
        tell(&at, At::Key, code::MANIFEST_DUPLICATE, message, "second path", "keep one of them");
    } else if stripped(&route.path, prefix).is_none() {
        let message = format!("`{}` is not how the route's path `{}` begins", shown(prefix), shown(&route.path));
        tell(&at, At::Value, code::MANIFEST_TYPE, message, "this prefix", "give whole segments, such as `/api`");
    }
}
