//! HTTPS by node.toml: certificates by name, and new ones without a restart.

mod support;

use std::{
    fs,
    io::{BufReader, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::CertificateDer};
use support::{Node, PATIENCE, guest, read, weft};

type Certificate = CertificateDer<'static>;

/// Writes a new self-signed certificate for `name` over the old one, as tools do.
fn certify(folder: &Path, file: &str, name: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("made");
    // The key first: a pair that does not fit is not taken, and looked at again.
    for (end, text) in [("key", made.signing_key.serialize_pem()), ("pem", made.cert.pem())] {
        let aside = folder.join("aside");
        fs::write(&aside, text).expect("written");
        fs::rename(aside, folder.join(format!("{file}.{end}"))).expect("renamed");
    }
    made.cert.der().clone()
}

/// A connection by TLS to a server of this name, which must show this certificate.
fn connect(url: &str, name: &str, root: &Certificate) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(url.trim_start_matches("https://")).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let name = name.to_owned().try_into().expect("a name");
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
    }
    Ok(stream)
}

fn get(stream: &mut StreamOwned<ClientConnection, TcpStream>, name: &str) -> support::Response {
    write!(stream, "GET / HTTP/1.1\r\nhost: {name}\r\n\r\n").expect("sent");
    read(&mut BufReader::new(stream)).expect("an answer")
}

#[test]
fn certificates_are_chosen_by_name_and_replaced_while_serving() {
    let (data, operator) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let [shop, other] = ["shop", "other"].map(|name| certify(operator.path(), name, &format!("{name}.test")));
    let node_toml = operator.path().join("node.toml");
    let toml = "node = 1\n[listen]\nhttp = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]\n\
        [[tls]]\ncert = \"shop.pem\"\nkey = \"shop.key\"\n[[tls]]\ncert = \"other.pem\"\nkey = \"other.key\"\n";
    fs::write(&node_toml, toml).expect("written");
    let mut command = weft();
    command.arg("up").arg(guest("hello-p2.wasm")).arg("--node").arg(&node_toml).arg("--data").arg(data.path());
    let mut node = Node::start_with(&mut command);
    let url = node.says("https://");

    let mut before = connect(&url, "shop.test", &shop).expect("shop's certificate");
    assert!(get(&mut before, "shop.test").body.to_lowercase().contains("hello"));
    let mut second = connect(&url, "other.test", &other).expect("other's certificate");
    assert_eq!(get(&mut second, "other.test").status, 200);
    connect(&url, "shop.test", &other).map(drop).expect_err("not the certificate of that name");

    let renewed = certify(operator.path(), "shop", "shop.test");
    node.says("certificates reloaded");
    let mut after = connect(&url, "shop.test", &renewed).expect("the new one is shown");
    assert_eq!(get(&mut after, "shop.test").status, 200);
    connect(&url, "shop.test", &shop).map(drop).expect_err("the old one no longer is");
    assert_eq!(get(&mut before, "shop.test").status, 200, "what was open stays open");
    assert_eq!(connect(&url, "other.test", &other).map(|mut it| get(&mut it, "other.test").status), Ok(200));

    // A pair that does not fit is told, and the last good one stays.
    let aside = operator.path().join("aside");
    fs::write(&aside, rcgen::KeyPair::generate().expect("made").serialize_pem()).expect("written");
    fs::rename(&aside, operator.path().join("shop.key")).expect("renamed");
    node.says("certificates not reloaded");
    assert_eq!(connect(&url, "shop.test", &renewed).map(|mut it| get(&mut it, "shop.test").status), Ok(200));
}
