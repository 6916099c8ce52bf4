//! What one lookup costs in a table of 10,000 routes: nanoseconds, of the best of several rounds, since the machine
//! may be busy. Asserts nothing.

use std::{hint::black_box, sync::Arc, time::Instant};

use http::{HeaderMap, Method};
use weft_traffic::{Action, Place, Policy, RequestHead, RouteSpec, Table};
use weft_types::Name;

const LOOKUPS: u32 = 1_000;
const ROUNDS: u32 = 1_000;

fn main() {
    let table = Table::compile((0..10_000).map(spec).collect()).expect("no conflicts");
    let headers = HeaderMap::new();
    // Of host 7, every third number has each shape.
    let cases = [
        ("literal", "app7.example.com", "/api/things/41"),
        ("param", "app7.example.com", "/users/7/orders/42"),
        ("param encoded", "app7.example.com", "/users/a%2Fb/orders/42"),
        ("prefix", "app7.example.com", "/assets/43/css/site.css"),
        ("upper-case host", "APP7.example.com:443", "/api/things/41"),
        ("no route", "app7.example.com", "/nothing/here"),
    ];
    for (name, host, path) in cases {
        let head = RequestHead { host, path, method: &Method::GET, headers: &headers };
        assert_eq!(table.find(&head).is_ok(), name != "no route", "{name}");
        let best = (0..ROUNDS).map(|_| round(&table, &head)).min().unwrap_or_default();
        println!("{name:16} {best:>5} ns");
    }
}

fn round(table: &Table, head: &RequestHead<'_>) -> u128 {
    let start = Instant::now();
    for _ in 0..LOOKUPS {
        let _ = black_box(table.find(black_box(head)));
    }
    start.elapsed().as_nanos() / u128::from(LOOKUPS)
}

/// 100 hosts with 100 routes each, in three shapes.
fn spec(i: u32) -> RouteSpec {
    let n = i / 100;
    let path = match i % 3 {
        0 => format!("/api/things/{n}"),
        1 => format!("/users/:id/orders/{n}"),
        _ => format!("/assets/{n}/*"),
    };
    RouteSpec {
        application: Name::new("bench").expect("a name"),
        host: Some(format!("app{}.example.com", i % 100).into()),
        path: path.into(),
        methods: vec![Method::GET],
        headers: vec![],
        action: Action::Redirect { to: "/".into(), status: 308 },
        features: None,
        policy: Policy::default(),
        guard: None,
        origins: vec![],
        place: Place { file: Arc::from("bench"), line: i + 1, column: 1 },
    }
}
