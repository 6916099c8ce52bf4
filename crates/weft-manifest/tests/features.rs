//! The features of routes: what people are told of mistakes, and what the gateway is given.

use std::path::Path;

use expect_test::{Expect, expect};
use weft_manifest::{Application, Disk, Look, Report, load_node_text, load_text};
use weft_traffic::{RouteSpec, forwarded::Words};
use weft_types::Digest;

/// One component with one route, of which this is the rest.
fn load(route: &str) -> Result<Application, Report> {
    let text = format!("manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"a.wasm\"\n[[route]]\n{route}\n");
    load_text("weft.toml", &text, Path::new("/srv"), Disk::Skip)
}

fn good(route: &str) -> RouteSpec {
    let application = load(route).unwrap_or_else(|report| panic!("{}", report.render(Look::default())));
    let again = Application::from_json(&application.to_json()).expect("reads back");
    assert_eq!(again.to_json(), application.to_json());
    application.lower(Digest([0; 32])).remove(0)
}

fn bad(route: &str, wanted: Expect) {
    wanted.assert_eq(&load(route).expect_err("it is bad").render(Look::default()));
}

/// The rows of `weft explain` that are not of the policy.
fn explained(spec: &RouteSpec) -> String {
    let rows = spec
        .origins
        .iter()
        .filter(|(field, ..)| weft_traffic::Policy::resolve(&[]).origins.iter().all(|(f, ..)| f != field));
    rows.map(|(field, value, origin)| format!("{field} = {value} ({origin})\n")).collect()
}

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
fn cors_is_explained() {
    let spec = good(
        "path = \"/a\"\ncomponent = \"api\"\ncors = { origins = [\"https://*.example.com\"], methods = [\"PUT\"], \
         headers = [\"content-type\"], expose = [\"etag\"], credentials = true, max-age = \"10m\" }",
    );
    assert!(spec.features.as_ref().is_some_and(|features| features.cors.is_some()));
    expect![[r#"
        cors.origins = https://*.example.com (route weft.toml:5)
        cors.methods = PUT (route weft.toml:5)
        cors.headers = content-type (route weft.toml:5)
        cors.expose = etag (route weft.toml:5)
        cors.credentials = true (route weft.toml:5)
        cors.max-age = 10m (route weft.toml:5)
    "#]]
    .assert_eq(&explained(&spec));
}

#[test]
fn cors_for_anybody_with_credentials_is_refused() {
    bad(
        "path = \"/a\"\ncomponent = \"api\"\n\
         cors = { origins = [\"*\"], methods = [\"*\"], headers = [\"*\"], expose = [\"*\"], credentials = true }",
        expect![[r#"
            manifest-type

              × `origins` cannot be `*` with `credentials`: whose credentials would be anybody's
               ╭─[weft.toml:8:21]
             7 │ component = "api"
             8 │ cors = { origins = ["*"], methods = ["*"], headers = ["*"], expose = ["*"], credentials = true }
               ·                     ─┬─
               ·                      ╰── not with credentials
               ╰────
              help: name each, or remove `credentials`
            manifest-type

              × `methods` cannot be `*` with `credentials`: whose credentials would be anybody's
               ╭─[weft.toml:8:38]
             7 │ component = "api"
             8 │ cors = { origins = ["*"], methods = ["*"], headers = ["*"], expose = ["*"], credentials = true }
               ·                                      ─┬─
               ·                                       ╰── not with credentials
               ╰────
              help: name each, or remove `credentials`
            manifest-type

              × `headers` cannot be `*` with `credentials`: whose credentials would be anybody's
               ╭─[weft.toml:8:55]
             7 │ component = "api"
             8 │ cors = { origins = ["*"], methods = ["*"], headers = ["*"], expose = ["*"], credentials = true }
               ·                                                       ─┬─
               ·                                                        ╰── not with credentials
               ╰────
              help: name each, or remove `credentials`
            manifest-type

              × `expose` cannot be `*` with `credentials`: whose credentials would be anybody's
               ╭─[weft.toml:8:71]
             7 │ component = "api"
             8 │ cors = { origins = ["*"], methods = ["*"], headers = ["*"], expose = ["*"], credentials = true }
               ·                                                                       ─┬─
               ·                                                                        ╰── not with credentials
               ╰────
              help: name each, or remove `credentials`
        "#]],
    );
}

#[test]
fn cors_of_what_is_no_origin_is_refused() {
    bad(
        "path = \"/a\"\ncomponent = \"api\"\n\
         cors = { origins = [\"https://shop.example/\", \"shop.example\", \"null\"], methods = [\"put\"], headers = [\"X-A\"], max-age = 600 }",
        expect![[r#"
            manifest-type

              × `route.cors.origins` cannot be `https://shop.example/`
               ╭─[weft.toml:8:21]
             7 │ component = "api"
             8 │ cors = { origins = ["https://shop.example/", "shop.example", "null"], methods = ["put"], headers = ["X-A"], max-age = 600 }
               ·                     ───────────┬───────────
               ·                                ╰── this value
               ╰────
              help: an origin ends with its host and port: no path follows, not even `/`
            manifest-type

              × `route.cors.origins` cannot be `shop.example`
               ╭─[weft.toml:8:46]
             7 │ component = "api"
             8 │ cors = { origins = ["https://shop.example/", "shop.example", "null"], methods = ["put"], headers = ["X-A"], max-age = 600 }
               ·                                              ───────┬──────
               ·                                                     ╰── this value
               ╰────
              help: an origin is a scheme and a host, such as `https://shop.example`
            manifest-type

              × `route.cors.origins` cannot be `null`
               ╭─[weft.toml:8:62]
             7 │ component = "api"
             8 │ cors = { origins = ["https://shop.example/", "shop.example", "null"], methods = ["put"], headers = ["X-A"], max-age = 600 }
               ·                                                              ───┬──
               ·                                                                 ╰── this value
               ╰────
              help: `null` is what every sandboxed page sends: it names nobody
            manifest-type

              × `route.cors.methods` cannot be `put`
               ╭─[weft.toml:8:82]
             7 │ component = "api"
             8 │ cors = { origins = ["https://shop.example/", "shop.example", "null"], methods = ["put"], headers = ["X-A"], max-age = 600 }
               ·                                                                                  ──┬──
               ·                                                                                    ╰── this value
               ╰────
              help: methods are written in capitals: `PUT`
            manifest-type

              × `route.cors.headers` cannot be `X-A`
               ╭─[weft.toml:8:101]
             7 │ component = "api"
             8 │ cors = { origins = ["https://shop.example/", "shop.example", "null"], methods = ["put"], headers = ["X-A"], max-age = 600 }
               ·                                                                                                     ──┬──
               ·                                                                                                       ╰── this value
               ╰────
              help: header names are written in lower case: `x-a`
            manifest-type

              × `route.cors.max-age` must be a string, not an integer
               ╭─[weft.toml:8:119]
             7 │ component = "api"
             8 │ cors = { origins = ["https://shop.example/", "shop.example", "null"], methods = ["put"], headers = ["X-A"], max-age = 600 }
               ·                                                                                                                       ─┬─
               ·                                                                                                                        ╰── a string is expected
               ╰────
              help: such as `max-age = "600s"`
        "#]],
    );
    let nobody = "path = \"/a\"\ncomponent = \"api\"\ncors = { origins = [] }";
    bad(
        nobody,
        expect![[r#"
        manifest-missing

          × `cors` names no origin, and so lets nobody read
           ╭─[weft.toml:8:20]
         7 │ component = "api"
         8 │ cors = { origins = [] }
           ·                    ─┬
           ·                     ╰── nobody
           ╰────
          help: such as `origins = ["https://shop.example"]`, or remove `cors`
    "#]],
    );
}

#[test]
fn compression_is_on_with_an_empty_table_and_explained() {
    let spec = good("path = \"/a\"\ncomponent = \"api\"\ncompression = {}");
    assert!(spec.features.as_ref().is_some_and(|features| features.compression.is_some()));
    expect![[r#"
        compression.codings = zstd, br, gzip (route weft.toml:5)
        compression.min = 1KiB (route weft.toml:5)
        compression.types = text/*, application/json, application/*+json, application/javascript, application/xml, application/*+xml, application/wasm, application/x-ndjson, image/svg+xml, image/x-icon, font/ttf, font/otf (route weft.toml:5)
    "#]].assert_eq(&explained(&spec));
}

#[test]
fn compression_by_what_nobody_knows_is_refused() {
    bad(
        "path = \"/a\"\ncomponent = \"api\"\ncompression = { codings = [\"brotli\"], types = [\"html\", \"*/*\"], min = 1000, lvl = 9 }",
        expect![[r#"
            manifest-type

              × `route.compression.codings` cannot be `brotli`
               ╭─[weft.toml:8:28]
             7 │ component = "api"
             8 │ compression = { codings = ["brotli"], types = ["html", "*/*"], min = 1000, lvl = 9 }
               ·                            ────┬───
               ·                                ╰── this value
               ╰────
              help: it is one of `zstd`, `br`, `gzip`
            manifest-type

              × `route.compression.types` cannot be `html`
               ╭─[weft.toml:8:48]
             7 │ component = "api"
             8 │ compression = { codings = ["brotli"], types = ["html", "*/*"], min = 1000, lvl = 9 }
               ·                                                ───┬──
               ·                                                   ╰── this value
               ╰────
              help: a media type has two parts, such as `text/html` or `text/*`
            manifest-type

              × `route.compression.types` cannot be `*/*`
               ╭─[weft.toml:8:56]
             7 │ component = "api"
             8 │ compression = { codings = ["brotli"], types = ["html", "*/*"], min = 1000, lvl = 9 }
               ·                                                        ──┬──
               ·                                                          ╰── this value
               ╰────
              help: it is no media type in lower case; `*` may begin the second part: `text/*`, `application/*+json`
            manifest-type

              × `route.compression.min` must be a string, not an integer
               ╭─[weft.toml:8:70]
             7 │ component = "api"
             8 │ compression = { codings = ["brotli"], types = ["html", "*/*"], min = 1000, lvl = 9 }
               ·                                                                      ──┬─
               ·                                                                        ╰── a string is expected
               ╰────
              help: such as `min = "1KiB"`
            manifest-unknown-key

              × unknown key `lvl` in `route.compression`
               ╭─[weft.toml:8:76]
             7 │ component = "api"
             8 │ compression = { codings = ["brotli"], types = ["html", "*/*"], min = 1000, lvl = 9 }
               ·                                                                            ─┬─
               ·                                                                             ╰── unknown key
               ╰────
              help: the keys here are `codings`, `min`, `types`
        "#]],
    );
}

#[test]
fn address_rules_are_explained_also_where_nobody_sees_the_request() {
    let spec = good(
        "path = \"/a\"\nredirect = { to = \"/b\" }\nallow = [\"10.0.0.0/8\", \"fd00::/8\"]\ndeny = [\"10.9.9.9\"]",
    );
    let rules = spec.features.as_ref().and_then(|features| features.addresses.as_ref()).expect("rules");
    assert!(rules.allows("10.1.1.1".parse().expect("an address")) && !rules.allows("10.9.9.9".parse().expect("one")));
    expect![[r#"
        allow = 10.0.0.0/8, fd00::/8 (route weft.toml:5)
        deny = 10.9.9.9 (route weft.toml:5)
    "#]]
    .assert_eq(&explained(&spec));
}

#[test]
fn what_is_no_network_is_refused() {
    bad(
        "path = \"/a\"\ncomponent = \"api\"\nallow = [\"10.0.0.0/33\"]\ndeny = [\"localhost\"]",
        expect![[r#"
        manifest-type

          × `route.allow` cannot be `10.0.0.0/33`
           ╭─[weft.toml:8:10]
         7 │ component = "api"
         8 │ allow = ["10.0.0.0/33"]
           ·          ──────┬──────
           ·                ╰── this value
         9 │ deny = ["localhost"]
           ╰────
          help: the prefix length is a number from 0 to 32
        manifest-type

          × `route.deny` cannot be `localhost`
           ╭─[weft.toml:9:9]
         8 │ allow = ["10.0.0.0/33"]
         9 │ deny = ["localhost"]
           ·         ─────┬─────
           ·              ╰── this value
           ╰────
          help: a network is an IP address and a prefix length, such as `10.0.0.0/8`
    "#]],
    );
}

#[test]
fn a_node_believes_whom_it_names() {
    let node = |text: &str| load_node_text("node.toml", text, Path::new("/srv"), Disk::Skip);
    let config = node(
        "node = 1\n[listen]\nproxy-protocol = [\"10.0.0.0/8\"]\n[forwarded]\ntrusted = [\"127.0.0.1\"]\nheader = \"forwarded\"",
    )
    .unwrap_or_else(|report| panic!("{report}"));
    assert!(config.proxies.contains("10.1.1.1".parse().expect("an address")));
    let forwarding = config.forwarding.expect("said");
    assert!(forwarding.trusts("127.0.0.1".parse().expect("an address")) && forwarding.words == Words::Forwarded);
    assert_eq!(node("node = 1").expect("good").forwarding, None);
    let report =
        node("node = 1\n[listen]\nproxy-protocol = [\"lb\"]\n[forwarded]\nheader = \"x-real-ip\"").expect_err("bad");
    expect![[r#"
        manifest-type

          × `listen.proxy-protocol` cannot be `lb`
           ╭─[node.toml:3:19]
         2 │ [listen]
         3 │ proxy-protocol = ["lb"]
           ·                   ──┬─
           ·                     ╰── this value
         4 │ [forwarded]
           ╰────
          help: a network is an IP address and a prefix length, such as `10.0.0.0/8`
        manifest-missing

          × `forwarded` lacks `trusted`
           ╭─[node.toml:4:2]
         3 │ proxy-protocol = ["lb"]
         4 │ [forwarded]
           ·  ────┬────
           ·      ╰── needed here
         5 │ header = "x-real-ip"
           ╰────
          help: add `trusted`, such as `trusted = ["10.0.0.0/8"]`
        manifest-type

          × `forwarded.header` cannot be `x-real-ip`
           ╭─[node.toml:5:10]
         4 │ [forwarded]
         5 │ header = "x-real-ip"
           ·          ─────┬─────
           ·               ╰── this value
           ╰────
          help: it is one of `x-forwarded`, `forwarded`
    "#]]
    .assert_eq(&report.render(Look::default()));
}

#[test]
fn a_cache_is_lowered_and_explained() {
    let spec = good(
        "path = \"/a\"\ncomponent = \"api\"\ncache = { ttl = \"10s\", key = [\"accept-language\"], forward = [\"x-request-id\"], \
         ignore-cookies = true, stale-while-revalidate = \"30s\", stale-if-error = \"1h\", body = \"64KiB\", size = \"1MiB\" }",
    );
    let cache = spec.features.as_ref().and_then(|features| features.cache.clone()).expect("one");
    assert!(cache.partition.contains("shop") && cache.partition.contains(" /a "), "{}", cache.partition);
    assert_eq!((cache.body_max, cache.bytes_max), (64 << 10, 1 << 20));
    expect![[r#"
        cache.ttl = 10s (route weft.toml:5)
        cache.key = accept-language (route weft.toml:5)
        cache.forward = x-request-id (route weft.toml:5)
        cache.ignore-cookies = true (route weft.toml:5)
        cache.stale-while-revalidate = 30s (route weft.toml:5)
        cache.stale-if-error = 1h (route weft.toml:5)
        cache.body = 64KiB (route weft.toml:5)
        cache.size = 1MiB (route weft.toml:5)
    "#]]
    .assert_eq(&explained(&spec));
    let plain = good("path = \"/a\"\ncomponent = \"api\"\ncache = {}");
    expect![[r#"
        cache.ttl = as answers say (route weft.toml:5)
        cache.body = 1MiB (route weft.toml:5)
        cache.size = 16MiB (route weft.toml:5)
    "#]]
    .assert_eq(&explained(&plain));
}

#[test]
fn a_cache_that_could_be_poisoned_or_holds_nothing_is_refused() {
    let text = "path = \"/a\"\ncomponent = \"api\"\n\
        cache = { key = [\"cookie\", \"Accept\", \"range\"], forward = [\"authorization\", \"cookie\"], ignore-cookies = true, body = \"32MiB\" }";
    let report = load(text).expect_err("bad").render(Look::default());
    expect![[r#"
        manifest-type

          × `route.cache.key` cannot be `Accept`
           ╭─[weft.toml:8:28]
         7 │ component = "api"
         8 │ cache = { key = ["cookie", "Accept", "range"], forward = ["authorization", "cookie"], ignore-cookies = true, body = "32MiB" }
           ·                            ────┬───
           ·                                ╰── this value
           ╰────
          help: header names are written in lower case: `accept`
        manifest-type

          × `route.cache.key` cannot be `range`
           ╭─[weft.toml:8:38]
         7 │ component = "api"
         8 │ cache = { key = ["cookie", "Accept", "range"], forward = ["authorization", "cookie"], ignore-cookies = true, body = "32MiB" }
           ·                                      ───┬───
           ·                                         ╰── this value
           ╰────
          help: it is what the cache itself is asked
        manifest-type

          × `route.cache.forward` cannot be `authorization`
           ╭─[weft.toml:8:59]
         7 │ component = "api"
         8 │ cache = { key = ["cookie", "Accept", "range"], forward = ["authorization", "cookie"], ignore-cookies = true, body = "32MiB" }
           ·                                                           ───────┬───────
           ·                                                                  ╰── this value
           ╰────
          help: it says who asks: an answer that is kept for all may not know it
        manifest-type

          × `route.cache.forward` cannot be `cookie`
           ╭─[weft.toml:8:76]
         7 │ component = "api"
         8 │ cache = { key = ["cookie", "Accept", "range"], forward = ["authorization", "cookie"], ignore-cookies = true, body = "32MiB" }
           ·                                                                            ────┬───
           ·                                                                                ╰── this value
           ╰────
          help: it says who asks: an answer that is kept for all may not know it
        manifest-type

          × the longest body is longer than all that is kept
           ╭─[weft.toml:8:117]
         7 │ component = "api"
         8 │ cache = { key = ["cookie", "Accept", "range"], forward = ["authorization", "cookie"], ignore-cookies = true, body = "32MiB" }
           ·                                                                                                                     ───┬───
           ·                                                                                                                        ╰── this value
           ╰────
          help: make `size` a multiple of `body`
    "#]].assert_eq(&report);
    let text = "path = \"/a\"\nredirect = { to = \"/b\" }\ncache = { key = [\"accept\"], forward = [\"accept\"] }";
    let report = load(text).expect_err("bad").render(Look::default());
    expect![[r#"
        manifest-unsupported

          × `cache` has no effect here: nobody is asked for a file or a redirect
           ╭─[weft.toml:8:1]
         7 │ redirect = { to = "/b" }
         8 │ cache = { key = ["accept"], forward = ["accept"] }
           · ──┬──
           ·   ╰── not here
           ╰────
          help: remove it
        manifest-duplicate

          × `accept` is in `key` already
           ╭─[weft.toml:8:40]
         7 │ redirect = { to = "/b" }
         8 │ cache = { key = ["accept"], forward = ["accept"] }
           ·                                        ────┬───
           ·                                            ╰── again here
           ╰────
          help: what is in `key` is shown; remove it here
    "#]]
    .assert_eq(&report);
}
