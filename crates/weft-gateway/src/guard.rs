//! Who is calling: asked before a route with a guard is entered, told to whoever answers, never taken from a client.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, request::Parts};
use hyper::body::Incoming;
use weft_traffic::{CompiledRoute, gcra::Subject};
use weft_types::{Caller, Checked, Context, Denial, IDENTITY_HEADERS, Identity, Pending, Presented, Timestamp, code};

use crate::{
    edge::{Edge, Step},
    exchange::Exchange,
    handler::Peer,
    problem::Problem,
};

/// What a guard that had to ask somebody says in the end.
pub(crate) type Verdict = Result<Option<Arc<Identity>>, Box<Denial>>;

/// What it says at once.
pub(crate) enum Said {
    Pass(Option<Arc<Identity>>),
    Later(Pending<'static, Verdict>),
}

/// A request whose guard asks somebody before it decides.
pub(crate) struct Waiting {
    pub(crate) verdict: Pending<'static, Verdict>,
    pub(crate) arrived: Arrived,
    pub(crate) peer: Peer,
}

/// A request whose head is good.
pub(crate) struct Arrived {
    pub(crate) parts: Parts,
    pub(crate) body: Option<Incoming>,
    pub(crate) authority: http::uri::Authority,
}

impl Edge {
    /// Waits for the guard, for as long as the route's timeout, and goes on where it stopped.
    pub(crate) async fn ask(&self, exchange: &mut Exchange, waiting: Waiting) -> Step {
        let Waiting { verdict, arrived, peer } = waiting;
        let left = exchange.route().map(|route| {
            let until = exchange.started.saturating_add(route.spec.policy.timeout);
            until.since(self.senses.clock.now())
        });
        let late = || Box::new(Denial { code: code::IDENTITY_UNAVAILABLE, challenges: Vec::new(), why: "late".into() });
        let verdict = tokio::time::timeout(left.unwrap_or_default(), verdict).await.unwrap_or_else(|_| Err(late()));
        self.go(exchange, &peer, arrived, Some(verdict)).unwrap_or_else(|problem| exchange.refuse(&problem))
    }
}

/// Asks a route's guard.
pub(crate) fn check(route: &CompiledRoute, parts: &Parts, peer: &Peer, now: Timestamp) -> Result<Said, Box<Denial>> {
    let Some(guard) = &route.spec.guard else {
        let why = "the route has no guard, though its policy names one".to_owned();
        return Err(Box::new(Denial { code: code::IDENTITY_UNAVAILABLE, challenges: Vec::new(), why }));
    };
    let certificate = peer.certificate.as_deref();
    let presented = Presented { method: &parts.method, uri: &parts.uri, headers: &parts.headers, certificate };
    match guard.check(&presented, now) {
        Checked::Passed(identity) => Ok(Said::Pass(identity)),
        Checked::Later(verdict) => Ok(Said::Later(verdict)),
        Checked::Refused(denial) => Err(denial),
    }
}

/// The denial as it is answered, told of in the log.
pub(crate) fn problem(exchange: &Exchange, denial: Denial) -> Problem {
    let (id, trace, code) = (exchange.id, exchange.trace.trace, denial.code);
    tracing::debug!(%id, %trace, %code, why = denial.why, "caller not let in");
    Problem::new(code).challenges(denial.challenges)
}

/// The route's context, with who is calling in it.
pub(crate) fn context(prebuilt: &Arc<Context>, identity: Option<&Arc<Identity>>) -> Arc<Context> {
    let Some(identity) = identity else { return Arc::clone(prebuilt) };
    let (caller, tenant) = (identity.caller.clone(), identity.tenant.clone());
    Arc::new(Context { caller, tenant, ..Context::clone(prebuilt) })
}

/// Who shares a rate limit with whom.
pub(crate) fn subject(identity: Option<&Identity>, address: IpAddr) -> Subject<'_> {
    let caller = identity.map(|identity| &identity.caller);
    Subject {
        tenant: identity.and_then(|identity| identity.tenant.0.as_deref()),
        identity: caller.and_then(|caller| if let Caller::Identity(name) = caller { Some(&**name) } else { None }),
        address: Some(address),
    }
}

/// Removes what only we may say. Also where `_` stands for `-`: some read that as the same name.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let mut claimed: Option<Vec<HeaderName>> = None;
    for name in headers.keys() {
        if is_ours(name.as_str().as_bytes()) {
            claimed.get_or_insert_default().push(name.clone());
        }
    }
    for name in claimed.into_iter().flatten() {
        headers.remove(name);
    }
}

fn is_ours(name: &[u8]) -> bool {
    let same = |ours: &HeaderName| {
        let dash = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
        ours.as_str().len() == name.len() && ours.as_str().bytes().eq(name.iter().map(dash))
    };
    name.starts_with(b"weft") && IDENTITY_HEADERS.iter().any(same)
}

/// Tells whoever answers who is calling.
pub(crate) fn tell(headers: &mut HeaderMap, identity: Option<&Arc<Identity>>) {
    for (name, value) in identity.iter().flat_map(|identity| &identity.headers) {
        headers.insert(name.clone(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_only_we_may_say_is_removed_however_it_is_spelt_and_nothing_else() {
        let mut headers = HeaderMap::new();
        for name in ["weft-identity", "Weft-Tenant", "weft_roles", "weft-auth", "weft_identity"] {
            headers.append(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_static("root"));
            headers.append(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_static("again"));
        }
        for name in ["weft-identity2", "weft-id", "x-weft-identity", "weft-request-id", "accept"] {
            headers.append(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_static("kept"));
        }
        strip(&mut headers);
        assert_eq!(headers.len(), 5, "{headers:?}");
        assert!(headers.values().all(|value| value == "kept"), "{headers:?}");
    }
}
