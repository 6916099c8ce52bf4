//! Client certificates: asked for by node.toml, verified in the handshake, and who is calling where a route says so.

mod support;

use std::{
    fs,
    io::{BufReader, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use support::{Node, PATIENCE, Response, application, read, request, weft};
use tempfile::TempDir;

const ROUTES: &str = r#"
[auth.mesh.mtls]
names = ["spiffe://example.org/{tenant}/*"]
issuers = ["Mesh CA"]
roles = ["service"]

[auth.devices.mtls]
identity = "dns"

[auth.named.mtls]
identity = "common-name"

[[route]]
path = "/maybe"
component = "api"
policy = { auth = { any = ["mesh"], optional = true } }

[[route]]
path = "/device"
component = "api"
policy = { auth = "devices" }

[[route]]
path = "/named"
component = "api"
policy = { auth = "named" }

[[route]]
path = "/open"
component = "api"
"#;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// A client's certificate and its key.
struct Client {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

fn client(by: &Authority, serial: u64, change: impl FnOnce(&mut CertificateParams)) -> Client {
    let mut params = CertificateParams::new(vec!["sensor.example".to_owned()]).expect("names");
    let uri = "spiffe://example.org/acme/orders".try_into().expect("ASCII");
    params.subject_alt_names.push(SanType::URI(uri));
    params.distinguished_name.push(DnType::CommonName, "Orders");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from(serial));
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let made = params.signed_by(&key, by).expect("signed");
    Client { chain: vec![made.der().clone()], key: key.serialize_der() }
}

fn write(folder: &Path, file: &str, text: &str) {
    let aside = folder.join("aside");
    fs::write(&aside, text).expect("written");
    fs::rename(aside, folder.join(file)).expect("renamed");
}

fn revoked(by: &Authority, serials: &[u64]) -> String {
    let one = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2050, 1, 1),
        crl_number: SerialNumber::from(serials.len() as u64),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(one).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(by).expect("signed").pem().expect("PEM")
}

/// A node that asks for certificates, and what its clients need.
struct Asking {
    node: Node,
    url: String,
    root: CertificateDer<'static>,
    operator: TempDir,
    _folders: (TempDir, TempDir),
}

fn start(by: &Authority, listen: &str) -> Asking {
    let (data, operator) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let made = rcgen::generate_simple_self_signed(vec!["shop.test".to_owned()]).expect("made");
    write(operator.path(), "shop.pem", &made.cert.pem());
    write(operator.path(), "shop.key", &made.signing_key.serialize_pem());
    write(operator.path(), "clients.pem", &by.pem());
    write(operator.path(), "revoked.pem", &revoked(by, &[]));
    let toml = format!(
        "node = 1\n[listen]\nhttp = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]\nclient-ca = \"clients.pem\"\n{listen}\n\
         [[tls]]\ncert = \"shop.pem\"\nkey = \"shop.key\"\n"
    );
    let node_toml = operator.path().join("node.toml");
    fs::write(&node_toml, toml).expect("written");
    let folder = application("shop", "path = \"/closed\"\npolicy = { auth = \"mesh\" }", "mirror-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, text + ROUTES).expect("written");
    let mut command = weft();
    command.arg("up").arg(folder.path()).arg("--no-watch").arg("--node").arg(&node_toml).arg("--data").arg(data.path());
    let mut node = Node::start_with(&mut command);
    let url = node.says("https://");
    Asking { node, url, root: made.cert.der().clone(), operator, _folders: (data, folder) }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Asking {
    fn connect(&self, client: Option<&Client>) -> Stream {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(Client { chain, key }) => {
                let key = PrivateKeyDer::try_from(key.clone()).expect("a key");
                builder.with_client_auth_cert(chain.clone(), key).expect("a pair")
            }
        };
        let stream = TcpStream::connect(self.url.trim_start_matches("https://")).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let name = "shop.test".try_into().expect("a name");
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), stream)
    }

    /// `None`: the connection was ended instead of an answer.
    fn ask(&self, client: Option<&Client>, path: &str) -> Option<Response> {
        send(&mut self.connect(client), path)
    }
}

fn send(stream: &mut Stream, path: &str) -> Option<Response> {
    let forged =
        "weft-identity: root\r\nx-client-cert: root\r\nx-forwarded-client-cert: By=root\r\nclient-cert: :AAAA:\r\n";
    write!(stream, "GET {path} HTTP/1.1\r\nhost: shop.test\r\n{forged}\r\n").ok()?;
    read(&mut BufReader::new(stream))
}

fn told(response: Option<Response>) -> Vec<String> {
    let response = response.expect("an answer");
    assert_eq!(response.status, 200, "{response:?}");
    response.body.lines().filter(|line| line.to_lowercase().starts_with("weft-")).map(str::to_owned).collect()
}

fn refused(response: Option<Response>, code: &str) {
    let response = response.expect("an answer");
    let head = response.head.to_lowercase();
    assert!(response.status == 401 && head.contains(&format!("weft-error: {code}\r\n")), "{response:?}");
    assert!(head.contains("www-authenticate: certificate realm=\"mesh\""), "{response:?}");
}

#[test]
fn a_certificate_proves_who_is_calling_and_nothing_else_does() {
    let mesh = authority("Mesh CA");
    let asking = start(&mesh, "");
    let orders = client(&mesh, 1, |_| {});
    let who = [
        "weft-auth: mesh",
        "weft-identity: spiffe://example.org/acme/orders",
        "weft-roles: service",
        "weft-tenant: acme",
    ];
    for path in ["/closed", "/maybe"] {
        assert_eq!(told(asking.ask(Some(&orders), path)), who, "{path}");
    }
    assert_eq!(told(asking.ask(Some(&orders), "/device")), ["weft-auth: devices", "weft-identity: sensor.example"]);
    assert_eq!(told(asking.ask(Some(&orders), "/named")), ["weft-auth: named", "weft-identity: Orders"]);
    assert_eq!(told(asking.ask(Some(&orders), "/open")), [""; 0], "nobody asks");
    let mut open = asking.connect(Some(&orders));
    for _ in 0..2 {
        assert_eq!(told(send(&mut open, "/closed")), who, "each request of the connection");
    }

    refused(asking.ask(None, "/closed"), "unauthenticated");
    assert_eq!(told(asking.ask(None, "/maybe")), [""; 0]);
    let elsewhere = client(&mesh, 2, |params| {
        let uri = "spiffe://example.com/acme/orders".try_into().expect("ASCII");
        params.subject_alt_names = vec![SanType::URI(uri)];
    });
    refused(asking.ask(Some(&elsewhere), "/closed"), "credential-invalid");
    refused(asking.ask(Some(&elsewhere), "/maybe"), "credential-invalid");
    let clear = "GET /closed HTTP/1.1\r\nhost: t\r\nx-forwarded-client-cert: By=root\r\nconnection: close\r\n\r\n";
    refused(Some(request(&asking.node.url, clear)), "unauthenticated");
}

#[test]
fn a_certificate_that_is_not_good_ends_the_handshake_and_is_told_of() {
    let (mesh, other) = (authority("Mesh CA"), authority("Other CA"));
    let mut asking = start(&mesh, "client-crl = \"revoked.pem\"");
    let expired = client(&mesh, 1, |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    let foreign = client(&other, 2, |_| {});
    let server = client(&mesh, 3, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let good = client(&mesh, 4, |_| {});
    assert!(asking.ask(Some(&expired), "/open").is_none());
    let line = asking.node.says("a client certificate was refused");
    assert!(line.to_lowercase().contains("expired"), "{line}");
    for bad in [&foreign, &server] {
        assert!(asking.ask(Some(bad), "/open").is_none());
    }
    let mut before = asking.connect(Some(&good));
    assert_eq!(send(&mut before, "/closed").expect("an answer").status, 200);

    write(asking.operator.path(), "revoked.pem", &revoked(&mesh, &[4]));
    asking.node.says("certificates reloaded");
    assert!(asking.ask(Some(&good), "/open").is_none(), "it is revoked");
    let fifth = client(&mesh, 5, |_| {});
    assert_eq!(asking.ask(Some(&fifth), "/closed").expect("an answer").status, 200);

    // Another authority takes over. A file that is none changes nothing.
    write(asking.operator.path(), "clients.pem", "nothing");
    asking.node.says("certificates not reloaded");
    assert_eq!(asking.ask(Some(&fifth), "/closed").expect("an answer").status, 200);
    write(asking.operator.path(), "clients.pem", &other.pem());
    asking.node.says("certificates reloaded");
    assert!(asking.ask(Some(&fifth), "/open").is_none());
    assert_eq!(told(asking.ask(Some(&foreign), "/named")), ["weft-auth: named", "weft-identity: Orders"]);
    refused(asking.ask(Some(&foreign), "/closed"), "credential-invalid");
}

#[test]
fn where_one_is_required_nobody_comes_in_without() {
    let mesh = authority("Mesh CA");
    let mut asking = start(&mesh, "client-auth = \"required\"");
    assert!(asking.ask(None, "/open").is_none());
    let line = asking.node.says("a client certificate was refused");
    assert!(line.contains("no certificate"), "{line}");
    assert_eq!(asking.ask(Some(&client(&mesh, 1, |_| {})), "/open").expect("an answer").status, 200);
}
