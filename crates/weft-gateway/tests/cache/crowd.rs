//! Changes, and several who ask at once.

use super::*;

#[tokio::test]
async fn a_change_makes_what_is_kept_old_whichever_route_it_went_by() {
    let mut writes = route("/a", &[Method::POST, Method::DELETE], Action::Component(context()));
    writes.host = None;
    let site = Site::new(vec![spec("/*", options()), writes], |request, n| {
        let mut response = answer(&[("cache-control", "max-age=60")], n)?;
        if request.method() == Method::DELETE {
            *response.status_mut() = StatusCode::CONFLICT;
        }
        if request.method() == Method::PUT {
            response.headers_mut().insert("location", HeaderValue::from_static("http://shop/b"));
        }
        Ok(response)
    });
    let address = site.gateway.address();
    assert_eq!(site.get("/a", "").await.body, "answer 1");
    assert_eq!(site.get("/b", "").await.body, "answer 2");
    ask(address, "DELETE /a", "").await;
    assert_eq!(site.get("/a", "").await.body, "answer 1", "it failed, and changed nothing");
    ask(address, "POST /a", "Content-Length: 0\r\n").await;
    assert_eq!(site.get("/a", "").await.body, "answer 5");
    assert_eq!(site.get("/b", "").await.body, "answer 2");
    ask(address, "PUT /c", "Content-Length: 0\r\n").await;
    assert_eq!(site.get("/b", "").await.body, "answer 7", "named by what changed");
    assert_eq!(ask(address, "OPTIONS /a", "").await.status, 200);
    assert_eq!(site.get("/a", "").await.body, "answer 5", "a safe method changes nothing");
}

#[tokio::test]
async fn a_request_says_what_it_takes() {
    let site = Site::new(vec![spec("/*", options())], |_, n| answer(&[("cache-control", "max-age=60")], n));
    let nothing = site.get("/a", "Cache-Control: only-if-cached\r\n").await;
    assert_eq!((nothing.status, nothing.header("weft-error")), (504, Some("not-cached")));
    assert!(nothing.body.contains("\"request-id\""), "{nothing:?}");
    assert_eq!(site.get("/a", "Cache-Control: no-store\r\n").await.body, "answer 1");
    assert_eq!(site.get("/a", "").await.body, "answer 2");
    site.pass(30);
    for (asked, body) in [
        ("Cache-Control: only-if-cached", "answer 2"),
        ("Cache-Control: max-age=30", "answer 2"),
        ("Cache-Control: min-fresh=30", "answer 2"),
        ("Cache-Control: max-age=29", "answer 3"),
        ("Cache-Control: min-fresh=61", "answer 4"),
        ("Pragma: no-cache", "answer 5"),
        ("Cache-Control: max-age=100\r\nPragma: no-cache", "answer 5"),
        ("Cache-Control: no-cache", "answer 6"),
    ] {
        assert_eq!(site.get("/a", &format!("{asked}\r\n")).await.body, body, "{asked}");
    }
    site.pass(70);
    assert_eq!(site.get("/a", "Cache-Control: max-stale=10\r\n").await.body, "answer 6");
    assert_eq!(site.get("/a", "Cache-Control: max-stale=9\r\n").await.body, "answer 7");
}

/// Waits until so many are in the cache's hands: each has a connection that was read.
async fn connections(site: &Site, wanted: usize) {
    while site.gateway.connections() < wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_asks_for_all_who_want_the_same() {
    let answers = |_: &Request<Body>, n| answer(&[("cache-control", "max-age=60")], n);
    let gate = Arc::new(Semaphore::new(0));
    let site = Arc::new(Site::gated(vec![spec("/*", options())], Arc::new(answers), Some(Arc::clone(&gate))));
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { site.get("/a", "").await.body })
        })
        .collect();
    connections(&site, 50).await;
    gate.add_permits(100);
    for client in clients {
        assert_eq!(client.await.expect("answered"), "answer 1");
    }
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn nobody_waits_for_what_is_not_kept_nor_for_one_who_left() {
    let answers = |request: &Request<Body>, n| match request.uri().path() {
        "/own" => answer(&[("cache-control", "private")], n),
        _ => answer(&[("cache-control", "max-age=60")], n),
    };
    let gate = Arc::new(Semaphore::new(1));
    let site = Arc::new(Site::gated(vec![spec("/*", options())], Arc::new(answers), Some(Arc::clone(&gate))));
    site.get("/own", "").await;
    let clients: Vec<_> = (0..5)
        .map(|_| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { site.get("/own", "").await.body })
        })
        .collect();
    // All of them ask, though none is answered yet.
    while site.calls() < 6 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(5);
    for client in clients {
        client.await.expect("answered");
    }
    // The one who asks leaves: another does.
    let mut first = TcpStream::connect(site.gateway.address()).await.expect("connects");
    first.write_all(b"GET /a HTTP/1.1\r\nHost: shop\r\n\r\n").await.expect("sends");
    while site.calls() < 7 {
        tokio::task::yield_now().await;
    }
    let second = {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.get("/a", "").await.body })
    };
    connections(&site, 2).await;
    drop(first);
    while site.calls() < 8 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    assert_eq!(second.await.expect("answered"), "answer 8");
    assert_eq!(site.get("/a", "").await.body, "answer 8");
}

#[tokio::test]
async fn what_changed_while_it_was_asked_for_is_not_kept() {
    let answers = |_: &Request<Body>, n| answer(&[("cache-control", "max-age=60")], n);
    let gate = Arc::new(Semaphore::new(0));
    let site = Arc::new(Site::gated(vec![spec("/*", options())], Arc::new(answers), Some(Arc::clone(&gate))));
    let reader = {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.get("/a", "").await })
    };
    while site.calls() < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(site.gateway.address(), "POST /a", "Content-Length: 0\r\n").await.status, 200);
    gate.add_permits(10);
    let read = reader.await.expect("answered");
    assert_eq!((read.body.as_str(), read.cache()), ("answer 1", "weft; fwd=miss"));
    assert_eq!(site.get("/a", "").await.body, "answer 3");
    assert_eq!(site.get("/a", "").await.body, "answer 3");
}
