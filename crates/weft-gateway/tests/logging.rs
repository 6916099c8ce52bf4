//! One line a failure: what the door has told of, the gateway does not tell again.

mod common;

use std::sync::{Arc, Mutex};

use common::{door, door_of, outcome, raw, start};
use http::Response;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use weft_types::{Class, Fault, Invoke, Outcome, Ran, code};

/// Keeps the lines of this crate that somebody would read in production.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("weft_gateway")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0.lock().expect("lock").push((*event.metadata().level(), text.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

/// What is logged while one request is answered by `door`, less than debug and at debug.
async fn logged(door: Arc<dyn Invoke>, head: &str) -> (Vec<(Level, String)>, Vec<String>) {
    let lines = Lines::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    let gateway = start(door);
    raw(gateway.address(), format!("{head}\r\nConnection: close\r\n\r\n")).await;
    drop(guard);
    let all = lines.0.lock().expect("lock").clone();
    let (quiet, loud): (Vec<_>, Vec<_>) = all.into_iter().partition(|(level, _)| *level >= Level::DEBUG);
    (loud, quiet.into_iter().map(|(_, text)| text).collect())
}

fn failing(fault: fn() -> Fault, class: Class) -> Arc<dyn Invoke> {
    door_of(move |_| async move { Outcome::failed(fault(), class) })
}

const GET: &str = "GET /x HTTP/1.1\r\nHost: a";

#[tokio::test]
async fn a_failure_behind_the_door_is_told_of_there_and_can_be_found_here() {
    let trap = || Fault::new(code::GUEST_TRAP, Ran::Yes).detail("unreachable");
    for door in [failing(trap, Class::Failure), failing(|| Fault::new(code::OVERLOADED, Ran::No), Class::Shed)] {
        let (loud, quiet) = logged(door, GET).await;
        assert_eq!(loud, []);
        let found = quiet.iter().filter(|line| line.contains("inv_") && line.contains("app"));
        assert_eq!(found.count(), 1, "by its id: {quiet:?}");
    }
}

#[tokio::test]
async fn what_only_the_gateway_knows_is_told_of_once() {
    let nowhere = failing(|| Fault::new(code::NOT_DEPLOYED, Ran::No), Class::Failure);
    let wrong = door(|_| async {
        Ok(Response::builder().header("content-length", 9).body(weft_types::full("short")).expect("valid"))
    });
    let informational =
        door_of(|_| async { outcome(Ok(Response::builder().status(103).body(weft_types::empty()).expect("valid"))) });
    for (door, code) in
        [(nowhere, "not-deployed"), (wrong, "guest-bad-response"), (informational, "guest-bad-response")]
    {
        let (loud, _) = logged(door, GET).await;
        assert_eq!(loud.len(), 1, "{loud:?}");
        assert!(loud[0].0 <= Level::WARN && loud[0].1.contains(code) && loud[0].1.contains("inv_"), "{loud:?}");
    }
}

#[tokio::test]
async fn a_refused_head_says_why_at_debug() {
    let cases = [
        ("GET /x HTTP/1.1\r\nHost: a\r\nHost: a", "more than one Host"),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a", "not percent-encoded"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", "content-length"),
    ];
    for (head, why) in cases {
        let (loud, quiet) = logged(common::echo(), head).await;
        assert_eq!(loud, [], "nobody can fill a log from outside");
        assert!(quiet.iter().any(|line| line.contains(why) && line.contains("inv_")), "{quiet:?}");
    }
}
