//! Another service, on loopback: answers by path, tells what it was asked, and misbehaves where it is told to.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parking_lot::Mutex;
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::mpsc, task::JoinHandle};

type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    /// Connections accepted.
    pub(crate) accepted: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) version: http::Version,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: usize,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn plain() -> Self {
        Self::start(None).await
    }

    /// With a certificate for `localhost`, whose root is returned too.
    pub(crate) async fn tls() -> (Self, rustls::pki_types::CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let root = made.cert.der().clone();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth().with_single_cert(vec![root.clone()], key);
        let mut config = config.expect("a server");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        (Self::start(Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))).await, root)
    }

    async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (seen, accepted) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<Mutex<usize>>::default());
        let (told, count) = (Arc::clone(&seen), Arc::clone(&accepted));
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                *count.lock() += 1;
                let (tls, told) = (tls.clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, told).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, told).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, accepted, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve(
    io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    let service = hyper::service::service_fn(move |request| answer(request, Arc::clone(&seen)));
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await;
}

async fn answer(request: Request<Incoming>, seen: Arc<Mutex<Vec<Seen>>>) -> Result<Response<Body>, std::io::Error> {
    let (head, body) = request.into_parts();
    let collected = body.collect().await.map_err(std::io::Error::other)?;
    let trailers = collected.trailers().cloned();
    let path = head.uri.path().to_owned();
    let body = collected.to_bytes().len();
    seen.lock().push(Seen { version: head.version, path: path.clone(), headers: head.headers, body, trailers });
    let whole = |text: &str| Full::new(Bytes::from(text.to_owned())).boxed_unsync();
    let response = Response::builder();
    Ok(match path.as_str() {
        "/hello" => response.header("x-from", "server").body(whole("hello")),
        "/redirect" => response.status(302).header("location", "http://10.0.0.1/").body(whole("")),
        "/huge-header" => response.header("x-huge", "h".repeat(300 << 10)).body(whole("")),
        "/many-headers" => {
            let many = (0..2_000).fold(response, |response, n| response.header(format!("x-{n}"), "v"));
            many.body(whole(""))
        }
        // Three at once, or nobody.
        "/meet" => {
            static MEETING: std::sync::LazyLock<tokio::sync::Barrier> =
                std::sync::LazyLock::new(|| tokio::sync::Barrier::new(3));
            MEETING.wait().await;
            response.body(whole("met"))
        }
        "/never" => std::future::pending().await,
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", "abc".parse().expect("a value"));
            let frames = vec![Ok(Frame::data(Bytes::from("body"))), Ok(Frame::trailers(trailers))];
            response.header("trailer", "x-checksum").body(streamed(frames, false))
        }
        "/stalls" => response.body(streamed(vec![Ok(Frame::data(Bytes::from("first")))], true)),
        "/big" => {
            let chunk = Bytes::from(vec![b'y'; 64 << 10]);
            response.body(streamed((0..160).map(|_| Ok(Frame::data(chunk.clone()))).collect(), false))
        }
        _ => response.status(404).body(whole("nothing here")),
    }
    .expect("a valid answer"))
}

/// The frames, and then the end or nothing ever.
fn streamed(frames: Vec<Result<Frame<Bytes>, Infallible>>, stalls: bool) -> Body {
    let (to, mut from) = mpsc::channel(4);
    tokio::spawn(async move {
        for frame in frames {
            if to.send(frame).await.is_err() {
                return;
            }
        }
        if stalls {
            to.closed().await;
        }
    });
    StreamBody::new(futures_util::stream::poll_fn(move |cx| from.poll_recv(cx))).boxed_unsync()
}

/// A server that says `bytes` to whoever connects, and closes.
pub(crate) async fn raw(bytes: &'static [u8]) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut tcp, &mut head).await;
            let _ = tcp.write_all(bytes).await;
        }
    });
    (address, task)
}
