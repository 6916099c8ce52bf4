//! The limit: a bare hyper server, no routing, the same threads and allocator as ours; and one whose answers cost CPU.

use std::{convert::Infallible, hint::black_box, io::Write as _, net::Ipv4Addr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, header::CONTENT_TYPE, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What an answer of the busy one costs, in steps: some five milliseconds of a core of today. Steps and not time, so that
/// who is interrupted still has all of it to do.
const WORK: u64 = 5_000_000;

/// Serves until it is killed; says its address like ours does.
pub(crate) fn serve(answer: fn() -> Response<Full<Bytes>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(accept(answer)).map_err(|e| e.to_string())
}

async fn accept(answer: fn() -> Response<Full<Bytes>>) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(std::io::stderr(), "http://{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let respond = service_fn(move |_: Request<Incoming>| async move { Ok::<_, Infallible>(answer()) });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), respond));
    }
}

/// Computes, as a service without any protection: whatever is asked is begun at once, and all wait for each other.
pub(crate) fn busy() -> Response<Full<Bytes>> {
    black_box((0..WORK).fold(1_u64, |n, i| black_box(n.wrapping_mul(31).wrapping_add(i))));
    hello()
}

pub(crate) fn hello() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Hello from 0.0!\n")));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/plain"));
    response
}
