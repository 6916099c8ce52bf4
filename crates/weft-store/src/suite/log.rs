//! Logs: positions, expected length, trimming.

use bytes::Bytes;

use super::{
    Scene,
    check::{append, log_name, txn},
    stories, wait,
};
use crate::{Check, Found, LogName, Op, Records, Write, Wrote, bound};

stories! {
    records_are_read_from_their_position: |_| true;
    a_length_check_lets_one_of_two_writers_through: |_| true;
    trimming_keeps_positions_and_length: |_| true;
    a_large_trim_is_done_in_bounded_steps: |_| true;
    a_page_of_records_ends_by_bytes: |_| true;
    logs_do_not_share_records: |_| true;
}

fn records_are_read_from_their_position(scene: &Scene<'_>) {
    assert_eq!(scene.log(0, 10), Records::default());
    assert_eq!(scene.log(7, 10), Records { from: 7, ..Records::default() });
    let wrote = scene.write(0, [append(&["a", "b"]), append(&[]), append(&["c"])]);
    assert_eq!(wrote, [Wrote::Position(0), Wrote::Position(2), Wrote::Position(2)]);
    assert_eq!(scene.write(0, [append(&["d"])]), [Wrote::Position(3)]);
    assert_eq!(wait(scene.store.length(scene.shard, &log_name())).unwrap(), 4);
    assert_eq!(scene.log(0, 10).records, ["a", "b", "c", "d"]);
    assert_eq!(scene.log(1, 2), Records { from: 1, records: vec!["b".into(), "c".into()], first: 0, length: 4 });
    assert_eq!(scene.log(4, 10), Records { from: 4, records: vec![], first: 0, length: 4 });
    assert_eq!(scene.log(u64::MAX, 10).records, Vec::<Bytes>::new());
    assert_eq!(scene.log(0, 0).records, Vec::<Bytes>::new());
}

fn a_length_check_lets_one_of_two_writers_through(scene: &Scene<'_>) {
    let expect = |is, record| txn(0).check(Check::Length { log: log_name(), is }).write(append(&[record]));
    scene.commit(expect(0, "a")).unwrap();
    scene.refused(expect(0, "late"), Op::Check(0), Found::Length(1));
    scene.refused(expect(2, "early"), Op::Check(0), Found::Length(1));
    scene.commit(expect(1, "b")).unwrap();
    assert_eq!(scene.log(0, 10).records, ["a", "b"]);
}

fn trimming_keeps_positions_and_length(scene: &Scene<'_>) {
    let trim = |before| Write::Trim { log: log_name(), before };
    assert_eq!(scene.write(0, [trim(5)]), [Wrote::Trimmed { first: 0 }]);
    scene.write(0, [append(&["a", "b", "c"])]);
    assert_eq!(scene.write(0, [trim(2)]), [Wrote::Trimmed { first: 2 }]);
    assert_eq!(scene.log(0, 10), Records { from: 2, records: vec!["c".into()], first: 2, length: 3 });
    assert_eq!(scene.write(0, [trim(1)]), [Wrote::Trimmed { first: 2 }]);
    assert_eq!(scene.write(0, [trim(u64::MAX)]), [Wrote::Trimmed { first: 3 }]);
    assert_eq!(scene.log(0, 10), Records { from: 3, records: vec![], first: 3, length: 3 });
    assert_eq!(scene.write(0, [append(&["d"])]), [Wrote::Position(3)]);
    assert_eq!(scene.log(0, 10), Records { from: 3, records: vec!["d".into()], first: 3, length: 4 });
}

fn a_large_trim_is_done_in_bounded_steps(scene: &Scene<'_>) {
    let half = bound::TRIM_MAX as usize / 2 + 500;
    for _ in 0..2 {
        scene.write(0, [Write::Append { log: log_name(), records: vec![Bytes::from_static(b"r"); half] }]);
    }
    let trim = Write::Trim { log: log_name(), before: u64::MAX };
    assert_eq!(scene.write(0, [trim.clone()]), [Wrote::Trimmed { first: bound::TRIM_MAX }]);
    assert_eq!(scene.write(0, [trim]), [Wrote::Trimmed { first: 2 * half as u64 }]);
}

fn a_page_of_records_ends_by_bytes(scene: &Scene<'_>) {
    let record = Bytes::from(vec![7; bound::VALUE_MAX]);
    scene.write(0, [Write::Append { log: log_name(), records: vec![record; 6] }]);
    let page = scene.log(0, 100);
    assert_eq!(page.records.len(), bound::PAGE_BYTES_MAX / bound::VALUE_MAX);
    assert_eq!(scene.log(page.records.len() as u64, 100).records.len(), 2);
}

fn logs_do_not_share_records(scene: &Scene<'_>) {
    let other = LogName::new("log2").unwrap();
    scene.write(0, [append(&["a"]), Write::Append { log: other.clone(), records: vec!["z".into()] }, append(&["b"])]);
    assert_eq!(scene.log(0, 10).records, ["a", "b"]);
    assert_eq!(wait(scene.store.read(scene.shard, &other, 0, 10)).unwrap().records, ["z"]);
}
