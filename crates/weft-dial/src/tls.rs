//! TLS to other services: the platform's certificate authorities, ring, and the protocol by ALPN.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, crypto::CryptoProvider, pki_types::CertificateDer};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

/// Made with the first `https` connection: reading the platform's authorities takes milliseconds.
pub struct Tls {
    extra_roots: Vec<CertificateDer<'static>>,
    config: OnceLock<Result<Arc<ClientConfig>, rustls::Error>>,
}

impl Tls {
    /// `extra_roots` are trusted beside the platform's own.
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> Self {
        Self { extra_roots, config: OnceLock::new() }
    }

    pub(crate) fn connector(&self) -> Result<TlsConnector, rustls::Error> {
        let config = self.config.get_or_init(|| self.configure().map(Arc::new));
        config.clone().map(TlsConnector::from)
    }

    fn configure(&self) -> Result<ClientConfig, rustls::Error> {
        let ring: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(self.extra_roots.clone(), Arc::clone(&ring))?;
        let mut config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()?
            .dangerous() // The verifier is the platform's own: what is dangerous is that it could be any.
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
