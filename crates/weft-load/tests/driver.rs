//! Load over real sockets on servers that serve, stall, fail, lie and leave.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request as Asked, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use weft_load::{
    driver::{Driver, Load, Options, Request, Stop, Target, TargetError},
    schedule::{Schedule, Spacing, Stage},
    tally::{Broken, Count},
};

const MS: Duration = Duration::from_millis(1);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const OPTIONS: Options = Options { connections: Some(8), streams: 100, timeout: PATIENCE };

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// Serves HTTP/1.1 and HTTP/2 by the path; counts its connections.
async fn serve(tls: Option<TlsAcceptor>) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, address) = listen().await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let tls = tls.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // How a client leaves is the client's.
                let _ = match tls {
                    None => server.serve_connection(TokioIo::new(stream), service_fn(answer)).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => server.serve_connection(TokioIo::new(stream), service_fn(answer)).await,
                        Err(_) => Ok(()),
                    },
                };
            });
        }
    });
    (address, accepted)
}

async fn answer(asked: Asked<Incoming>) -> Result<Response<Full<Bytes>>, http::Error> {
    let answer = Response::builder();
    let answer = match asked.uri().path() {
        "/shed" => answer.status(503).header("weft-error", "overloaded"),
        "/own" => answer.status(500),
        "/close" => answer.header("connection", "close"),
        "/authority" => {
            let host = asked.headers().get("host").and_then(|host| host.to_str().ok());
            let host = host.or(asked.uri().authority().map(|authority| authority.as_str())).unwrap_or_default();
            return answer.status(if host == "shop.example" { 200 } else { 421 }).body(Full::default());
        }
        _ => answer,
    };
    answer.body(Full::from("hello"))
}

/// Answers every connection by `behave`, as raw bytes.
async fn raw<F>(behave: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream));
        }
    });
    address
}

fn get(path: &str) -> Request {
    Request {
        method: http::Method::GET,
        path: path.parse().expect("a path"),
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
        expected: None,
    }
}

async fn target(url: &str, ca: Option<&Path>, http2: bool) -> Target {
    Target::resolve(url.parse().expect("a URL"), ca.map(Path::to_owned), http2).await.expect("resolves")
}

/// 200 a second for half a second: 100 requests.
async fn run(driver: &Driver, requests: Vec<Request>) -> Count {
    let schedule = Schedule::new(vec![Stage::constant(200.0, MS * 500)], Spacing::Even).expect("good");
    let load = Load { requests: requests.into(), schedule, warm_up: 0 };
    driver.run(load, None, &Stop::default()).await.judged()
}

async fn load(target: Target, paths: &[&str], options: Options) -> Count {
    let driver = Driver::connect(target, options).await.expect("connects");
    run(&driver, paths.iter().map(|path| get(path)).collect()).await
}

async fn plain(address: SocketAddr, paths: &[&str], options: Options) -> Count {
    load(target(&format!("http://{address}/"), None, false).await, paths, options).await
}

#[tokio::test]
async fn every_answer_is_counted_by_status_and_code() {
    let (address, accepted) = serve(None).await;
    let count = plain(address, &["/", "/shed", "/own", "/"], OPTIONS).await;
    assert_eq!(count.statuses, BTreeMap::from([(200, 50), (500, 25), (503, 25)]));
    assert_eq!(count.codes, BTreeMap::from([("overloaded".to_owned(), 25)]));
    assert_eq!((count.ok, count.failed, count.bytes), (50, 50, 500));
    assert!(accepted.load(Ordering::Relaxed) <= 8, "no more connections than may be");
}

#[tokio::test]
async fn what_is_expected_is_success_and_nothing_else() {
    let (address, _) = serve(None).await;
    let expects = |path: &str, status: u16| Request {
        expected: Some(http::StatusCode::from_u16(status).expect("a status")),
        ..get(path)
    };
    let requests = vec![expects("/own", 500), expects("/", 201)];
    let target = target(&format!("http://{address}"), None, false).await;
    let driver = Driver::connect(target, OPTIONS).await.expect("connects");
    let count = run(&driver, requests).await;
    assert_eq!((count.ok, count.failed, count.statuses[&500]), (50, 50, 50));
}

#[tokio::test]
async fn a_stall_is_charged_for_everyone_who_was_due_in_it() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut answered = 0;
        while read_head(&mut stream).await {
            if answered == 0 {
                stalls(MS * 400).await;
            }
            answered += 1;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("written");
        }
    });
    let count = plain(address, &["/"], Options { connections: Some(1), ..OPTIONS }).await;
    assert_eq!((count.ok, count.unsent()), (100, 0));
    // 80 are due in the stall, one each 5 ms: 60 of them wait for 100 ms and more, whatever else happens.
    assert!(count.latency(1.0) >= MS * 400 && count.latency(0.41) >= MS * 100, "{count:?}");
    assert!(count.waited >= 79 && count.late >= 78, "{count:?}");
    // One request was slow, as a client that waits would say.
    assert!(count.service(0.98) < count.latency(0.98), "{count:?}");
}

async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

#[tokio::test]
async fn who_is_never_answered_times_out_and_who_finds_no_place_is_never_sent() {
    let address = raw(|mut stream| async move {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await; // nothing is said, until the client leaves
    })
    .await;
    let count = plain(address, &["/"], Options { connections: Some(2), timeout: MS * 100, ..OPTIONS }).await;
    assert_eq!((count.ok, count.failed, count.ended()), (0, 0, 100));
    let [timeouts, unsent] = [Broken::Timeout, Broken::Unsent].map(|broken| count.broken[&broken]);
    assert!(timeouts >= 2 && unsent > timeouts && timeouts + unsent == 100, "{count:?}");
    assert!(count.latency(0.0) >= MS * 99, "{count:?}");
}

#[tokio::test]
async fn a_server_that_leaves_lies_or_breaks_off_is_told_apart() {
    for (says, broken) in [
        ("", Broken::Lost),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", Broken::Lost),
        ("no such protocol\r\n\r\n", Broken::Malformed),
    ] {
        let address = raw(move |mut stream| async move {
            if read_head(&mut stream).await {
                let _ = stream.write_all(says.as_bytes()).await;
            }
        })
        .await;
        let count = plain(address, &["/"], OPTIONS).await;
        assert_eq!(count.broken, BTreeMap::from([(broken, 100)]), "{says:?}");
    }
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_connected_to_again() {
    let (address, accepted) = serve(None).await;
    let count = plain(address, &["/close"], OPTIONS).await;
    assert_eq!((count.ok, count.ended()), (100, 100), "{count:?}");
    assert!(accepted.load(Ordering::Relaxed) >= 100);
}

#[tokio::test]
async fn a_server_that_goes_away_is_counted_and_one_that_is_not_there_is_said_before() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepts");
        drop((stream, listener));
    });
    let count = plain(address, &["/"], OPTIONS).await;
    assert_eq!(count.ended(), 100);
    assert!(count.broken[&Broken::Connect] >= 90, "{count:?}");
    let gone = target(&format!("http://{address}"), None, false).await;
    let error = Driver::connect(gone, OPTIONS).await.map(drop).expect_err("not there");
    assert!(matches!(error, TargetError::Dial(weft_dial::DialError::Tcp { .. })), "{error}");
}

#[tokio::test]
async fn http2_takes_many_requests_on_one_connection() {
    let (address, accepted) = serve(None).await;
    let options = Options { connections: Some(1), ..OPTIONS };
    let count = load(target(&format!("http://{address}"), None, true).await, &["/", "/shed"], options).await;
    assert_eq!((count.ok, count.codes["overloaded"]), (50, 50));
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_host_of_its_own_is_asked_for_by_either_protocol() {
    let (address, _) = serve(None).await;
    for http2 in [false, true] {
        let mut request = get("/authority");
        request.headers.insert("host", "shop.example".parse().expect("a host"));
        let target = target(&format!("http://{address}"), None, http2).await;
        let driver = Driver::connect(target, OPTIONS).await.expect("connects");
        assert_eq!(driver.speaks_http2(), http2);
        assert_eq!(run(&driver, vec![request]).await.ok, 100);
    }
}

#[tokio::test]
async fn https_is_verified_by_the_named_authority_and_speaks_what_the_server_chooses() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
    let folder = tempfile::tempdir().expect("folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).expect("written");
    for (alpn, http2) in [("h2", true), ("http/1.1", false)] {
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let (address, _) = serve(Some(TlsAcceptor::from(Arc::new(config)))).await;
        let url = format!("https://localhost:{}", address.port());
        let driver = Driver::connect(target(&url, Some(&ca), false).await, OPTIONS).await;
        let driver = driver.expect("trusted");
        assert_eq!(driver.speaks_http2(), http2);
        assert_eq!(run(&driver, vec![get("/")]).await.ok, 100);

        let unknown = Driver::connect(target(&url, None, false).await, OPTIONS).await;
        let error = unknown.map(drop).expect_err("not trusted");
        assert!(matches!(error, TargetError::Dial(weft_dial::DialError::Tls(_))), "{error}");
    }
}

#[tokio::test]
async fn a_load_that_is_stopped_ends_with_what_it_has() {
    let (address, _) = serve(None).await;
    let target = target(&format!("http://{address}"), None, false).await;
    let driver = Driver::connect(target, OPTIONS).await.expect("connects");
    let day = Schedule::new(vec![Stage::constant(100.0, PATIENCE * 2880)], Spacing::Even).expect("good");
    let stop = Stop::default();
    let load = Load { requests: vec![get("/")].into(), schedule: day, warm_up: 0 };
    let (running, stopping) = (driver.run(load, None, &stop), stop.clone());
    let stopper = async {
        // Whenever that is: it must end.
        stalls(MS * 100).await;
        stopping.stop();
    };
    let (tally, ()) = tokio::join!(running, stopper);
    let count = tally.judged();
    assert_eq!(count.ok, count.ended(), "{count:?}");
}

/// Does nothing for so long: what a server that stalls does.
async fn stalls(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}
