//! A notification as a signed POST.
//!
//! `weft-signature: t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 of `SECONDS.BODY`: whoever knows the secret can tell that it
//! is from here, and that it is not an old one sent again.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use http::{Request, header, uri::PathAndQuery};
use serde_json::json;
use weft_host::Secret;
use weft_types::{
    Clock, Context, Digest, Invocation, InvocationId, Name, Origin, Outcome, Payload, Reply, SystemClock, Target,
    Timestamp, Trace,
};
use weft_upstream::{Call, Endpoint, Options, Senses, Upstream};

use super::{
    PATIENCE,
    alerts::{Change, State},
    subject,
};

pub(crate) struct Webhook {
    upstream: Upstream,
    path: PathAndQuery,
    key: Option<ring::hmac::Key>,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    pub(crate) fn new(url: &str, secret: Option<Secret>) -> Result<Self, String> {
        let uri: http::Uri = url.parse().map_err(|error| format!("`webhook`: {error}"))?;
        let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
        let authority = authority.ok_or("`webhook` names no host")?;
        let address = format!("{scheme}://{authority}").parse();
        let address = address.map_err(|error| format!("`webhook`: its address {error}"))?;
        let options = Options { breaker: None, ..Options::default() };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let endpoint = Endpoint { address, weight: 1, locality: weft_traffic::Locality::default() };
        let upstream = Upstream::new(&[endpoint], options, Senses::new(Arc::clone(&clock)));
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let key = secret.map(|secret| ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.expose().as_bytes()));
        Ok(Self { upstream, path, key, clock })
    }

    /// Anything but a 2xx is a sentence.
    pub(crate) async fn send(&self, change: &Change) -> Result<(), String> {
        let now = self.clock.now();
        let body = body(change).to_string();
        let mut request = Request::post(self.path.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("weft/", env!("CARGO_PKG_VERSION")))
            .header("weft-notification", &change.id);
        if let Some(key) = &self.key {
            request = request.header("weft-signature", signature(key, now, &body));
        }
        let request = request.body(weft_types::full(body)).map_err(|error| error.to_string())?;
        let Outcome { reply, .. } = self.upstream.call(self.invocation(now, request)?, self.call()).await;
        match reply {
            Ok(Reply::Http(response)) if response.status().is_success() => Ok(()),
            Ok(Reply::Http(response)) => Err(format!("it answered {}", response.status())),
            Ok(_) => Err("it did not answer by HTTP".to_owned()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// Tries are made by the one who waits between them for longer.
    fn call(&self) -> Call {
        let mut call = Options::default().call;
        call.retry.max = 0;
        call
    }

    fn invocation(&self, now: Timestamp, request: Request<weft_types::Body>) -> Result<Invocation, String> {
        let name = |text| Name::new(text).map_err(|error| error.to_string());
        let target = Target {
            application: name("weft")?,
            revision: Digest([0; 32]),
            component: name("notify")?,
            function: None,
        };
        Ok(Invocation {
            id: InvocationId::new(now, 0),
            key: None,
            payload: Payload::Http(Box::new(request)),
            deadline: now.saturating_add(PATIENCE.saturating_sub(Duration::from_millis(100))),
            attempt: NonZeroU32::MIN,
            idempotency: None,
            origin: Origin::Command,
            trace: Trace::default(),
            context: Arc::new(Context::anonymous(target)),
        })
    }
}

fn signature(key: &ring::hmac::Key, now: Timestamp, body: &str) -> String {
    let seconds = now.as_millis() / 1_000;
    let tag = ring::hmac::sign(key, format!("{seconds}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

fn body(change: &Change) -> serde_json::Value {
    let (state, severity) = match change.state {
        State::Firing(severity) => ("firing", severity),
        State::Recovered(severity) => ("recovered", severity),
    };
    let standing = &change.standing;
    json!({
        "version": 1,
        "id": change.id,
        "alert": change.alert,
        "state": state,
        "severity": severity.as_str(),
        "summary": subject(change),
        "application": change.of.application.as_str(),
        "component": change.of.component.as_str(),
        "objective": change.of.objective,
        "target": standing.target,
        "window": standing.window,
        "budget-remaining": standing.remaining,
        "burn-rates": standing.burns.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "since-ms": change.since.as_millis(),
        "at-ms": change.at.as_millis(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231s_algorithm_over_time_and_body() {
        // RFC 4231, test case 2, as the key and the algorithm go.
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"Jefe");
        let tag = ring::hmac::sign(&key, b"what do ya want for nothing?");
        assert_eq!(tag.as_ref()[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        let signed = signature(&key, Timestamp::from_millis(12_345), "{}");
        let wanted = ring::hmac::sign(&key, b"12.{}");
        let hex: String = wanted.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(signed, format!("t=12,v1={hex}"));
    }
}
