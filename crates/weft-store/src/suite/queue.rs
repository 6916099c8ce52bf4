//! Queues: leases, receipts, delay, groups, duplicates.

use std::time::Duration;

use super::{
    Scene,
    check::{after, queue, send, send_message, txn},
    stories, wait,
};
use crate::{Dedup, Delivery, Found, Group, Message, Op, Peeked, Seq, Settle, Write, Wrote, bound};

stories! {
    messages_are_received_in_order_and_once: |_| true;
    a_lease_that_ran_out_is_given_to_another: |_| true;
    a_message_can_be_given_back_with_a_delay: |_| true;
    a_lease_can_be_extended: |_| true;
    a_receipt_is_good_once: |_| true;
    a_delayed_message_waits: |_| true;
    a_group_is_delivered_one_after_the_other: |has| has.groups;
    a_group_waits_for_its_oldest_even_when_that_is_delayed: |has| has.groups;
    a_duplicate_is_dropped_while_the_first_is_remembered: |_| true;
    peeking_leases_nothing: |_| true;
    a_receive_ends_by_bytes: |_| true;
}

fn payloads(deliveries: &[Delivery]) -> Vec<&[u8]> {
    deliveries.iter().map(|delivery| &delivery.payload[..]).collect()
}

fn settle(delivery: &Delivery, how: Settle) -> Write {
    Write::Settle { receipt: delivery.receipt.clone(), how }
}

fn grouped(group: &str, payload: &str) -> Write {
    let group = Some(Group::new(group).expect("short"));
    send_message(Message { group, ..Message::new(payload.to_owned()) })
}

fn messages_are_received_in_order_and_once(scene: &Scene<'_>) {
    assert!(scene.receive(10, 1_000, 0).is_empty());
    let sent = scene.write(0, [send("a"), send("b")]);
    scene.write(1, [send("c")]);
    let first = scene.receive(2, 1_000, 1);
    assert_eq!(payloads(&first), [b"a", b"b"]);
    assert_eq!(Wrote::Sent { seq: first[0].receipt.seq, fresh: true }, sent[0]);
    assert_eq!((first[0].attempt, first[0].sent), (1, after(0)));
    assert!(first[0].receipt.seq < first[1].receipt.seq);
    assert_eq!(payloads(&scene.receive(10, 1_000, 1)), [b"c"]);
    assert!(scene.receive(10, 1_000, 1).is_empty());
    scene.write(2, first.iter().map(|delivery| settle(delivery, Settle::Done)));
    assert_eq!(payloads(&scene.receive(10, 1_000, 2_000)), [b"c"]);
}

fn a_lease_that_ran_out_is_given_to_another(scene: &Scene<'_>) {
    scene.write(0, [send("a")]);
    let slow = scene.receive(1, 1_000, 0).remove(0);
    assert!(scene.receive(1, 1_000, 999).is_empty());
    assert_eq!(wait(scene.store.next_ready(scene.shard, &queue())).unwrap(), Some(after(1_000)));
    let other = scene.receive(1, 1_000, 1_000).remove(0);
    assert_eq!((other.attempt, other.receipt.seq), (2, slow.receipt.seq));
    assert_ne!(other.receipt, slow.receipt);
    for how in [Settle::Done, Settle::Retry { at: after(0) }, Settle::Extend { until: after(0) }] {
        scene.refused(txn(1_001).write(settle(&slow, how)), Op::Write(0), Found::NotLeased);
    }
    scene.write(1_001, [settle(&other, Settle::Done)]);
    assert!(scene.peek().is_empty());
}

fn a_message_can_be_given_back_with_a_delay(scene: &Scene<'_>) {
    scene.write(0, [send("a"), send("b")]);
    let both = scene.receive(10, 1_000, 0);
    scene.write(1, [settle(&both[0], Settle::Retry { at: after(50) })]);
    assert!(scene.receive(10, 1_000, 49).is_empty());
    let again = scene.receive(10, 1_000, 50);
    assert_eq!((payloads(&again), again[0].attempt), (vec![&b"a"[..]], 2));
    scene.refused(txn(50).write(settle(&both[0], Settle::Done)), Op::Write(0), Found::NotLeased);
    // Given back, it is leased by nobody: not even the receipt that gave it back holds it.
    scene.write(51, [settle(&again[0], Settle::Retry { at: after(60) })]);
    scene.refused(txn(52).write(settle(&again[0], Settle::Done)), Op::Write(0), Found::NotLeased);
}

fn a_lease_can_be_extended(scene: &Scene<'_>) {
    scene.write(0, [send("a")]);
    let held = scene.receive(1, 1_000, 0).remove(0);
    scene.write(500, [settle(&held, Settle::Extend { until: after(5_000) })]);
    assert!(scene.receive(1, 1_000, 4_999).is_empty());
    scene.write(4_999, [settle(&held, Settle::Done)]);
    assert!(scene.receive(1, 1_000, 5_000).is_empty());
}

fn a_receipt_is_good_once(scene: &Scene<'_>) {
    scene.write(0, [send("a")]);
    let held = scene.receive(1, 1_000, 0).remove(0);
    scene.refused(
        txn(1).write(settle(&held, Settle::Done)).write(settle(&held, Settle::Done)),
        Op::Write(1),
        Found::NotLeased,
    );
    // The refused transaction settled nothing. A lease that ran out but was given to nobody still settles.
    scene.write(9_000, [settle(&held, Settle::Done)]);
    scene.refused(txn(9_000).write(settle(&held, Settle::Done)), Op::Write(0), Found::NotLeased);
    let mut forged = held.receipt;
    forged.seq = Seq(forged.seq.0 + 1);
    scene.refused(
        txn(9_000).write(Write::Settle { receipt: forged, how: Settle::Done }),
        Op::Write(0),
        Found::NotLeased,
    );
}

fn a_delayed_message_waits(scene: &Scene<'_>) {
    let late = Message { at: after(100), ..Message::new("late") };
    scene.write(0, [send_message(late), send("soon")]);
    assert_eq!(payloads(&scene.receive(10, 1_000, 99)), [b"soon"]);
    let late = scene.receive(10, 1_000, 100);
    assert_eq!((payloads(&late), late[0].sent), (vec![&b"late"[..]], after(0)));
}

fn a_group_is_delivered_one_after_the_other(scene: &Scene<'_>) {
    scene.write(0, [grouped("g", "g1"), grouped("g", "g2"), grouped("h", "h1"), send("free"), grouped("g", "g3")]);
    let first = scene.receive(10, 1_000, 0);
    assert_eq!(payloads(&first), [&b"g1"[..], b"h1", b"free"]);
    assert_eq!(first[0].group.as_ref().map(Group::as_str), Some("g"));
    assert!(scene.receive(10, 1_000, 999).is_empty());
    scene.write(1, [settle(&first[0], Settle::Done)]);
    let second = scene.receive(10, 1_000, 1);
    assert_eq!(payloads(&second), [b"g2"]);
    // Given back, it still goes before those that were sent after it.
    scene.write(2, [settle(&second[0], Settle::Retry { at: after(20) }), settle(&first[1], Settle::Done)]);
    assert!(scene.receive(10, 1_000, 19).is_empty());
    let again = scene.receive(10, 1_000, 20);
    assert_eq!(payloads(&again), [b"g2"]);
    scene.write(21, [settle(&again[0], Settle::Done), grouped("h", "h2")]);
    let rest = scene.receive(10, 500, 21);
    assert_eq!(payloads(&rest), [&b"g3"[..], b"h2"]);
    scene.write(22, rest.iter().map(|delivery| settle(delivery, Settle::Done)));
    assert_eq!(payloads(&scene.receive(10, 1_000, 50_000)), [b"free"]);
}

fn a_group_waits_for_its_oldest_even_when_that_is_delayed(scene: &Scene<'_>) {
    let group = Some(Group::new("g").expect("short"));
    scene.write(0, [send_message(Message { at: after(100), group, ..Message::new("first") }), grouped("g", "second")]);
    assert!(scene.receive(10, 1_000, 99).is_empty());
    assert_eq!(scene.peek().iter().map(|peeked| peeked.ready).collect::<Vec<_>>(), [Some(after(100)), None]);
    let first = scene.receive(10, 1_000, 100);
    assert_eq!(payloads(&first), [b"first"]);
    scene.write(101, [settle(&first[0], Settle::Done)]);
    assert_eq!(payloads(&scene.receive(10, 1_000, 101)), [b"second"]);
}

fn a_duplicate_is_dropped_while_the_first_is_remembered(scene: &Scene<'_>) {
    let keep = Duration::from_millis(100);
    let message = |payload: &str| {
        let dedup = Some(Dedup { id: "id".into(), keep });
        send_message(Message { dedup, ..Message::new(payload.to_owned()) })
    };
    let sent = |wrote: Vec<Wrote>| match wrote[..] {
        [Wrote::Sent { seq, fresh }] => (seq, fresh),
        _ => panic!("{wrote:?}"),
    };
    let (seq, fresh) = sent(scene.write(0, [message("a")]));
    assert!(fresh);
    assert_eq!(sent(scene.write(99, [message("b")])), (seq, false));
    // Settled long ago, it is still remembered; after its time it is not.
    let held = scene.receive(1, 1_000, 99).remove(0);
    scene.write(99, [settle(&held, Settle::Done)]);
    assert_eq!(sent(scene.write(99, [message("c")])), (seq, false));
    assert!(scene.peek().is_empty());
    let (other, fresh) = sent(scene.write(100, [message("d")]));
    assert!(fresh && other > seq);
}

fn peeking_leases_nothing(scene: &Scene<'_>) {
    scene.write(0, [send("a"), send("b"), send("c")]);
    let all = scene.peek();
    let seen: Vec<&[u8]> = all.iter().map(|peeked| &peeked.payload[..]).collect();
    assert_eq!(seen, [b"a", b"b", b"c"]);
    let expected = Peeked { attempt: 0, ready: Some(after(0)), ..all[0].clone() };
    assert_eq!(all[0], expected);
    let rest = wait(scene.store.peek(scene.shard, &queue(), Some(all[0].seq), 1)).unwrap();
    assert_eq!(rest, all[1..2]);
    assert_eq!(scene.receive(10, 1_000, 0).len(), 3);
    assert_eq!(scene.peek()[0].ready, Some(after(1_000)));
}

fn a_receive_ends_by_bytes(scene: &Scene<'_>) {
    let large = Message::new(vec![7; bound::VALUE_MAX]);
    scene.write(0, (0..6).map(|_| send_message(large.clone())));
    let whole = bound::PAGE_BYTES_MAX / bound::VALUE_MAX;
    assert_eq!(scene.receive(10, 1_000, 0).len(), whole);
    assert_eq!(scene.receive(10, 1_000, 0).len(), 6 - whole);
}
