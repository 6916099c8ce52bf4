//! What has the right form and means nothing: references, files, limits, variables.

use super::*;

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
              help: the keys here are `access`, `auth`, `component`, `manifest`, `name`, `policy`, `route`, `store`, `upstream`
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
