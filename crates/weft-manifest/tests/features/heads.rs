//! Other paths, hosts and headers.

use super::*;

#[test]
fn a_route_without_features_has_none_and_its_revision_is_as_before() {
    let application = load("path = \"/a\"\ncomponent = \"api\"").expect("good");
    assert!(application.lower(Digest([0; 32]))[0].features.is_none());
    assert!(!application.to_json().contains("features"));
}

#[test]
fn rewrites_and_headers_are_lowered_and_explained() {
    let spec = good(
        "path = \"/api/:id/*\"\ncomponent = \"api\"\nrewrite = { strip-prefix = \"/api\", host = \"b:80\" }\n\
         request-headers = { set = { x-from = \"gateway\" }, remove = [\"cookie\"] }\n\
         response-headers = { add = { x-b = \"1\" } }",
    );
    let features = spec.features.as_ref().expect("some");
    let rewrite = features.rewrite.as_ref().expect("one");
    assert_eq!(rewrite.path.as_deref(), Some("/:id/*"));
    assert_eq!(rewrite.host.as_ref().map(|host| host.authority.as_str()), Some("b:80"));
    expect![[r#"
        rewrite.path = /:id/* (route weft.toml:5)
        rewrite.host = b:80 (route weft.toml:5)
        request-headers = -cookie, x-from: gateway (route weft.toml:5)
        response-headers = +x-b: 1 (route weft.toml:5)
    "#]]
    .assert_eq(&explained(&spec));
}

#[test]
fn headers_that_frame_a_message_are_refused() {
    bad(
        "path = \"/a\"\ncomponent = \"api\"\n\
         request-headers = { set = { content-length = \"1\", X-A = \"1\", host = \"b\", x-b = \"a\\nb\" }, remove = [\"te\"] }\n\
         response-headers = { add = { transfer-encoding = \"chunked\", weft-error = \"x\" }, sett = {} }",
        expect![[r#"
            manifest-type

              × `content-length` cannot be a key here: it belongs to one connection or frames the message; the node writes it
               ╭─[weft.toml:8:29]
             7 │ component = "api"
             8 │ request-headers = { set = { content-length = "1", X-A = "1", host = "b", x-b = "a\nb" }, remove = ["te"] }
               ·                             ───────┬──────
               ·                                    ╰── this key
             9 │ response-headers = { add = { transfer-encoding = "chunked", weft-error = "x" }, sett = {} }
               ╰────
            manifest-type

              × `X-A` cannot be a key here: header names are written in lower case: `x-a`
               ╭─[weft.toml:8:51]
             7 │ component = "api"
             8 │ request-headers = { set = { content-length = "1", X-A = "1", host = "b", x-b = "a\nb" }, remove = ["te"] }
               ·                                                   ─┬─
               ·                                                    ╰── this key
             9 │ response-headers = { add = { transfer-encoding = "chunked", weft-error = "x" }, sett = {} }
               ╰────
            manifest-type

              × `host` cannot be a key here: the host is changed by `rewrite = { host = "…" }`
               ╭─[weft.toml:8:62]
             7 │ component = "api"
             8 │ request-headers = { set = { content-length = "1", X-A = "1", host = "b", x-b = "a\nb" }, remove = ["te"] }
               ·                                                              ──┬─
               ·                                                                ╰── this key
             9 │ response-headers = { add = { transfer-encoding = "chunked", weft-error = "x" }, sett = {} }
               ╰────
            manifest-type

              × `route.request-headers.set.x-b` cannot be `a\nb`
               ╭─[weft.toml:8:80]
             7 │ component = "api"
             8 │ request-headers = { set = { content-length = "1", X-A = "1", host = "b", x-b = "a\nb" }, remove = ["te"] }
               ·                                                                                ───┬──
               ·                                                                                   ╰── this value
             9 │ response-headers = { add = { transfer-encoding = "chunked", weft-error = "x" }, sett = {} }
               ╰────
              help: it is not a header value
            manifest-type

              × `route.request-headers.remove` cannot be `te`
               ╭─[weft.toml:8:100]
             7 │ component = "api"
             8 │ request-headers = { set = { content-length = "1", X-A = "1", host = "b", x-b = "a\nb" }, remove = ["te"] }
               ·                                                                                                    ──┬─
               ·                                                                                                      ╰── this value
             9 │ response-headers = { add = { transfer-encoding = "chunked", weft-error = "x" }, sett = {} }
               ╰────
              help: it belongs to one connection or frames the message; the node writes it
            manifest-type

              × `transfer-encoding` cannot be a key here: it belongs to one connection or frames the message; the node writes it
               ╭─[weft.toml:9:30]
             8 │ request-headers = { set = { content-length = "1", X-A = "1", host = "b", x-b = "a\nb" }, remove = ["te"] }
             9 │ response-headers = { add = { transfer-encoding = "chunked", weft-error = "x" }, sett = {} }
               ·                              ────────┬────────
               ·                                      ╰── this key
               ╰────
            manifest-type

              × `weft-error` cannot be a key here: the node writes it
               ╭─[weft.toml:9:61]
             8 │ request-headers = { set = { content-length = "1", X-A = "1", host = "b", x-b = "a\nb" }, remove = ["te"] }
             9 │ response-headers = { add = { transfer-encoding = "chunked", weft-error = "x" }, sett = {} }
               ·                                                             ─────┬────
               ·                                                                  ╰── this key
               ╰────
            manifest-unknown-key

              × unknown key `sett` in `route.response-headers`
               ╭─[weft.toml:9:81]
             8 │ request-headers = { set = { content-length = "1", X-A = "1", host = "b", x-b = "a\nb" }, remove = ["te"] }
             9 │ response-headers = { add = { transfer-encoding = "chunked", weft-error = "x" }, sett = {} }
               ·                                                                                 ──┬─
               ·                                                                                   ╰── unknown key
               ╰────
              help: did you mean `set`?
        "#]],
    );
}

#[test]
fn rewrites_that_cannot_be_are_refused() {
    bad(
        "path = \"/a/:id\"\ncomponent = \"api\"\nrewrite = { path = \"/b/:nr\" }",
        expect![[r#"
            manifest-type

              × the route's rewrite `/b/:nr` cannot be used: the path has no parameter `:nr`
               ╭─[weft.toml:8:11]
             7 │ component = "api"
             8 │ rewrite = { path = "/b/:nr" }
               ·           ─────────┬─────────
               ·                    ╰── this route
               ╰────
              help: a path such as `/v2/:id` or `/*`; a segment `:name` and a last `*` are filled from the path
        "#]],
    );
    bad(
        "path = \"/a\"\ncomponent = \"api\"\nrewrite = { strip-prefix = \"/b\", host = \"http://b\" }",
        expect![[r#"
            manifest-type

              × `/b` is not how the route's path `/a` begins
               ╭─[weft.toml:8:28]
             7 │ component = "api"
             8 │ rewrite = { strip-prefix = "/b", host = "http://b" }
               ·                            ──┬─
               ·                              ╰── this prefix
               ╰────
              help: give whole segments, such as `/api`
            manifest-type

              × `route.rewrite.host` cannot be `http://b`
               ╭─[weft.toml:8:41]
             7 │ component = "api"
             8 │ rewrite = { strip-prefix = "/b", host = "http://b" }
               ·                                         ─────┬────
               ·                                              ╰── this value
               ╰────
              help: a host is a name and perhaps a port, such as `orders.internal:8080`
        "#]],
    );
    bad(
        "path = \"/a/b\"\ncomponent = \"api\"\nrewrite = { path = \"/c\", strip-prefix = \"/a\" }",
        expect![[r#"
            manifest-duplicate

              × `strip-prefix` and `path` exclude each other
               ╭─[weft.toml:8:26]
             7 │ component = "api"
             8 │ rewrite = { path = "/c", strip-prefix = "/a" }
               ·                          ──────┬─────
               ·                                ╰── second path
               ╰────
              help: keep one of them
        "#]],
    );
    bad(
        "path = \"/a\"\ncomponent = \"api\"\nrewrite = {}",
        expect![[r#"
            manifest-missing

              × `rewrite` changes nothing
               ╭─[weft.toml:8:1]
             7 │ component = "api"
             8 │ rewrite = {}
               · ───┬───
               ·    ╰── changes nothing
               ╰────
              help: give it `path`, `strip-prefix` or `host`, or remove it
        "#]],
    );
    bad(
        "path = \"/a\"\nredirect = { to = \"/b\" }\nrewrite = { path = \"/c\" }\nrequest-headers = { set = { x = \"1\" } }",
        expect![[r#"
            manifest-unsupported

              × `rewrite` has no effect here: nobody is asked for a file or a redirect
               ╭─[weft.toml:8:1]
             7 │ redirect = { to = "/b" }
             8 │ rewrite = { path = "/c" }
               · ───┬───
               ·    ╰── not here
             9 │ request-headers = { set = { x = "1" } }
               ╰────
              help: remove it
            manifest-unsupported

              × `request-headers` has no effect here: nobody is asked for a file or a redirect
               ╭─[weft.toml:9:1]
             8 │ rewrite = { path = "/c" }
             9 │ request-headers = { set = { x = "1" } }
               · ───────┬───────
               ·        ╰── not here
               ╰────
              help: remove it
        "#]],
    );
}

#[test]
fn a_stored_split_that_cannot_be_made_is_not_read() {
    let two = "[component.new]\nsource = \"b.wasm\"\n[[route]]\nsplit = [{ component = \"api\", weight = 9 }, { component = \"new\", weight = 1 }]\npath = \"/b\"";
    let stored = load(&format!("path = \"/a\"\ncomponent = \"api\"\n{two}")).expect("good").to_json();
    assert!(Application::from_json(&stored).is_ok());
    let none = stored.replace("\"weight\":9", "\"weight\":0").replace("\"weight\":1}", "\"weight\":0}");
    assert_ne!(none, stored);
    let refused = Application::from_json(&none).expect_err("nobody would answer").to_string();
    assert!(refused.contains("weight"), "{refused}");
}
