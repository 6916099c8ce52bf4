//! Active health checks: each endpoint is asked now and then whether it is well, whether it has calls or not.
//!
//! One that fails three times in a row takes no calls until it has passed twice; then it starts slowly. Where none is
//! left, all are used: a wrong check must not take a service away.

use std::sync::{Arc, Weak};

use http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::BodyExt;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use weft_traffic::{UpstreamAddress, Wire, balance::Active};

use crate::{Health, Upstream, replay::Replay};

/// Endpoints that are asked at the same time.
const AT_ONCE: usize = 16;

/// The checks of one upstream. Dropped, nobody is asked any more.
#[derive(Debug)]
pub struct Checking(JoinHandle<()>);

impl Checking {
    /// `None`: its options ask for none. Must be called within a tokio runtime, on which they run.
    pub fn start(upstream: &Arc<Upstream>) -> Option<Self> {
        let health = upstream.options.health.clone()?;
        Some(Self(tokio::spawn(rounds(Arc::downgrade(upstream), health))))
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn rounds(upstream: Weak<Upstream>, health: Health) {
    loop {
        let Some(upstream) = upstream.upgrade() else { return };
        round(&upstream, &health).await;
        // Apart from the nodes that began with this one: up to a tenth sooner.
        let early = health.interval.mul_f64(upstream.senses.draw() as f64 / u64::MAX as f64 / 10.0);
        drop(upstream);
        sleep(health.interval - early).await;
    }
}

async fn round(upstream: &Arc<Upstream>, health: &Health) {
    let mut asked = JoinSet::new();
    for view in upstream.endpoints() {
        let Some(address) = upstream.endpoints.get(&view.address).cloned() else { continue };
        if asked.len() >= AT_ONCE {
            let _ = asked.join_next().await;
        }
        let (upstream, health) = (Arc::clone(upstream), health.clone());
        asked.spawn(async move {
            let answer = ask(&upstream, &address, &health).await;
            let now = upstream.senses.clock.now();
            let mut state = upstream.state.lock();
            let before = state.balancer.active(view.id);
            state.balancer.check(now, view.id, answer.is_ok());
            let after = state.balancer.active(view.id);
            drop(state);
            if before != after {
                tell(&address, after, answer);
            }
        });
    }
    while asked.join_next().await.is_some() {}
}

/// Once for each change: what operators are woken by, or go to bed after.
fn tell(address: &UpstreamAddress, now: Option<Active>, answer: Result<(), String>) {
    match (now, answer) {
        (Some(Active::Unhealthy), Err(why)) => {
            tracing::warn!(endpoint = %address, why, "an endpoint is not well, and takes no calls");
        }
        _ => tracing::info!(endpoint = %address, "an endpoint is well"),
    }
}

async fn ask(upstream: &Upstream, to: &UpstreamAddress, health: &Health) -> Result<(), String> {
    let scheme = if to.wire == Wire::Https { Scheme::HTTPS } else { Scheme::HTTP };
    let uri = Uri::builder().scheme(scheme).authority(to.authority()).path_and_query(health.path.clone());
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(uri.build().map_err(|error| error.to_string())?)
        .header(header::USER_AGENT, HeaderValue::from_static("weft-health"))
        .body(Replay::new(weft_types::empty()).again())
        .map_err(|error| error.to_string())?;
    if let Some(host) = &health.host {
        request.headers_mut().insert(header::HOST, host.clone());
    }
    let answered = timeout(health.timeout, async {
        let response =
            upstream.pools.here(to.wire, false).request(request).await.map_err(|error| crate::error::chain(&error))?;
        let status = response.status();
        // Read to its end where that is near, so that the connection can be used again.
        let mut body = response.into_body();
        let mut left = BODY_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(less) = left.checked_sub(frame.data_ref().map_or(0, bytes::Bytes::len)) else { break };
            left = less;
        }
        good(status)
    });
    answered.await.unwrap_or_else(|_| Err(format!("no answer within {:?}", health.timeout)))
}

/// Bytes of an answer that are read.
const BODY_MAX: usize = 64 << 10;

fn good(status: StatusCode) -> Result<(), String> {
    if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
}
