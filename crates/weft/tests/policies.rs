//! What callers may do, on a real node: Cedar policies over proven identities, refused, swapped and explained.

#[allow(dead_code, reason = "not every key is used here")]
#[path = "../../weft-identity/tests/support/sign.rs"]
mod sign;
mod support;

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use sign::{RSA, RSA_PUBLIC, claims_at, header, raw};
use support::{Node, Response, application, request, run};
use tempfile::TempDir;

const MANIFEST: &str = r#"
[auth.staff.jwt]
issuer = "https://id.example"
audience = ["orders"]
algorithms = ["RS256"]
keys = "issuer.pem"
tenant = "org"
roles = "roles"

[access]
policies = ["policies/*.cedar"]

[[route]]
path = "/orders/:tenant/:id"
component = "api"
policy = { auth = "staff" }

[[route]]
path = "/health"
component = "api"
"#;

const RULES: &str = r#"
@id("own tenant")
permit (principal is User, action in [Action::"GET", Action::"DELETE"], resource)
when { principal has tenant && resource.params has tenant && resource.params.tenant == principal.tenant };

@id("no deleting")
forbid (principal, action == Action::"DELETE /orders/:tenant/:id", resource)
unless { principal in Role::"admin" };

permit (principal, action == Action::"GET /health", resource);
"#;

fn folder() -> TempDir {
    let folder = application("shop", "path = \"/rest/*\"\npolicy = { auth = \"staff\" }", "mirror-p2.wasm");
    fs::write(folder.path().join("issuer.pem"), RSA_PUBLIC).expect("written");
    fs::create_dir(folder.path().join("policies")).expect("made");
    fs::write(folder.path().join("policies/shop.cedar"), RULES).expect("written");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, text + MANIFEST).expect("written");
    folder
}

fn token(claims: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let token = raw(&header("RS256", json!({})), &claims_at(now, claims), "RS256", RSA);
    format!("authorization: Bearer {token}\r\n")
}

fn of(org: &str, roles: &[&str]) -> String {
    token(json!({ "org": org, "roles": roles }))
}

fn ask(node: &Node, what: &str, who: &str) -> Response {
    request(&node.url, &format!("{what} HTTP/1.1\r\nhost: t\r\n{who}connection: close\r\n\r\n"))
}

fn refused(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    let head = response.head.to_lowercase();
    assert!(head.contains(&format!("weft-error: {code}\r\n")) && head.contains("weft-request-id: "), "{response:?}");
}

#[test]
fn policies_decide_on_a_real_node_and_say_so_in_its_log() {
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder());
    let mut command = support::weft();
    let path = folder.path().to_str().expect("text");
    command.args(["up", path, "--no-watch", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    let mut node = Node::start_with(command.env("WEFT_LOG", "debug"));
    assert_eq!(ask(&node, "GET /orders/acme/1", &of("acme", &[])).status, 200);
    assert_eq!(ask(&node, "HEAD /orders/acme/1", &of("acme", &[])).status, 200);
    refused(&ask(&node, "GET /orders/other/1", &of("acme", &[])), 403, "forbidden");
    refused(&ask(&node, "POST /orders/acme/1", &of("acme", &["admin"])), 403, "forbidden");
    assert_eq!(ask(&node, "DELETE /orders/acme/1", &of("acme", &["admin"])).status, 200);
    refused(&ask(&node, "GET /rest/x", &of("acme", &["admin"])), 403, "forbidden");
    refused(&ask(&node, "GET /orders/acme/1", ""), 401, "unauthenticated");
    assert_eq!(ask(&node, "GET /health", "").status, 200);
    refused(&ask(&node, "POST /health", ""), 403, "forbidden");
    let odd = token(json!({ "sub": "\"; permit(principal, action, resource); //", "org": "o\"||true||\"" }));
    refused(&ask(&node, "GET /orders/acme/1", &odd), 403, "forbidden");

    let denied = ask(&node, "DELETE /orders/acme/1", &of("acme", &[]));
    refused(&denied, 403, "forbidden");
    assert!(!denied.body.contains("no deleting"), "whoever is refused learns no policies: {}", denied.body);
    let line = node.says("no deleting (policies/shop.cedar:6)");
    let id = denied.head.lines().find_map(|line| line.strip_prefix("weft-request-id: ")).expect("an id");
    assert!(line.contains(id.trim()), "{line}");
}

#[test]
fn a_wrong_policy_is_refused_with_its_place_and_the_last_good_revision_stays() {
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder());
    let (data_text, path) = (data.path().to_str().expect("text"), folder.path().to_str().expect("text"));
    let node = Node::start(&["serve"], data.path());
    let (code, first, err) = run(&["apply", path, "--data", data_text, "--format", "json"]);
    assert_eq!(code, 0, "{err}");
    let rules = folder.path().join("policies/shop.cedar");
    fs::write(&rules, RULES.replace("principal.tenant }", "principal.tenat }")).expect("written");
    let (code, _, err) = run(&["check", path]);
    assert!(code == 1 && err.contains("policy-invalid") && err.contains("did you mean `tenant`"), "{err}");
    assert!(err.contains("shop.cedar:4:"), "{err}");
    let (code, _, err) = run(&["apply", path, "--data", data_text]);
    assert!(code == 1 && err.contains("policies/shop.cedar:4:") && err.contains("tenat"), "{err}");
    assert_eq!(ask(&node, "GET /orders/acme/1", &of("acme", &[])).status, 200);
    refused(&ask(&node, "GET /orders/other/1", &of("acme", &[])), 403, "forbidden");

    fs::write(&rules, RULES.replace("is User", "is User, /* all */")).expect("written");
    let (code, _, err) = run(&["check", path]);
    assert!(code == 1 && err.contains("policy-invalid"), "{err}");

    // Another policy is another revision, and it is kept: a restart serves by it.
    fs::write(&rules, "permit (principal is User, action, resource);").expect("written");
    let (code, second, err) = run(&["apply", path, "--data", data_text, "--format", "json"]);
    assert_eq!(code, 0, "{err}");
    let revision = |text: &str| serde_json::from_str::<Value>(text).expect("JSON")["revision"].clone();
    assert_ne!(revision(&first), revision(&second));
    node.stop();
    fs::remove_file(&rules).expect("removed");
    let node = Node::start(&["serve"], data.path());
    assert_eq!(ask(&node, "POST /orders/other/1", &of("acme", &[])).status, 200);
    refused(&ask(&node, "GET /health", ""), 403, "forbidden");
    let (code, _, err) = run(&["check", path]);
    assert!(code == 1 && err.contains("file-missing") && err.contains("policies/*.cedar"), "{err}");
}

#[test]
fn explain_says_as_whom_and_which_policy_decides() {
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder());
    let path = folder.path().to_str().expect("text");
    let explain = |more: &[&str]| {
        let (code, out, err) = run(&[&["explain", "--format", "json"], more].concat());
        assert_eq!(code, 0, "{err}");
        let all: Value = serde_json::from_str(&out).expect("JSON");
        let of = |key: &str| all["access"][key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {} {}", of("who"), all["access"]["let-in"], of("code"), of("why"))
    };
    let _node = Node::start(&["up", path, "--no-watch"], data.path());
    // Of the manifest alone, and of a running node.
    for asked in [["--of", path], ["--data", data.path().to_str().expect("text")]] {
        let ask = |what: [&str; 2], who: &[&str]| explain(&[&what[..], who, &asked[..]].concat());
        let alice = ["--as", "alice", "--tenant", "acme"];
        assert_eq!(
            ask(["GET", "/orders/acme/1"], &alice),
            "staff/alice true  permitted by own tenant (policies/shop.cedar:2)"
        );
        assert_eq!(
            ask(["DELETE", "/orders/acme/1"], &alice),
            "staff/alice false forbidden forbidden by no deleting (policies/shop.cedar:6)"
        );
        let admin = [&alice[..], &["--role", "x", "--role", "admin"]].concat();
        assert_eq!(
            ask(["DELETE", "/orders/acme/1"], &admin),
            "staff/alice true  permitted by own tenant (policies/shop.cedar:2)"
        );
        assert_eq!(ask(["GET", "/orders/other/1"], &alice), "staff/alice false forbidden no policy permits it");
        assert_eq!(
            ask(["GET", "/orders/other/1"], &[&alice[..], &["--auth", "partners"]].concat()),
            "partners/alice false unauthenticated the route does not take `partners`; it takes staff"
        );
        assert_eq!(
            ask(["GET", "/orders/acme/1"], &[]),
            "nobody false unauthenticated the route asks who is calling: staff"
        );
        assert_eq!(ask(["GET", "/health"], &[]), "nobody true  permitted by policies/shop.cedar:10");
        assert_eq!(ask(["GET", "/health"], &alice), "nobody true  permitted by policies/shop.cedar:10");
    }
    let (code, out, _) =
        run(&["explain", "DELETE", "/orders/acme/1", "--as", "alice", "--tenant", "acme", "--of", path]);
    assert!(code == 0 && out.contains("staff/alice  refused: forbidden by no deleting"), "{out}");
    let (code, _, err) = run(&["explain", "GET", "/health", "--role", "admin", "--of", path]);
    assert!(code == 2, "{err}");
    let (code, _, err) = run(&["explain", "GET", "/orders/acme/1", "--as", "a\nb", "--of", path]);
    assert!(code != 0 && err.contains("controls"), "{err}");
}
