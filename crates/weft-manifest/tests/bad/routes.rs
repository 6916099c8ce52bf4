//! Routes, and who answers them.

use super::*;

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
