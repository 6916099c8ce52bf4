//! What attackers and broken clients send. Every case ends in a refusal, never in two views of one byte stream.

mod common;

use std::time::Duration;

use common::{catch_all, context, door, echo, local, raw, rest, route, start, table, until};
use http::Response;
use http_body_util::BodyExt;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use weft_gateway::Gateway;
use weft_traffic::{Action, Policy};

/// Sends each request on a connection of its own and expects this status, a closed connection, and no second answer.
async fn all_end(cases: &[(&str, &str)], status: &str) {
    let gateway = start(echo());
    let mut wrong = Vec::new();
    for (why, request) in cases {
        let answer = tokio::time::timeout(Duration::from_secs(5), raw(gateway.address(), request)).await;
        match answer {
            Err(_) => wrong.push(format!("{why}: the connection stays open")),
            Ok(answer) if !answer.starts_with(&format!("HTTP/1.1 {status}")) => wrong.push(format!("{why}: {answer}")),
            Ok(answer) if answer.matches("HTTP/1.1 ").count() != 1 => wrong.push(format!("{why}: two: {answer}")),
            Ok(answer) if !answer.contains("weft-error: ") => wrong.push(format!("{why}: no code: {answer}")),
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn ambiguous_lengths_are_refused() {
    let post = |headers: &str, rest: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{rest}{NEXT}");
    let cases = [
        ("both, length first", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        ("both, encoding first", post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n")),
        ("both, odd case", post("TRANSFER-encoding: Chunked\r\nCONTENT-length: 0", "0\r\n\r\n")),
        ("two lengths", post("Content-Length: 1\r\nContent-Length: 2", "xx")),
        ("a list of lengths", post("Content-Length: 1, 2", "xx")),
        ("a list of equal lengths", post("Content-Length: 2, 2", "xx")),
        ("a signed length", post("Content-Length: +2", "xx")),
        ("a negative length", post("Content-Length: -2", "xx")),
        ("a hexadecimal length", post("Content-Length: 0x2", "xx")),
        ("a fraction", post("Content-Length: 2.0", "xx")),
        ("an empty length", post("Content-Length: ", "xx")),
        ("a length past 64 bits", post("Content-Length: 99999999999999999999999", "xx")),
        ("not chunked last", post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n")),
        ("an unknown coding before", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")),
        ("identity", post("Transfer-Encoding: identity", "")),
        ("chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        ("chunked then identity", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n")),
        ("a disguised coding", post("Transfer-Encoding: xchunked", "0\r\n\r\n")),
        ("a vertical tab", post("Transfer-Encoding: \x0bchunked", "0\r\n\r\n")),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(why, text)| (*why, text.as_str())).collect();
    all_end(&cases, "400 ").await;
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let cases = [
        ("space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        ("obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"),
        ("obs-fold by tab", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\t2\r\n\r\n"),
        ("a fold as the first line", "GET / HTTP/1.1\r\n X: 1\r\nHost: a\r\n\r\n"),
        ("bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n"),
        ("bare CR as a line's end", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        ("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n"),
        ("NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: 1\r\n\r\n"),
        ("a name without a colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
        ("an empty name", "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n"),
        ("a control in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("no version", "GET /\r\nHost: a\r\n\r\n"),
        ("an unknown version", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        ("version 2 in version 1", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        ("another protocol", "GET / RTSP/1.0\r\nHost: a\r\n\r\n"),
        ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a bad method", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a relative target", "GET foo HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("TLS on a cleartext port", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n"),
    ];
    all_end(&cases, "400 ").await;
}

#[tokio::test]
async fn a_request_is_for_exactly_one_valid_host() {
    let cases = [
        ("no Host", "GET / HTTP/1.1\r\n\r\n"),
        ("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("the same Host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        ("a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
        ("a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        ("a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        ("a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        ("a bad port", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
        ("a user in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("absolute form without Host", "GET http://a/ HTTP/1.1\r\n\r\n"),
        ("absolute form, invalid Host", "GET http://a/ HTTP/1.1\r\nHost: b b\r\n\r\n"),
        ("asterisk form for a method that has none", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    all_end(&cases, "400 ").await;
}

#[tokio::test]
async fn the_target_wins_over_the_host_and_old_clients_need_none() {
    let gateway = start(door(|request| async move {
        let host = request.headers().get("host").map(|h| h.to_str().expect("text").to_owned());
        Ok(Response::new(weft_types::full(format!("[{} host={host:?}]", request.uri()))))
    }));
    let close = "Connection: close\r\n\r\n";
    let answer = raw(gateway.address(), format!("GET http://real:81/x HTTP/1.1\r\nHost: fake\r\n{close}")).await;
    assert!(answer.ends_with(r#"[http://real:81/x host=Some("real:81")]"#), "{answer}");
    let answer = raw(gateway.address(), format!("GET HTTP://Real HTTP/1.1\r\nHost: Real\r\n{close}")).await;
    assert!(answer.ends_with(r#"[http://Real/ host=Some("Real")]"#), "{answer}");
    let answer = raw(gateway.address(), "GET /old HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with(&format!("[http://{}/old host=None]", gateway.address())), "{answer}");
}

#[tokio::test]
async fn bad_chunks_are_refused_and_never_become_a_request() {
    let chunked = |body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let cases = [
        ("not hexadecimal", chunked("zz\r\nhello\r\n0\r\n\r\n")),
        ("longer than its size", chunked("2\r\nhello\r\n0\r\n\r\n")),
        ("a sign", chunked("+5\r\nhello\r\n0\r\n\r\n")),
        ("0x", chunked("0x5\r\nhello\r\n0\r\n\r\n")),
        ("past 64 bits", chunked("fffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
        ("bare LF after the size", chunked("5\nhello\r\n0\r\n\r\n")),
        ("bare CR after the size", chunked("5\rhello\r\n0\r\n\r\n")),
        ("no CRLF after the data", chunked("5\r\nhello0\r\n\r\n")),
        ("bare LF after the data", chunked("5\r\nhello\n0\r\n\r\n")),
        ("an empty size", chunked("\r\nhello\r\n0\r\n\r\n")),
        ("a newline in an extension", chunked("5;a=\nb\r\nhello\r\n0\r\n\r\n")),
        ("a bad trailer", chunked("5\r\nhello\r\n0\r\nX Y: 1\r\n\r\n")),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(why, text)| (*why, text.as_str())).collect();
    all_end(&cases, "400 ").await;
}

#[tokio::test]
async fn good_chunks_are_read() {
    let gateway = start(echo());
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "005;ext=1;x=\"y\"\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = raw(gateway.address(), format!("{head}{body}")).await;
        assert!(answer.ends_with("POST http://a/ hello"), "{answer}");
    }
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(101));
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40 * 1024));
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(200 * 1024));
    all_end(&[("many headers", &many), ("a long head", &long), ("a head without end", &endless)], "431 ").await;
}

#[tokio::test]
async fn connect_and_trace_are_refused_and_upgrades_ignored() {
    let cases = [
        ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        ("TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    all_end(&cases, "405 ").await;
    let gateway = start(door(|request| async move {
        let names: Vec<&str> = request.headers().keys().map(http::HeaderName::as_str).collect();
        Ok(Response::new(weft_types::full(format!("[{}]", names.join(" ")))))
    }));
    for upgrade in ["websocket", "h2c"] {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        );
        let answer = raw(gateway.address(), head).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("[host traceparent]"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_at_once_or_in_the_middle() {
    let mut spec = route("/*", &[], Action::Component(context()));
    spec.policy = Policy { body_max: 10, ..Policy::default() };
    // The guest reads but would answer 200 whatever comes: the refusal must not depend on it.
    let careless = door(|request| async move {
        let _ = request.into_body().collect().await;
        std::future::pending::<()>().await;
        unreachable!()
    });
    let gateway = Gateway::new(careless, table(vec![spec])).serve(local());
    let declared = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n";
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n";
    for request in [declared, chunked] {
        let answer = raw(gateway.address(), request).await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("weft-error: body-too-large\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn expect_continue_is_answered_when_the_body_is_wanted() {
    let gateway = start(echo());
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    stream
        .write_all(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        )
        .await
        .expect("sends");
    let first = until(&mut stream, "\r\n\r\n").await;
    assert!(first.starts_with("HTTP/1.1 100 "), "{first}");
    stream.write_all(b"hi").await.expect("sends");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hi"), "{answer}");
}

#[tokio::test]
async fn http_1_0_closes_unless_asked_and_knows_no_chunks() {
    let gateway = Gateway::new(echo(), catch_all()).serve(local());
    let answer = raw(gateway.address(), "GET /a HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.") && answer.ends_with("GET http://a/a "), "{answer}");
    assert!(!answer.contains("chunked"), "{answer}");
    let refused = "POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = raw(gateway.address(), refused).await;
    assert!(answer.contains(" 400 "), "{answer}");
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    for _ in 0..2 {
        stream.write_all(b"GET /k HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").await.expect("sends");
        until(&mut stream, "GET http://a/k ").await;
    }
}
