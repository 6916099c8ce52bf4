//! Certificates: chosen by the name a client asks for, and reloaded when their files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    client::verify_server_name,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use weft_types::{Code, code};

use crate::clients::ClientAuth;

/// A certificate chain and its key, both PEM. The chain begins with the certificate itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("TLS needs at least one certificate")]
    NoCertificates,
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{} holds no certificate", .path.display())]
    NoChain { path: PathBuf },
    #[error("the key {} does not fit the certificate {}, or is of an unknown kind: {source}", .key.display(), .chain.display())]
    Mismatch { chain: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("{} is not a valid certificate: {source}", .path.display())]
    Invalid { path: PathBuf, source: rustls::Error },
    #[error("{} holds no certificate revocation list", .path.display())]
    NoList { path: PathBuf },
    #[error("client certificates cannot be verified by {}: {why}", .path.display())]
    Clients { path: PathBuf, why: String },
    #[error("TLS cannot be set up: {source}")]
    Setup { source: rustls::Error },
}

impl TlsError {
    pub fn code(&self) -> Code {
        code::TLS_INVALID
    }
}

/// The TLS of a listener: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
#[derive(Clone)]
pub struct Tls {
    /// Replaced when the authorities of clients change.
    config: Arc<ArcSwap<ServerConfig>>,
    shelf: Arc<Shelf>,
}

impl Tls {
    /// Loads every certificate; the first answers clients that name no host, or an unknown one. Reads files.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Self, TlsError> {
        Self::new(files, None)
    }

    /// The same, where clients are asked for certificates too.
    pub fn load_asking(files: Vec<CertificateFiles>, clients: ClientAuth) -> Result<Self, TlsError> {
        Self::new(files, Some(clients))
    }

    fn new(files: Vec<CertificateFiles>, clients: Option<ClientAuth>) -> Result<Self, TlsError> {
        if files.is_empty() {
            return Err(TlsError::NoCertificates);
        }
        let provider = Arc::new(ring::default_provider());
        let stamps = stamps(&files, clients.as_ref());
        let loaded = load(&files, &provider)?;
        let shelf = Arc::new(Shelf {
            files,
            clients,
            provider,
            certificates: ArcSwap::from_pointee(loaded),
            tried: Mutex::new(Tried { stamps, failed: None }),
        });
        let config = Arc::new(ArcSwap::from_pointee(config(&shelf)?));
        Ok(Self { config, shelf })
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Loads the certificates again if a file changed since the last try, or the last try failed.
    ///
    /// A running listener does this every second by itself. On an error the certificates before stay in use; the
    /// error is told once, not every second. Reads files. Answers whether new ones are in use.
    pub fn refresh(&self) -> bool {
        let mut tried = self.shelf.tried.lock();
        let stamps = stamps(&self.shelf.files, self.shelf.clients.as_ref());
        if stamps == tried.stamps && tried.failed.is_none() {
            return false;
        }
        tried.stamps = stamps;
        match self.read() {
            Ok((loaded, config)) => {
                self.shelf.certificates.store(Arc::new(loaded));
                config.into_iter().for_each(|config| self.config.store(Arc::new(config)));
                tried.failed = None;
                tracing::info!(certificates = self.shelf.files.len(), "certificates reloaded");
                true
            }
            Err(error) => {
                let text = error.to_string();
                if tried.failed.as_ref() != Some(&text) {
                    tracing::error!(code = %error.code(), %error, "certificates not reloaded: the ones before stay in use");
                }
                tried.failed = Some(text);
                false
            }
        }
    }

    /// The configuration only where clients are asked: another one would forget every session.
    fn read(&self) -> Result<(Vec<Certificate>, Option<ServerConfig>), TlsError> {
        let loaded = load(&self.shelf.files, &self.shelf.provider)?;
        let config = self.shelf.clients.is_some().then(|| config(&self.shelf)).transpose()?;
        Ok((loaded, config))
    }
}

/// How handshakes are done.
fn config(shelf: &Arc<Shelf>) -> Result<ServerConfig, TlsError> {
    let setup = |source| TlsError::Setup { source };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&shelf.provider))
        .with_safe_default_protocol_versions()
        .map_err(setup)?;
    let resolver = Arc::clone(shelf) as Arc<dyn ResolvesServerCert>;
    let mut config = match &shelf.clients {
        None => builder.with_no_client_auth().with_cert_resolver(resolver),
        Some(clients) => {
            let verifier = clients.verifier(&shelf.provider)?;
            builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver)
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    match &shelf.clients {
        None => config.ticketer = ring::Ticketer::new().map_err(setup)?,
        // A resumed session brings its certificate along unverified: one that has been revoked since would pass.
        Some(_) => {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
    }
    Ok(config)
}

/// Every certificate of a listener, as last loaded.
struct Shelf {
    files: Vec<CertificateFiles>,
    clients: Option<ClientAuth>,
    provider: Arc<CryptoProvider>,
    certificates: ArcSwap<Vec<Certificate>>,
    tried: Mutex<Tried>,
}

struct Tried {
    stamps: Vec<Stamp>,
    failed: Option<String>,
}

struct Certificate {
    der: CertificateDer<'static>,
    key: Arc<CertifiedKey>,
}

impl Certificate {
    fn is_for(&self, name: &ServerName<'_>) -> bool {
        ParsedCertificate::try_from(&self.der).is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.certificates.load();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| certificates.iter().find(|certificate| certificate.is_for(&name)));
        named.or(certificates.first()).map(|certificate| Arc::clone(&certificate.key))
    }
}

fn load(files: &[CertificateFiles], provider: &CryptoProvider) -> Result<Vec<Certificate>, TlsError> {
    files.iter().map(|pair| load_one(pair, provider)).collect()
}

fn load_one(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Certificate, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |source| TlsError::Unreadable { path, source }
    };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&files.chain).and_then(Iterator::collect).map_err(unreadable(&files.chain))?;
    let Some(der) = chain.first().cloned() else { return Err(TlsError::NoChain { path: files.chain.clone() }) };
    let invalid = |source| TlsError::Invalid { path: files.chain.clone(), source };
    ParsedCertificate::try_from(&der).map_err(invalid)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable(&files.key))?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|source| TlsError::Mismatch {
        chain: files.chain.clone(),
        key: files.key.clone(),
        source,
    })?;
    Ok(Certificate { der, key: Arc::new(key) })
}

/// By what a file is known to have changed. A rename over it changes the inode even within one tick of the clock.
type Stamp = Option<(u64, Option<SystemTime>, u64)>;

fn stamps(files: &[CertificateFiles], clients: Option<&ClientAuth>) -> Vec<Stamp> {
    let pairs = files.iter().flat_map(|pair| [&pair.chain, &pair.key]);
    pairs.chain(clients.into_iter().flat_map(ClientAuth::files)).map(|path| stamp(path).ok()).collect()
}

fn stamp(path: &Path) -> io::Result<(u64, Option<SystemTime>, u64)> {
    let meta = fs::metadata(path)?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&meta);
    #[cfg(not(unix))]
    let inode = 0;
    Ok((meta.len(), meta.modified().ok(), inode))
}
