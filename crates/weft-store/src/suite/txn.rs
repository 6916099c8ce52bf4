//! Transactions: all or nothing, over every kind of state.

use std::time::Duration;

use bytes::Bytes;
use weft_types::Name;

use super::{
    Scene,
    check::{add, after, append, arm, at, delete, log_name, put, queue, send, timer, txn},
    stories, wait,
};
use crate::{
    Check, Epoch, Found, Message, Op, Owner, Receipt, Scope, Seq, Settle, Shard, StoreError, Txn, Version, Write,
    Wrote, bound,
};

stories! {
    writes_of_every_kind_commit_together: |has| has.transactions;
    a_refused_write_takes_all_others_back: |has| has.transactions;
    checks_look_at_the_state_before_the_writes: |has| has.transactions;
    writes_see_those_before_them: |has| has.transactions;
    an_id_is_first_once: |has| has.transactions;
    an_epoch_fences: |has| has.transactions;
    a_transaction_over_a_bound_changes_nothing: |has| has.transactions;
    the_largest_transaction_is_taken: |has| has.transactions;
    shards_share_nothing: |_| true;
}

fn owner() -> Owner {
    Owner::new("owner").expect("short")
}

fn own(epoch: u64) -> Write {
    Write::Own { owner: owner(), epoch: Epoch(epoch) }
}

/// What a reader can see of everything that [`every_kind`] touches.
fn view(scene: &Scene<'_>) -> String {
    let epoch = wait(scene.store.epoch(scene.shard, &owner())).unwrap();
    let items = ["kept", "gone", "new", "n"].map(|key| scene.get(key, 0));
    format!("{items:?} {:?} {:?} {:?} {epoch:?}", scene.log(0, 100), scene.peek(), scene.due(u64::from(u32::MAX)))
}

/// A transaction with a write of every kind, over what [`prepare`] made.
fn every_kind(receipt: Receipt) -> Txn {
    let first = Check::First { scope: Scope::new("scope").unwrap(), id: "id".into(), keep: Duration::from_secs(9) };
    let grouped = Message { group: Some(crate::Group::new("g").unwrap()), ..Message::new("grouped") };
    txn(5)
        .check(Check::Version { at: at("kept"), is: Some(Version(1)) })
        .check(Check::Length { log: log_name(), is: 3 })
        .check(Check::Epoch { owner: owner(), is: Epoch(4) })
        .check(Check::Timer { timer: timer("gone"), is: Some(Version(1)) })
        .check(first)
        .write(put("kept", "changed"))
        .write(delete("gone"))
        .write(put("new", "new"))
        .write(add("n", 1))
        .write(append(&["d", "e"]))
        .write(Write::Trim { log: log_name(), before: 2 })
        .write(Write::Settle { receipt, how: Settle::Done })
        .write(Write::Send { queue: queue(), message: grouped.clone() })
        .write(Write::Send { queue: queue(), message: grouped })
        .write(arm("new", 10, "new"))
        .write(Write::Disarm { timer: timer("gone") })
        .write(own(5))
}

fn prepare(scene: &Scene<'_>) -> Receipt {
    let begun = txn(0)
        .write(put("kept", "as it was"))
        .write(put("gone", "here"))
        .write(put("n", "1"))
        .write(append(&["a", "b", "c"]))
        .write(send("held"))
        .write(arm("gone", 5, "here"))
        .write(own(4));
    assert_eq!(scene.commit(begun).unwrap().version, Version(1));
    scene.receive(1, 1_000, 0).remove(0).receipt
}

fn writes_of_every_kind_commit_together(scene: &Scene<'_>) {
    let receipt = prepare(scene);
    let before = view(scene);
    let done = scene.commit(every_kind(receipt.clone())).unwrap();
    assert_eq!(done.version, Version(3));
    assert_eq!(
        done.wrote,
        [
            Wrote::Done,
            Wrote::Done,
            Wrote::Done,
            Wrote::Number(2),
            Wrote::Position(3),
            Wrote::Trimmed { first: 2 },
            Wrote::Done,
            Wrote::Sent { seq: Seq::new(Version(3), 7), fresh: true },
            Wrote::Sent { seq: Seq::new(Version(3), 8), fresh: true },
            Wrote::Done,
            Wrote::Done,
            Wrote::Done,
        ]
    );
    let after = view(scene);
    assert_ne!(before, after);
    // Said twice, nothing of it happens twice.
    scene.refused(every_kind(receipt), Op::Check(0), Found::Version(Some(Version(3))));
    assert_eq!(view(scene), after);
}

fn a_refused_write_takes_all_others_back(scene: &Scene<'_>) {
    let receipt = prepare(scene);
    scene.write(0, [put("text", "no number")]);
    let before = view(scene);
    let all = every_kind(receipt.clone());
    let stale = Receipt { lease: Version(1), ..receipt.clone() };
    let not_leased = Found::NotLeased;
    scene.refused(all.clone().write(Write::Settle { receipt: stale, how: Settle::Done }), Op::Write(12), not_leased);
    scene.refused(all.clone().write(Write::Settle { receipt, how: Settle::Done }), Op::Write(12), not_leased);
    scene.refused(all.clone().write(own(5)), Op::Write(12), Found::Epoch(Epoch(5)));
    assert!(matches!(scene.commit(all.clone().write(add("text", 1))), Err(StoreError::NotANumber { write: 12 })));
    assert!(matches!(scene.commit(all.clone().write(add("n", i64::MAX))), Err(StoreError::Overflow { write: 12 })));
    assert_eq!(view(scene), before);
    // Its id was not remembered either, and its version is free: the same transaction goes through.
    assert_eq!(scene.commit(all).unwrap().version, Version(4));
}

fn checks_look_at_the_state_before_the_writes(scene: &Scene<'_>) {
    scene.commit(txn(0).write(put("a", "1")).check(Check::Version { at: at("a"), is: None })).unwrap();
    let length = Check::Length { log: log_name(), is: 0 };
    scene.commit(txn(0).write(append(&["a"])).check(length.clone()).check(length)).unwrap();
    let second = txn(0)
        .check(Check::Length { log: log_name(), is: 1 })
        .check(Check::Version { at: at("a"), is: None })
        .write(delete("a"));
    scene.refused(second, Op::Check(1), Found::Version(Some(Version(1))));
    assert_eq!(scene.value("a"), Some("1".into()));
}

fn writes_see_those_before_them(scene: &Scene<'_>) {
    let wrote = scene.write(0, [put("n", "5"), add("n", 1), delete("n"), add("n", 1), put("a", "x"), delete("a")]);
    assert_eq!((wrote[1], wrote[3]), (Wrote::Number(6), Wrote::Number(1)));
    assert_eq!((scene.value("n"), scene.value("a")), (Some("1".into()), None));
    scene.write(0, [own(1), own(2)]);
    assert_eq!(wait(scene.store.epoch(scene.shard, &owner())).unwrap(), Epoch(2));
    scene.write(0, [arm("a", 1, ""), Write::Disarm { timer: timer("a") }, arm("b", 1, "1"), arm("b", 2, "2")]);
    assert_eq!(scene.due(5).len(), 1);
}

fn an_id_is_first_once(scene: &Scene<'_>) {
    let first = |millis, scope, id: &'static str| {
        let keep = Duration::from_millis(100);
        txn(millis).check(Check::First { scope: Scope::new(scope).unwrap(), id: id.into(), keep })
    };
    scene.commit(first(0, "s", "a")).unwrap();
    scene.refused(first(99, "s", "a").write(put("x", "")), Op::Check(0), Found::Seen);
    scene.commit(first(99, "s", "b")).unwrap();
    scene.commit(first(99, "t", "a")).unwrap();
    // A refused transaction does not make an id seen.
    let doomed = first(99, "s", "c").check(Check::Version { at: at("x"), is: Some(Version(99)) });
    scene.refused(doomed, Op::Check(1), Found::Version(None));
    scene.commit(first(99, "s", "c")).unwrap();
    scene.commit(first(100, "s", "a")).unwrap();
}

fn an_epoch_fences(scene: &Scene<'_>) {
    let turn = |is| txn(0).check(Check::Epoch { owner: owner(), is: Epoch(is) }).write(append(&["turn"]));
    scene.commit(turn(0)).unwrap();
    scene.refused(txn(0).write(own(0)), Op::Write(0), Found::Epoch(Epoch(0)));
    scene.commit(txn(0).write(own(3))).unwrap();
    scene.refused(turn(0), Op::Check(0), Found::Epoch(Epoch(3)));
    scene.refused(txn(0).write(own(3)), Op::Write(0), Found::Epoch(Epoch(3)));
    scene.refused(txn(0).write(own(2)), Op::Write(0), Found::Epoch(Epoch(3)));
    scene.commit(turn(3)).unwrap();
    assert_eq!(scene.log(0, 10).length, 2);
}

fn a_transaction_over_a_bound_changes_nothing(scene: &Scene<'_>) {
    let large = Bytes::from(vec![0; bound::VALUE_MAX + 1]);
    let message = Message::new(large.clone());
    for write in [
        Write::Put { at: at("x"), value: large.clone(), expires: None },
        Write::Put { at: at(&"k".repeat(bound::KEY_MAX + 1)), value: Bytes::new(), expires: None },
        Write::Append { log: log_name(), records: vec![large.clone()] },
        Write::Send { queue: queue(), message },
        Write::Arm { timer: timer("a"), at: after(0), payload: large.clone() },
        Write::Append { log: log_name(), records: vec![Bytes::new(); bound::OPS_MAX] },
        own(u64::MAX),
    ] {
        let got = scene.commit(txn(0).write(put("a", "")).write(write));
        assert!(matches!(got, Err(StoreError::TooLarge { .. })), "{got:?}");
    }
    assert_eq!((scene.value("a"), scene.log(0, 1).length), (None, 0));
}

fn the_largest_transaction_is_taken(scene: &Scene<'_>) {
    let mut all = txn(0);
    all.writes = (0..bound::OPS_MAX).map(|n| put(&format!("k{n:04}"), "v")).collect();
    scene.commit(all).unwrap();
    assert_eq!(scene.value(&format!("k{:04}", bound::OPS_MAX - 1)), Some("v".into()));
    let mut all = txn(0);
    let value = Bytes::from(vec![7; bound::VALUE_MAX - 1_024]);
    all.writes = (0..16).map(|n| Write::Put { at: at(&n.to_string()), value: value.clone(), expires: None }).collect();
    scene.commit(all).unwrap();
    assert_eq!(scene.value("15"), Some(value));
}

fn shards_share_nothing(scene: &Scene<'_>) {
    let other = Shard::of(&Name::nearest("another-shard"));
    let there = Scene { store: scene.store, shard: &other };
    scene.write(0, [put("a", "here"), append(&["here"]), send("here"), arm("a", 0, "here")]);
    assert_eq!((there.value("a"), there.log(0, 10).length), (None, 0));
    assert_eq!((there.peek(), there.due(10)), (vec![], vec![]));
    there.write(0, [put("a", "there")]);
    assert_eq!((scene.value("a"), there.value("a")), (Some("here".into()), Some("there".into())));
}
