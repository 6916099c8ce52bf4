//! Timers: due in order, replaced by name, guarded by version.

use super::{
    Scene,
    check::{after, arm, timer, txn},
    stories, wait,
};
use crate::{Check, Found, Op, Write};

stories! {
    timers_are_due_in_order_and_stay_until_disarmed: |_| true;
    arming_again_replaces: |_| true;
    a_stale_firing_is_refused: |_| true;
}

fn names(scene: &Scene<'_>, millis: u64) -> Vec<String> {
    scene.due(millis).into_iter().map(|due| due.timer.to_string()).collect()
}

fn next(scene: &Scene<'_>) -> Option<weft_types::Timestamp> {
    wait(scene.store.next_timer(scene.shard)).unwrap()
}

fn timers_are_due_in_order_and_stay_until_disarmed(scene: &Scene<'_>) {
    assert_eq!((names(scene, 1_000), next(scene)), (vec![], None));
    scene.write(0, [arm("c", 30, "3"), arm("a", 10, "1"), arm("b", 30, "2")]);
    assert_eq!(next(scene), Some(after(10)));
    assert_eq!(names(scene, 9), Vec::<String>::new());
    assert_eq!(names(scene, 29), ["a"]);
    assert_eq!(names(scene, 30), ["a", "b", "c"]);
    assert_eq!(names(scene, 30), ["a", "b", "c"]);
    assert_eq!(wait(scene.store.due(scene.shard, after(30), 2)).unwrap().len(), 2);
    scene.write(30, [Write::Disarm { timer: timer("a") }, Write::Disarm { timer: timer("never") }]);
    assert_eq!((names(scene, 30), next(scene)), (vec!["b".to_owned(), "c".to_owned()], Some(after(30))));
}

fn arming_again_replaces(scene: &Scene<'_>) {
    scene.write(0, [arm("a", 10, "old")]);
    scene.write(0, [arm("a", 50, "new")]);
    assert_eq!(names(scene, 49), Vec::<String>::new());
    let due = scene.due(50);
    assert_eq!((due.len(), &due[0].payload[..], due[0].at), (1, &b"new"[..], after(50)));
    scene.write(0, [arm("a", 5, "sooner")]);
    assert_eq!(next(scene), Some(after(5)));
}

fn a_stale_firing_is_refused(scene: &Scene<'_>) {
    scene.write(0, [arm("a", 10, "")]);
    let due = scene.due(10).remove(0);
    let version = scene.commit(txn(10).write(arm("a", 10, ""))).unwrap().version;
    let fire = |is| txn(10).check(Check::Timer { timer: timer("a"), is }).write(Write::Disarm { timer: timer("a") });
    scene.refused(fire(Some(due.version)), Op::Check(0), Found::Version(Some(version)));
    scene.refused(fire(None), Op::Check(0), Found::Version(Some(version)));
    scene.commit(fire(Some(version))).unwrap();
    scene.refused(fire(Some(version)), Op::Check(0), Found::Version(None));
    scene.commit(fire(None)).unwrap();
}
