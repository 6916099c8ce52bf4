//! The lives that a transaction must carry, written before its shape was fixed: an actor's turn, a queue's settlement,
//! a workflow's step. If one of them needs a second commit, `Txn` is wrong.

use std::time::Duration;

use weft_store::{
    At, Check, Dedup, Epoch, Found, KeyValue, Lease, Log, LogName, MemoryStore, Message, Op, Owner, Queue, QueueName,
    Receive, Scope, Settle, Shard, Space, Store, StoreError, TimerName, Timers, Txn, Write, Wrote, suite::wait,
};
use weft_types::{Fault, Name, Ran, Timestamp};

const T0: Timestamp = Timestamp::from_millis(1_000);

fn shard() -> Shard {
    Shard::of(&Name::new("orders").unwrap())
}

fn after(millis: u64) -> Timestamp {
    T0.saturating_add(Duration::from_millis(millis))
}

/// One turn of `courier/7`, by whoever holds `epoch`: state delta, outbox, reminder and inbox in one commit.
fn turn(epoch: Epoch, message: &'static [u8], state: &'static [u8]) -> Txn {
    let courier = Owner::new("actor/courier/7").unwrap();
    let state_at = At::new(&Space::new("actor/courier").unwrap(), "7/location");
    Txn::new(T0)
        .check(Check::Epoch { owner: courier, is: epoch })
        .check(Check::First {
            scope: Scope::new("actor/courier/7").unwrap(),
            id: message.into(),
            keep: Duration::from_secs(300),
        })
        .write(Write::Put { at: state_at, value: state.into(), expires: None })
        .write(Write::Append { log: LogName::new("outbox").unwrap(), records: vec!["courier 7 moved".into()] })
        .write(Write::Send {
            queue: QueueName::new("dispatch").unwrap(),
            message: Message { at: after(100), ..Message::new("assign") },
        })
        .write(Write::Arm {
            timer: TimerName::new("actor/courier/7/idle").unwrap(),
            at: after(5_000),
            payload: "sleep".into(),
        })
}

#[test]
fn an_actor_turn_is_one_commit_and_a_stale_owner_cannot_write() {
    let (store, shard) = (MemoryStore::default(), shard());
    let courier = Owner::new("actor/courier/7").unwrap();
    let own = |epoch| Txn::new(T0).write(Write::Own { owner: courier.clone(), epoch });
    wait(store.commit(&shard, own(Epoch(1)))).unwrap();

    let done = wait(store.commit(&shard, turn(Epoch(1), b"m1", b"here"))).unwrap();
    assert_eq!(done.wrote[1], Wrote::Position(0));
    assert!(matches!(done.wrote[2], Wrote::Sent { fresh: true, .. }));

    // The same message again is recognised, and nothing of its turn happens twice.
    let twice = wait(store.commit(&shard, turn(Epoch(1), b"m1", b"elsewhere"))).unwrap_err();
    assert!(matches!(twice, StoreError::Conflict { op: Op::Check(1), found: Found::Seen }), "{twice}");

    // Another node takes over. The old one wakes up late, with a turn in hand.
    assert_eq!(wait(store.epoch(&shard, &courier)).unwrap(), Epoch(1));
    wait(store.commit(&shard, own(Epoch(2)))).unwrap();
    let stale = wait(store.commit(&shard, turn(Epoch(1), b"m2", b"nowhere"))).unwrap_err();
    assert!(matches!(stale, StoreError::Conflict { op: Op::Check(0), found: Found::Epoch(Epoch(2)) }), "{stale}");
    assert_eq!(Fault::from(stale).ran, Ran::No);
    let again = wait(store.commit(&shard, own(Epoch(2)))).unwrap_err();
    assert!(matches!(again, StoreError::Conflict { op: Op::Write(0), found: Found::Epoch(Epoch(2)) }), "{again}");

    // Of the refused turns nothing is seen: not the state, the outbox, the message, nor the inbox.
    let state_at = At::new(&Space::new("actor/courier").unwrap(), "7/location");
    assert_eq!(wait(store.get(&shard, &state_at, T0)).unwrap().unwrap().value, "here");
    assert_eq!(wait(store.length(&shard, &LogName::new("outbox").unwrap())).unwrap(), 1);
    assert_eq!(wait(store.peek(&shard, &QueueName::new("dispatch").unwrap(), None, 10)).unwrap().len(), 1);
    wait(store.commit(&shard, turn(Epoch(2), b"m2", b"there"))).unwrap();
}

#[test]
fn a_settlement_commits_with_what_handling_the_message_changed() {
    let (store, shard) = (MemoryStore::default(), shard());
    let (queue, failed) = (QueueName::new("payments").unwrap(), QueueName::new("failed-orders").unwrap());
    let send = |body: &'static str| Write::Send { queue: queue.clone(), message: Message::new(body) };
    wait(store.commit(&shard, Txn::new(T0).write(send("pay 7")).write(send("pay 8")))).unwrap();
    let receive = |now| Receive { queue: queue.clone(), max: 10, lease: Duration::from_secs(30), now };

    let both = wait(store.receive(&shard, receive(T0))).unwrap();
    assert_eq!(
        both.iter().map(|one| (&one.payload[..], one.attempt)).collect::<Vec<_>>(),
        [(&b"pay 7"[..], 1), (b"pay 8", 1)]
    );
    assert!(wait(store.receive(&shard, receive(T0))).unwrap().is_empty());

    // The handler's writes and the settlement are one commit; the second message goes to the dead-letter queue.
    let paid = At::new(&Space::new("orders").unwrap(), "7");
    let settle = |which: usize, how| Write::Settle { receipt: both[which].receipt.clone(), how };
    let handled = Txn::new(after(1))
        .write(Write::Put { at: paid.clone(), value: "paid".into(), expires: None })
        .write(settle(0, Settle::Done))
        .write(settle(1, Settle::Done))
        .write(Write::Send { queue: failed.clone(), message: Message::new(both[1].payload.clone()) });
    wait(store.commit(&shard, handled.clone())).unwrap();
    assert_eq!(wait(store.next_ready(&shard, &queue)).unwrap(), None);
    assert_eq!(wait(store.peek(&shard, &failed, None, 10)).unwrap()[0].payload, "pay 8");

    // A consumer whose lease ran out, and who settles after another has received: refused, its writes too.
    wait(store.commit(&shard, Txn::new(after(2)).write(send("pay 9")))).unwrap();
    let slow = wait(store.receive(&shard, receive(after(2)))).unwrap().remove(0);
    let other = wait(store.receive(&shard, receive(after(40_000)))).unwrap().remove(0);
    assert_eq!((other.receipt.seq, other.attempt), (slow.receipt.seq, 2));
    let late = Txn::new(after(40_001))
        .write(Write::Delete { at: paid.clone() })
        .write(Write::Settle { receipt: slow.receipt, how: Settle::Done });
    let refused = wait(store.commit(&shard, late)).unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { op: Op::Write(1), found: Found::NotLeased }), "{refused}");
    assert!(wait(store.exists(&shard, &paid, T0)).unwrap());
    wait(
        store
            .commit(&shard, Txn::new(after(40_002)).write(Write::Settle { receipt: other.receipt, how: Settle::Done })),
    )
    .unwrap();
}

/// Journals the end of step `index` together with the schedule of the next one, and what makes it happen.
fn step(journal: &LogName, length: u64, index: u32, wake: Timestamp) -> Txn {
    let records = vec![format!("completed {index}").into(), format!("scheduled {}", index + 1).into()];
    let id = format!("fulfil/7/{}", index + 1);
    let call = Message {
        dedup: Some(Dedup { id: id.clone().into(), keep: Duration::from_secs(300) }),
        ..Message::new(format!("call step {}", index + 1))
    };
    Txn::new(T0)
        .check(Check::Length { log: journal.clone(), is: length })
        .write(Write::Append { log: journal.clone(), records })
        .write(Write::Send { queue: QueueName::new("steps").unwrap(), message: call })
        .write(Write::Arm { timer: TimerName::new("workflow/fulfil/7").unwrap(), at: wake, payload: id.into() })
}

#[test]
fn a_workflow_step_appends_completed_and_scheduled_with_its_send_and_timer() {
    let (store, shard) = (MemoryStore::default(), shard());
    let journal = LogName::new("workflow/fulfil/7").unwrap();
    let first = wait(store.commit(&shard, step(&journal, 0, 0, after(1_000)))).unwrap();
    assert_eq!(first.wrote[0], Wrote::Position(0));

    // Two nodes replay the same journal: the journal's length lets one of them go on.
    wait(store.commit(&shard, step(&journal, 2, 1, after(2_000)))).unwrap();
    let second = wait(store.commit(&shard, step(&journal, 2, 1, after(9_000)))).unwrap_err();
    assert!(matches!(second, StoreError::Conflict { op: Op::Check(0), found: Found::Length(4) }), "{second}");

    let replay = wait(store.read(&shard, &journal, 0, 100)).unwrap();
    assert_eq!(replay.records, ["completed 0", "scheduled 1", "completed 1", "scheduled 2"]);
    assert_eq!(wait(store.next_timer(&shard)).unwrap(), Some(after(2_000)));

    // The timer fires while the step arms it anew: the firing is stale, and must not disarm the new one.
    let fired = wait(store.due(&shard, after(2_000), 10)).unwrap().remove(0);
    wait(store.commit(&shard, step(&journal, 4, 2, after(3_000)))).unwrap();
    let fire = |is| {
        Txn::new(after(2_000))
            .check(Check::Timer { timer: fired.timer.clone(), is })
            .write(Write::Append { log: journal.clone(), records: vec!["timed out".into()] })
            .write(Write::Disarm { timer: fired.timer.clone() })
    };
    assert!(matches!(
        wait(store.commit(&shard, fire(Some(fired.version)))),
        Err(StoreError::Conflict { op: Op::Check(0), found: Found::Version(Some(_)) })
    ));
    let fresh = wait(store.due(&shard, after(3_000), 10)).unwrap().remove(0);
    wait(store.commit(&shard, fire(Some(fresh.version)))).unwrap();
    assert_eq!(wait(store.next_timer(&shard)).unwrap(), None);
}
