//! Changes of which the store does not know whether it kept them: the node runs what the store says, or says that it
//! does not know.

mod support;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use support::Doubtful;
use weft_api::Apply;
use weft_control::Control;
use weft_manifest::{Disk, NodeConfig};
use weft_node::{Closed, KeepError, Keeper, Node, Telemetry};
use weft_types::{Digest, Name};

struct Bench {
    node: Closed,
    store: Arc<Doubtful>,
    keeper: Arc<Keeper>,
    data: tempfile::TempDir,
}

fn bench() -> Bench {
    let data = tempfile::tempdir().expect("folder");
    let telemetry = Telemetry::quiet();
    let any = "127.0.0.1:0".parse().expect("an address");
    let config = NodeConfig { http: vec![any], ..NodeConfig::default() };
    let node = Node::start(&config, data.path(), telemetry.clone()).expect("starts");
    let store = Doubtful::new(node.store());
    let control = Control::open(Arc::clone(&store) as _, data.path(), telemetry.clock).expect("opens");
    let keeper = Keeper::new(control, Arc::clone(&node));
    Bench { node, store, keeper, data }
}

fn shop() -> Name {
    Name::new("shop").expect("a name")
}

/// An application that answers without a component, so that nothing is compiled.
fn redirect(to: &str) -> Apply {
    let text = format!("manifest = 1\nname = \"shop\"\n[[route]]\npath = \"/\"\nredirect = {{ to = \"{to}\" }}\n");
    let application = weft_manifest::load_text("weft.toml", &text, Path::new("/"), Disk::Skip).expect("good");
    Apply {
        manifest: serde_json::to_value(application).expect("JSON"),
        sources: BTreeMap::new(),
        files: BTreeMap::new(),
        if_revision: None,
    }
}

impl Bench {
    async fn apply(&self, to: &str) -> Result<weft_api::Applied, KeepError> {
        self.keeper.apply(redirect(to)).await
    }

    fn runs(&self) -> Option<Digest> {
        self.node.runs(&shop())
    }

    /// What the next process would run.
    async fn kept(&self) -> Option<Digest> {
        let control = Control::open(self.node.store(), self.data.path(), Telemetry::quiet().clock).expect("opens");
        control.find(&shop()).await.ok().map(|desired| desired.current.revision)
    }
}

fn is_unknown<T: std::fmt::Debug>(outcome: &Result<T, KeepError>) -> bool {
    matches!(outcome, Err(KeepError::Control(error)) if error.code().as_str() == "unknown-outcome")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_though_the_store_did_not_know_serves_and_is_reported_as_applied() {
    let bench = bench();
    let first = bench.apply("/one").await.expect("applied").revision;
    bench.store.made.store(1, SeqCst);
    let second = bench.apply("/two").await.expect("found in the store");
    assert!(second.changed && second.revision != first);
    assert_eq!((bench.runs(), bench.kept().await), (Some(second.revision), Some(second.revision)));

    bench.store.made.store(1, SeqCst);
    let back = bench.keeper.rollback(&shop(), None).await.expect("found in the store");
    assert_eq!((back.revision, back.number), (first, 3), "made once");
    assert_eq!((bench.runs(), bench.kept().await), (Some(first), Some(first)));

    bench.store.made.store(1, SeqCst);
    bench.keeper.remove(&shop()).await.expect("found in the store");
    assert_eq!((bench.runs(), bench.kept().await), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_once_is_tried_again() {
    let bench = bench();
    bench.apply("/one").await.expect("applied");
    bench.store.lost.store(2, SeqCst);
    let second = bench.apply("/two").await.expect("the third try is kept");
    assert_eq!((second.number, bench.runs(), bench.kept().await), (2, Some(second.revision), Some(second.revision)));
    bench.store.lost.store(1, SeqCst);
    bench.keeper.remove(&shop()).await.expect("the second try is kept");
    assert_eq!((bench.runs(), bench.kept().await), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_kept_is_told_as_unknown_and_the_old_revision_serves_and_is_kept() {
    let bench = bench();
    let first = bench.apply("/one").await.expect("applied").revision;
    for _ in 0..2 {
        bench.store.lost.store(usize::MAX, SeqCst);
        assert!(is_unknown(&bench.apply("/two").await));
        assert!(is_unknown(&bench.keeper.remove(&shop()).await));
        assert_eq!((bench.runs(), bench.kept().await), (Some(first), Some(first)));
        bench.store.lost.store(0, SeqCst);
        let again = bench.apply("/one").await.expect("applied");
        assert!(!again.changed, "it serves, and is kept");
    }
    let second = bench.apply("/two").await.expect("applied");
    assert!(second.changed);
    assert_eq!((bench.runs(), bench.kept().await), (Some(second.revision), Some(second.revision)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_is_followed_once_it_can() {
    let bench = bench();
    let first = bench.apply("/one").await.expect("applied").revision;
    // The commit is made, its answer is lost, and so is the way to ask.
    let candidate = bench.keeper.apply(redirect("/two"));
    bench.store.made.store(1, SeqCst);
    bench.store.deaf_after_commit();
    assert!(is_unknown(&candidate.await));
    assert_eq!(bench.runs(), Some(first), "the old revision serves meanwhile");
    let second = bench.kept().await.expect("kept");
    assert_ne!(second, first);
    // Nobody is told that it is current before it serves.
    let blind = bench.apply("/two").await.expect_err("the store does not tell");
    assert!(matches!(&blind, KeepError::Control(error) if error.code().as_str() == "store-unavailable"), "{blind}");
    bench.store.deaf.store(false, SeqCst);
    let again = bench.apply("/two").await.expect("it can be read again");
    assert_eq!((again.revision, again.changed, bench.runs()), (second, false, Some(second)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_follows_by_itself() {
    let bench = bench();
    bench.apply("/one").await.expect("applied");
    bench.store.made.store(1, SeqCst);
    bench.store.deaf_after_commit();
    assert!(is_unknown(&bench.keeper.remove(&shop()).await));
    assert!(bench.runs().is_some());
    bench.store.deaf.store(false, SeqCst);
    while bench.runs().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.kept().await, None);
}
