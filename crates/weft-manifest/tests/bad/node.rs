//! `node.toml`.

use super::*;

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
