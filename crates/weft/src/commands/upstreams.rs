//! Upstreams, as `weft status` and `weft explain` show them.

use weft_api::{BreakerStatus, EndpointStatus, UpstreamStatus};

use crate::output;

/// A line for the upstream and its breaker, and one for each endpoint.
pub(crate) fn shown(upstream: &UpstreamStatus, indent: &str) -> String {
    let UpstreamStatus { name, active, waiting, retries, .. } = upstream;
    let places = upstream.adaptive.as_ref().map_or(String::new(), |_| format!(" of {} places", upstream.places));
    let hedges = upstream.hedges.map_or(String::new(), |hedges| {
        format!(", {} hedges ({} won, {} refused)", hedges.sent, hedges.won, hedges.refused)
    });
    let breaker = upstream.breaker.as_ref().map_or_else(|| "none".to_owned(), breaker);
    let mut text = format!(
        "{indent}{name}: {active} active{places}, {waiting} waiting, {retries} retries{hedges}, breaker {breaker}\n"
    );
    let head = ["endpoint", "state", "weight", "requests", "failures", "ejections", "active", "latency", "zone"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(upstream.endpoints.iter().map(endpoint));
    rows.iter_mut().for_each(|row| row[0].insert_str(0, &format!("{indent}  ")));
    text.push_str(&output::table(&rows));
    text
}

pub(crate) fn breaker(breaker: &BreakerStatus) -> String {
    let BreakerStatus { state, cause, open_ms, opens, refused } = breaker;
    match (opens, open_ms) {
        (0, _) => state.clone(),
        (_, 0) => format!("{state} (opened {opens} times, last because {cause}; {refused} refused)"),
        _ => format!("{state} for {open_ms} ms (opened {opens} times, last because {cause}; {refused} refused)"),
    }
}

fn endpoint(endpoint: &EndpointStatus) -> Vec<String> {
    vec![
        endpoint.address.clone(),
        endpoint.state.clone(),
        endpoint.weight.to_string(),
        endpoint.requests.to_string(),
        endpoint.failures.to_string(),
        endpoint.ejections.to_string(),
        endpoint.active.to_string(),
        format!("{:.1} ms", endpoint.latency_us as f64 / 1e3),
        endpoint.zone.iter().chain(&endpoint.region).map(String::as_str).collect::<Vec<_>>().join(", "),
    ]
}
