//! A process under load is killed without warning, again and again; what it acknowledged is there.

use std::{fs, process::Command, time::Instant};

use weft_store::suite::Draw;
use weft_store_local::Sync;

use crate::{
    deep,
    load::{Acked, Orders, verify},
};

#[test]
fn nothing_acknowledged_is_lost_to_sigkill() {
    let rounds = if deep() { 300 } else { 12 };
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let acks = folder.path().join("acks");
    let mut draw = Draw::new(7);
    let mut acked = Acked::default();
    for round in 0..rounds {
        // The same folder again and again: what is found is itself the product of many deaths.
        let more = 1 + draw.below(150);
        kill_after(
            &Orders { folder: data.clone(), acks: acks.clone(), steps: 1_000_000, sync: Sync::Full, ctl: None },
            more,
        );
        let before = acked.clone();
        acked.hear(&fs::read_to_string(&acks).expect("acks"));
        assert!(acked.total() >= before.total() + more, "round {round}: it worked until it was killed");
        match verify(&data, &acked) {
            // A step that was there but not acknowledged is where the next process goes on from.
            Ok(there) => acked = there,
            Err(what) => panic!("round {round}, killed after {more} steps: {what}"),
        }
    }
}

/// Starts the load and kills it as soon as it has acknowledged `more` steps.
fn kill_after(orders: &Orders, more: u64) {
    let lines =
        |orders: &Orders| fs::read(&orders.acks).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
    let before = lines(orders);
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    orders.tell(&mut child);
    let mut child = child.stdout(std::process::Stdio::null()).spawn().expect("starts");
    let begun = Instant::now();
    while ((lines(orders) - before) as u64) < more {
        assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
        assert!(begun.elapsed().as_secs() < 120, "it stands still");
        std::thread::yield_now();
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
}
