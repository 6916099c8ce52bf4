//! One POST to a collector: OTLP over HTTP with protobuf, plain or TLS.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::OtlpError;

/// Answers are a few bytes; more is no collector's.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A connection that idles longer is closed by most collectors.
const IDLE: Duration = Duration::from_secs(30);

/// Whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// Those of the system.
    #[default]
    System,
    /// Only the authorities in this PEM text.
    Pem(Vec<u8>),
}

pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    timeout: Duration,
}

/// What a collector said to one POST.
#[derive(Debug)]
pub(super) enum Answer {
    /// Taken; the body may say that a part was not.
    Taken(Bytes),
    /// Not now: perhaps later, and not before.
    Later { why: String, after: Option<Duration> },
    /// Never: sending it again changes nothing.
    Never(String),
}

impl Collector {
    pub(super) fn new(headers: HeaderMap, trust: &Trust, timeout: Duration) -> Result<Self, OtlpError> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(trust)?).https_or_http().enable_http1();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(timeout));
        http.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(2)
            .build(connector.wrap_connector(http));
        Ok(Self { client, headers, timeout })
    }

    pub(super) async fn post(&self, uri: &Uri, body: Bytes) -> Answer {
        match tokio::time::timeout(self.timeout, self.exchange(uri, body)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Later { why: format!("no answer within {:?}", self.timeout), after: None },
        }
    }

    async fn exchange(&self, uri: &Uri, body: Bytes) -> Answer {
        let mut request = Request::post(uri.clone()).body(Full::new(body)).expect("a parsed URI makes a request");
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return Answer::Later { why: chain(&error), after: None },
        };
        let (status, after) = (response.status(), retry_after(response.headers()));
        match Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await {
            Ok(body) => judge(status, after, body.to_bytes()),
            Err(error) => Answer::Later { why: chain(&*error), after },
        }
    }
}

/// The specification's table: these four may be sent again, nothing else.
fn judge(status: StatusCode, after: Option<Duration>, body: Bytes) -> Answer {
    match status.as_u16() {
        200..=299 => Answer::Taken(body),
        429 | 502 | 503 | 504 => Answer::Later { why: format!("it answered {status}"), after },
        _ => Answer::Never(format!("it answered {status}")),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn tls(trust: &Trust) -> Result<ClientConfig, OtlpError> {
    use hyper_rustls::ConfigBuilderExt;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions()?;
    let builder = match trust {
        Trust::System => builder.try_with_platform_verifier()?,
        Trust::Pem(pem) => builder.with_root_certificates(roots(pem)?),
    };
    Ok(builder.with_no_client_auth())
}

fn roots(pem: &[u8]) -> Result<RootCertStore, OtlpError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| OtlpError::Authorities)?)?;
    }
    if roots.is_empty() { Err(OtlpError::Authorities) } else { Ok(roots) }
}

/// An error with its causes: hyper's own text says only that it could not.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_specification_names_is_sent_again() {
        let cases = [
            (200, 't'),
            (202, 't'),
            (429, 'l'),
            (502, 'l'),
            (503, 'l'),
            (504, 'l'),
            (400, 'n'),
            (500, 'n'),
            (404, 'n'),
        ];
        for (status, expected) in cases {
            let said = match judge(StatusCode::from_u16(status).unwrap(), None, Bytes::new()) {
                Answer::Taken(_) => 't',
                Answer::Later { .. } => 'l',
                Answer::Never(_) => 'n',
            };
            assert_eq!(said, expected, "{status}");
        }
    }

    #[test]
    fn a_retry_after_in_seconds_is_read() {
        let headers = |text: &str| HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]);
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("Wed, 21 Oct 2015 07:28:00 GMT")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn authorities_that_are_none_are_refused() {
        for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(roots(pem.as_bytes()).is_err(), "{pem}");
        }
    }
}
