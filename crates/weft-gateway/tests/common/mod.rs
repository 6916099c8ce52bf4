//! A gateway on a port of its own, in front of whatever a test wants answered.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod frames;
pub mod witness;

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use http::{Method, Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use weft_gateway::{Gateway, Lanes, Listener, Running};
use weft_traffic::{Action, Place, Policy, RouteSpec, Table};
use weft_types::{
    Body, Class, Context, Digest, End, Fault, Invocation, Invoke, Name, Outcome, Payload, Pending, Reply, Target, Usage,
};

type Answer = dyn Fn(Invocation) -> Pending<'static, Outcome> + Send + Sync;

/// A door made of a closure.
pub struct Stub(Box<Answer>);

impl Invoke for Stub {
    fn invoke(&self, call: Invocation) -> Pending<'_, Outcome> {
        (self.0)(call)
    }
}

/// A door that answers the HTTP request of each invocation.
pub fn door<F, R>(answer: F) -> Arc<dyn Invoke>
where
    F: Fn(Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<Body>, Fault>> + Send + 'static,
{
    door_of(move |call| {
        let Payload::Http(request) = call.payload else { panic!("not an HTTP call") };
        let reply = answer(*request);
        async move { outcome(reply.await) }
    })
}

pub fn door_of<F, R>(answer: F) -> Arc<dyn Invoke>
where
    F: Fn(Invocation) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    Arc::new(Stub(Box::new(move |call| Box::pin(answer(call)))))
}

pub fn outcome(reply: Result<Response<Body>, Fault>) -> Outcome {
    let class = if reply.is_ok() { Class::Ok } else { Class::Failure };
    Outcome { reply: reply.map(|response| Reply::Http(Box::new(response))), class, end: End::Now(Usage::default()) }
}

/// Answers 200 with what it saw: the method, the whole URI, then the body.
pub fn echo() -> Arc<dyn Invoke> {
    door(|request| async move {
        let (parts, body) = request.into_parts();
        let body = http_body_util::BodyExt::collect(body).await?.to_bytes();
        let text = format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body));
        Ok(Response::new(weft_types::full(text)))
    })
}

pub fn context() -> Arc<Context> {
    Arc::new(Context::anonymous(Target {
        application: Name::new("app").expect("a name"),
        revision: Digest([7; 32]),
        component: Name::new("web").expect("a name"),
        function: None,
    }))
}

pub fn route(path: &str, methods: &[Method], action: Action) -> RouteSpec {
    RouteSpec {
        application: Name::new("app").expect("a name"),
        host: None,
        path: path.into(),
        methods: methods.to_vec(),
        headers: Vec::new(),
        action,
        features: None,
        policy: Policy::default(),
        guard: None,
        origins: Vec::new(),
        place: Place { file: "weft.toml".into(), line: 1, column: 1 },
    }
}

pub fn table(routes: Vec<RouteSpec>) -> Arc<ArcSwap<Table>> {
    Arc::new(ArcSwap::from_pointee(Table::compile(routes).expect("routes")))
}

/// Every path, any method, to one component.
pub fn catch_all() -> Arc<ArcSwap<Table>> {
    table(vec![route("/*", &[], Action::Component(context()))])
}

pub fn local() -> Listener {
    Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port")
}

pub fn start(door: Arc<dyn Invoke>) -> Running {
    Gateway::new(door, catch_all()).serve(local())
}

/// The same, with connections on threads of their own, as a node has them.
pub fn start_on_lanes(door: Arc<dyn Invoke>) -> Running {
    let lanes = Lanes::start(2).expect("threads");
    Gateway::new(door, catch_all()).lanes(lanes).serve(local())
}

/// Sends raw bytes and reads until the server closes.
pub async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(bytes.as_ref()).await.expect("sends");
    rest(&mut stream).await
}

/// All that comes until the server closes; a reset counts as closing.
pub async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `end` has come.
pub async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(end) {
        assert!(
            stream.read_buf(&mut all).await.expect("reads") > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&all)
        );
    }
    String::from_utf8_lossy(&all).into_owned()
}
