//! A folder served as files, through a real socket.

mod common;

use std::{fs, net::SocketAddr};

use common::{echo, local, raw, route, table};
use weft_gateway::{Gateway, Running};
use weft_traffic::{Action, Files};

struct Site {
    _folder: tempfile::TempDir,
    gateway: Running,
}

fn site(fallback: Option<&str>) -> Site {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("public");
    fs::create_dir_all(root.join("docs")).expect("a folder");
    fs::write(folder.path().join("secret.txt"), "outside").expect("a file");
    for (name, text) in [
        ("index.html", "<h1>home</h1>"),
        ("docs/index.html", "<h1>docs</h1>"),
        ("ten.txt", "0123456789"),
        ("app.js", "plain script"),
        ("app.js.gz", "gzipped script"),
        ("app.js.br", "brotli"),
        (".env", "hidden"),
        ("with space.txt", "spaced"),
    ] {
        fs::write(root.join(name), text).expect("a file");
    }
    std::os::unix::fs::symlink(folder.path().join("secret.txt"), root.join("escape.txt")).expect("a link");
    std::os::unix::fs::symlink("/", root.join("top")).expect("a link");
    let files = Files {
        root,
        index: "index.html".into(),
        fallback: fallback.map(Into::into),
        cache_control: Some("max-age=60".into()),
    };
    let gateway = Gateway::new(echo(), table(vec![route("/site/*", &[], Action::Files(files))])).serve(local());
    Site { _folder: folder, gateway }
}

async fn ask(address: SocketAddr, line: &str, headers: &str) -> String {
    raw(address, format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")).await
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let line = answer.lines().find(|line| line.split(':').next() == Some(name));
    line.and_then(|line| line.split_once(": ")).map(|(_, value)| value).unwrap_or_else(|| panic!("{name} in {answer}"))
}

#[tokio::test]
async fn a_file_comes_whole_with_its_kind_and_validators() {
    let site = site(None);
    let answer = ask(site.gateway.address(), "GET /site/ten.txt", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n0123456789"), "{answer}");
    assert_eq!(header(&answer, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(header(&answer, "content-length"), "10");
    assert_eq!(header(&answer, "cache-control"), "max-age=60");
    assert_eq!(header(&answer, "accept-ranges"), "bytes");
    let head = ask(site.gateway.address(), "HEAD /site/ten.txt", "").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(header(&head, "content-length"), "10");

    let tag = header(&answer, "etag").to_owned();
    let date = header(&answer, "last-modified").to_owned();
    for condition in [format!("If-None-Match: \"x\", {tag}\r\n"), format!("If-Modified-Since: {date}\r\n")] {
        let again = ask(site.gateway.address(), "GET /site/ten.txt", &condition).await;
        assert!(again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"), "{again}");
        assert_eq!(header(&again, "etag"), tag);
    }
    let other = ask(site.gateway.address(), "GET /site/ten.txt", "If-None-Match: \"x\"\r\n").await;
    assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
}

#[tokio::test]
async fn folders_have_an_index_and_names_are_decoded() {
    let site = site(None);
    for (path, text) in [
        ("/site", "<h1>home</h1>"),
        ("/site/", "<h1>home</h1>"),
        ("/site/docs/", "<h1>docs</h1>"),
        ("/site/with%20space.txt", "spaced"),
    ] {
        let answer = ask(site.gateway.address(), &format!("GET {path}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(text), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_range_is_a_part() {
    let site = site(None);
    for (range, part, content) in
        [("2-4", "bytes 2-4/10", "234"), ("7-", "bytes 7-9/10", "789"), ("-1", "bytes 9-9/10", "9")]
    {
        let answer = ask(site.gateway.address(), "GET /site/ten.txt", &format!("Range: bytes={range}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 206 ") && answer.ends_with(&format!("\r\n\r\n{content}")), "{answer}");
        assert_eq!(header(&answer, "content-range"), part);
    }
    let outside = ask(site.gateway.address(), "GET /site/ten.txt", "Range: bytes=10-\r\n").await;
    assert!(outside.starts_with("HTTP/1.1 416 "), "{outside}");
    assert_eq!(header(&outside, "content-range"), "bytes */10");
    assert_eq!(header(&outside, "weft-error"), "range-not-satisfiable");
    let stale = ask(site.gateway.address(), "GET /site/ten.txt", "Range: bytes=2-4\r\nIf-Range: \"old\"\r\n").await;
    assert!(stale.starts_with("HTTP/1.1 200 ") && stale.ends_with("0123456789"), "{stale}");
}

#[tokio::test]
async fn a_precompressed_sibling_goes_to_whoever_takes_it() {
    let site = site(None);
    for (accepts, coding, text) in [("gzip", "gzip", "gzipped script"), ("gzip, br", "br", "brotli")] {
        let answer = ask(site.gateway.address(), "GET /site/app.js", &format!("Accept-Encoding: {accepts}\r\n")).await;
        assert!(answer.ends_with(text), "{answer}");
        assert_eq!(header(&answer, "content-encoding"), coding);
        assert_eq!(header(&answer, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header(&answer, "vary"), "accept-encoding");
    }
    let plain = ask(site.gateway.address(), "GET /site/app.js", "").await;
    assert!(plain.ends_with("plain script") && !plain.contains("content-encoding"), "{plain}");
    assert_eq!(header(&plain, "vary"), "accept-encoding");
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_served() {
    let site = site(None);
    for path in [
        "/site/.env",
        "/site/escape.txt",
        "/site/top/etc/passwd",
        "/site/%2e%2e/secret.txt",
        "/site/..%2fsecret.txt",
        "/site/..%5csecret.txt",
        "/site/docs/..%2f..%2fsecret.txt",
        "/site/ten.txt%00",
        "/site/nothing.txt",
    ] {
        let answer = ask(site.gateway.address(), &format!("GET {path}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(
            !answer.contains("outside") && !answer.contains("root:") && !answer.contains("hidden"),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_single_page_falls_back_and_only_reading_is_answered() {
    let site = site(Some("index.html"));
    let answer = ask(site.gateway.address(), "GET /site/any/view", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("<h1>home</h1>"), "{answer}");
    let post = ask(site.gateway.address(), "POST /site/ten.txt", "Content-Length: 0\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    assert_eq!(header(&post, "allow"), "GET, HEAD");
}
