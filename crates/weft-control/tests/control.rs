//! Revisions, pointers and history, on the memory store.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use tempfile::TempDir;
use weft_api::{Apply, Change};
use weft_control::{Control, ControlError};
use weft_manifest::Disk;
use weft_store::MemoryStore;
use weft_types::{Clock, Digest, ManualClock, Name, Timestamp};

struct Bench {
    control: Control,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    data: TempDir,
}

fn bench() -> Bench {
    let data = tempfile::tempdir().expect("folder");
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
    let control = Control::open(Arc::clone(&store) as _, data.path(), Arc::clone(&clock) as Arc<dyn Clock>);
    Bench { control: control.expect("opens"), store, clock, data }
}

fn name() -> Name {
    Name::new("shop").expect("a name")
}

impl Bench {
    /// An application with one component that consists of `wasm`.
    fn application(&self, wasm: &str) -> Apply {
        let text = "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"api.wasm\"\n[[route]]\npath = \"/\"\ncomponent = \"api\"\n";
        let application = weft_manifest::load_text("weft.toml", text, Path::new("/"), Disk::Skip).expect("good");
        let digest = self.control.artefacts().keep(wasm.as_bytes()).expect("kept");
        Apply {
            manifest: serde_json::to_value(application).expect("JSON"),
            sources: BTreeMap::from([(Name::new("api").expect("a name"), digest)]),
            files: BTreeMap::new(),
            if_revision: None,
        }
    }

    async fn apply(&self, wasm: &str) -> Digest {
        let candidate = self.control.propose(self.application(wasm)).await.expect("good");
        self.control.decide(&candidate).await.expect("decided").revision
    }

    async fn current(&self) -> (Digest, u64) {
        let found = self.control.find(&name()).await.expect("there");
        (found.current.revision, found.current.number)
    }
}

#[tokio::test]
async fn a_rollback_swaps_the_pointer_and_is_a_change_of_its_own() {
    let bench = bench();
    let first = bench.apply("one").await;
    let second = bench.apply("two").await;
    assert_ne!(first, second);
    assert_eq!(bench.current().await, (second, 2));

    let back = bench.control.reconsider(&name(), None).await.expect("one before");
    let applied = bench.control.decide(&back).await.expect("decided");
    assert_eq!((applied.revision, applied.previous, applied.number), (first, Some(second), 3));
    let forth = bench.control.reconsider(&name(), Some(second)).await.expect("kept");
    bench.control.decide(&forth).await.expect("decided");
    assert_eq!(bench.current().await, (second, 4));
    let history = bench.control.revisions(&name()).await.expect("there");
    let told: Vec<_> = history.iter().map(|at| (at.number, at.revision, at.by, at.current)).collect();
    let apply = Change::Apply;
    let expected = [
        (4, second, Change::Rollback, true),
        (3, first, Change::Rollback, false),
        (2, second, apply, false),
        (1, first, apply, false),
    ];
    assert_eq!(told, expected);
    assert_eq!(bench.control.plan().await.expect("read"), 4);
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let bench = bench();
    let first = bench.apply("one").await;
    let again = bench.control.propose(bench.application("one")).await.expect("good");
    assert!(again.is_current());
    let applied = bench.control.decide(&again).await.expect("decided");
    assert_eq!((applied.revision, applied.number, applied.changed), (first, 1, false));
    assert_eq!(bench.control.plan().await.expect("read"), 1);
}

#[tokio::test]
async fn of_two_candidates_the_second_to_decide_is_refused() {
    let bench = bench();
    bench.apply("one").await;
    let left = bench.control.propose(bench.application("two")).await.expect("good");
    let right = bench.control.propose(bench.application("three")).await.expect("good");
    bench.control.decide(&left).await.expect("first");
    let error = bench.control.decide(&right).await.expect_err("second");
    assert_eq!(error.code().as_str(), "store-conflict");
    assert_eq!(bench.current().await.1, 2);

    let guarded = Apply { if_revision: Some(Digest([0; 32])), ..bench.application("four") };
    assert!(matches!(bench.control.propose(guarded).await, Err(ControlError::NotCurrent { is: Some(_) })));
}

#[tokio::test]
async fn what_was_decided_is_there_for_the_next_process() {
    let bench = bench();
    let revision = bench.apply("one").await;
    let Bench { store, clock, data, .. } = bench;
    let again = Control::open(store, data.path(), clock).expect("opens");
    assert_eq!(again.tidy().await.expect("tidied"), 0, "all of it is needed");
    let (desired, errors) = again.desired().await.expect("read");
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(desired.len(), 1);
    assert_eq!(desired[0].record.revision, revision);
    assert_eq!(desired[0].record.artefacts().count(), 1);
}

#[tokio::test]
async fn what_is_removed_is_forgotten_and_its_numbers_are_not_reused() {
    let bench = bench();
    bench.apply("one").await;
    let two = bench.apply("two").await;
    let removed = bench.control.remove(&name()).await.expect("removed");
    assert_eq!(removed.revision, two);
    assert!(matches!(bench.control.find(&name()).await, Err(ControlError::UnknownApplication(_))));
    assert!(matches!(bench.control.remove(&name()).await, Err(ControlError::UnknownApplication(_))));
    // Two components and two records.
    assert_eq!(bench.control.tidy().await.expect("tidied"), 4);
    bench.apply("three").await;
    assert_eq!(bench.current().await.1, 4, "the removal was change 3");
    let error = bench.control.reconsider(&name(), None).await.expect_err("forgotten");
    assert!(matches!(error, ControlError::NothingBefore(_)), "{error}");
}

#[tokio::test]
async fn what_is_not_whole_is_refused_before_it_is_written() {
    let bench = bench();
    let missing = Digest([9; 32]);
    let api = || Name::new("api").expect("a name");
    let absent = Apply { sources: BTreeMap::from([(api(), missing)]), ..bench.application("one") };
    let error = bench.control.propose(absent).await.expect_err("not sent");
    assert!(matches!(&error, ControlError::Missing { digest, .. } if *digest == missing), "{error}");
    let none = Apply { sources: BTreeMap::new(), ..bench.application("one") };
    assert!(matches!(bench.control.propose(none).await, Err(ControlError::NoSource { .. })));
    let odd = Apply { manifest: serde_json::json!({ "name": "shop" }), ..bench.application("one") };
    assert!(matches!(bench.control.propose(odd).await, Err(ControlError::Form(_))));
    assert_eq!(bench.control.plan().await.expect("read"), 0);
}

#[tokio::test]
async fn the_history_is_bounded_and_so_are_its_artefacts() {
    let bench = bench();
    for change in 1..=140 {
        bench.apply(&format!("wasm {change}")).await;
    }
    let history = bench.control.revisions(&name()).await.expect("there");
    assert_eq!((history.len(), history[0].number), (50, 140));
    bench.control.tidy().await.expect("tidied");
    let oldest = history.last().expect("some").revision;
    assert!(bench.control.reconsider(&name(), Some(oldest)).await.is_ok(), "what is listed can be run");
    let kept = walk(&bench.data.path().join("artefacts"));
    assert_eq!(kept, 100, "fifty records and fifty components");
}

fn walk(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("there").map(|entry| entry.expect("entry").path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}
