//! The parts of a policy, from each level to what holds for a route.

use std::{path::Path, time::Duration};

use expect_test::{Expect, expect};
use weft_manifest::{Application, Disk, Look, load_text};
use weft_traffic::{Action, codel, gcra};
use weft_types::{Digest, Name, Priority};

const BEGIN: &str = "manifest = 1\nname = \"shop\"\n";
const API: &str = "[component.api]\nsource = \"api.wasm\"\n";
const ROUTE: &str = "[[route]]\npath = \"/a\"\ncomponent = \"api\"\n";

fn good(text: &str) -> Application {
    load_text("weft.toml", text, Path::new("/srv/shop"), Disk::Skip).unwrap_or_else(|report| panic!("{report}"))
}

fn bad(text: &str, wanted: Expect) {
    let report = load_text("weft.toml", text, Path::new("/srv/shop"), Disk::Skip).expect_err("it is bad");
    wanted.assert_eq(&report.render(Look::default()));
}

#[test]
fn a_rate_limit_is_put_together_from_all_levels() {
    let text = format!(
        "{BEGIN}policy = {{ rate-limit = {{ by = \"address\" }} }}\n{API}policy = {{ rate-limit = {{ rate = \"100/s\" }} }}\n\
         {ROUTE}policy = {{ rate-limit = {{ burst = 7 }} }}\n"
    );
    let shop = good(&text);
    let spec = &shop.lower(Digest([7; 32]))[0];
    let limit = spec.policy.rate_limit.options().expect("limited");
    let wanted = gcra::Options { burst: 7, ..gcra::Options::new("100/s".parse().expect("a rate"), gcra::By::Address) };
    assert_eq!(limit, wanted);
    let told: Vec<_> = spec.origins[6..].iter().map(|(field, value, from)| format!("{field} {value} {from}")).collect();
    assert_eq!(
        told,
        [
            "rate-limit.rate 100/s component api",
            "rate-limit.burst 7 route weft.toml:7",
            "rate-limit.by address application",
        ]
    );
    let stored = Application::from_json(&shop.to_json()).expect("reads back");
    assert_eq!(stored.lower(Digest([7; 32]))[0].policy, spec.policy);
}

#[test]
fn wrong_words_in_a_rate_limit() {
    bad(
        &format!("{BEGIN}{API}{ROUTE}policy = {{ rate-limit = {{ rate = \"100/w\", bust = 2, by = \"tenant\" }} }}\n"),
        expect![[r#"
            manifest-type

              × `route.policy.rate-limit.rate` cannot be `100/w`
               ╭─[weft.toml:8:34]
             7 │ component = "api"
             8 │ policy = { rate-limit = { rate = "100/w", bust = 2, by = "tenant" } }
               ·                                  ───┬───
               ·                                     ╰── this value
               ╰────
              help: a rate is a whole number, `/` and `s`, `m`, `h` or `d`, such as `100/s`
            manifest-unknown-key

              × unknown key `bust` in `route.policy.rate-limit`
               ╭─[weft.toml:8:43]
             7 │ component = "api"
             8 │ policy = { rate-limit = { rate = "100/w", bust = 2, by = "tenant" } }
               ·                                           ──┬─
               ·                                             ╰── unknown key
               ╰────
              help: did you mean `burst`?
        "#]],
    );
    bad(
        &format!("{BEGIN}{API}{ROUTE}policy = {{ rate-limit = {{ rate = 100, burst = 0, by = \"adress\" }} }}\n"),
        expect![[r#"
            manifest-type

              × `route.policy.rate-limit.rate` must be a string, not an integer
               ╭─[weft.toml:8:34]
             7 │ component = "api"
             8 │ policy = { rate-limit = { rate = 100, burst = 0, by = "adress" } }
               ·                                  ─┬─
               ·                                   ╰── a string is expected
               ╰────
              help: such as `rate = "100/s"`
            manifest-type

              × `route.policy.rate-limit.burst` cannot be 0
               ╭─[weft.toml:8:47]
             7 │ component = "api"
             8 │ policy = { rate-limit = { rate = 100, burst = 0, by = "adress" } }
               ·                                               ┬
               ·                                               ╰── this value
               ╰────
              help: it must be at least 1
            manifest-type

              × `route.policy.rate-limit.by` cannot be `adress`
               ╭─[weft.toml:8:55]
             7 │ component = "api"
             8 │ policy = { rate-limit = { rate = 100, burst = 0, by = "adress" } }
               ·                                                       ────┬───
               ·                                                           ╰── this value
               ╰────
              help: did you mean `address`?
        "#]],
    );
}

#[test]
fn a_rate_limit_without_a_rate_limits_nothing() {
    bad(
        &format!("{BEGIN}{API}{ROUTE}policy = {{ rate-limit = {{ by = \"address\" }} }}\n"),
        expect![[r#"
        manifest-missing

          × `rate-limit` lacks `rate`, and no other level has one
           ╭─[weft.toml:8:12]
         7 │ component = "api"
         8 │ policy = { rate-limit = { by = "address" } }
           ·            ─────┬────
           ·                 ╰── limits nothing
           ╰────
          help: add `rate`, such as `rate = "100/s"`
    "#]],
    );
    bad(
        &format!("{BEGIN}[policy.rate-limit]\nburst = 5\n{API}{ROUTE}"),
        expect![[r#"
        manifest-missing

          × `rate-limit` lacks `rate`, and no other level has one
           ╭─[weft.toml:3:9]
         2 │ name = "shop"
         3 │ [policy.rate-limit]
           ·         ─────┬────
           ·              ╰── limits nothing
         4 │ burst = 5
           ╰────
          help: add `rate`, such as `rate = "100/s"`
    "#]],
    );
    good(&format!(
        "{BEGIN}[policy.rate-limit]\nburst = 5\n{API}{ROUTE}policy = {{ rate-limit = {{ rate = \"5/m\" }} }}\n"
    ));
}

#[test]
fn a_route_has_the_priority_of_its_nearest_level_and_a_component_its_shedding() {
    let shop = good(&format!(
        "{BEGIN}policy = {{ priority = \"batch\", shedding = {{ target = \"20ms\" }} }}\n\
         {API}policy = {{ shedding = {{ interval = \"1s\" }} }}\n\
         {ROUTE}policy = {{ priority = \"interactive\" }}\n[[route]]\npath = \"/b\"\ncomponent = \"api\"\n"
    ));
    let priorities = shop.lower(Digest([7; 32])).into_iter().map(|spec| match spec.action {
        Action::Component(context) => context.priority,
        other => panic!("{other:?}"),
    });
    assert_eq!(priorities.collect::<Vec<_>>(), [Priority::Interactive, Priority::Batch]);
    let gate = shop.component_policy(&Name::new("api").expect("a name")).policy;
    let wanted = codel::Options { target: Duration::from_millis(20), interval: Duration::from_secs(1) };
    assert_eq!(gate.shedding.options(), wanted);
}

#[test]
fn what_a_route_cannot_say_of_its_queue() {
    bad(
        &format!(
            "{BEGIN}{API}{ROUTE}policy = {{ shedding = {{ target = \"1ms\" }}, priority = \"urgent\" }}\n\
             [[route]]\npath = \"/b\"\nredirect = {{ to = \"/a\" }}\npolicy = {{ priority = \"health\" }}\n"
        ),
        expect![[r#"
            manifest-unsupported

              × `shedding` cannot be set on a route: all routes of a component share its places
               ╭─[weft.toml:8:12]
             7 │ component = "api"
             8 │ policy = { shedding = { target = "1ms" }, priority = "urgent" }
               ·            ────┬───
               ·                ╰── not here
             9 │ [[route]]
               ╰────
              help: set it on the component: `[component.api] policy = { shedding = … }`
            manifest-type

              × `route.policy.priority` cannot be `urgent`
               ╭─[weft.toml:8:54]
             7 │ component = "api"
             8 │ policy = { shedding = { target = "1ms" }, priority = "urgent" }
               ·                                                      ────┬───
               ·                                                          ╰── this value
             9 │ [[route]]
               ╰────
              help: it is one of `batch`, `default`, `interactive`, `health`
            manifest-unsupported

              × `priority` has no effect here: nobody waits for files or a redirect
                ╭─[weft.toml:12:12]
             11 │ redirect = { to = "/a" }
             12 │ policy = { priority = "health" }
                ·            ────┬───
                ·                ╰── not here
                ╰────
              help: remove it
        "#]],
    );
}
