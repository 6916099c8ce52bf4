//! TLS to other services: whom we trust, who we say we are, ring, and the protocol by ALPN.

use std::sync::{Arc, OnceLock};

use rustls::{
    ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    client::danger::ServerCertVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The platform's authorities, and these beside them.
    Platform(Vec<CertificateDer<'static>>),
    /// These and no others: of a service with an authority of its own.
    Only(Vec<CertificateDer<'static>>),
}

impl Default for Roots {
    fn default() -> Self {
        Self::Platform(Vec::new())
    }
}

/// Who we say we are, where a service asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Identity {
    /// Our certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// Why PEM is no certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    #[error("it holds no certificate")]
    NoCertificate,
    #[error("it holds no private key")]
    NoKey,
    #[error("it is not PEM: {0}")]
    Pem(pem::Error),
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(PemError::Pem)?;
    if all.is_empty() { Err(PemError::NoCertificate) } else { Ok(all) }
}

impl Roots {
    /// The certificates of a PEM text, and no others.
    pub fn only(pem: &[u8]) -> Result<Self, PemError> {
        certificates(pem).map(Self::Only)
    }
}

impl Identity {
    /// From PEM texts: the certificate first, then what lies between it and its authority.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, PemError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => PemError::NoKey,
            error => PemError::Pem(error),
        })?;
        Ok(Self { chain: certificates(chain)?, key })
    }
}

/// Made with the first `https` connection: reading the platform's authorities takes milliseconds.
pub struct Tls {
    roots: Roots,
    identity: Option<Arc<Identity>>,
    http1: bool,
    config: OnceLock<Result<Arc<ClientConfig>, rustls::Error>>,
}

impl Tls {
    /// Without an identity. `extra_roots` are trusted beside the platform's own.
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> Self {
        Self::with(Roots::Platform(extra_roots), None)
    }

    pub fn with(roots: Roots, identity: Option<Arc<Identity>>) -> Self {
        Self { roots, identity, http1: false, config: OnceLock::new() }
    }

    /// Agrees on HTTP/1.1 only.
    #[must_use]
    pub fn http1(mut self) -> Self {
        self.http1 = true;
        self
    }

    /// Whether a connection could be secured: that the certificates are such, and that the key fits its certificate.
    pub fn check(&self) -> Result<(), rustls::Error> {
        self.connector().map(drop)
    }

    pub(crate) fn connector(&self) -> Result<TlsConnector, rustls::Error> {
        let config = self.config.get_or_init(|| self.configure().map(Arc::new));
        config.clone().map(TlsConnector::from)
    }

    fn configure(&self) -> Result<ClientConfig, rustls::Error> {
        let ring: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = self.verifier(&ring)?;
        let config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()?
            .dangerous() // The verifiers are the platform's own and rustls': what is dangerous is that it could be any.
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            Some(identity) => config.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?,
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = match self.http1 {
            true => vec![b"http/1.1".to_vec()],
            false => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(config)
    }

    fn verifier(&self, ring: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
        let only = match &self.roots {
            Roots::Platform(extra) => {
                return Ok(Arc::new(Verifier::new_with_extra_roots(extra.clone(), Arc::clone(ring))?));
            }
            Roots::Only(only) => only,
        };
        let mut store = RootCertStore::empty();
        for root in only {
            store.add(root.clone())?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(ring)).build();
        verifier.map(|verifier| verifier as _).map_err(|error| rustls::Error::General(error.to_string()))
    }
}
