//! Compressed answers, over sockets: what comes out is what went in, as soon as it went in.

mod common;

use std::{io::Read, sync::Arc};

use bytes::Bytes;
use common::{context, door, local, route, table, until};
use futures_util::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use weft_gateway::{Gateway, Running};
use weft_traffic::{
    Action, Files, RouteSpec,
    feature::{
        Compression, Features,
        compression::{Coding, TYPES, TypeRule},
    },
};
use weft_types::{Body, Fault};

fn features() -> Option<Arc<Features>> {
    let types = TYPES.iter().map(|text| TypeRule::parse(text).expect("a rule")).collect();
    let compression = Compression { codings: Coding::ALL.to_vec(), min: 100, types };
    Some(Arc::new(Features { compression: Some(compression), ..Features::default() }))
}

fn serve<F, R>(answer: F) -> Running
where
    F: Fn(Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<Body>, Fault>> + Send + 'static,
{
    let spec = RouteSpec { features: features(), ..route("/*", &[], Action::Component(context())) };
    Gateway::new(door(answer), table(vec![spec])).serve(local())
}

/// A long text of many pieces, so that nothing about it is special.
fn text() -> String {
    (0..20_000).map(|i: u32| format!("{} lines of no interest\n", i.wrapping_mul(2_654_435_761))).collect()
}

fn html(body: Body) -> Response<Body> {
    let response = Response::builder().header("content-type", "text/html").header("etag", "\"a\"");
    response.body(body).expect("an answer")
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

/// Asks once, and takes chunks apart. `None`: it broke off.
async fn ask(gateway: &Running, line: &str, headers: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    let request = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    let end = all.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(all[..end].to_vec()).expect("text");
    let mut rest = &all[end..];
    if !head.contains("transfer-encoding: chunked\r\n") {
        return Some(Answer { head, body: rest.to_vec() });
    }
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).expect("a size"), 16).expect("a size");
        if size == 0 {
            return Some(Answer { head, body });
        }
        rest = &rest[line + 2..];
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

fn plain(coding: &str, body: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_string(&mut text).expect("gzip"),
        "br" => brotli::Decompressor::new(body, 4096).read_to_string(&mut text).expect("brotli"),
        "zstd" => zstd::stream::read::Decoder::new(body).expect("zstd").read_to_string(&mut text).expect("zstd"),
        other => panic!("{other}"),
    };
    text
}

#[tokio::test]
async fn a_long_text_comes_out_as_it_went_in_whatever_the_coding() {
    let gateway = serve(|request| async move {
        let text = text();
        let length = text.len();
        let mut response = html(match request.uri().query() {
            // In uneven pieces, and with a length.
            Some("pieces") => {
                let pieces = text.into_bytes();
                let pieces: Vec<Bytes> = pieces.chunks(70_001).map(Bytes::copy_from_slice).collect();
                Body::new(StreamBody::new(futures_util::stream::iter(pieces).map(|piece| Ok(Frame::data(piece)))))
            }
            _ => weft_types::full(text),
        });
        response.headers_mut().insert("content-length", length.into());
        Ok(response)
    });
    for coding in ["gzip", "br", "zstd"] {
        for target in ["GET /", "GET /?pieces"] {
            let answer = ask(&gateway, target, &format!("Accept-Encoding: {coding}\r\n")).await.expect("whole");
            assert!(answer.head.starts_with("HTTP/1.1 200 "), "{}", answer.head);
            for line in
                [format!("content-encoding: {coding}\r\n").as_str(), "vary: accept-encoding\r\n", "etag: W/\"a\"\r\n"]
            {
                assert!(answer.head.contains(line), "{line} in {}", answer.head);
            }
            assert!(!answer.head.contains("content-length"), "{}", answer.head);
            assert!(plain(coding, &answer.body) == text(), "{coding} {target}");
            assert!(answer.body.len() * 2 < text().len(), "{coding}: {} bytes", answer.body.len());
        }
        let head = ask(&gateway, "HEAD /", &format!("Accept-Encoding: {coding}\r\n")).await.expect("whole");
        assert!(
            head.head.contains(&format!("content-encoding: {coding}\r\n")) && head.body.is_empty(),
            "{}",
            head.head
        );
        assert!(
            !head.head.contains("content-length") && head.head.contains("vary: accept-encoding\r\n"),
            "{}",
            head.head
        );
    }
    let answer = ask(&gateway, "GET /", "").await.expect("whole");
    assert!(answer.body == text().as_bytes() && answer.head.contains("vary: accept-encoding\r\n"), "{}", answer.head);
    assert!(answer.head.contains("etag: \"a\"\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn what_must_stay_as_it_is_does() {
    let gateway = serve(|request| async move {
        let response = Response::builder().header("content-type", "text/plain");
        let long = || weft_types::full("x".repeat(5000));
        Ok(match request.uri().query().unwrap_or_default() {
            "encoded" => response.header("content-encoding", "gzip").body(long()),
            "forbidden" => response.header("cache-control", "no-transform").body(long()),
            "part" => response.status(206).header("content-range", "bytes 0-4999/9000").body(long()),
            "short" => response.body(weft_types::full("short")),
            "picture" => Response::builder().header("content-type", "image/png").body(long()),
            _ => response.status(204).body(weft_types::empty()),
        }
        .expect("an answer"))
    });
    for query in ["encoded", "forbidden", "part", "short", "picture", "empty"] {
        let answer = ask(&gateway, &format!("GET /?{query}"), "Accept-Encoding: gzip, br\r\n").await.expect("whole");
        let encodings = answer.head.matches("content-encoding: ").count();
        assert_eq!(encodings, usize::from(query == "encoded"), "{query}: {}", answer.head);
        assert!(!answer.head.contains("vary"), "no client is told otherwise: {query}: {}", answer.head);
        let long = matches!(query, "encoded" | "forbidden" | "part" | "picture");
        assert_eq!(
            answer.body.len(),
            if long {
                5000
            } else if query == "short" {
                5
            } else {
                0
            },
            "{query}"
        );
    }
}

#[tokio::test]
async fn an_unchanged_answer_speaks_of_the_compressed_one() {
    let gateway = serve(|_| async {
        Ok(Response::builder().status(304).header("etag", "\"a\"").body(weft_types::empty()).expect("an answer"))
    });
    let asked = "Accept-Encoding: gzip\r\nIf-None-Match: W/\"a\"\r\n";
    let answer = ask(&gateway, "GET /", asked).await.expect("whole");
    assert!(
        answer.head.contains("etag: W/\"a\"\r\n") && answer.head.contains("vary: accept-encoding\r\n"),
        "{}",
        answer.head
    );
    assert!(!answer.head.contains("content-encoding"), "{}", answer.head);
}

/// Every event is there to be read before the next is made.
#[tokio::test]
async fn a_stream_of_events_flows() {
    for coding in ["gzip", "br", "zstd"] {
        let (tell, events) = mpsc::channel::<&'static str>(1);
        let events = Arc::new(parking_lot::Mutex::new(Some(events)));
        let gateway = serve(move |_| {
            let events = events.lock().take().expect("asked once");
            async move {
                let frames = futures_util::stream::unfold(events, |mut events| async {
                    Some((Ok(Frame::data(Bytes::from_static(events.recv().await?.as_bytes()))), events))
                });
                let response = Response::builder().header("content-type", "text/event-stream");
                Ok(response.body(Body::new(StreamBody::new(Box::pin(frames)))).expect("an answer"))
            }
        });
        let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
        let ask = format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.expect("sends");
        let head = until(&mut stream, "\r\n\r\n").await;
        assert!(head.contains(&format!("content-encoding: {coding}\r\n")), "{head}");
        let mut body = Vec::new();
        for (i, event) in ["data: one\n\n", "data: two\n\n", "data: three\n\n"].into_iter().enumerate() {
            tell.send(event).await.expect("there");
            let wanted = ["data: one\n\n", "data: two\n\n", "data: three\n\n"][..=i].concat();
            // Waits for bytes until the event can be read of them.
            while readable(coding, &body) != wanted {
                body.extend(chunk(&mut stream).await);
            }
        }
    }
}

/// What can be read of a stream that is not at its end.
fn readable(coding: &str, body: &[u8]) -> String {
    let mut reader: Box<dyn Read> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(body)),
        "br" => Box::new(brotli::Decompressor::new(body, 4096)),
        _ => Box::new(zstd::stream::read::Decoder::new(body).expect("zstd")),
    };
    let (mut text, mut byte) = (Vec::new(), [0]);
    while matches!(reader.read(&mut byte), Ok(1)) {
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("text")
}

async fn chunk(stream: &mut TcpStream) -> Vec<u8> {
    let size = until_line(stream).await;
    let mut bytes = vec![0; usize::from_str_radix(&size, 16).expect("a size")];
    stream.read_exact(&mut bytes).await.expect("a chunk");
    assert_eq!(until_line(stream).await, "");
    bytes
}

async fn until_line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    while !line.ends_with("\r\n") {
        line.push(char::from(stream.read_u8().await.expect("reads")));
    }
    line.trim_end().to_owned()
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_too_short_is_not_taken_for_whole() {
    let gateway = serve(|request| async move {
        let broken = request.uri().query() == Some("broken");
        let frames = [Ok(Frame::data(Bytes::from("x".repeat(5000))))];
        let end = broken.then(|| Err(Fault::new(weft_types::code::GUEST_BODY_FAILED, weft_types::Ran::Yes)));
        let mut response = html(Body::new(StreamBody::new(futures_util::stream::iter(frames.into_iter().chain(end)))));
        if !broken {
            response.headers_mut().insert("content-length", 6000.into());
        }
        Ok(response)
    });
    for target in ["GET /?broken", "GET /?short"] {
        assert!(ask(&gateway, target, "Accept-Encoding: gzip\r\n").await.is_none(), "{target}");
    }
}

#[tokio::test]
async fn files_are_compressed_unless_a_compressed_one_lies_beside() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.txt"), text()).expect("written");
    std::fs::write(folder.path().join("b.txt"), text()).expect("written");
    std::fs::write(folder.path().join("b.txt.gz"), "beside").expect("written");
    let root = folder.path().canonicalize().expect("there");
    let files = Files { root, index: "index.html".into(), fallback: None, cache_control: None };
    let spec = RouteSpec { features: features(), ..route("/*", &[], Action::Files(files)) };
    let gateway = Gateway::new(common::echo(), table(vec![spec])).serve(local());
    let answer = ask(&gateway, "GET /a.txt", "Accept-Encoding: gzip\r\n").await.expect("whole");
    assert!(answer.head.contains("etag: W/") && plain("gzip", &answer.body) == text(), "{}", answer.head);
    let answer = ask(&gateway, "GET /b.txt", "Accept-Encoding: gzip\r\n").await.expect("whole");
    assert_eq!(answer.body, b"beside");
    assert_eq!(answer.head.matches("vary: accept-encoding").count(), 1, "{}", answer.head);
    let answer = ask(&gateway, "GET /a.txt", "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n").await.expect("whole");
    assert!(answer.head.starts_with("HTTP/1.1 206 ") && answer.body == text().as_bytes()[..10], "{}", answer.head);
}
