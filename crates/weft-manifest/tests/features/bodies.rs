//! Compression, and answers that are kept.

use super::*;

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
