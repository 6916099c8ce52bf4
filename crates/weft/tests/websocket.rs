//! WebSockets that are passed through to a service, as a client of a real node meets them.

mod support;

use std::{
    io::{BufReader, Read, Write},
    net::{Shutdown, TcpStream},
};

use support::{
    connect, head,
    proxy::{Proxy, code, legacy, until},
    read, request,
    service::{Asked, Service, Then, answer},
};

/// RFC 6455, 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: shop.example\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{more}\r\n"
    )
}

fn agree(stream: &mut TcpStream, accept: &str) {
    let text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\nsec-websocket-protocol: chat\r\n\r\n"
    );
    stream.write_all(text.as_bytes()).expect("sent");
}

/// Agrees, answers every byte with itself, and says what it saw of the handshake when its client has ended.
fn echoes(asked: &Asked, stream: &mut TcpStream) -> Then {
    agree(stream, ACCEPT);
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        if stream.write_all(&chunk[..n]).is_err() {
            return Then::Close;
        }
    }
    let _ = stream.write_all(asked.head.as_bytes());
    Then::Close
}

/// A client whose handshake was agreed to.
fn open(url: &str, path: &str, early: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(connect(url));
    let text = handshake(path, "sec-websocket-protocol: chat\r\nx-forwarded-for: 6.6.6.6\r\n") + early;
    stream.get_mut().write_all(text.as_bytes()).expect("sent");
    let head = head(&mut stream).expect("an answer").to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-protocol: chat"] {
        assert!(head.lines().any(|said| said == line), "{line} in {head}");
    }
    assert!(head.contains(&format!("sec-websocket-accept: {}", ACCEPT.to_lowercase())), "{head}");
    stream
}

fn says(stream: &mut BufReader<TcpStream>, wanted: &str) {
    let mut came = vec![0; wanted.len()];
    stream.read_exact(&mut came).expect("comes");
    assert_eq!(String::from_utf8_lossy(&came), wanted);
}

fn metric(proxy: &Proxy, starts: &str, has: &str) -> Option<f64> {
    let metrics = proxy.node.admin_get("/metrics", None).body;
    let line = metrics.lines().find(|line| line.starts_with(starts) && line.contains(has))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn bytes_pass_both_ways_from_the_first_to_the_last_and_are_counted() {
    let service = Service::start(echoes);
    let proxy = Proxy::to(&service, "");
    let mut client = open(&proxy.node.url, "/chat?room=1", "early");
    says(&mut client, "early");
    client.get_mut().write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    says(&mut client, "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(service.seen(), 1, "nobody read it as a request");
    assert_eq!(metric(&proxy, "weft_websockets_active{", "http_route=\"/*\""), Some(1.0));

    client.get_mut().shutdown(Shutdown::Write).expect("half closed");
    let mut seen = String::new();
    client.read_to_string(&mut seen).expect("the rest comes, and the end");
    assert!(seen.starts_with("get /chat?room=1 http/1.1"), "{seen}");
    let key = format!("sec-websocket-key: {}", KEY.to_lowercase());
    for line in
        ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", &key, "x-forwarded-for: 127.0.0.1"]
    {
        assert!(seen.lines().any(|said| said == line), "{line} in {seen}");
    }
    until("it is over", || metric(&proxy, "weft_websockets_active{", "http_route=\"/*\"") == Some(0.0));
    let ended = || metric(&proxy, "http_server_request_duration_seconds_count{", "http_response_status_code=\"101\"");
    until("it is counted", || ended() == Some(1.0));
}

#[test]
fn what_is_no_handshake_is_refused_before_anybody_is_asked() {
    let service = Service::start(echoes);
    let urls = [service.url()];
    let manifest = format!(
        "[[route]]\npath = \"/*\"\nupstream = {urls:?}\ncors = {{ origins = [\"https://shop.example\"] }}\npolicy = {{ sockets = 1 }}\n"
    );
    let proxy = Proxy::start(&manifest);
    let ask = |text: String| request(&proxy.node.url, &text);
    for text in [
        handshake("/", "").replace("GET /", "POST /"),
        handshake("/", "content-length: 2\r\n") + "hi",
        handshake("/", "").replace("version: 13", "version: 8"),
        handshake("/", "").replace(KEY, "c2hvcnQ="),
        handshake("/", "").replace("upgrade: websocket", "upgrade: tcp"),
        handshake("/", "").replace("Upgrade\r\n", "Upgrade, Sec-WebSocket-Key\r\n"),
    ] {
        let refused = ask(text.clone());
        assert_eq!((refused.status, code(&refused)), (400, "upgrade-refused"), "{text}: {refused:?}");
    }
    let foreign = ask(handshake("/", "origin: https://evil.example\r\nconnection: close\r\n"));
    assert_eq!((foreign.status, code(&foreign)), (403, "origin-refused"));
    assert_eq!(service.seen(), 0);

    let one = open(&proxy.node.url, "/", "");
    let more = ask(handshake("/", "origin: https://shop.example\r\nconnection: close\r\n"));
    assert_eq!((more.status, code(&more)), (503, "overloaded"));
    drop(one);
    until("its place is free", || {
        let mut stream = BufReader::new(connect(&proxy.node.url));
        stream.get_mut().write_all(handshake("/", "").as_bytes()).expect("sent");
        head(&mut stream).expect("an answer").contains(" 101 ")
    });
}

#[test]
fn only_an_answer_to_this_handshake_ends_http_on_the_connection() {
    let service = Service::start(|asked, stream| match asked.path.as_str() {
        "/no" => answer(stream, 403, "not you"),
        "/other" => {
            let text = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: tcp\r\n\r\n";
            stream.write_all(text).map_or(Then::Close, |()| Then::Close)
        }
        "/lost" => Then::Close,
        "/wrong" | "/unasked" => {
            agree(stream, "wrong");
            Then::Close
        }
        _ => answer(stream, 200, "still HTTP"),
    });
    let proxy = Proxy::start(&legacy(&[&service], "policy = { breaker = { enabled = false } }"));
    let mut stream = BufReader::new(connect(&proxy.node.url));
    stream.get_mut().write_all(handshake("/no", "").as_bytes()).expect("sent");
    let refused = read(&mut stream).expect("an answer");
    assert_eq!((refused.status, refused.body.as_str()), (403, "not you"));
    stream.get_mut().write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    assert_eq!(read(&mut stream).expect("an answer").body, "still HTTP");

    for (path, says) in
        [("/other", "upstream-bad-answer"), ("/wrong", "upstream-bad-answer"), ("/lost", "upstream-lost")]
    {
        let before = service.seen();
        let failed = request(&proxy.node.url, &handshake(path, "connection: close\r\n"));
        assert_eq!((failed.status, code(&failed)), (502, says), "{path}: {failed:?}");
        assert_eq!(service.seen(), before + 1, "{path}: asked once");
    }
    let unasked = proxy.ask("GET", "/unasked", "");
    assert_eq!((unasked.status, code(&unasked)), (502, "upstream-bad-answer"));
}

#[test]
fn a_socket_that_says_nothing_is_ended_by_the_idle_limit() {
    let service = Service::start(echoes);
    let proxy = Proxy::to(&service, "policy = { idle-timeout = \"200ms\" }");
    let mut client = open(&proxy.node.url, "/", "hello");
    says(&mut client, "hello");
    assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0, "it is ended, and nothing more comes");
}
