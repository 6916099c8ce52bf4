//! How HTTP/1 is read, case by case: what must be refused, what must be borne, and what is seen of it behind.

mod common;

use std::time::Duration;

use common::{door, raw, rest, start_on_lanes as start, witness::holding};
use http::Response;
use http_body_util::BodyExt;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use weft_gateway::Running;

/// Answers with the method, the URI, the headers in order, and the body, one a line.
fn mirror() -> Running {
    start(door(|request| async move {
        let (parts, body) = request.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().map(|trailers| format!("{:?}", trailers.keys().collect::<Vec<_>>()));
        let body = String::from_utf8_lossy(&collected.to_bytes()).into_owned();
        let headers = parts.headers.iter().filter(|(name, _)| name.as_str() != "traceparent");
        let headers: Vec<String> =
            headers.map(|(name, value)| format!("{name}={}", value.as_bytes().escape_ascii())).collect();
        let text =
            format!("{} {}|{}|{body}|{}", parts.method, parts.uri, headers.join(";"), trailers.unwrap_or_default());
        Ok(Response::new(weft_types::full(text)))
    }))
}

/// What must become of a request.
enum Expect {
    /// Answered by what was seen of it, which begins so; and so is the next one.
    Seen(&'static str),
    /// The same, and the connection closes.
    Last(&'static str),
    /// Refused, and the connection closes: nothing that follows is ever answered.
    Refused(u16),
    /// Refused, and the next one is answered.
    Denied(u16),
}
use Expect::{Denied, Last, Refused, Seen};

fn holds(expected: &Expect, answer: &str) -> bool {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let (answers, goes_on) = (answer.matches("HTTP/1.1 ").count(), answer.contains("GET http://a/next|"));
    let refused = |status: &u16| head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("weft-error: ");
    let seen = |what: &str| head.starts_with("HTTP/1.1 200 ") && body.starts_with(what);
    match expected {
        Seen(what) => seen(what) && answers == 2 && goes_on,
        Last(what) => seen(what) && answers == 1,
        Refused(status) => refused(status) && answers == 1 && head.contains("connection: close"),
        Denied(status) => refused(status) && answers == 2 && goes_on,
    }
}

/// Each on a connection of its own, with another request behind it.
async fn check(cases: Vec<(&str, String, Expect)>) {
    let gateway = mirror();
    let mut wrong = Vec::new();
    for (why, request, expected) in cases {
        let next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = raw(gateway.address(), format!("{request}{next}"));
        match tokio::time::timeout(Duration::from_secs(5), answer).await {
            Ok(answer) if holds(&expected, &answer) => {}
            Ok(answer) => wrong.push(format!("{why}: {answer}")),
            Err(_) => wrong.push(format!("{why}: the connection stays open")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

#[tokio::test]
async fn request_lines() {
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n");
    check(vec![
        ("an empty line before", "\r\n".to_owned() + &line("GET /x HTTP/1.1"), Seen("GET http://a/x|")),
        ("a method of one's own", line("BREW /x HTTP/1.1"), Seen("BREW http://a/x|")),
        ("methods have a case", line("get /x HTTP/1.1"), Seen("get http://a/x|")),
        ("two slashes", line("GET //b/x HTTP/1.1"), Seen("GET http://a//b/x|")),
        ("a query", line("GET /x?y=/../z&%2e HTTP/1.1"), Seen("GET http://a/x?y=/../z&%2e|")),
        ("absolute", line("GET http://a/x HTTP/1.1"), Seen("GET http://a/x|")),
        ("absolute without a path", line("GET http://a HTTP/1.1"), Seen("GET http://a/|")),
        ("absolute with only a query", line("GET http://a?x=1 HTTP/1.1"), Seen("GET http://a/?x=1|")),
        ("a tab", line("GET\t/ HTTP/1.1"), Refused(400)),
        ("a space in front", line(" GET / HTTP/1.1"), Refused(400)),
        ("a space behind", line("GET / HTTP/1.1 "), Refused(400)),
        ("a space in the target", line("GET /a b HTTP/1.1"), Refused(400)),
        ("NUL in the target", line("GET /a\0b HTTP/1.1"), Refused(400)),
        ("DEL in the target", line("GET /a\x7fb HTTP/1.1"), Refused(400)),
        ("bytes past ASCII in the target", line("GET /\u{e9} HTTP/1.1"), Refused(400)),
        // hyper takes it off before anybody can see it: it leads nowhere.
        ("a fragment", line("GET /a#b HTTP/1.1"), Seen("GET http://a/a|")),
        ("a small version", line("GET / http/1.1"), Refused(400)),
        ("a long version", line("GET / HTTP/1.10"), Refused(400)),
        ("a version with zeros", line("GET / HTTP/01.1"), Refused(400)),
        ("a version of another kind", line("GET / HTTP/1,1"), Refused(400)),
        ("version 0.9", line("GET / HTTP/0.9"), Refused(400)),
        ("version 3", line("GET / HTTP/3.0"), Refused(400)),
        ("no target", line("GET HTTP/1.1"), Refused(400)),
        ("no method", line("/ HTTP/1.1"), Refused(400)),
        ("only CR", "GET / HTTP/1.1\rHost: a\r\n\r\n".to_owned(), Refused(400)),
        ("an authority alone", line("GET a:80 HTTP/1.1"), Refused(400)),
        ("a name alone", line("GET a HTTP/1.1"), Refused(400)),
        ("absolute without a host", line("GET http:///x HTTP/1.1"), Refused(400)),
        ("absolute with a port that is none", line("GET http://a:99999/ HTTP/1.1"), Refused(400)),
        ("a scheme without a host", line("GET http: HTTP/1.1"), Refused(400)),
        ("half of HTTP/2", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_owned(), Refused(400)),
        ("a long target", line(&format!("GET /{} HTTP/1.1", "x".repeat(40 << 10))), Refused(431)),
        ("a very long target", line(&format!("GET /{} HTTP/1.1", "x".repeat(70 << 10))), Refused(431)),
        ("a long method", line(&format!("{} / HTTP/1.1", "X".repeat(40 << 10))), Refused(431)),
    ])
    .await;
}

#[tokio::test]
async fn paths() {
    let path = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    check(vec![
        ("data", path("/a%2Fb/%20/%C3%A9"), Seen("GET http://a/a%2Fb/%20/%C3%A9|")),
        ("dots in names", path("/a..b/.c/..."), Seen("GET http://a/a..b/.c/...|")),
        ("..", path("/a/../b"), Denied(400)),
        (".", path("/a/./b"), Denied(400)),
        (".. at the end", path("/a/.."), Denied(400)),
        ("encoded", path("/a/%2e%2e/b"), Denied(400)),
        ("half encoded", path("/a/.%2E/b"), Denied(400)),
        ("one encoded", path("/a/%2e/b"), Denied(400)),
        ("not hexadecimal", path("/%zz"), Denied(400)),
        ("cut off", path("/a%2"), Denied(400)),
        ("NUL", path("/a%00b"), Denied(400)),
    ])
    .await;
}

#[tokio::test]
async fn header_lines() {
    let with = |lines: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
    check(vec![
        ("space around a value", with("X: \t 1 \t "), Seen("GET http://a/|host=a;x=1|")),
        ("an empty value", with("X:"), Seen("GET http://a/|host=a;x=|")),
        ("a name of odd characters", with("!#$%&'*+-.^_`|~9: 1"), Seen("GET http://a/|host=a;!#$%&'*+-.^_`|~9=1|")),
        ("bytes past ASCII in a value", with("X: \u{e9}"), Seen("GET http://a/|host=a;x=\\xc3\\xa9|")),
        ("what Connection names", with("Connection: x, y\r\nX: 1\r\nY: 2\r\nZ: 3"), Seen("GET http://a/|host=a;z=3|")),
        ("Connection cannot name the Host", with("Connection: host\r\nX: 1"), Seen("GET http://a/|host=a;x=1|")),
        ("an expectation we do not know", with("Expect: 200-ok"), Seen("GET http://a/|host=a|")),
        ("trailers are welcome", with("TE: trailers\r\nConnection: TE"), Seen("GET http://a/|host=a;te=trailers|")),
        ("codings are not", with("TE: gzip"), Seen("GET http://a/|host=a|")),
        ("a space before the colon", with("X : 1"), Refused(400)),
        ("a tab before the colon", with("X\t: 1"), Refused(400)),
        ("a space in a name", with("X Y: 1"), Refused(400)),
        ("a space in front", with(" X: 1"), Refused(400)),
        ("a fold", with("X: 1\r\n 2"), Refused(400)),
        ("a fold after nothing", with("X:\r\n 2"), Refused(400)),
        ("a folded coding", with("Transfer-Encoding:\r\n chunked"), Refused(400)),
        ("no colon", with("X"), Refused(400)),
        ("no name", with(": 1"), Refused(400)),
        ("NUL in a value", with("X: \0"), Refused(400)),
        ("NUL in a name", with("X\0: 1"), Refused(400)),
        ("a bell", with("X: \x07"), Refused(400)),
        ("DEL", with("X: \x7f"), Refused(400)),
        ("CR in a value", with("X: 1\r2"), Refused(400)),
        ("CR at the end of a value", with("X: 1\r"), Refused(400)),
        ("CR in front of a name", with("\rX: 1"), Refused(400)),
        ("a vertical tab in front of a name", with("\x0bX: 1"), Refused(400)),
        ("a name past ASCII", with("\u{e9}: 1"), Refused(400)),
        ("quotes in a name", with("\"X\": 1"), Refused(400)),
        ("a hundred and one", with(&["X: 1"; 101].join("\r\n")), Refused(431)),
        ("a long value", with(&format!("X: {}", "x".repeat(40 << 10))), Refused(431)),
        ("a long name", with(&format!("{}: 1", "x".repeat(40 << 10))), Refused(431)),
        ("a name past what a name may be", with(&format!("{}: 1", "x".repeat(70 << 10))), Refused(431)),
    ])
    .await;
}

#[tokio::test]
async fn lengths() {
    let post = |lines: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}");
    let seen = "POST http://a/|host=a;content-length=2|hi|";
    let chunked = "POST http://a/|host=a|hi|";
    check(vec![
        ("a length", post("Content-Length: 2", "hi"), Seen(seen)),
        ("zeros in front", post("Content-Length: 0002", "hi"), Seen("POST http://a/|host=a;content-length=0002|hi|")),
        ("space around it", post("Content-Length: \t2 ", "hi"), Seen(seen)),
        ("no body of a POST", post("X: 1", ""), Seen("POST http://a/|host=a;x=1||")),
        (
            "a GET with a body",
            post("Content-Length: 2", "hi").replace("POST", "GET"),
            Seen("GET http://a/|host=a;content-length=2|hi|"),
        ),
        ("chunked", post("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"), Seen(chunked)),
        ("chunked in capitals", post("Transfer-Encoding: CHUNKED", "2\r\nhi\r\n0\r\n\r\n"), Seen(chunked)),
        ("a space before the colon", post("Content-Length : 2", "hi"), Refused(400)),
        ("a space before the colon of a coding", post("Transfer-Encoding : chunked", "0\r\n\r\n"), Refused(400)),
        ("an empty member", post("Transfer-Encoding: , chunked", "0\r\n\r\n"), Refused(400)),
        ("an empty member last", post("Transfer-Encoding: chunked,", "0\r\n\r\n"), Refused(400)),
        ("a parameter", post("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"), Refused(400)),
        ("quoted", post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"), Refused(400)),
        ("chunked twice in one", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), Refused(400)),
        ("an empty coding", post("Transfer-Encoding:", "0\r\n\r\n"), Refused(400)),
        (
            "a coding and an empty one",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding:", "0\r\n\r\n"),
            Refused(400),
        ),
        ("both", post("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), Refused(400)),
        (
            "both, behind a line feed",
            post("X: 1\nContent-Length: 2\nTransfer-Encoding: chunked", "0\r\n\r\n"),
            Refused(400),
        ),
        (
            "both, for a method of one's own",
            post("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n").replace("POST", "BREW"),
            Refused(400),
        ),
        (
            "both, absolute",
            post("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n").replace("POST /", "POST http://a/"),
            Refused(400),
        ),
        (
            "both, with a fragment",
            post("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n").replace("POST /", "POST /#b"),
            Refused(400),
        ),
        ("the same length twice", post("Content-Length: 2\r\nContent-Length: 2", "hi"), Seen(seen)),
        (
            "both, with bytes past ASCII in the target",
            post("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n").replace("POST /", "POST /\u{e9}"),
            Refused(400),
        ),
    ])
    .await;
}

#[tokio::test]
async fn chunks() {
    let chunked = |body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let seen = "POST http://a/|host=a|hi|";
    let long = "x".repeat(40 << 10);
    check(vec![
        ("one", chunked("2\r\nhi\r\n0\r\n\r\n"), Seen(seen)),
        ("two", chunked("1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"), Seen(seen)),
        ("zeros in front", chunked("0000002\r\nhi\r\n000\r\n\r\n"), Seen(seen)),
        ("an extension", chunked("2;a=b;c=\"d\"\r\nhi\r\n0;e\r\n\r\n"), Seen(seen)),
        (
            "hexadecimal in both cases",
            chunked(&format!("A\r\n{0}\r\nb\r\n{0}x\r\n0\r\n\r\n", "x".repeat(10))),
            Seen("POST"),
        ),
        ("a trailer", chunked("2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n"), Last("POST http://a/|host=a|hi|[\"x-t\"]")),
        (
            "trailers that frame or route",
            chunked("2\r\nhi\r\n0\r\nContent-Length: 9\r\nHost: b\r\nTransfer-Encoding: x\r\nX-T: 1\r\n\r\n"),
            Last("POST http://a/|host=a|hi|[\"x-t\"]"),
        ),
        ("negative", chunked("-2\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("a sign", chunked("+2\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("0x", chunked("0x2\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("an underscore", chunked("0_2\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("a space in front", chunked(" 2\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("quotes", chunked("\"2\"\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("none", chunked(";a\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("64 bits and one", chunked("10000000000000002\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("NUL behind", chunked("2\0\r\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("a line feed alone", chunked("2\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("a carriage return alone", chunked("2\rhi\r\n0\r\n\r\n"), Refused(400)),
        ("a line feed in an extension", chunked("2;a\nhi\r\n0\r\n\r\n"), Refused(400)),
        ("a line feed after the data", chunked("2\r\nhi\n0\r\n\r\n"), Refused(400)),
        ("two bytes instead of a line's end", chunked("2\r\nhiXX0\r\n\r\n"), Refused(400)),
        ("a line feed at the end", chunked("2\r\nhi\r\n0\n\n"), Refused(400)),
        (
            "two line feeds after a trailer",
            chunked("2\r\nhi\r\n0\r\nx: 1\n\n"),
            Last("POST http://a/|host=a|hi|[\"x\"]"),
        ),
        (
            "a line feed after a trailer",
            chunked("2\r\nhi\r\n0\r\nx: 1\n\r\n"),
            Last("POST http://a/|host=a|hi|[\"x\"]"),
        ),
        ("a fold in a trailer", chunked("2\r\nhi\r\n0\r\nx: 1\r\n 2\r\n\r\n"), Refused(400)),
        ("a space in a trailer's name", chunked("2\r\nhi\r\n0\r\nx y: 1\r\n\r\n"), Refused(400)),
        ("a trailer without a colon", chunked("2\r\nhi\r\n0\r\nx\r\n\r\n"), Refused(400)),
        ("a long extension", chunked(&format!("2;{long}\r\nhi\r\n0\r\n\r\n")), Refused(400)),
        (
            "many extensions",
            chunked(&(format!("1;{}\r\nx\r\n", "y".repeat(1000)).repeat(40) + "0\r\n\r\n")),
            Refused(400),
        ),
        ("a long trailer", chunked(&format!("2\r\nhi\r\n0\r\nx: {long}\r\n\r\n")), Refused(400)),
        ("many trailers", chunked(&format!("2\r\nhi\r\n0\r\n{}\r\n", "x: 1\r\n".repeat(1100))), Refused(400)),
    ])
    .await;
}

#[tokio::test]
async fn a_body_in_chunks_that_nobody_reads_ends_its_connection() {
    let gateway = start(door(|_| async { Ok(Response::new(weft_types::full("deaf"))) }));
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    for body in ["0\r\n\r\n", "2\r\nhi\r\n0\r\n\r\n", "0\r\nx: 1\n\r\n", "0\r\nx: 1\r\n\r\n", "2\r\nhi\r\n", ""] {
        let post = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let answers = raw(gateway.address(), format!("{post}{hidden}{hidden}")).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{body:?}: {answers}");
    }
}

#[tokio::test]
async fn both_lengths_are_found_behind_a_request_that_is_being_answered() {
    let (door, mut held) = holding();
    let gateway = start(door);
    let pad = "x".repeat(3_000);
    for (first, second) in [("", "Content-Length: 5\r\n"), ("Content-Length: 5\r\n", "")] {
        let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
        let begin = format!("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\n{first}Pad: {pad}");
        stream.write_all(begin.as_bytes()).await.expect("sends");
        held.entered().await;
        let end = format!("\r\n{second}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        stream.write_all(end.as_bytes()).await.expect("sends");
        held.answer_one();
        let answers = rest(&mut stream).await;
        assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains("HTTP/1.1 400 "), "{answers}");
    }
}
