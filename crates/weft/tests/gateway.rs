//! The features of routes as a client of a real node meets them, and what `weft explain` says of them.

mod support;

use std::path::Path;

use support::{Node, application, run};

/// What is explained of a field.
fn line(data: &Path, arguments: &[&str], field: &str) -> String {
    let (code, out, err) = run(&[&["explain"], arguments, &["--data", data.to_str().expect("text")]].concat());
    assert_eq!(code, 0, "{out}{err}");
    out.lines()
        .find(|line| line.trim_start().starts_with(field))
        .unwrap_or_else(|| panic!("{field} in {out}"))
        .to_owned()
}

#[test]
fn a_route_rewrites_what_its_component_sees_and_what_its_clients_see() {
    let data = tempfile::tempdir().expect("folder");
    let route = "path = \"/api/:id/*\"\n\
        rewrite = { strip-prefix = \"/api\", host = \"orders.internal\" }\n\
        request-headers = { remove = [\"cookie\"], set = { x-from = \"gateway\" } }\n\
        response-headers = { remove = [\"x-powered-by\"], set = { x-frame-options = \"DENY\" } }";
    let folder = application("shop", route, "mirror-p2.wasm");
    let node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());

    let ask = "GET /api/a%2Fb/c?q=1&h=x-powered-by:%20wasm HTTP/1.1\r\nhost: shop\r\ncookie: a=1\r\nx-from: me\r\n\
        connection: close\r\n\r\n";
    let answer = support::request(&node.url, ask);
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = "GET http://orders.internal/a%2Fb/c?q=1&h=x-powered-by:%20wasm\n";
    assert!(answer.body.starts_with(seen), "{answer:?}");
    assert!(answer.body.contains("\nx-from: gateway\n") && !answer.body.contains("cookie"), "{answer:?}");
    assert!(answer.head.contains("x-frame-options: DENY\r\n"), "{answer:?}");
    assert!(!answer.head.contains("x-powered-by"), "{answer:?}");

    let explain = |field: &str| line(data.path(), &["GET", "/api/7/c"], field);
    assert!(explain("rewrite.path").contains("/:id/*"));
    assert!(explain("request-headers").contains("-cookie, x-from: gateway"));
    assert!(explain("response-headers").contains("(route "));
}

#[test]
fn pages_of_named_origins_may_read_a_route_and_others_may_not() {
    let data = tempfile::tempdir().expect("folder");
    let route = "path = \"/*\"\ncors = { origins = [\"https://*.example.com\"], headers = [\"content-type\"], max-age = \"10m\" }";
    let folder = application("shop", route, "mirror-p2.wasm");
    let node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    let ask = |method: &str, origin: &str, more: &str| {
        let head = format!("{method} /a HTTP/1.1\r\nhost: shop\r\norigin: {origin}\r\n{more}connection: close\r\n\r\n");
        support::request(&node.url, &head)
    };
    let preflight = ask("OPTIONS", "https://a.example.com", "access-control-request-method: PUT\r\n");
    assert_eq!(preflight.status, 204, "{preflight:?}");
    assert!(preflight.head.contains("access-control-allow-origin: https://a.example.com\r\n"), "{preflight:?}");
    assert!(preflight.head.contains("access-control-max-age: 600\r\n"), "{preflight:?}");
    let refused = ask("OPTIONS", "https://example.com", "access-control-request-method: PUT\r\n");
    assert!(refused.status == 403 && refused.body.contains("\"code\":\"origin-refused\""), "{refused:?}");
    let answer = ask("PUT", "https://a.example.com", "content-length: 0\r\n");
    assert!(answer.status == 200 && answer.head.contains("vary: origin\r\n"), "{answer:?}");
    assert!(answer.head.contains("access-control-allow-origin: https://a.example.com\r\n"), "{answer:?}");
    assert!(line(data.path(), &["GET", "/a"], "cors.origins").contains("https://*.example.com"));
}

#[test]
fn a_long_answer_is_compressed_for_whoever_asks() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"\ncompression = { codings = [\"gzip\"] }", "mirror-p2.wasm");
    let node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    let ask = |more: &str| {
        let head =
            format!("GET /?n=100000&h=etag:%20%22a%22 HTTP/1.1\r\nhost: shop\r\n{more}connection: close\r\n\r\n");
        support::request(&node.url, &head)
    };
    let plain = ask("accept-encoding: br\r\n");
    assert!(plain.body.len() == 100_000 && plain.head.contains("vary: accept-encoding\r\n"), "{}", plain.head);
    let gzip = ask("accept-encoding: br, gzip;q=0.5\r\n");
    assert!(
        gzip.head.contains("content-encoding: gzip\r\n") && gzip.head.contains("etag: W/\"a\"\r\n"),
        "{}",
        gzip.head
    );
    assert!(gzip.body.len() < 10_000, "{}", gzip.body.len());
    assert!(line(data.path(), &["GET", "/a"], "compression.min").contains("1KiB"));
}

#[test]
fn a_route_answers_some_addresses_as_trusted_proxies_report_them() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"\nallow = [\"203.0.113.0/24\"]", "mirror-p2.wasm");
    let config = folder.path().join("node.toml");
    let text = "node = 1\n[listen]\nproxy-protocol = [\"127.0.0.0/8\"]\n[forwarded]\ntrusted = [\"198.51.100.0/24\"]\n";
    std::fs::write(&config, text).expect("written");
    let arguments = ["up", folder.path().to_str().expect("text"), "--node", config.to_str().expect("text")];
    let node = Node::start(&arguments, data.path());
    let ask = |from: &str, headers: &str| {
        let head = format!(
            "PROXY TCP4 {from} 192.0.2.1 4711 80\r\nGET /a HTTP/1.1\r\nhost: shop\r\n{headers}connection: close\r\n\r\n"
        );
        support::request(&node.url, &head)
    };
    let answer = ask("203.0.113.5", "x-forwarded-for: 6.6.6.6\r\n");
    assert!(answer.status == 200 && answer.body.contains("\nx-forwarded-for: 203.0.113.5\n"), "{answer:?}");
    let refused = ask("192.0.2.7", "x-forwarded-for: 203.0.113.5\r\n");
    assert!(refused.status == 403 && refused.body.contains("\"code\":\"address-refused\""), "{refused:?}");
    let answer = ask("198.51.100.1", "x-forwarded-for: 6.6.6.6, 203.0.113.5\r\nx-forwarded-proto: https\r\n");
    assert!(answer.status == 200 && answer.body.starts_with("GET https://shop/a\n"), "{answer:?}");
    assert!(line(data.path(), &["GET", "/a"], "allow").contains("203.0.113.0/24"));
    let unread = std::io::BufReader::new({
        let mut stream = support::connect(&node.url);
        std::io::Write::write_all(&mut stream, b"GET /a HTTP/1.1\r\nhost: shop\r\n\r\n").expect("sent");
        stream
    });
    assert!(support::read(&mut { unread }).is_none(), "it must begin with a PROXY header");
    let metrics = node.admin_get("/metrics", None).body;
    assert!(metrics.contains("weft_proxy_headers_failed_total 1"), "{metrics}");
}

#[test]
fn an_answer_is_kept_for_others_and_for_nobody_after_a_new_revision() {
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"\ncache = { key = [\"accept-language\"] }", "mirror-p2.wasm");
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    let ask = |node: &Node, more: &str| {
        let head =
            format!("GET /a?h=cache-control:%20max-age=600 HTTP/1.1\r\nhost: shop\r\n{more}connection: close\r\n\r\n");
        support::request(&node.url, &head)
    };
    let call = |answer: &support::Response| {
        let line = answer.head.lines().find_map(|line| line.strip_prefix("x-call: "));
        line.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    };
    let first = ask(&node, "x-forwarded-host: evil\r\nx-any: evil\r\nuser-agent: evil\r\n");
    assert!(first.head.contains("cache-status: weft; fwd=miss; stored\r\n"), "{first:?}");
    assert!(!first.body.contains("evil"), "{first:?}");
    let second = ask(&node, "");
    assert!(second.head.contains("cache-status: weft; hit; ttl=") && second.head.contains("age: "), "{second:?}");
    assert_eq!(call(&second), call(&first));
    assert_ne!(call(&ask(&node, "accept-language: de\r\n")), call(&first));
    assert_ne!(call(&ask(&node, "cookie: a=1\r\n")), call(&first));
    assert!(line(data.path(), &["GET", "/a"], "cache.key").contains("accept-language"));

    let manifest = folder.path().join("weft.toml");
    let text = std::fs::read_to_string(&manifest).expect("there");
    std::fs::write(&manifest, format!("{text}\n[[route]]\npath = \"/other\"\ncomponent = \"api\"\n")).expect("written");
    node.says("\"swapped\"");
    assert_ne!(call(&ask(&node, "")), call(&first), "another revision answers for itself");
}
