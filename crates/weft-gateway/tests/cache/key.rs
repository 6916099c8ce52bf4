//! What is kept, for whom, and what whoever answers is shown.

use super::*;

#[tokio::test]
async fn what_is_fresh_is_not_asked_for_again() {
    let site = Site::new(vec![spec("/*", options())], |_, n| answer(&[("cache-control", "max-age=60")], n));
    let first = site.get("/a?x=1", "").await;
    assert_eq!((first.body.as_str(), first.cache()), ("answer 1", "weft; fwd=miss; stored"));
    site.pass(59);
    let second = site.get("/a?x=1", "").await;
    assert_eq!(
        (second.body.as_str(), second.header("age"), second.cache()),
        ("answer 1", Some("59"), "weft; hit; ttl=1")
    );
    assert_eq!(second.header("date"), Some("Tue, 14 Nov 2023 22:13:20 GMT"), "when it was made");
    assert_eq!(site.get("/a?x=2", "").await.body, "answer 2", "another query is another thing");
    let other = ask(site.gateway.address(), "GET http://other/a?x=1", "").await;
    assert_eq!(other.body, "answer 3", "and so is another host");
    site.pass(1);
    assert_eq!(site.get("/a?x=1", "").await.body, "answer 4");
    assert_eq!(site.calls(), 4);
}

#[tokio::test]
async fn nothing_outside_of_the_key_reaches_whoever_answers() {
    let changes = HeaderChanges {
        set: vec![(HeaderName::from_static("x-gateway"), HeaderValue::from_static("1"))],
        ..HeaderChanges::default()
    };
    let cache = Options {
        key: names(&["accept-language"]),
        forward: names(&["x-request-id"]),
        ignore_cookies: true,
        ..options()
    };
    let features = Features { cache: Some(cache), request_headers: changes, ..Features::default() };
    let spec = RouteSpec { features: Some(Arc::new(features)), ..route("/*", &[], Action::Component(context())) };
    let site = Site::new(vec![spec], |_, n| answer(&[("cache-control", "max-age=60")], n));
    let poison = "X-Forwarded-Host: evil\r\nX-Original-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\nX-Gateway: mine\r\n\
        User-Agent: evil\r\nReferer: evil\r\nOrigin: https://evil\r\nForwarded: host=evil\r\nX-Any: evil\r\nCookie: a=evil\r\n\
        Accept: text/evil\r\nAccept-Encoding: evil\r\nTracestate: evil=1\r\nPriority: evil\r\nX-Request-Id: 7\r\nAccept-Language: de\r\n";
    assert_eq!(site.get("/a", poison).await.body, "answer 1");
    let mut shown: Vec<String> =
        site.last().iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    shown.retain(|line| !line.starts_with("traceparent: "));
    shown.sort();
    assert_eq!(shown, ["accept-language: de", "host: shop", "x-gateway: 1", "x-request-id: 7"]);
    assert_eq!(site.get("/a", "Accept-Language: de\r\n").await.body, "answer 1");
    assert_eq!(site.get("/a", "").await.body, "answer 2");
    assert_eq!(site.get("/a", "Accept-Language: de\r\nAccept-Language: fr\r\n").await.body, "answer 3");
}

#[tokio::test]
async fn a_header_that_an_answer_varies_by_is_learned_shown_and_kept_apart() {
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let language = request.headers().get("accept-language").map_or("en", |value| value.to_str().expect("text"));
        let headers = [("cache-control", "max-age=60"), ("vary", "Accept-Language"), ("content-language", language)];
        answer(&headers, n)
    });
    let german = site.get("/a", "Accept-Language: de\r\n").await;
    assert_eq!((german.header("content-language"), site.calls()), (Some("de"), 2), "asked once more, with it shown");
    assert_eq!(site.get("/a", "Accept-Language: de\r\n").await.body, "answer 2");
    let french = site.get("/a", "Accept-Language: fr\r\n").await;
    assert_eq!((french.header("content-language"), site.calls()), (Some("fr"), 3), "known by now");
    let none = site.get("/a", "").await;
    assert_eq!((none.header("content-language"), site.calls()), (Some("en"), 4));
    for (language, body) in [("de", "answer 2"), ("fr", "answer 3")] {
        assert_eq!(site.get("/a", &format!("Accept-Language: {language}\r\n")).await.body, body);
    }
    assert_eq!(site.calls(), 4);
}

#[tokio::test]
async fn what_may_not_be_kept_is_not() {
    let cases: [(&[(&str, &str)], &str); 12] = [
        (&[("cache-control", "max-age=60, no-store")], "no-store"),
        (&[("cache-control", "private, max-age=60")], "private"),
        (&[("cache-control", "max-age=60, private=\"x\"")], "private"),
        (&[("cache-control", "max-age=60"), ("set-cookie", "a=1")], "set-cookie"),
        (&[("cache-control", "max-age=60"), ("vary", "*")], "vary"),
        (&[("cache-control", "max-age=60"), ("vary", "a, b, c, d, e, f, g, h, i")], "vary"),
        (&[("cache-control", "max-age=60"), ("content-type", "text/event-stream")], "stream"),
        (&[], "no-freshness"),
        (&[("cache-control", "max-age=0")], "no-freshness"),
        (&[("cache-control", "max-age=60"), ("age", "60")], "no-freshness"),
        (&[("expires", "0")], "no-freshness"),
        (&[("cache-control", "no-cache, max-age=60")], "no-freshness"),
    ];
    for (headers, why) in cases {
        let site = Site::new(vec![spec("/*", options())], move |_, n| answer(headers, n));
        for n in 1..=2 {
            let got = site.get("/a", "").await;
            assert_eq!(got.body, format!("answer {n}"), "{headers:?}");
            assert_eq!(got.cache(), format!("weft; fwd=miss; detail={why}"), "{headers:?}");
        }
    }
    for status in [206, 401, 416] {
        let site = Site::new(vec![spec("/*", options())], move |_, n| {
            let mut response = answer(&[("cache-control", "max-age=60")], n)?;
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            Ok(response)
        });
        site.get("/a", "").await;
        site.get("/a", "").await;
        assert_eq!(site.calls(), 2, "{status}");
    }
}

#[tokio::test]
async fn long_bodies_and_those_with_trailers_pass_and_are_not_kept() {
    let site = Site::new(vec![spec("/*", options())], |request, _| {
        let trailers = request.uri().path() == "/trailers";
        let pieces = if trailers { 2 } else { 3 };
        let frames = (0..pieces).map(|_| Ok(Frame::data(Bytes::from(vec![b'x'; 4000]))));
        let end = trailers.then(|| {
            Ok(Frame::trailers(
                [("x-end".parse().expect("a name"), HeaderValue::from_static("1"))].into_iter().collect(),
            ))
        });
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames.chain(end))));
        let mut response = Response::new(body);
        response.headers_mut().insert("cache-control", HeaderValue::from_static("max-age=60"));
        Ok(response)
    });
    for _ in 0..2 {
        let long = site.get("/long", "").await;
        assert_eq!(long.body.matches('x').count(), 12_000);
        assert_eq!(long.cache(), "weft; fwd=miss; detail=size");
        assert_eq!(site.get("/trailers", "").await.cache(), "weft; fwd=miss; detail=trailers");
    }
    assert_eq!(site.calls(), 4);
}

#[tokio::test]
async fn who_asks_is_answered_with_what_is_for_everybody_alone() {
    let site = Site::new(vec![spec("/*", options())], |request, n| match request.uri().path() {
        "/own" => answer(&[("cache-control", "max-age=60")], n),
        _ => answer(&[("cache-control", "public, max-age=60")], n),
    });
    let token = "Authorization: Bearer a\r\nX-Evil: 1\r\n";
    for n in 1..=2 {
        assert_eq!(site.get("/own", token).await.body, format!("answer {n}"));
    }
    assert_eq!(site.get("/own", "").await.body, "answer 3", "and nobody else is given it");
    assert_eq!(site.get("/own", token).await.body, "answer 4", "nor is it given what was for nobody");
    let kept = site.get("/own", "").await;
    assert_eq!((&*kept.body, site.calls()), ("answer 3", 4), "which nobody takes away by saying who they are");
    assert_eq!(site.get("/all", token).await.body, "answer 5");
    assert!(site.last().contains_key("authorization") && !site.last().contains_key("x-evil"));
    assert_eq!(site.get("/all", "").await.body, "answer 5");
    assert_eq!(site.get("/all", "Authorization: Bearer b\r\n").await.body, "answer 5");
}

#[tokio::test]
async fn made_up_credentials_take_nothing_away_that_is_for_everybody() {
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let mut response = answer(&[("cache-control", "public, max-age=60")], n)?;
        if request.headers().contains_key("authorization") {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        Ok(response)
    });
    assert_eq!(site.get("/all", "").await.body, "answer 1");
    assert_eq!(site.get("/all", "Authorization: x\r\nCache-Control: no-cache\r\n").await.status, 401);
    assert_eq!(site.get("/all", "").await.body, "answer 1");
}

#[tokio::test]
async fn cookies_go_past_the_cache() {
    let site = Site::new(vec![spec("/*", options())], |_, n| answer(&[("cache-control", "max-age=60")], n));
    site.get("/a", "").await;
    assert_eq!(site.get("/a", "Cookie: a=1\r\n").await.body, "answer 2");
    assert!(site.last().contains_key("cookie"));
    assert_eq!(site.get("/a", "").await.body, "answer 1");
    let with_body = ask(site.gateway.address(), "GET /a", "Content-Length: 2\r\n\r\nhi").await;
    assert_eq!(with_body.body, "answer 3", "a body could change the answer");
}

#[tokio::test]
async fn routes_share_nothing_though_they_share_an_address() {
    let beta = HeaderMatch { name: HeaderName::from_static("x-beta"), value: None };
    let with_header =
        RouteSpec { headers: vec![beta], ..spec("/a", Options { partition: "beta".into(), ..options() }) };
    let site =
        Site::new(vec![spec("/a", options()), with_header], |_, n| answer(&[("cache-control", "max-age=60")], n));
    assert_eq!(site.get("/a", "X-Beta: 1\r\n").await.body, "answer 1");
    assert_eq!(site.get("/a", "").await.body, "answer 2");
    assert_eq!(site.get("/a", "X-Beta: 2\r\n").await.body, "answer 1");
}

#[tokio::test]
async fn what_was_shown_tells_answers_apart_though_they_do_not_say_so() {
    // Only the first answer says what it varies by; the others vary all the same.
    let site = Site::new(vec![spec("/*", options())], |request, n| {
        let accept = request.headers().get("accept").map_or("none", |value| value.to_str().expect("text"));
        let vary = if n <= 2 { "accept" } else { "" };
        answer(&[("cache-control", "max-age=60"), ("vary", vary), ("x-accept", accept)], n)
    });
    for accept in ["a", "evil", "b"] {
        assert_eq!(site.get("/a", &format!("Accept: {accept}\r\n")).await.header("x-accept"), Some(accept));
    }
    assert_eq!(site.get("/a", "").await.header("x-accept"), Some("none"));
    for accept in ["a", "evil", "b"] {
        assert_eq!(site.get("/a", &format!("Accept: {accept}\r\n")).await.header("x-accept"), Some(accept));
    }
    assert_eq!(site.calls(), 5);
    // A host is shown as it was sent, and kept apart so.
    let loud = ask(site.gateway.address(), "GET http://SHOP/a", "Accept: a\r\n").await;
    assert!(loud.cache().starts_with("weft; fwd=miss"), "{loud:?}");
}
