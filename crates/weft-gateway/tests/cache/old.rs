//! What is old: asked about, given while it is, or instead of a failure.

use super::*;

#[tokio::test]
async fn what_is_old_is_asked_about_and_renewed() {
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let same = request.headers().get("if-none-match").is_some_and(|tag| tag == "\"v1\"");
        let mut response = answer(&[("cache-control", "max-age=10"), ("etag", "\"v1\""), ("x-n", &n.to_string())], n)?;
        if same && n < 4 {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = weft_types::empty();
        }
        Ok(response)
    });
    site.get("/a", "").await;
    site.pass(10);
    let renewed = site.get("/a", "").await;
    assert_eq!((renewed.body.as_str(), renewed.status, renewed.header("x-n")), ("answer 1", 200, Some("2")));
    assert_eq!(renewed.cache(), "weft; hit; fwd=stale; fwd-status=304; stored");
    site.pass(9);
    assert_eq!(site.get("/a", "").await.header("age"), Some("9"), "as new as the last word about it");
    site.pass(1);
    // What the client asks about its own copy is answered from what comes, and asked of nobody.
    let client = site.get("/a", "If-None-Match: \"mine\", W/\"v1\"\r\n").await;
    assert_eq!((client.status, client.body.as_str()), (304, ""));
    assert_eq!(site.last()["if-none-match"], "\"v1\"");
    site.pass(10);
    assert_eq!(site.get("/a", "").await.body, "answer 4");
    assert_eq!(site.calls(), 4);
}

#[tokio::test]
async fn a_304_about_something_else_is_not_believed() {
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let mut response = answer(&[("cache-control", "max-age=10"), ("etag", &format!("\"v{n}\""))], n)?;
        if request.headers().contains_key("if-none-match") {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        Ok(response)
    });
    site.get("/a", "").await;
    site.pass(10);
    assert_eq!(site.get("/a", "").await.body, "answer 3");
    assert_eq!(site.calls(), 3);
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so_and_one_that_wants_a_part_gets_it() {
    let headers =
        [("cache-control", "max-age=60"), ("etag", "\"a\""), ("last-modified", "Tue, 14 Nov 2023 20:00:00 GMT")];
    let site = Site::new(vec![spec("/*", options())], move |_, n| answer(&headers, n));
    site.get("/a", "").await;
    for asked in [
        "If-None-Match: \"a\"",
        "If-None-Match: W/\"a\"",
        "If-None-Match: \"b,\", \"a\"",
        "If-None-Match: *",
        "If-Modified-Since: Tue, 14 Nov 2023 20:00:00 GMT",
    ] {
        let answer = site.get("/a", &format!("{asked}\r\n")).await;
        assert_eq!((answer.status, answer.header("content-length")), (304, None), "{asked}: {answer:?}");
        assert_eq!(answer.header("etag"), Some("\"a\""));
    }
    for asked in [
        "If-None-Match: \"b\"",
        "If-None-Match: a",
        "If-Modified-Since: Tue, 14 Nov 2023 19:59:59 GMT",
        "If-None-Match: \"b\"\r\nIf-Modified-Since: Tue, 14 Nov 2023 20:00:00 GMT",
    ] {
        assert_eq!(site.get("/a", &format!("{asked}\r\n")).await.status, 200, "{asked}");
    }
    let part = site.get("/a", "Range: bytes=2-4\r\n").await;
    assert_eq!((part.status, part.body.as_str(), part.header("content-range")), (206, "swe", Some("bytes 2-4/8")));
    assert_eq!(site.get("/a", "Range: bytes=2-4\r\nIf-Range: \"b\"\r\n").await.status, 200);
    assert_eq!(site.get("/a", "Range: bytes=2-4\r\nIf-Range: \"a\"\r\n").await.status, 206);
    let outside = site.get("/a", "Range: bytes=99-\r\n").await;
    assert_eq!((outside.status, outside.header("weft-error")), (416, Some("range-not-satisfiable")));
    let head = ask(site.gateway.address(), "HEAD /a", "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some("8"), ""));
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn an_old_answer_is_better_than_a_failure_where_it_may_be() {
    let cache = Options { ttl: Some(Duration::from_secs(10)), stale_if_error: Duration::from_secs(60), ..options() };
    let site = Site::new(vec![spec("/*", cache)], |request, n| match (request.uri().path(), n) {
        ("/strict", 1) => answer(&[("cache-control", "max-age=10, must-revalidate")], n),
        (_, 1) => answer(&[], n),
        (_, n) if n % 2 == 0 => Err(Fault::new(code::GUEST_TRAP, Ran::Yes)),
        _ => {
            let mut response = answer(&[], n)?;
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    });
    site.get("/a", "").await;
    site.pass(10);
    for told in ["weft; hit; fwd=stale; detail=error", "weft; hit; fwd=stale; fwd-status=502; detail=error"] {
        let got = site.get("/a", "").await;
        assert_eq!((got.status, got.body.as_str(), got.cache()), (200, "answer 1", told));
    }
    let strict = site.get("/a", "Cache-Control: no-cache\r\n").await;
    assert_eq!(strict.status, 500, "the client wants no old one");
    site.pass(60);
    assert_eq!(site.get("/a", "").await.status, 502, "too old");

    let site =
        Site::new(vec![spec("/*", Options { stale_if_error: Duration::from_secs(60), ..options() })], |_, n| match n {
            1 => answer(&[("cache-control", "max-age=10, must-revalidate")], n),
            _ => Err(Fault::new(code::GUEST_TRAP, Ran::Yes)),
        });
    site.get("/a", "").await;
    site.pass(10);
    assert_eq!(site.get("/a", "").await.status, 500, "it forbids it");
}

#[tokio::test]
async fn an_old_answer_is_given_while_it_is_asked_about() {
    let answers = |_: &Request<Body>, n| answer(&[("cache-control", "max-age=10, stale-while-revalidate=30")], n);
    let gate = Arc::new(Semaphore::new(1));
    let site = Site::gated(vec![spec("/*", options())], Arc::new(answers), Some(Arc::clone(&gate)));
    site.get("/a", "").await;
    site.pass(10);
    for _ in 0..3 {
        let stale = site.get("/a", "").await;
        assert_eq!(
            (stale.body.as_str(), stale.header("age"), stale.cache()),
            ("answer 1", Some("10"), "weft; hit; ttl=0; detail=stale")
        );
    }
    // One asks behind, whoever reads; once it is answered, the new one is given.
    gate.add_permits(1);
    while site.get("/a", "").await.body != "answer 2" {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.calls(), 2);
}
