//! Services that misbehave on purpose, and calls to them.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use weft_traffic::{Locality, Upstream as Spec};
use weft_types::{
    Body, ClientAddress, Clock, Context, Digest, Fault, Invocation, InvocationId, Invoke, Name, Origin, Outcome,
    Payload, Reply, SpanId, SystemClock, Target, Timestamp, Trace, TraceId,
};
use weft_upstream::{Endpoint, Options, Senses, Upstream};

/// A raw service. What it does with each connection is given; dropped, it listens no more.
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Raw {
    pub(crate) async fn new<F, R>(behave: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), behave).await
    }

    pub(crate) async fn at<F, R>(address: SocketAddr, behave: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("reuse");
        socket.bind(address).expect("bound");
        let listener: TcpListener = socket.listen(64).expect("listening");
        let (address, connections) = (listener.local_addr().expect("bound"), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, SeqCst);
                tokio::spawn(behave(stream));
            }
        });
        Self { address, connections, accepting: accepting.abort_handle() }
    }

    /// Reads each request's head, then answers with these bytes and closes.
    pub(crate) async fn says(answer: &'static [u8]) -> Self {
        Self::new(move |mut stream| async move {
            if head(&mut stream).await.is_some() {
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    pub(crate) fn seen(&self) -> usize {
        self.connections.load(SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A request's head, as text.
pub(crate) async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        text.push(byte[0]);
    }
    String::from_utf8(text).ok()
}

/// Closes with a reset and not politely.
pub(crate) fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

pub(crate) fn upstream(urls: &[String]) -> Upstream {
    upstream_with(urls, Options::default(), Arc::new(SystemClock::new()))
}

pub(crate) fn upstream_with(urls: &[String], options: Options, clock: Arc<dyn Clock>) -> Upstream {
    let endpoint = |url: &String| Endpoint {
        address: url.parse().expect("an endpoint"),
        weight: 1,
        locality: Locality::default(),
    };
    let endpoints: Vec<_> = urls.iter().map(endpoint).collect();
    Upstream::new(&endpoints, options, Senses::new(clock))
}

pub(crate) fn get(path: &str) -> Request<Body> {
    request("GET", path, weft_types::empty())
}

pub(crate) fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    let uri = format!("https://shop.example{path}");
    let client = ClientAddress(SocketAddr::from(([192, 0, 2, 7], 5_000)));
    Request::builder().method(method).uri(uri).extension(client).body(body).expect("a request")
}

pub(crate) fn invocation(request: Request<Body>, patience: Duration) -> Invocation {
    let name = |text| Name::new(text).expect("a name");
    let target = Target {
        application: name("shop"),
        revision: Digest([0; 32]),
        component: name("upstream"),
        function: Some(format!("{}0", Spec::FUNCTION).into()),
    };
    Invocation {
        id: InvocationId(1),
        key: None,
        payload: Payload::Http(Box::new(request)),
        deadline: SystemClock::new().now().saturating_add(patience),
        attempt: NonZeroU32::MIN,
        idempotency: None,
        origin: Origin::Http,
        trace: Trace { trace: TraceId(7), span: SpanId(8), flags: 1, ..Trace::default() },
        context: Arc::new(Context::anonymous(target)),
    }
}

/// Far enough that no test meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn call(upstream: &Upstream, request: Request<Body>) -> Outcome {
    upstream.invoke(invocation(request, PATIENCE)).await
}

pub(crate) async fn call_until(upstream: &Upstream, request: Request<Body>, deadline: Timestamp) -> Outcome {
    let call = Invocation { deadline, ..invocation(request, PATIENCE) };
    upstream.invoke(call).await
}

pub(crate) fn response(outcome: Outcome) -> Response<Body> {
    match outcome.reply {
        Ok(Reply::Http(response)) => *response,
        other => panic!("not answered: {other:?}"),
    }
}

pub(crate) fn fault(outcome: Outcome) -> Fault {
    match outcome.reply {
        Err(fault) => fault,
        Ok(other) => panic!("answered: {other:?}"),
    }
}

pub(crate) async fn text(body: Body) -> Result<String, Fault> {
    Ok(String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned())
}

/// A body of so many frames of this size, and how many were taken.
pub(crate) struct Many {
    left: usize,
    size: usize,
    pub(crate) taken: Arc<AtomicUsize>,
}

impl Many {
    pub(crate) fn new(frames: usize, size: usize) -> Self {
        Self { left: frames, size, taken: Arc::new(AtomicUsize::new(0)) }
    }
}

impl HttpBody for Many {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> task::Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.left == 0 {
            return task::Poll::Ready(None);
        }
        self.left -= 1;
        self.taken.fetch_add(self.size, SeqCst);
        task::Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; self.size])))))
    }
}
