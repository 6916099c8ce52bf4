//! What people are told about bad manifests: the whole text, so that a change of one word is seen.

use std::{fs, path::Path};

use expect_test::{Expect, expect};
use weft_manifest::{Disk, Look, load_node_text, load_text};

/// A folder with what the manifests below name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("api.wasm"), b"\0asm").expect("written");
    fs::create_dir(folder.path().join("public")).expect("made");
    folder
}

fn check(text: &str, wanted: Expect) {
    let folder = folder();
    let report = load_text("weft.toml", text, folder.path(), Disk::Check).expect_err("it is bad");
    wanted.assert_eq(&report.render(Look::default()));
}

fn check_node(text: &str, wanted: Expect) {
    let report = load_node_text("node.toml", text, Path::new("/nowhere"), Disk::Check).expect_err("it is bad");
    wanted.assert_eq(&report.render(Look::default()));
}

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
              help: the keys here are `auth`, `component`, `manifest`, `name`, `policy`, `route`, `store`, `upstream`
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
              help: `timeout` is a key of `upstream.NAME.health` and of `policy`
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
fn references() {
    check(
        r#"
manifest = 1
name = "shop"
[store]
orders = { kind = "key-value" }
[component.api]
source = "api.wasm"
stores = { default = "order", cache = "memory" }
[[route]]
path = "/a"
component = "apj"
[[route]]
path = "/b"
component = "kitchen"
"#,
        expect![[r#"
            manifest-reference

              × there is no store `order`
               ╭─[weft.toml:8:22]
             7 │ source = "api.wasm"
             8 │ stores = { default = "order", cache = "memory" }
               ·                      ───┬───
               ·                         ╰── no such store
             9 │ [[route]]
               ╰────
              help: did you mean `orders`?
            manifest-reference

              × there is no store `memory`
               ╭─[weft.toml:8:39]
             7 │ source = "api.wasm"
             8 │ stores = { default = "order", cache = "memory" }
               ·                                       ────┬───
               ·                                           ╰── no such store
             9 │ [[route]]
               ╰────
              help: declare it: `[store]` and below it `memory = { kind = "key-value" }`
            manifest-reference

              × there is no component `apj`
                ╭─[weft.toml:11:13]
             10 │ path = "/a"
             11 │ component = "apj"
                ·             ──┬──
                ·               ╰── no such component
             12 │ [[route]]
                ╰────
              help: did you mean `api`?
            manifest-reference

              × there is no component `kitchen`
                ╭─[weft.toml:14:13]
             13 │ path = "/b"
             14 │ component = "kitchen"
                ·             ────┬────
                ·                 ╰── no such component
                ╰────
              help: declare it: `[component.kitchen] source = "…"`
        "#]],
    );
}

#[test]
fn every_step_tells_in_one_report() {
    check(
        r#"
manifest = 1
name = "shop"
colour = "red"
[policy]
retry = { max = 2 }
timeout = 5
[component.api]
source = "gone.wasm"
stores = { default = "orders" }
[[route]]
path = "/a"
component = "pai"
"#,
        expect![[r#"
            manifest-unknown-key

              × unknown key `colour`
               ╭─[weft.toml:4:1]
             3 │ name = "shop"
             4 │ colour = "red"
               · ───┬──
               ·    ╰── unknown key
             5 │ [policy]
               ╰────
              help: the keys here are `auth`, `component`, `manifest`, `name`, `policy`, `route`, `store`, `upstream`
            manifest-type

              × `policy.timeout` must be a string, not an integer
               ╭─[weft.toml:7:11]
             6 │ retry = { max = 2 }
             7 │ timeout = 5
               ·           ┬
               ·           ╰── a string is expected
             8 │ [component.api]
               ╰────
              help: such as `timeout = "5s"`
            file-missing

              × `gone.wasm` does not exist
                ╭─[weft.toml:9:10]
              8 │ [component.api]
              9 │ source = "gone.wasm"
                ·          ─────┬─────
                ·               ╰── this path
             10 │ stores = { default = "orders" }
                ╰────
              help: build it first, or let `weft build` do it: `[component.api] build = { command = "…" }`
            manifest-reference

              × there is no store `orders`
                ╭─[weft.toml:10:22]
              9 │ source = "gone.wasm"
             10 │ stores = { default = "orders" }
                ·                      ────┬───
                ·                          ╰── no such store
             11 │ [[route]]
                ╰────
              help: declare it: `[store]` and below it `orders = { kind = "key-value" }`
            manifest-reference

              × there is no component `pai`
                ╭─[weft.toml:13:13]
             12 │ path = "/a"
             13 │ component = "pai"
                ·             ──┬──
                ·               ╰── no such component
                ╰────
              help: did you mean `api`?
        "#]],
    );
}

#[test]
fn missing_files() {
    check(
        r#"
manifest = 1
name = "shop"
[component.api]
source = "apii.wasm"
files = [{ from = "publik", to = "/assets" }, { from = "public", to = "/assets/" }, { from = "public", to = "../x" }]
[component.kitchen]
source = "kitchen/dist/kitchen.wasm"
[component.folder]
source = "public"
[component.built]
source = "not/yet.wasm"
build = { command = "make", dir = "nowhere" }
"#,
        expect![[r#"
            file-missing

              × `apii.wasm` does not exist
               ╭─[weft.toml:5:10]
             4 │ [component.api]
             5 │ source = "apii.wasm"
               ·          ─────┬─────
               ·               ╰── this path
             6 │ files = [{ from = "publik", to = "/assets" }, { from = "public", to = "/assets/" }, { from = "public", to = "../x" }]
               ╰────
              help: did you mean `api.wasm`?
            manifest-type

              × `component.api.files.to` cannot be `../x`
               ╭─[weft.toml:6:109]
             5 │ source = "apii.wasm"
             6 │ files = [{ from = "publik", to = "/assets" }, { from = "public", to = "/assets/" }, { from = "public", to = "../x" }]
               ·                                                                                                             ───┬──
               ·                                                                                                                ╰── this value
             7 │ [component.kitchen]
               ╰────
              help: it must begin with `/`
            file-missing

              × `kitchen/dist/kitchen.wasm` does not exist
               ╭─[weft.toml:8:10]
             7 │ [component.kitchen]
             8 │ source = "kitchen/dist/kitchen.wasm"
               ·          ─────────────┬─────────────
               ·                       ╰── this path
             9 │ [component.folder]
               ╰────
              help: build it first, or let `weft build` do it: `[component.kitchen] build = { command = "…" }`
            file-missing

              × `public` is not a file
                ╭─[weft.toml:10:10]
              9 │ [component.folder]
             10 │ source = "public"
                ·          ────┬───
                ·              ╰── this path
             11 │ [component.built]
                ╰────
              help: build it first, or let `weft build` do it: `[component.folder] build = { command = "…" }`
            file-missing

              × `nowhere` does not exist
                ╭─[weft.toml:13:35]
             12 │ source = "not/yet.wasm"
             13 │ build = { command = "make", dir = "nowhere" }
                ·                                   ────┬────
                ·                                       ╰── this path
                ╰────
              help: paths are relative to the folder of weft.toml
        "#]],
    );
}

#[test]
fn routes() {
    check(
        r#"
manifest = 1
name = "shop"
[component.api]
source = "api.wasm"
[[route]]
path = "/orders/:id"
component = "api"
methods = ["GET"]
[[route]]
path = "/orders/:number"
component = "api"
methods = ["POST", "GET"]
[[route]]
path = "orders"
component = "api"
[[route]]
host = "Shop.example:8080"
path = "/a"
redirect = { to = "/b/:id" }
"#,
        expect![[r#"
            route-conflict

              × `POST|GET /orders/:number` of application `shop` matches the same requests as `GET /orders/:id` of application `shop` (weft.toml:6)
                ╭─[weft.toml:11:8]
              6 │ [[route]]
              7 │ path = "/orders/:id"
                ·        ──────┬──────
                ·              ╰── and this one
              8 │ component = "api"
              9 │ methods = ["GET"]
             10 │ [[route]]
             11 │ path = "/orders/:number"
                ·        ────────┬────────
                ·                ╰── this route
             12 │ component = "api"
                ╰────
              help: tell them apart by host, path, method or the number of headers, or remove one
            manifest-type

              × the route's path `orders` cannot be used: it must begin with `/`
                ╭─[weft.toml:15:8]
             14 │ [[route]]
             15 │ path = "orders"
                ·        ────┬───
                ·            ╰── this route
             16 │ component = "api"
                ╰────
              help: a path looks like `/orders`, `/orders/:id` or `/assets/*`
            manifest-type

              × the route's host `Shop.example:8080` cannot be used: it must be written in lower case
                ╭─[weft.toml:18:8]
             17 │ [[route]]
             18 │ host = "Shop.example:8080"
                ·        ─────────┬─────────
                ·                 ╰── this route
             19 │ path = "/a"
                ╰────
              help: a host looks like `shop.example.com` or `*.example.com`; leave it out to match any
            manifest-type

              × the route's redirect `/b/:id` cannot be used: the path has no parameter `:id`
                ╭─[weft.toml:20:12]
             19 │ path = "/a"
             20 │ redirect = { to = "/b/:id" }
                ·            ────────┬────────
                ·                    ╰── this route
                ╰────
              help: redirect to `/path` or `https://host/path`; a segment `:name` is filled from the path
        "#]],
    );
}

#[test]
fn what_answers() {
    check(
        r#"
manifest = 1
name = "shop"
[component.api]
source = "api.wasm"
[[route]]
path = "/a"
component = "api"
redirect = { to = "/b" }
[[route]]
path = "/b"
split = { api = 90, new = 10 }
[[route]]
path = "/c"
files = "public"
[[route]]
path = "/d"
files = { from = "public" }
methods = ["POST"]
[[route]]
path = "/e"
redirect = { to = "/b", status = 200 }
[[route]]
path = "/f"
component = "api"
policy = { concurrency = 4 }
"#,
        expect![[r#"
            manifest-duplicate

              × `component` and `redirect` exclude each other
                ╭─[weft.toml:9:1]
              7 │ path = "/a"
              8 │ component = "api"
                · ────┬────
                ·     ╰── first answer
              9 │ redirect = { to = "/b" }
                · ────┬───
                ·     ╰── second answer
             10 │ [[route]]
                ╰────
              help: give exactly one of `component`, `files`, `redirect`, `split`, `upstream`
            manifest-type

              × `route.split` must be a list, not a table
                ╭─[weft.toml:12:9]
             11 │ path = "/b"
             12 │ split = { api = 90, new = 10 }
                ·         ───────────┬──────────
                ·                    ╰── a list is expected
             13 │ [[route]]
                ╰────
            manifest-type

              × `route.files` must be a table, not a string
                ╭─[weft.toml:15:9]
             14 │ path = "/c"
             15 │ files = "public"
                ·         ────┬───
                ·             ╰── a table is expected
             16 │ [[route]]
                ╰────
              help: such as `files = { from = "public" }`
            manifest-type

              × `/d` cannot serve a folder: it matches a single path
                ╭─[weft.toml:17:8]
             16 │ [[route]]
             17 │ path = "/d"
                ·        ──┬─
                ·          ╰── this path
             18 │ files = { from = "public" }
                ╰────
              help: end it in `/*`: `path = "/d/*"`
            manifest-type

              × files do not take POST
                ╭─[weft.toml:19:12]
             18 │ files = { from = "public" }
             19 │ methods = ["POST"]
                ·            ───┬──
                ·               ╰── this method
             20 │ [[route]]
                ╰────
              help: leave `methods` out: files take GET and HEAD
            manifest-type

              × `route.redirect.status` cannot be 200
                ╭─[weft.toml:22:34]
             21 │ path = "/e"
             22 │ redirect = { to = "/b", status = 200 }
                ·                                  ─┬─
                ·                                   ╰── this value
             23 │ [[route]]
                ╰────
              help: it is one of 301, 302, 303, 307, 308
            manifest-unsupported

              × `concurrency` cannot be set on a route: all routes of a component share its places
                ╭─[weft.toml:26:12]
             25 │ component = "api"
             26 │ policy = { concurrency = 4 }
                ·            ─────┬─────
                ·                 ╰── not here
                ╰────
              help: set it on the component: `[component.api] policy = { concurrency = … }`
        "#]],
    );
}

#[test]
fn what_is_not_served_yet() {
    check(
        r#"
manifest = 1
name = "shop"
[policy]
breaker = {}
[store]
files = { kind = "blob" }
odd = { kind = "keyvalue" }
[topic]
order-placed = {}
[component.api]
source = "api.wasm"
slo = { availability = "99.9%" }
link = { "shop:pricing/quote" = { to = "kitchen" } }
[[consumer]]
topic = "order-placed"
[rollout]
hold = "5m"
"#,
        expect![[r#"
            manifest-unsupported

              × `store.files.kind` cannot be `blob`: blob stores are not served by this version yet
               ╭─[weft.toml:7:18]
             6 │ [store]
             7 │ files = { kind = "blob" }
               ·                  ───┬──
               ·                     ╰── not served yet
             8 │ odd = { kind = "keyvalue" }
               ╰────
              help: this version has `key-value`
            manifest-type

              × `store.odd.kind` cannot be `keyvalue`
               ╭─[weft.toml:8:16]
             7 │ files = { kind = "blob" }
             8 │ odd = { kind = "keyvalue" }
               ·                ─────┬────
               ·                     ╰── this value
             9 │ [topic]
               ╰────
              help: did you mean `key-value`?
            manifest-unsupported

              × `topic` cannot be used: topics are not served by this version yet
                ╭─[weft.toml:9:2]
              8 │ odd = { kind = "keyvalue" }
              9 │ [topic]
                ·  ──┬──
                ·    ╰── not served yet
             10 │ order-placed = {}
                ╰────
              help: remove `topic`; nothing is ignored silently
            manifest-unsupported

              × `component.api.link` cannot be used: components cannot be linked to each other in this version yet
                ╭─[weft.toml:14:1]
             13 │ slo = { availability = "99.9%" }
             14 │ link = { "shop:pricing/quote" = { to = "kitchen" } }
                · ──┬─
                ·   ╰── not served yet
             15 │ [[consumer]]
                ╰────
              help: remove `link`; nothing is ignored silently
            manifest-unsupported

              × `consumer` cannot be used: consumers are not run by this version yet
                ╭─[weft.toml:15:3]
             14 │ link = { "shop:pricing/quote" = { to = "kitchen" } }
             15 │ [[consumer]]
                ·   ────┬───
                ·       ╰── not served yet
             16 │ topic = "order-placed"
                ╰────
              help: remove `consumer`; nothing is ignored silently
            manifest-unsupported

              × `rollout` cannot be used: a new revision replaces the old one at once in this version; there are no steps yet
                ╭─[weft.toml:17:2]
             16 │ topic = "order-placed"
             17 │ [rollout]
                ·  ───┬───
                ·     ╰── not served yet
             18 │ hold = "5m"
                ╰────
              help: remove `rollout`; nothing is ignored silently
        "#]],
    );
}

#[test]
fn limits_without_effect_and_said_twice() {
    check(
        r#"
manifest = 1
name = "shop"
[component.api]
source = "api.wasm"
limits = { concurrency = 4, instances = 8, age = "1h" }
policy = { concurrency = 8 }
"#,
        expect![[r#"
            manifest-type

              × `instances` has no effect: this component has a fresh instance for each call
               ╭─[weft.toml:6:29]
             5 │ source = "api.wasm"
             6 │ limits = { concurrency = 4, instances = 8, age = "1h" }
               ·                             ────┬────
               ·                                 ╰── without effect
             7 │ policy = { concurrency = 8 }
               ╰────
              help: add `isolation = "instance"`, or remove `instances`
            manifest-type

              × `age` has no effect: this component has a fresh instance for each call
               ╭─[weft.toml:6:44]
             5 │ source = "api.wasm"
             6 │ limits = { concurrency = 4, instances = 8, age = "1h" }
               ·                                            ─┬─
               ·                                             ╰── without effect
             7 │ policy = { concurrency = 8 }
               ╰────
              help: add `isolation = "instance"`, or remove `age`
            manifest-duplicate

              × component `api` has two values for `concurrency`
               ╭─[weft.toml:7:12]
             5 │ source = "api.wasm"
             6 │ limits = { concurrency = 4, instances = 8, age = "1h" }
               ·            ─────┬─────
               ·                 ╰── here
             7 │ policy = { concurrency = 8 }
               ·            ─────┬─────
               ·                 ╰── and here
               ╰────
              help: both mean the same: keep one of them
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
              help: the keys here are `auth`, `component`, `manifest`, `name`, `policy`, `route`, `store`, `upstream`
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

#[test]
fn a_node() {
    check_node(
        r#"
node = 1
[listen]
http = ["127.0.0.1", "localhost:80", "127.0.0.1:8080"]
https = ["0.0.0.0:443"]
admin = "127.0.0.1:8080"
[limits]
conections = 10
head = "1KiB"
drain = 30
[otlp]
endpoint = "collector:4317"
[store.orders]
postgres = { url = "secret:pg" }
"#,
        expect![[r#"
            manifest-type

              × `listen.http` cannot be `127.0.0.1`
               ╭─[node.toml:4:9]
             3 │ [listen]
             4 │ http = ["127.0.0.1", "localhost:80", "127.0.0.1:8080"]
               ·         ─────┬─────
               ·              ╰── this value
             5 │ https = ["0.0.0.0:443"]
               ╰────
              help: the port is missing: `127.0.0.1:8080`
            manifest-type

              × `listen.http` cannot be `localhost:80`
               ╭─[node.toml:4:22]
             3 │ [listen]
             4 │ http = ["127.0.0.1", "localhost:80", "127.0.0.1:8080"]
               ·                      ───────┬──────
               ·                             ╰── this value
             5 │ https = ["0.0.0.0:443"]
               ╰────
              help: an address is an IP and a port, such as `127.0.0.1:8080` or `[::]:8080`
            manifest-missing

              × `https` needs a certificate
               ╭─[node.toml:5:1]
             4 │ http = ["127.0.0.1", "localhost:80", "127.0.0.1:8080"]
             5 │ https = ["0.0.0.0:443"]
               · ──┬──
               ·   ╰── here
             6 │ admin = "127.0.0.1:8080"
               ╰────
              help: add `[[tls]]` with `cert` and `key`
            manifest-unknown-key

              × unknown key `conections` in `limits`
               ╭─[node.toml:8:1]
             7 │ [limits]
             8 │ conections = 10
               · ─────┬────
               ·      ╰── unknown key
             9 │ head = "1KiB"
               ╰────
              help: did you mean `connections`?
            manifest-type

              × a head's size is from 8KiB to 1MiB
                ╭─[node.toml:9:8]
              8 │ conections = 10
              9 │ head = "1KiB"
                ·        ───┬──
                ·           ╰── here
             10 │ drain = 30
                ╰────
              help: such as `head = "32KiB"`
            manifest-type

              × `limits.drain` must be a string, not an integer
                ╭─[node.toml:10:9]
              9 │ head = "1KiB"
             10 │ drain = 30
                ·         ─┬
                ·          ╰── a string is expected
             11 │ [otlp]
                ╰────
              help: such as `drain = "30s"`
            manifest-type

              × `otlp.endpoint` cannot be `collector:4317`
                ╭─[node.toml:12:12]
             11 │ [otlp]
             12 │ endpoint = "collector:4317"
                ·            ────────┬───────
                ·                    ╰── this value
             13 │ [store.orders]
                ╰────
              help: it is not an http or https URL
            manifest-unsupported

              × `store` cannot be used: every store is kept in the embedded engine in this version
                ╭─[node.toml:13:2]
             12 │ endpoint = "collector:4317"
             13 │ [store.orders]
                ·  ──┬──
                ·    ╰── not served yet
             14 │ postgres = { url = "secret:pg" }
                ╰────
              help: remove `store`; nothing is ignored silently
        "#]],
    );
}

#[test]
fn a_node_whose_files_are_missing() {
    check_node(
        r#"
node = 1
listen = { http = [], https = ["0.0.0.0:443", "0.0.0.0:443"] }
[[tls]]
cert = "a.pem"
key = "a.key"
[[tls]]
cert = "b.pem"
key = "b.key"
[secrets]
file = "secrets.toml"
"#,
        expect![[r#"
            manifest-duplicate

              × `0.0.0.0:443` is listened on twice
               ╭─[node.toml:3:47]
             2 │ node = 1
             3 │ listen = { http = [], https = ["0.0.0.0:443", "0.0.0.0:443"] }
               ·                                ──────┬──────  ──────┬──────
               ·                                      │              ╰── again here
               ·                                      ╰── first here
             4 │ [[tls]]
               ╰────
              help: give each its own port
            file-missing

              × `a.pem` does not exist
               ╭─[node.toml:5:8]
             4 │ [[tls]]
             5 │ cert = "a.pem"
               ·        ───┬───
               ·           ╰── here
             6 │ key = "a.key"
               ╰────
              help: paths are relative to the folder of node.toml
            file-missing

              × `a.key` does not exist
               ╭─[node.toml:6:7]
             5 │ cert = "a.pem"
             6 │ key = "a.key"
               ·       ───┬───
               ·          ╰── here
             7 │ [[tls]]
               ╰────
              help: paths are relative to the folder of node.toml
            file-missing

              × `b.pem` does not exist
               ╭─[node.toml:8:8]
             7 │ [[tls]]
             8 │ cert = "b.pem"
               ·        ───┬───
               ·           ╰── here
             9 │ key = "b.key"
               ╰────
              help: paths are relative to the folder of node.toml
            file-missing

              × `b.key` does not exist
                ╭─[node.toml:9:7]
              8 │ cert = "b.pem"
              9 │ key = "b.key"
                ·       ───┬───
                ·          ╰── here
             10 │ [secrets]
                ╰────
              help: paths are relative to the folder of node.toml
            file-missing

              × `secrets.toml` does not exist
                ╭─[node.toml:11:8]
             10 │ [secrets]
             11 │ file = "secrets.toml"
                ·        ───────┬──────
                ·               ╰── here
                ╰────
              help: paths are relative to the folder of node.toml
        "#]],
    );
}

#[test]
fn variables_from_secrets() {
    check(
        "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"api.wasm\"\nenv = { A = { secrt = \"a\" }, B = { secret = \"\" }, C = { secret = 1 }, D = {}, E = [\"x\"], F = { secret = \"f\", value = \"v\" }, G = 7 }\n",
        expect![[r#"
            manifest-missing

              × `component.api.env.A` lacks `secret`
               ╭─[weft.toml:5:9]
             4 │ source = "api.wasm"
             5 │ env = { A = { secrt = "a" }, B = { secret = "" }, C = { secret = 1 }, D = {}, E = ["x"], F = { secret = "f", value = "v" }, G = 7 }
               ·         ┬
               ·         ╰── needed here
               ╰────
              help: add `secret`, such as `secret = "db-password"`
            manifest-unknown-key

              × unknown key `secrt` in `component.api.env.A`
               ╭─[weft.toml:5:15]
             4 │ source = "api.wasm"
             5 │ env = { A = { secrt = "a" }, B = { secret = "" }, C = { secret = 1 }, D = {}, E = ["x"], F = { secret = "f", value = "v" }, G = 7 }
               ·               ──┬──
               ·                 ╰── unknown key
               ╰────
              help: did you mean `secret`?
            manifest-type

              × the secret's name is empty
               ╭─[weft.toml:5:45]
             4 │ source = "api.wasm"
             5 │ env = { A = { secrt = "a" }, B = { secret = "" }, C = { secret = 1 }, D = {}, E = ["x"], F = { secret = "f", value = "v" }, G = 7 }
               ·                                             ─┬
               ·                                              ╰── this value
               ╰────
              help: name a secret that the node has
            manifest-type

              × `component.api.env.C.secret` must be a string, not an integer
               ╭─[weft.toml:5:66]
             4 │ source = "api.wasm"
             5 │ env = { A = { secrt = "a" }, B = { secret = "" }, C = { secret = 1 }, D = {}, E = ["x"], F = { secret = "f", value = "v" }, G = 7 }
               ·                                                                  ┬
               ·                                                                  ╰── a string is expected
               ╰────
              help: such as `secret = "1"`
            manifest-missing

              × `component.api.env.D` lacks `secret`
               ╭─[weft.toml:5:71]
             4 │ source = "api.wasm"
             5 │ env = { A = { secrt = "a" }, B = { secret = "" }, C = { secret = 1 }, D = {}, E = ["x"], F = { secret = "f", value = "v" }, G = 7 }
               ·                                                                       ┬
               ·                                                                       ╰── needed here
               ╰────
              help: add `secret`, such as `secret = "db-password"`
            manifest-type

              × `component.api.env.E` must be a string, not a list
               ╭─[weft.toml:5:83]
             4 │ source = "api.wasm"
             5 │ env = { A = { secrt = "a" }, B = { secret = "" }, C = { secret = 1 }, D = {}, E = ["x"], F = { secret = "f", value = "v" }, G = 7 }
               ·                                                                                   ──┬──
               ·                                                                                     ╰── a string is expected
               ╰────
            manifest-unknown-key

              × unknown key `value` in `component.api.env.F`
               ╭─[weft.toml:5:110]
             4 │ source = "api.wasm"
             5 │ env = { A = { secrt = "a" }, B = { secret = "" }, C = { secret = 1 }, D = {}, E = ["x"], F = { secret = "f", value = "v" }, G = 7 }
               ·                                                                                                              ──┬──
               ·                                                                                                                ╰── unknown key
               ╰────
              help: the keys here are `secret`
            manifest-type

              × `component.api.env.G` must be a string, not an integer
               ╭─[weft.toml:5:129]
             4 │ source = "api.wasm"
             5 │ env = { A = { secrt = "a" }, B = { secret = "" }, C = { secret = 1 }, D = {}, E = ["x"], F = { secret = "f", value = "v" }, G = 7 }
               ·                                                                                                                                 ┬
               ·                                                                                                                                 ╰── a string is expected
               ╰────
              help: such as `G = "7"`
        "#]],
    );
}
