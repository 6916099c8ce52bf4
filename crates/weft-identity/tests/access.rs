//! Policies: what they decide, what is refused of them, and that nobody's name becomes a policy.

use std::sync::Arc;

use expect_test::{Expect, expect};
use http::Method;
use weft_identity::{Asked, Decision, Facts, Policies, PolicyFile, RouteFact, Ruling, stand_in};
use weft_types::{Identity, Name};

fn facts() -> Facts {
    let route = |name: &str, methods: &[Method], params: &[&str]| RouteFact {
        name: name.to_owned(),
        methods: methods.to_vec(),
        params: params.iter().map(|param| (*param).to_owned()).collect(),
    };
    let routes = vec![
        route("/orders/:tenant/:id", &[Method::GET, Method::POST], &["tenant", "id"]),
        route("shop.example/admin/*", &[], &[]),
    ];
    Facts { application: "shop".to_owned(), auths: vec!["staff".to_owned()], routes, nobody: false }
}

fn file(text: &str) -> PolicyFile {
    PolicyFile { name: "p.cedar".to_owned(), text: text.to_owned() }
}

fn compile(text: &str) -> Policies {
    Policies::compile(&facts(), &[file(text)]).unwrap_or_else(|faults| panic!("{text}: {faults:#?}"))
}

fn who(subject: &str, tenant: Option<&str>, roles: &[&str]) -> Identity {
    let roles = roles.iter().map(|role| Arc::from(*role)).collect();
    stand_in(&Name::new("staff").expect("a name"), subject, tenant, roles).expect("fit")
}

/// What policies make of `METHOD PATH` on the route with that number.
fn ask(policies: &Policies, route: usize, request: &str, identity: Option<&Identity>) -> Ruling {
    let (method, path) = request.split_once(' ').expect("two words");
    let segments: Vec<&str> = path.split('/').collect();
    let params = if route == 0 { vec![("tenant", segments[2]), ("id", segments[3])] } else { Vec::new() };
    let address = Some("10.1.2.3".parse().expect("an address"));
    let method = method.parse().expect("a method");
    let asked = Asked { method: &method, host: "Shop.Example", path, params: &params, address };
    policies.decide(&policies.route(&facts().routes[route]).expect("a route"), &asked, identity)
}

fn decided(policies: &Policies, route: usize, request: &str, identity: &Identity) -> String {
    ask(policies, route, request, Some(identity)).to_string()
}

const RULES: &str = r#"
// Whoever reads.
@id("readers")
permit (principal in Role::"reader", action in Action::"GET", resource in Application::"shop")
when { principal has tenant && resource.params has tenant && resource.params.tenant == principal.tenant };

permit (principal == User::"staff/alice", action in [Action::"POST /orders/:tenant/:id", Action::"DELETE"], resource);

@id("admin area")
forbid (principal, action, resource == Route::"shop.example/admin/*")
unless { principal.roles.contains("admin") && context.address.isInRange(ip("10.0.0.0/8")) };

permit (principal in Role::"admin", action, resource) when { resource.path like "/admin/*" && resource.host == "shop.example" };
"#;

#[test]
fn policies_decide_by_role_tenant_route_method_path_and_address() {
    let policies = compile(RULES);
    let (alice, bob) = (who("alice", Some("acme"), &["reader"]), who("bob", Some("other"), &["reader"]));
    let root = who("root", None, &["admin"]);
    assert_eq!(decided(&policies, 0, "GET /orders/acme/1", &alice), "permitted by readers (p.cedar:3)");
    assert_eq!(decided(&policies, 0, "HEAD /orders/acme/1", &alice), "permitted by readers (p.cedar:3)");
    assert_eq!(decided(&policies, 0, "GET /orders/acme/1", &bob), "no policy permits it");
    assert_eq!(decided(&policies, 0, "POST /orders/acme/1", &alice), "permitted by p.cedar:7");
    assert_eq!(decided(&policies, 0, "POST /orders/acme/1", &bob), "no policy permits it");
    assert_eq!(decided(&policies, 0, "GET /orders/acme/1", &root), "no policy permits it");
    assert_eq!(decided(&policies, 1, "DELETE /admin/x", &alice), "forbidden by admin area (p.cedar:9)");
    assert_eq!(decided(&policies, 1, "PROPFIND /%61dmin/x", &root), "permitted by p.cedar:13");
    assert_eq!(ask(&policies, 0, "GET /orders/acme/1", None).decision, Decision::Unpermitted);
    assert_eq!(ask(&policies, 1, "GET /admin/%ff", Some(&root)).decision, Decision::Failed);
}

#[test]
fn a_policy_that_cannot_be_evaluated_lets_nobody_through() {
    let policies = compile(
        "permit(principal, action, resource);\n\
         forbid(principal, action, resource) when { 9223372036854775807 + (if principal.id == \"a\" then 1 else 0) < 0 };",
    );
    assert_eq!(decided(&policies, 0, "GET /orders/a/b", &who("b", None, &[])), "permitted by p.cedar:1");
    let failed = ask(&policies, 0, "GET /orders/a/b", Some(&who("a", None, &[])));
    assert_eq!(failed.decision, Decision::Failed, "{failed:?}");
}

#[test]
fn no_name_of_a_caller_or_path_becomes_another_one() {
    let policies = compile(
        r#"permit (principal == User::"staff/root", action, resource);
           permit (principal in Role::"admin", action, resource);
           permit (principal, action, resource) when { resource.params has id && resource.params.id == "free" };"#,
    );
    let odd = [
        r#"root" || true || ""#,
        r#"x"); permit(principal, action, resource); //"#,
        "staff/root",
        "root/",
        "../root",
        r"r\u{6f}ot",
        r"\u{72}oot",
        "User::\"staff/root\"",
        "Role::\"admin\"",
        "rooт",
        "root\u{200b}",
        "💥\u{202e}",
    ];
    for name in odd {
        // No role holds a comma.
        let role = name.replace(',', ";");
        let (named, roled, of) = (who(name, None, &[]), who("x", None, &[&role]), who("x", Some(name), &[]));
        for identity in [named, roled, of] {
            assert_eq!(decided(&policies, 0, "GET /orders/a/b", &identity), "no policy permits it", "{identity:?}");
        }
        assert_eq!(
            decided(&policies, 0, &format!("GET /orders/a/{name}"), &who("x", None, &[])),
            "no policy permits it"
        );
    }
    assert!(decided(&policies, 0, "GET /orders/a/b", &who("root", None, &[])).starts_with("permitted"));
    assert!(decided(&policies, 0, "GET /orders/a/free", &who("x", None, &[])).starts_with("permitted"));
}

fn wrong(text: &str, expected: &Expect) {
    wrong_of(&facts(), text, expected);
}

fn wrong_of(facts: &Facts, text: &str, expected: &Expect) {
    let other = PolicyFile { name: "other.cedar".to_owned(), ..file("permit(principal, action, resource);") };
    let files = [other, file(text)];
    let faults = Policies::compile(facts, &files).expect_err(text);
    let told = faults.iter().map(|fault| {
        let at = text.get(fault.span.clone()).unwrap_or("?");
        let (at, help) = (at.chars().take(60).collect::<String>(), format!("  {}", fault.help));
        format!("{} `{at}`: {}\n{}\n", fault.file, fault.message, help.trim_end())
    });
    // What is invisible in a policy is not to be so here.
    expected.assert_eq(&told.collect::<String>().replace('\u{202e}', "<RLO>"));
}

#[test]
fn a_file_that_is_wrong_says_where_and_what_to_do() {
    wrong(
        "permit(principal, action, resource)",
        &expect![[r#"
        1 ``: unexpected end of input
          expected `;` or identifier
    "#]],
    );
    wrong(
        "permit(principal, action, resource) when { principal.tenat == \"a\" };",
        &expect![[r#"
            1 `principal.tenat`: attribute `tenat` on entity type `User` not found
              did you mean `tenant`?
        "#]],
    );
    wrong(
        "permit(principal, action, resource) when { principal.tenant == \"a\" };",
        &expect![[r#"
            1 `principal.tenant`: unable to guarantee safety of access to optional attribute `tenant` on entity type `User`
              try testing for the attribute's presence with `e has tenant && ..`
        "#]],
    );
    wrong(
        "permit(principal, action, resource) when { resource.params.id == \"a\" };",
        &expect![[r#"
            1 `resource.params.id`: unable to guarantee safety of access to optional attribute `params.id` on entity type `Route`
              try testing for the attribute's presence with `e.params has id && ..`
        "#]],
    );
    wrong(
        "permit(principal, action, resource) when { resource.params has idd };",
        &expect![[r#"
            1 `permit(principal, action, resource) when { resource.params h`: policy is impossible: the policy expression evaluates to false for all valid requests
              no request can meet it: remove it, or say what was meant
        "#]],
    );
    wrong(
        "permit(principal, action, resource) when { resource.headers == \"a\" };",
        &expect![[r#"
            1 `resource.headers`: attribute `headers` on entity type `Route` not found
              did you mean `params`?
        "#]],
    );
    wrong(
        "permit(principal, action == Action::\"GET /order/:tenant/:id\", resource);",
        &expect![[r#"
            1 `"GET /order/:tenant/:id"`: there is no action `GET /order/:tenant/:id`
              did you mean `Action::"GET /orders/:tenant/:id"`?
        "#]],
    );
    wrong(
        "permit(principal, action == Action::\"DELETE /orders/:tenant/:id\", resource);",
        &expect![[r#"
            1 `"DELETE /orders/:tenant/:id"`: there is no action `DELETE /orders/:tenant/:id`
              did you mean `Action::"GET /orders/:tenant/:id"`?
        "#]],
    );
    wrong(
        "permit(principal, action, resource == Route::\"/nowhere\");",
        &expect![[r#"
            1 `"/nowhere"`: there is no route `/nowhere`
              there are /orders/:tenant/:id, shop.example/admin/*
        "#]],
    );
    wrong(
        "permit(principal, action, resource in Application::\"shops\");",
        &expect![[r#"
            1 `"shops"`: there is no application `shops`
              did you mean `Application::"shop"`?
        "#]],
    );
    wrong(
        "permit(principal in Rol::\"a\", action, resource);",
        &expect![[r#"
            1 `Rol`: unrecognized entity type `Rol`
              did you mean `Role`?
        "#]],
    );
    wrong(
        "permit(principal, action == Action::\"GET\", resource);",
        &expect![[r#"
            1 `permit(principal, action == Action::"GET", resource);`: unable to find an applicable action given the policy scope constraints
              a method alone is a group of actions: write `action in`
        "#]],
    );
    wrong(
        "permit(principal is Nobody, action, resource);",
        &expect![[r#"
            1 `permit(principal is Nobody, action, resource);`: unable to find an applicable action given the policy scope constraints
              no request can meet it: remove it, or say what was meant
        "#]],
    );
    wrong(
        "permit(principal, action, resource) when { context.address == \"10.0.0.1\" };",
        &expect![[r#"
            1 `context.address == "10.0.0.1"`: the types String and ipaddr are not compatible
              for policy `p.cedar:1`, both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible
        "#]],
    );
    wrong(
        "permit(principal == ?principal, action, resource);",
        &expect![[r#"
        1 `permit(principal == ?principal, action, resource);`: this is a template, and nothing fills it in
          name the principal or resource in place of `?principal` or `?resource`
    "#]],
    );
    wrong(
        "@id(\"a\") permit(principal, action, resource);\n@id(\"a\") forbid(principal, action, resource);",
        &expect![[r#"
            1 `@id("a") forbid(principal, action, resource);`: another policy has the id `a`
              give one of them another `@id`
        "#]],
    );
    wrong(
        "permit(principal, action, resource) when { 1 };",
        &expect![[r#"
            1 `1`: unexpected type: expected Bool but saw Long
  
        "#]],
    );
    wrong(
        "\u{202e}permit(principal, action, resource);",
        &expect![[r#"
            1 ``: invalid token
  
        "#]],
    );
    wrong(
        "permit(principal, action, resource) when { principal.id == \"a\u{202e}b\" };",
        &expect![[r#"
            1 `"a<RLO>b"`: string `"a<RLO>b"` contains BIDI control characters
              remove the invisible characters: they show another policy than there is
        "#]],
    );
    let nobody = Facts { nobody: true, ..facts() };
    wrong_of(
        &nobody,
        "permit(principal, action, resource) when { principal.id == \"a\" };",
        &expect![[r#"
            1 `principal.id`: attribute `id` on entity type `Nobody` not found
              some route lets nobody in particular call: write `principal is User` in the policy's head
        "#]],
    );
}

#[test]
fn policies_made_to_hurt_are_refused_before_they_are_parsed() {
    let when = |condition: &str| format!("permit(principal, action, resource) when {{ {condition} }};");
    let deep = [
        when(&format!("{}true{}", "(".repeat(50_000), ")".repeat(50_000))),
        when(&format!("{}true", "!".repeat(50_000))),
        when(&format!("true{}", " && true".repeat(25_000))),
        when(&format!("{} true", "if true then true else".repeat(8_000))),
        when(&format!("{}{}", "[".repeat(50_000), "]".repeat(50_000))),
        when(&format!("principal{}", ".a".repeat(50_000))),
        "(".repeat(200_000),
        "permit(principal, action, resource);".repeat(2_000),
        format!("// {}", "x".repeat(300 << 10)),
        "\"".to_owned(),
        "\0".to_owned(),
        String::new(),
        "// nothing but a comment".to_owned(),
    ];
    for text in &deep {
        let faults = Policies::compile(&facts(), &[file(text)]).expect_err("too much");
        assert!(!faults.is_empty() && faults.iter().all(|fault| text.get(fault.span.clone()).is_some()), "{faults:?}");
    }
    // What is just within the bounds is compiled and evaluated on an ordinary thread's stack, or refused.
    let within = when(&format!("{}true{}", "(".repeat(29), ")".repeat(29)));
    assert!(decided(&compile(&within), 0, "GET /orders/a/b", &who("a", None, &[])).starts_with("permitted"));
    let long = when(&format!("true{}", " && principal.id == \"a\"".repeat(90)));
    assert!(decided(&compile(&long), 0, "GET /orders/a/b", &who("a", None, &[])).starts_with("permitted"));
}
