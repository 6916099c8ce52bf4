//! Spans and guests' metrics to a collector: OTLP over HTTP with protobuf.
//!
//! HTTP and not gRPC: every collector speaks both, and gRPC would bring tonic and tower (+35 crates to hyper's own,
//! against +20). The messages are opentelemetry-proto's; the connection is hyper's, like every other of ours.

mod client;
mod encode;
mod exporter;
mod metric;

pub use client::Trust;
pub use exporter::Exporter;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Uri};

use crate::{metrics::NodeMeter, trace::SpanSink};
use client::Collector;

/// The share of traces beginning here that is sampled, unless told otherwise.
pub const RATIO_DEFAULT: f64 = 0.1;

/// Where spans go, and how many.
#[derive(Debug, Clone)]
pub struct Options {
    /// The collector's base address, such as `http://127.0.0.1:4318`; `/v1/traces` and `/v1/metrics` are added.
    pub endpoint: String,
    /// Sent with each export, such as an authorisation.
    pub headers: HeaderMap,
    /// Of the traces that begin here: 0 for none, 1 for all.
    pub ratio: f64,
    pub trust: Trust,
    pub identity: Identity,
    pub pace: Pace,
}

impl Options {
    pub fn new(endpoint: impl Into<String>, identity: Identity) -> Self {
        let (headers, trust, pace) = (HeaderMap::new(), Trust::System, Pace::default());
        Self { endpoint: endpoint.into(), headers, ratio: RATIO_DEFAULT, trust, identity, pace }
    }
}

/// Which process speaks.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Unique among nodes: `service.instance.id`.
    pub instance: String,
    pub version: String,
}

/// How the exporter spends time.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A batch is sent when it has so many items,
    pub batch_max: usize,
    /// or when its first has waited so long.
    pub wait: Duration,
    /// One POST, from connecting to the answer's end.
    pub timeout: Duration,
    /// Tries of one batch.
    pub tries_max: u32,
    /// Before the second try; doubled each time, with jitter.
    pub backoff: Duration,
    /// No pause is longer, whatever the collector asks.
    pub backoff_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch_max: 512,
            wait: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
            tries_max: 5,
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// Why exporting could not begin.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("`{endpoint}` is not a collector's address; write one like `http://127.0.0.1:4318`")]
    Endpoint { endpoint: String },
    #[error("the collector's authorities hold no certificate that can be used; give a PEM file")]
    Authorities,
    #[error("the connection to the collector cannot be secured")]
    Tls(#[from] rustls::Error),
}

/// Starts exporting on the current runtime.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn start(options: Options, node: &Arc<NodeMeter>) -> Result<(SpanSink, Exporter), OtlpError> {
    let traces = address(&options.endpoint, "/v1/traces")?;
    let metrics = address(&options.endpoint, "/v1/metrics")?;
    let collector = Collector::new(options.headers, &options.trust, options.pace.timeout)?;
    let (sink, waiting) = SpanSink::new(options.ratio, Arc::clone(node));
    let sender = exporter::Sender {
        collector,
        traces,
        metrics,
        identity: options.identity,
        pace: options.pace,
        node: Arc::clone(node),
    };
    Ok((sink, Exporter::start(sender, waiting)))
}

fn address(endpoint: &str, path: &str) -> Result<Uri, OtlpError> {
    let wrong = || OtlpError::Endpoint { endpoint: endpoint.to_owned() };
    let uri: Uri = format!("{}{path}", endpoint.trim_end_matches('/')).parse().map_err(|_| wrong())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    if known && uri.authority().is_some() && uri.query().is_none() { Ok(uri) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_base_address() {
        let good = [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example/base/", "https://otel.example/base/v1/traces"),
        ];
        for (endpoint, uri) in good {
            assert_eq!(address(endpoint, "/v1/traces").unwrap().to_string(), uri);
        }
        for bad in ["", "127.0.0.1:4318", "grpc://a:1", "http://", "http://a b", "http://a?x=1"] {
            let error = address(bad, "/v1/traces").unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{bad}` is not")), "{error}");
        }
    }
}
