//! The table on small hand-written cases: precedence, misses, parameters, conflicts, explanations.

mod common;

use std::sync::LazyLock;

use common::{method, route};
use http::{HeaderMap, Method};
use weft_traffic::{
    Action, Files, Found, Miss, RequestHead, RouteSpec, Table,
    feature::{Features, Rewrite},
    policy::Auth,
};
use weft_types::code;

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

fn table(routes: &[&str]) -> Table {
    let specs = routes.iter().zip(1..).map(|(text, line)| route(line, text)).collect();
    Table::compile(specs).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn find<'a>(table: &'a Table, method: &'a Method, target: &'a str, headers: &'a HeaderMap) -> Result<Found<'a>, Miss> {
    let (host, path) = target.split_at(target.find('/').expect("a path"));
    table.find(&RequestHead { host, path, method, headers })
}

/// The line of the route that answers, or the code of the miss.
fn answer(table: &Table, request: &str) -> String {
    let mut words = request.split(' ');
    let (method, target) = (method(words.next().expect("method")), words.next().expect("target"));
    let mut headers = HeaderMap::new();
    for word in words {
        let (name, value) = word.split_once('=').expect("name=value");
        headers.append(name.parse::<http::HeaderName>().expect("name"), value.parse().expect("value"));
    }
    match find(table, &method, target, &headers) {
        Ok(found) => found.route.spec.place.line.to_string(),
        Err(Miss::MethodNotAllowed { allow }) => format!("allow {allow:?}"),
        Err(miss) => miss.code().to_string(),
    }
}

#[test]
fn precedence() {
    let table = table(&[
        "GET shop.example/orders/:id",        // 1
        "GET *.example/orders/new",           // 2
        "GET /orders/new",                    // 3
        "* shop.example/*",                   // 4
        "GET shop.example/orders/new",        // 5
        "GET shop.example/orders/new x-beta", // 6
        "* shop.example/orders/new",          // 7
        "GET shop.example/orders/new a b=1",  // 8
        "GET shop.example/orders/*",          // 9
        "GET /files/:name",                   // 10
        "HEAD /files/:name",                  // 11
        "PURGE /files/:name",                 // 12
        "GET /a/:x/c",                        // 13
        "GET /:w/b/d",                        // 14
    ]);
    let cases = [
        ("GET shop.example/orders/7", "1"),
        ("GET shop.example/orders/new", "5"),
        ("GET SHOP.example:8080/orders/new", "5"),
        ("GET shop.example./orders/new", "5"),
        ("GET shop.example/orders/new x-beta=anything", "6"),
        ("GET shop.example/orders/new x-beta=1 a=1 b=1", "8"),
        ("GET shop.example/orders/new a=1 b=2", "5"),
        ("GET shop.example/orders/new a=1 b=2 b=1", "5"), // The first value counts.
        ("POST shop.example/orders/new", "7"),
        ("HEAD shop.example/orders/new", "5"), // Implied by GET, over the route for any method.
        ("POST shop.example/orders/7", "4"),   // Nothing closer takes POST.
        ("GET shop.example/orders/7/items", "9"),
        ("GET shop.example/orders", "9"),
        ("GET shop.example/orders/", "9"), // A parameter is never empty.
        ("GET shop.example/", "4"),
        ("GET other.example/orders/new", "2"),
        ("GET a.b.example/orders/new", "3"),
        ("GET /orders/new", "3"),
        ("GET other.example/orders/9", "no-route"),
        ("GET x/files/a", "10"),
        ("HEAD x/files/a", "11"),
        ("PURGE x/files/a", "12"),
        ("POST x/files/a", "allow [GET, HEAD, PURGE]"),
        ("GET x/files/a/", "no-route"),
        ("GET x/files", "no-route"),
        ("GET x/a/b/c", "13"),
        ("GET x/a/b/d", "14"), // Back up from the literal `a`, which holds no match.
        ("GET x/a/../orders/new", "bad-path"),
        ("GET x/files/%2e%2e", "bad-path"),
        ("GET x/%66iles/a", "10"),
        ("GET x/orders%2Fnew", "no-route"), // `%2F` separates nothing.
    ];
    for (request, wanted) in cases {
        assert_eq!(answer(&table, request), wanted, "{request}");
    }
}

#[test]
fn parameters_are_decoded_once_and_the_rest_stays_raw() {
    let table = table(&["GET /orders/:id/:part", "GET /files/*", "GET /:only"]);
    let found = find(&table, &Method::GET, "x/orders/a%2Fb%20c/%C3%A9", &NO_HEADERS).expect("found");
    let told: Vec<_> = found.params.iter().map(|p| (p.name, &*p.value)).collect();
    assert_eq!(told, [("id", "a/b c"), ("part", "é")]);
    assert_eq!(found.rest, "");
    let found = find(&table, &Method::GET, "x/files/a%2Fb/c", &NO_HEADERS).expect("found");
    assert_eq!((found.rest, found.params.len()), ("a%2Fb/c", 0));
    assert_eq!(find(&table, &Method::GET, "x/files/", &NO_HEADERS).expect("found").rest, "");
    let miss = find(&table, &Method::GET, "x/%FF", &NO_HEADERS).expect_err("not UTF-8");
    assert_eq!(miss, Miss::BadPath { reason: "a parameter of the path is not UTF-8" });
}

#[test]
fn a_redirect_is_filled_from_the_path() {
    let mut spec = route(1, "GET /old/:id/*");
    let to = "https://new.example:8443/o/:id/*";
    spec.action = Action::Redirect { to: to.into(), status: 308 };
    let table = Table::compile(vec![spec]).expect("compiles");
    let found = find(&table, &Method::GET, "x/old/a%2F%0Ab/c%20d", &NO_HEADERS).expect("found");
    assert_eq!(found.location(to), "https://new.example:8443/o/a%2F%0Ab/c%20d");
}

#[test]
fn a_path_that_is_filled_stays_a_path_of_this_server() {
    let mut spec = route(1, "GET /old/*");
    spec.action = Action::Redirect { to: "/*".into(), status: 308 };
    let table = Table::compile(vec![spec]).expect("compiles");
    for (sent, wanted) in
        [("/old/a/b", "/a/b"), ("/old//evil.example", "/evil.example"), ("/old///a//b", "/a//b"), ("/old", "/")]
    {
        let host = format!("x{sent}");
        let found = find(&table, &Method::GET, &host, &NO_HEADERS).expect("found");
        assert_eq!(found.location("/*"), wanted, "{sent}");
    }
}

#[test]
fn a_rewrite_fits_its_route_and_leads_nowhere_else() {
    let refused = |path: &str, to: &str| {
        let rewrite = Rewrite { path: Some(to.into()), host: None };
        let features = Features { rewrite: Some(rewrite), ..Features::default() };
        let spec = RouteSpec { features: Some(features.into()), ..route(1, path) };
        Table::compile(vec![spec]).err().map(|errors| (errors[0].key, errors[0].message.clone()))
    };
    for (path, to) in [("GET /a/:id/*", "/v2/:id/*"), ("GET /a/:id", "/"), ("GET /a", "/b%20c"), ("GET /*", "/x/*")] {
        assert_eq!(refused(path, to), None, "{path} {to}");
    }
    for (path, to, why) in [
        ("GET /a", "b", "begin with one `/`"),
        ("GET /a", "//evil", "begin with one `/`"),
        ("GET /a", "/b?c=1", "the query stays"),
        ("GET /a", "/b/../c", "dot-segment"),
        ("GET /a", "/b/%2e%2e/c", "dot-segment"),
        ("GET /a", "/b/*", "does not end in `*`"),
        ("GET /a/*", "/*/b", "the last segment"),
        ("GET /a/:id", "/b/:nr", "no parameter `:nr`"),
        ("GET /a", "/b c", "percent-encoded"),
    ] {
        let (key, message) = refused(path, to).expect(to);
        assert!(key == "rewrite" && message.contains(why), "{to}: {message}");
    }
}

#[test]
fn a_path_that_may_mean_a_guarded_one_is_refused() {
    let files = |line, text| {
        let (root, index) = ("/srv".into(), "index.html".into());
        RouteSpec {
            action: Action::Files(Files { root, index, fallback: None, cache_control: None }),
            ..route(line, text)
        }
    };
    let guarded = |line, text| {
        let mut spec = files(line, text);
        spec.policy.auth = Auth { any: vec!["staff".into()], ..Auth::default() };
        spec
    };
    let answers = |specs: Vec<RouteSpec>, path: &str| answer(&Table::compile(specs).expect("compiles"), path);
    let site = || vec![files(1, "* /*"), guarded(2, "* /admin/*"), files(3, "* /open/*")];
    for path in ["/admin%2Fusers", "/admin%5cusers", "//admin/users", "/%2Fadmin/users", "/open%2F..%2F"] {
        assert_eq!(answers(site(), &format!("GET {path}")), "bad-path", "{path}");
    }
    for (path, line) in [
        ("/admin/users", "2"),
        ("/admin/a%2Fb", "2"),
        ("/admin//b", "2"),
        ("/open%2Fa", "1"),
        ("/open//a", "3"),
        ("/a%2Fb", "1"),
        ("//", "1"),
        ("/Admin%2Fa", "1"),
    ] {
        assert_eq!(answers(site(), &format!("GET {path}")), line, "{path}");
    }
    // Where what is found demands as much, or leads elsewhere, nothing is stepped around.
    let alike = vec![guarded(1, "* /*"), guarded(2, "* /admin/*")];
    assert_eq!(answers(alike, "GET //admin/users"), "1");
    let elsewhere = vec![route(1, "* /*"), guarded(2, "* /admin/*")];
    assert_eq!(answers(elsewhere, "GET //admin/users"), "1");
    let other_method = vec![files(1, "* /*"), guarded(2, "POST /admin/*")];
    assert_eq!(answers(other_method, "GET //admin/users"), "1");
}

fn errors(specs: Vec<RouteSpec>) -> Vec<String> {
    Table::compile(specs).expect_err("refused").iter().map(ToString::to_string).collect()
}

#[test]
fn a_tie_shows_both_places_also_across_applications() {
    let mut other = route(12, "POST|GET shop.example/orders/:number");
    other.application = weft_types::Name::new("billing").expect("a name");
    other.place.file = "billing/weft.toml".into();
    let errors = Table::compile(vec![route(31, "GET shop.example/orders/:id"), other]).expect_err("a tie");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].code, code::ROUTE_CONFLICT);
    assert_eq!(
        errors[0].to_string(),
        "billing/weft.toml:12: `POST|GET shop.example/orders/:number` of application `billing` matches the same \
         requests as `GET shop.example/orders/:id` of application `shop` (weft.toml:31)"
    );
    assert_eq!(errors[0].other.as_ref().map(|place| place.line), Some(31));
}

#[test]
fn what_ties_and_what_does_not() {
    let ties = [
        ("GET /a", "GET /a"),
        ("* /a", "* /a"),
        ("GET|POST /a/:x", "POST|PUT /a/:y"),
        ("GET /*", "GET /*"),
        ("GET /caf%C3%A9", "GET /café"),
        ("GET /a x", "GET /a y"),
        ("GET /a x=1", "GET /a x"),
        ("GET /a x=1 y=1", "GET /a x=1 y"),
        ("PURGE /a", "PURGE /a"),
    ];
    for (a, b) in ties {
        assert_eq!(errors(vec![route(1, a), route(2, b)]).len(), 1, "{a} and {b} tie");
    }
    let clear = [
        ("GET /a", "POST /a"),
        ("GET /a", "HEAD /a"),
        ("GET /a", "* /a"),
        ("GET /a", "GET /a x"),
        ("GET /a x=1", "GET /a x=2"),
        ("GET h/a", "GET /a"),
        ("GET *.h/a", "GET b.h/a"),
        ("GET /a", "GET /a/"),
        ("GET /a", "GET /a/*"),
        ("GET /:a", "GET /b"),
    ];
    for (a, b) in clear {
        assert!(Table::compile(vec![route(1, a), route(2, b)]).is_ok(), "{a} and {b} do not tie");
    }
}

#[test]
fn every_error_of_a_table_is_told_at_once() {
    let mut redirect = route(5, "GET /r/:id");
    redirect.action = Action::Redirect { to: "/x/:nr".into(), status: 308 };
    let mut status = route(6, "GET /s");
    status.action = Action::Redirect { to: "/x".into(), status: 200 };
    let mut scheme = route(7, "GET /t");
    scheme.action = Action::Redirect { to: "javascript:alert(1)".into(), status: 308 };
    let specs = vec![
        route(1, "GET /a/*/b"),
        route(2, "GET Shop/a"),
        route(3, "GET /a"),
        route(4, "GET /a"),
        redirect,
        status,
        scheme,
    ];
    let told = errors(specs);
    let wanted = [
        "weft.toml:1: the route's path `/a/*/b` cannot be used: `*` may only be the whole last segment",
        "weft.toml:2: the route's host `Shop` cannot be used: it must be written in lower case",
        "weft.toml:4: `GET /a` of application `shop` matches the same requests as `GET /a` of application `shop` (weft.toml:3)",
        "weft.toml:5: the route's redirect `/x/:nr` cannot be used: the path has no parameter `:nr`",
        "weft.toml:6: the route's redirect `/x` cannot be used: status 200 is no redirect: use 301, 302, 303, 307 or 308",
        "weft.toml:7: the route's redirect `javascript:alert(1)` cannot be used: it is neither a path nor an http or https URL",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn an_explanation_names_the_winner_and_why_the_others_lost() {
    let table =
        table(&["GET shop/orders/:id", "* shop/*", "GET shop/orders/:id x-beta", "POST shop/orders/:id", "GET b/x"]);
    let head = RequestHead { host: "shop", path: "/orders/7", method: &Method::GET, headers: &NO_HEADERS };
    let explanation = table.explain(&head);
    let winner = explanation.winner().expect("a winner");
    assert_eq!((winner.place.as_str(), &winner.params), ("weft.toml:1", &vec![("id".to_owned(), "7".to_owned())]));
    assert_eq!(winner.policy[0].origin, "default");
    let lost: Vec<_> = explanation.candidates[1..].iter().map(|c| c.lost.as_deref().expect("lost")).collect();
    assert_eq!(
        lost,
        [
            "it matches too, but the path of `GET shop/orders/:id` (weft.toml:1) is more specific",
            "the request has no header `x-beta`",
            "it does not take GET",
            "the path differs",
        ]
    );
    let json = serde_json::to_value(&explanation).expect("serialises");
    assert_eq!(json["candidates"][0]["route"], "GET shop/orders/:id");
    let put = table.explain(&RequestHead { host: "", method: &Method::PUT, ..head });
    assert_eq!(put.miss.as_deref(), Some("no-route: No route matches this request."));
    let bad = table.explain(&RequestHead { path: "/a/../b", ..head });
    assert_eq!(bad.miss.as_deref(), Some("bad-path: the path holds a dot-segment"));
}

#[test]
fn a_hit_without_parameters_allocates_nothing() {
    let table = table(&["GET shop.example/orders/new", "GET /files/*", "GET /users/:id"]);
    for target in ["shop.example/orders/new", "SHOP.example:80/orders/new", "x/files/a/b", "x/users/7"] {
        let counted = allocation_counter::measure(|| {
            assert!(find(&table, &Method::GET, target, &NO_HEADERS).is_ok());
        });
        assert_eq!(counted.count_total, 0, "{target}");
    }
}

/// A guard that answers by itself.
#[derive(Debug)]
struct Ours;

impl weft_types::Guard for Ours {
    fn check(&self, _: &weft_types::Presented<'_>, _: weft_types::Timestamp) -> weft_types::Checked {
        weft_types::Checked::Passed(None)
    }

    fn is_ours(&self) -> bool {
        true
    }
}

#[test]
fn what_is_ours_alone_is_no_applications() {
    for path in ["/.weft", "/.weft/*", "/.weft/login/staff/callback", "/%2eweft/x"] {
        let errors = Table::compile(vec![route(1, &format!("GET {path}"))]).expect_err(path);
        assert!(errors[0].key == "path" && errors[0].message.contains("answered by weft itself"), "{errors:?}");
    }
    let ours = RouteSpec { guard: Some(std::sync::Arc::new(Ours)), ..route(9, "GET /.weft/login/staff/*") };
    // On its own host, by any path, by a parameter: none of them gets what a login is brought back to.
    let theirs = ["* shop.example/:a/login/staff/callback", "* shop.example/*", "* /*"];
    let specs = theirs.iter().zip(1..).map(|(text, line)| route(line, text)).chain([ours]).collect();
    let table = Table::compile(specs).expect("good");
    let line = |host: &str, path: &str| {
        let head = RequestHead { host, path, method: &Method::GET, headers: &NO_HEADERS };
        table.find(&head).map(|found| found.route.spec.place.line)
    };
    for host in ["shop.example", "other.example"] {
        assert_eq!(line(host, "/.weft/login/staff/callback"), Ok(9), "{host}");
        assert_eq!(line(host, "/.weft/other"), Err(Miss::NoRoute), "{host}");
    }
    assert_eq!((line("shop.example", "/x/login/staff/callback"), line("other.example", "/.wefty")), (Ok(1), Ok(3)));
}
