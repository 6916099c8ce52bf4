//! Who is calling: asked before a route with a guard is entered, told to whoever answers, never taken from a client.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, Response, request::Parts};
use hyper::body::Incoming;
use smallvec::SmallVec;
use weft_traffic::{Found, gcra::Subject};
use weft_types::{
    Answer, Caller, Checked, Context, Denial, IDENTITY_HEADERS, Identity, Pending, Presented, Timestamp, code,
};

use crate::{
    edge::{Edge, Step},
    exchange::Exchange,
    handler::Peer,
    problem::Problem,
};

/// What a guard says.
pub(crate) enum Said {
    Pass(Option<Arc<Identity>>),
    Answer(Box<Answer>),
    Later(Pending<'static, ()>),
}

/// A request whose guard fetches something before it decides.
pub(crate) struct Waiting {
    pub(crate) ready: Pending<'static, ()>,
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
    /// Waits for what the guard needs, for as long as the route's timeout, and goes on where it stopped.
    pub(crate) async fn ask(&self, exchange: &mut Exchange, waiting: Waiting) -> Step {
        let Waiting { ready, arrived, peer } = waiting;
        let left = exchange.route().map(|route| {
            let until = exchange.started.saturating_add(route.spec.policy.timeout);
            until.since(self.senses.clock.now())
        });
        // Whether it came in time is for the guard to see.
        let _ = tokio::time::timeout(left.unwrap_or_default(), ready).await;
        self.go(exchange, &peer, arrived, true).unwrap_or_else(|problem| exchange.refuse(&problem))
    }
}

/// Asks a route's guard.
pub(crate) fn check(
    found: &Found<'_>,
    parts: &Parts,
    (authority, secure): (&str, bool),
    (peer, address): (&Peer, IpAddr),
    now: Timestamp,
) -> Result<Said, Box<Denial>> {
    let Some(guard) = &found.route.spec.guard else {
        return Err(unavailable("the route has no guard, though its policy names one"));
    };
    let Parts { method, uri, headers, .. } = parts;
    let params: SmallVec<[_; 4]> = found.params.iter().map(|param| (param.name, &*param.value)).collect();
    let (certificate, params, address) = (peer.certificate.as_deref(), &params[..], Some(address));
    let presented = Presented { method, uri, headers, authority, secure, certificate, params, address };
    match guard.check(&presented, now) {
        Checked::Passed(identity) => Ok(Said::Pass(identity)),
        Checked::Answered(answer) => Ok(Said::Answer(answer)),
        Checked::Later(ready) => Ok(Said::Later(ready)),
        Checked::Refused(denial) => Err(denial),
    }
}

/// What a guard answers by itself.
pub(crate) fn answer(answer: Answer) -> Step {
    let mut response = Response::new(weft_types::empty());
    (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
    Step::Answered(response, None)
}

/// Who is calling cannot be known now.
pub(crate) fn unavailable(why: &str) -> Box<Denial> {
    Box::new(Denial { code: code::IDENTITY_UNAVAILABLE, challenges: Vec::new(), why: why.to_owned() })
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
