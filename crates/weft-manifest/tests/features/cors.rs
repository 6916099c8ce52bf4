//! Pages of other origins.

use super::*;

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
