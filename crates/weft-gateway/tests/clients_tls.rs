//! Certificates of clients: the guard of a route sees the one of the connection, over HTTP/1 and HTTP/2.

mod common;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use common::{context, echo, local, route, table};
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use weft_gateway::{CertificateFiles, ClientAuth, Gateway, Running, Tls};
use weft_traffic::{Action, policy::Auth};
use weft_types::{Checked, ClientCertificate, Guard, Presented, Timestamp};

/// Lets everybody pass, and remembers what was shown.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<Option<ClientCertificate>>>);

impl Guard for Seen {
    fn check(&self, presented: &Presented<'_>, _: Timestamp) -> Checked {
        assert!(presented.secure && presented.authority == "a.example");
        self.0.lock().push(presented.certificate.cloned());
        Checked::Passed(None)
    }
}

struct Client {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// A gateway that asks for certificates, the root of its own, and a client that has one.
fn start(folder: &Path, seen: &Arc<Seen>) -> (Running, CertificateDer<'static>, Client) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Test Authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
    let mut params = CertificateParams::new(vec!["client.example".to_owned()]).expect("names");
    params.distinguished_name.push(DnType::CommonName, "Client");
    let key = KeyPair::generate().expect("a key");
    let chain = vec![params.signed_by(&key, &authority).expect("signed").der().clone()];
    let client = Client { chain, key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key") };

    let own = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).expect("made");
    let files = CertificateFiles { chain: folder.join("own.pem"), key: folder.join("own.key") };
    std::fs::write(&files.chain, own.cert.pem()).expect("written");
    std::fs::write(&files.key, own.signing_key.serialize_pem()).expect("written");
    let clients = ClientAuth { authorities: folder.join("ca.pem"), revoked: None, required: false };
    std::fs::write(&clients.authorities, authority.pem()).expect("written");
    let tls = Tls::load_asking(vec![files], clients).expect("loads");

    let mut route = route("/*", &[], Action::Component(context()));
    route.policy.auth = Auth { any: vec!["mesh".into()], ..Auth::default() };
    route.guard = Some(Arc::clone(seen) as Arc<dyn Guard>);
    let running = Gateway::new(echo(), table(vec![route])).serve(local().tls(tls));
    (running, own.cert.der().clone(), client)
}

async fn connect(
    to: &Running,
    root: &CertificateDer<'static>,
    client: Option<&Client>,
    alpn: &[u8],
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(Client { chain, key }) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).expect("a pair"),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(to.address()).await.expect("connects");
    let name = ServerName::try_from("a.example").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
}

#[tokio::test]
async fn each_request_of_a_connection_shows_its_certificate_in_either_version() {
    let (folder, seen) = (tempfile::tempdir().expect("a folder"), Arc::<Seen>::default());
    let (gateway, root, client) = start(folder.path(), &seen);
    for shown in [Some(&client), None] {
        let stream = connect(&gateway, &root, shown, b"h2").await;
        let (mut send, conn) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("h2");
        tokio::spawn(conn);
        for _ in 0..2 {
            let request = Request::get("https://a.example/x").body(Empty::<Bytes>::new()).expect("valid");
            assert_eq!(send.send_request(request).await.expect("answered").status(), 200);
        }
        let stream = connect(&gateway, &root, shown, b"http/1.1").await;
        let (mut send, conn) = http1::handshake(TokioIo::new(stream)).await.expect("h1");
        tokio::spawn(conn);
        let request = Request::get("/y").header("host", "a.example").body(Empty::<Bytes>::new()).expect("valid");
        assert_eq!(send.send_request(request).await.expect("answered").status(), 200);
        let all = std::mem::take(&mut *seen.0.lock());
        assert_eq!(all.len(), 3);
        for one in all {
            assert_eq!(one.is_some(), shown.is_some());
            let Some(one) = one else { continue };
            assert_eq!((one.subject.as_deref(), one.issuer.as_deref()), (Some("Client"), Some("Test Authority")));
            assert_eq!(one.names, ["client.example".into()]);
        }
    }
}
