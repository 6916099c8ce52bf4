//! Who may call, and whom a node believes.

use super::*;

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
