//! The power is cut, at every kind of moment; what was acknowledged is there when it comes back.

use std::{fs, path::Path};

use weft_store::suite::Draw;
use weft_store_local::Sync;

use crate::{
    deep,
    layer::Layer,
    load::{Acked, Orders, WRITERS, verify},
    trace::{Disk, Event, lay_down, parse},
};

/// A run under the layer, told as events.
struct Run {
    layer: Layer,
    events: Vec<Event>,
}

impl Run {
    fn record(steps: u64, sync: Sync, syncs_fail: bool) -> Self {
        let layer = Layer::new();
        let acks = layer.data().join("acks");
        let ctl = syncs_fail.then(|| layer.ctl());
        layer.run(&Orders { folder: layer.data(), acks, steps, sync, ctl });
        let events = parse(&fs::read(layer.trace()).expect("the record"));
        Self { layer, events }
    }

    /// Cuts the power `cuts` times, and says how many were looked at and what did not hold.
    fn cut(&self, seed: u64, cuts: u64) -> (u64, Vec<String>) {
        let mut draw = Draw::new(seed);
        let mut moments: Vec<usize> = (0..cuts).map(|_| draw.below(self.events.len() as u64) as usize).collect();
        moments.push(self.events.len());
        moments.sort_unstable();
        let (mut disk, mut acked) = (Disk::default(), Acked::default());
        let mut acks = None;
        let mut wrong = Vec::new();
        let mut done = 0;
        for moment in moments {
            for event in &self.events[done..moment] {
                self.hear(event, &mut acks, &mut acked);
                disk.apply(event, &mut draw);
            }
            done = moment;
            let left = disk.crash(&mut draw);
            let folder = tempfile::tempdir().expect("a folder");
            lay_down(&left, &self.layer.data(), folder.path());
            if let Err(what) = verify(folder.path(), &acked) {
                wrong.push(format!("seed {seed}, event {moment} of {}: {what}", self.events.len()));
            }
        }
        (cuts + 1, wrong)
    }

    /// Acknowledgements are lines in a file under the layer, so the record has them in their place.
    fn hear(&self, event: &Event, acks: &mut Option<u64>, acked: &mut Acked) {
        match event {
            Event::Created { inode, path } if path.file_name() == Some("acks".as_ref()) => *acks = Some(*inode),
            Event::Written { inode, bytes, .. } if *acks == Some(*inode) => {
                acked.hear(std::str::from_utf8(bytes).expect("lines"));
            }
            _ => {}
        }
    }

    fn count(&self, is: fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is(event)).count()
    }
}

fn whole(path: &Path, ending: &str) -> bool {
    path.to_string_lossy().ends_with(ending)
}

#[test]
fn nothing_acknowledged_is_lost_to_a_power_cut() {
    let run = Run::record(80, Sync::Full, false);
    // The record is of what it should be of: commits, and the log copied back into the file again and again.
    let synced = run.count(|event| matches!(event, Event::Synced { .. }));
    assert!(synced as u64 > 80, "{synced} syncs");
    assert_eq!(run.count(|event| matches!(event, Event::Renamed { to, .. } if whole(to, ".db"))), 1);
    let (cuts, wrong) = run.cut(1, if deep() { 5_000 } else { 120 });
    assert!(wrong.is_empty(), "{} of {cuts} power cuts:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn nothing_acknowledged_is_lost_when_syncs_fail_and_the_power_is_cut() {
    let run = Run::record(60, Sync::Full, true);
    let failed = run.count(|event| matches!(event, Event::SyncFailed { .. }));
    assert!(failed > 10, "only {failed} syncs failed");
    let (cuts, wrong) = run.cut(2, if deep() { 3_000 } else { 80 });
    assert!(wrong.is_empty(), "{} of {cuts} power cuts:\n{}", wrong.len(), wrong.join("\n"));
}

/// The proof itself is put to the test: without syncs it must find losses.
#[test]
fn without_syncs_the_proof_sees_the_loss() {
    let run = Run::record(40, Sync::Off, false);
    let (cuts, wrong) = run.cut(3, 60);
    let lost = wrong.iter().filter(|what| what.contains("are there")).count();
    assert!(lost as u64 > cuts / 4, "of {cuts} power cuts only these lost something:\n{}", wrong.join("\n"));
    // And with everything kept, nothing is: it is not the checking that is broken.
    let mut acked = Acked::default();
    let mut acks = None;
    run.events.iter().for_each(|event| run.hear(event, &mut acks, &mut acked));
    assert_eq!(acked.total(), 40 * WRITERS);
    fs::remove_file(run.layer.data().join("acks")).expect("the acks");
    assert_eq!(verify(&run.layer.data(), &acked), Ok(acked));
}
