//! What is no TOML, or not of the schema.

use super::*;

#[test]
fn not_toml() {
    check(
        "manifest = 1\nname = \"shop\n",
        expect![[r#"
        manifest-syntax

          × this is not TOML: invalid basic string, expected `"`
           ╭─[weft.toml:2:13]
         1 │ manifest = 1
         2 │ name = "shop
           ·             ▲
           ·             ╰── here
           ╰────
    "#]],
    );
}

#[test]
fn a_key_twice() {
    check(
        "manifest = 1\nname = \"a\"\nname = \"b\"\n",
        expect![[r#"
        manifest-duplicate

          × `name` is written twice
           ╭─[weft.toml:3:1]
         2 │ name = "a"
         3 │ name = "b"
           · ──┬─
           ·   ╰── again here
           ╰────
          help: keep one of them; a table is opened once, too
    "#]],
    );
}

#[test]
fn empty() {
    check(
        "",
        expect![[r#"
        manifest-missing

          × `manifest` is missing
           ╭─[weft.toml:1:1]
           ╰────
          help: add `manifest`, such as `manifest = 1`
        manifest-missing

          × `name` is missing
           ╭─[weft.toml:1:1]
           ╰────
          help: add `name`, such as `name = "orders"`
    "#]],
    );
}

#[test]
fn unknown_keys() {
    check(
        r#"
manifest = 1
name = "shop"
verison = 2
[policy]
timeuot = "5s"
[component.api]
source = "api.wasm"
timeout = "5s"
memory = "64MiB"
wibble = true
"#,
        expect![[r#"
            manifest-unknown-key

              × unknown key `verison`
               ╭─[weft.toml:4:1]
             3 │ name = "shop"
             4 │ verison = 2
               · ───┬───
               ·    ╰── unknown key
             5 │ [policy]
               ╰────
              help: the keys here are `access`, `auth`, `component`, `manifest`, `name`, `policy`, `route`, `store`, `upstream`
            manifest-unknown-key

              × unknown key `timeuot` in `policy`
               ╭─[weft.toml:6:1]
             5 │ [policy]
             6 │ timeuot = "5s"
               · ───┬───
               ·    ╰── unknown key
             7 │ [component.api]
               ╰────
              help: did you mean `timeout`?
            manifest-unknown-key

              × unknown key `timeout` in `component.api`
                ╭─[weft.toml:9:1]
              8 │ source = "api.wasm"
              9 │ timeout = "5s"
                · ───┬───
                ·    ╰── unknown key
             10 │ memory = "64MiB"
                ╰────
              help: `timeout` is a key of `policy` and of `upstream.NAME.health`
            manifest-unknown-key

              × unknown key `memory` in `component.api`
                ╭─[weft.toml:10:1]
              9 │ timeout = "5s"
             10 │ memory = "64MiB"
                · ───┬──
                ·    ╰── unknown key
             11 │ wibble = true
                ╰────
              help: `memory` is a key of `component.NAME.limits`
            manifest-unknown-key

              × unknown key `wibble` in `component.api`
                ╭─[weft.toml:11:1]
             10 │ memory = "64MiB"
             11 │ wibble = true
                · ───┬──
                ·    ╰── unknown key
                ╰────
              help: the keys here are `build`, `config`, `env`, `files`, `isolation`, `limits`, `outbound`, `policy`, `private-networks`, `secrets`, `slo`, `source`, `stores`
        "#]],
    );
}

#[test]
fn wrong_types_and_forms() {
    check(
        r#"
manifest = 2
name = "My Shop"
[policy]
timeout = 30
body = "10MB"
idle-timeout = "1.5h"
concurrency = 0
[component.api]
source = ["api.wasm"]
isolation = "instanse"
env = { PORT = 8080 }
outbound = ["api.example", "https://*", "ftp://x"]
private-networks = ["10.0.0.0/99"]
[component.Api]
source = "api.wasm"
[[route]]
path = "/a"
methods = "GET"
component = "api"
[[route]]
path = "/b"
methods = ["get"]
headers = { X-Beta = "1" }
component = "api"
"#,
        expect![[r#"
            manifest-type

              × `manifest` cannot be 2
               ╭─[weft.toml:2:12]
             1 │ 
             2 │ manifest = 2
               ·            ┬
               ·            ╰── this value
             3 │ name = "My Shop"
               ╰────
              help: it must be 1
            manifest-type

              × `name` cannot be `My Shop`
               ╭─[weft.toml:3:8]
             2 │ manifest = 2
             3 │ name = "My Shop"
               ·        ────┬────
               ·            ╰── this value
             4 │ [policy]
               ╰────
              help: it must begin with a lower-case letter
            manifest-type

              × `policy.timeout` must be a string, not an integer
               ╭─[weft.toml:5:11]
             4 │ [policy]
             5 │ timeout = 30
               ·           ─┬
               ·            ╰── a string is expected
             6 │ body = "10MB"
               ╰────
              help: such as `timeout = "30s"`
            manifest-type

              × `policy.body` cannot be `10MB`
               ╭─[weft.toml:6:8]
             5 │ timeout = 30
             6 │ body = "10MB"
               ·        ───┬──
               ·           ╰── this value
             7 │ idle-timeout = "1.5h"
               ╰────
              help: `MB` is not a unit here; write `10MiB`
            manifest-type

              × `policy.idle-timeout` cannot be `1.5h`
               ╭─[weft.toml:7:16]
             6 │ body = "10MB"
             7 │ idle-timeout = "1.5h"
               ·                ───┬──
               ·                   ╰── this value
             8 │ concurrency = 0
               ╰────
              help: a duration is a whole number and `ms`, `s`, `m`, `h` or `d`, such as `30s`
            manifest-type

              × `policy.concurrency` cannot be 0
               ╭─[weft.toml:8:15]
             7 │ idle-timeout = "1.5h"
             8 │ concurrency = 0
               ·               ┬
               ·               ╰── this value
             9 │ [component.api]
               ╰────
              help: it must be at least 1
            manifest-type

              × `component.api.source` must be a string, not a list
                ╭─[weft.toml:10:10]
              9 │ [component.api]
             10 │ source = ["api.wasm"]
                ·          ──────┬─────
                ·                ╰── a string is expected
             11 │ isolation = "instanse"
                ╰────
              help: such as `source = "api/target/wasm32-wasip2/release/api.wasm"`
            manifest-type

              × `component.api.isolation` cannot be `instanse`
                ╭─[weft.toml:11:13]
             10 │ source = ["api.wasm"]
             11 │ isolation = "instanse"
                ·             ─────┬────
                ·                  ╰── this value
             12 │ env = { PORT = 8080 }
                ╰────
              help: did you mean `instance`?
            manifest-type

              × `component.api.env.PORT` must be a string, not an integer
                ╭─[weft.toml:12:16]
             11 │ isolation = "instanse"
             12 │ env = { PORT = 8080 }
                ·                ──┬─
                ·                  ╰── a string is expected
             13 │ outbound = ["api.example", "https://*", "ftp://x"]
                ╰────
              help: such as `PORT = "8080"`
            manifest-type

              × `component.api.outbound` cannot be `api.example`
                ╭─[weft.toml:13:13]
             12 │ env = { PORT = 8080 }
             13 │ outbound = ["api.example", "https://*", "ftp://x"]
                ·             ──────┬──────
                ·                   ╰── this value
             14 │ private-networks = ["10.0.0.0/99"]
                ╰────
              help: the scheme is missing: `https://api.example`
            manifest-type

              × `component.api.outbound` cannot be `https://*`
                ╭─[weft.toml:13:28]
             12 │ env = { PORT = 8080 }
             13 │ outbound = ["api.example", "https://*", "ftp://x"]
                ·                            ─────┬─────
                ·                                 ╰── this value
             14 │ private-networks = ["10.0.0.0/99"]
                ╰────
              help: `*` may only stand for the whole first label, as in `https://*.example.com`
            manifest-type

              × `component.api.outbound` cannot be `ftp://x`
                ╭─[weft.toml:13:41]
             12 │ env = { PORT = 8080 }
             13 │ outbound = ["api.example", "https://*", "ftp://x"]
                ·                                         ────┬────
                ·                                             ╰── this value
             14 │ private-networks = ["10.0.0.0/99"]
                ╰────
              help: `ftp` is not a scheme here: `http` and `https` are
            manifest-type

              × `component.api.private-networks` cannot be `10.0.0.0/99`
                ╭─[weft.toml:14:21]
             13 │ outbound = ["api.example", "https://*", "ftp://x"]
             14 │ private-networks = ["10.0.0.0/99"]
                ·                     ──────┬──────
                ·                           ╰── this value
             15 │ [component.Api]
                ╰────
              help: the prefix length is a number from 0 to 32
            manifest-type

              × `Api` cannot be a key here: it must begin with a lower-case letter
                ╭─[weft.toml:15:12]
             14 │ private-networks = ["10.0.0.0/99"]
             15 │ [component.Api]
                ·            ─┬─
                ·             ╰── this key
             16 │ source = "api.wasm"
                ╰────
            manifest-type

              × `route.methods` must be a list, not a string
                ╭─[weft.toml:19:11]
             18 │ path = "/a"
             19 │ methods = "GET"
                ·           ──┬──
                ·             ╰── a list is expected
             20 │ component = "api"
                ╰────
              help: such as `methods = ["GET"]`
            manifest-type

              × `route.methods` cannot be `get`
                ╭─[weft.toml:23:12]
             22 │ path = "/b"
             23 │ methods = ["get"]
                ·            ──┬──
                ·              ╰── this value
             24 │ headers = { X-Beta = "1" }
                ╰────
              help: methods are written in capitals: `GET`
            manifest-type

              × `X-Beta` cannot be a key here: header names are written in lower case: `x-beta`
                ╭─[weft.toml:24:13]
             23 │ methods = ["get"]
             24 │ headers = { X-Beta = "1" }
                ·             ───┬──
                ·                ╰── this key
             25 │ component = "api"
                ╰────
        "#]],
    );
}

#[test]
fn missing_keys() {
    check(
        r#"
manifest = 1
name = "shop"
[component.api]
build = {}
[store.orders]
[[route]]
path = "/a"
[[route]]
component = "api"
"#,
        expect![[r#"
            manifest-missing

              × `component.api` lacks `source`
               ╭─[weft.toml:4:12]
             3 │ name = "shop"
             4 │ [component.api]
               ·            ─┬─
               ·             ╰── needed here
             5 │ build = {}
               ╰────
              help: add `source`, such as `source = "api/target/wasm32-wasip2/release/api.wasm"`
            manifest-missing

              × `component.api.build` lacks `command`
               ╭─[weft.toml:5:1]
             4 │ [component.api]
             5 │ build = {}
               · ──┬──
               ·   ╰── needed here
             6 │ [store.orders]
               ╰────
              help: add `command`, such as `command = "cargo build --release --target wasm32-wasip2"`
            manifest-missing

              × `store.orders` lacks `kind`
               ╭─[weft.toml:6:8]
             5 │ build = {}
             6 │ [store.orders]
               ·        ───┬──
               ·           ╰── needed here
             7 │ [[route]]
               ╰────
              help: add `kind`, such as `kind = "key-value"`
            manifest-missing

              × `route` does not say what answers
               ╭─[weft.toml:7:1]
             6 │ [store.orders]
             7 │ [[route]]
               · ────┬────
               ·     ╰── nothing answers this
             8 │ path = "/a"
               ╰────
              help: give exactly one of `component`, `files`, `redirect`, `split`, `upstream`
            manifest-missing

              × `route` lacks `path`
                ╭─[weft.toml:9:1]
              8 │ path = "/a"
              9 │ [[route]]
                · ────┬────
                ·     ╰── needed here
             10 │ component = "api"
                ╰────
              help: add `path`, such as `path = "/orders/:id"`
        "#]],
    );
}

#[test]
fn hostile_text_is_shown_tamely() {
    check(
        "manifest = 1\nname = \"\\u001b[31mred\\u0000\"\n\"k\\u0007\\n\" = 1\n[component.api]\nsource = \"a\\u0000b\"\nenv = { \"A=B\" = \"\\u0000\" }\n",
        expect![[r#"
            manifest-type

              × `name` cannot be `\u{1b}[31mred\u{0}`
               ╭─[weft.toml:2:8]
             1 │ manifest = 1
             2 │ name = "\u001b[31mred\u0000"
               ·        ──────────┬──────────
               ·                  ╰── this value
             3 │ "k\u0007\n" = 1
               ╰────
              help: it must begin with a lower-case letter
            manifest-unknown-key

              × unknown key `k\u{7}\n`
               ╭─[weft.toml:3:1]
             2 │ name = "\u001b[31mred\u0000"
             3 │ "k\u0007\n" = 1
               · ─────┬─────
               ·      ╰── unknown key
             4 │ [component.api]
               ╰────
              help: the keys here are `access`, `auth`, `component`, `manifest`, `name`, `policy`, `route`, `store`, `upstream`
            manifest-type

              × `component.api.source` cannot be `a\u{0}b`
               ╭─[weft.toml:5:10]
             4 │ [component.api]
             5 │ source = "a\u0000b"
               ·          ─────┬────
               ·               ╰── this value
             6 │ env = { "A=B" = "\u0000" }
               ╰────
              help: it holds NUL
            manifest-type

              × `A=B` cannot be a key here: a variable's name is not empty and holds neither `=` nor NUL
               ╭─[weft.toml:6:9]
             5 │ source = "a\u0000b"
             6 │ env = { "A=B" = "\u0000" }
               ·         ──┬──
               ·           ╰── this key
               ╰────
        "#]],
    );
}
