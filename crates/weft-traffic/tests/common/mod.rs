//! Routes for tests, written as `METHOD|METHOD host/path header=value…`.

use std::sync::Arc;

use http::{HeaderName, Method};
use weft_traffic::{Action, HeaderMatch, Place, Policy, RouteSpec};
use weft_types::Name;

/// `GET|POST shop.example/orders/:id x-beta x-kind=a`; methods `*` for any, no host before the `/` for any.
pub(crate) fn route(line: u32, text: &str) -> RouteSpec {
    let mut words = text.split(' ');
    let methods = words.next().expect("methods");
    let target = words.next().expect("target");
    let (host, path) = target.split_at(target.find('/').expect("a path"));
    RouteSpec {
        application: Name::new("shop").expect("a name"),
        host: (!host.is_empty()).then(|| host.into()),
        path: path.into(),
        methods: if methods == "*" { vec![] } else { methods.split('|').map(method).collect() },
        headers: words.map(header).collect(),
        action: Action::Redirect { to: "/".into(), status: 308 },
        features: None,
        policy: Policy::default(),
        guard: None,
        origins: vec![("timeout", "15s".into(), "default".into())],
        place: Place { file: Arc::from("weft.toml"), line, column: 1 },
    }
}

pub(crate) fn method(text: &str) -> Method {
    text.parse().expect("a method")
}

fn header(text: &str) -> HeaderMatch {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    HeaderMatch { name: name.parse::<HeaderName>().expect("a header"), value: value.map(Into::into) }
}
