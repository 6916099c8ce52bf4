//! Items: versions, numbers, expiry, order.

use bytes::Bytes;

use super::{
    Scene,
    check::{add, after, at, delete, put, put_until, space, txn},
    stories, wait,
};
use crate::{At, Check, Found, Item, Op, Scan, Space, StoreError, Version, Wrote, bound};

stories! {
    an_item_is_read_as_it_was_put: |_| true;
    a_version_is_never_given_twice: |_| true;
    a_version_check_lets_one_of_two_writers_through: |_| true;
    many_items_are_read_in_the_order_asked_for: |_| true;
    a_number_is_decimal_text_and_starts_at_zero: |_| true;
    what_is_no_number_is_not_added_to: |_| true;
    an_expired_item_is_as_good_as_deleted: |has| has.expiry;
    an_expiry_lasts_until_the_next_put: |has| has.expiry;
    a_scan_gives_every_key_once_in_order: |_| true;
    a_scan_keeps_to_its_prefix_and_space: |_| true;
    keys_and_values_are_bytes: |_| true;
}

fn an_item_is_read_as_it_was_put(scene: &Scene<'_>) {
    assert_eq!(scene.get("a", 0), None);
    assert!(!wait(scene.store.exists(scene.shard, &at("a"), after(0))).unwrap());
    let version = scene.commit(txn(0).write(put("a", "one"))).unwrap().version;
    assert_eq!(scene.get("a", 0), Some(Item { value: "one".into(), version, expires: None }));
    assert!(wait(scene.store.exists(scene.shard, &at("a"), after(0))).unwrap());
    scene.write(0, [put("a", "two"), put("b", "")]);
    assert_eq!((scene.value("a"), scene.value("b")), (Some("two".into()), Some("".into())));
    scene.write(0, [delete("a"), delete("never")]);
    assert_eq!(scene.get("a", 0), None);
}

fn a_version_is_never_given_twice(scene: &Scene<'_>) {
    let mut versions = Vec::new();
    for _ in 0..3 {
        versions.push(scene.commit(txn(0).write(put("a", "same"))).unwrap().version);
        assert_eq!(scene.get("a", 0).unwrap().version, *versions.last().unwrap());
        versions.push(scene.commit(txn(0).write(delete("a"))).unwrap().version);
    }
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    let nothing = scene.commit(txn(0)).unwrap();
    assert_eq!((nothing.version, nothing.wrote), (*versions.last().unwrap(), Vec::new()));
}

fn a_version_check_lets_one_of_two_writers_through(scene: &Scene<'_>) {
    let cas = |is, value| txn(0).check(Check::Version { at: at("a"), is }).write(put("a", value));
    let first = scene.commit(cas(None, "first")).unwrap().version;
    scene.refused(cas(None, "late"), Op::Check(0), Found::Version(Some(first)));
    let second = scene.commit(cas(Some(first), "second")).unwrap().version;
    scene.refused(cas(Some(first), "late"), Op::Check(0), Found::Version(Some(second)));
    assert_eq!(scene.value("a"), Some("second".into()));
    scene.write(0, [delete("a")]);
    scene.refused(cas(Some(second), "late"), Op::Check(0), Found::Version(None));
    // Put again with the same value, it is another item.
    let third = scene.commit(cas(None, "second")).unwrap().version;
    scene.refused(cas(Some(second), "late"), Op::Check(0), Found::Version(Some(third)));
}

fn many_items_are_read_in_the_order_asked_for(scene: &Scene<'_>) {
    let ask = |keys: &[&str]| {
        let keys: Vec<Bytes> = keys.iter().map(|key| Bytes::from((*key).to_owned())).collect();
        let items = wait(scene.store.get_many(scene.shard, &space(), &keys, after(0)));
        items.map(|items| items.into_iter().map(|item| item.map(|item| item.value)).collect::<Vec<_>>())
    };
    assert_eq!(ask(&["a", "b"]).unwrap(), [None, None]);
    scene.write(0, [put("a", "1"), put("b", "2"), put("c", "3")]);
    assert_eq!(ask(&["c", "x", "a", "c"]).unwrap(), [Some("3".into()), None, Some("1".into()), Some("3".into())]);
    assert_eq!(ask(&[]).unwrap(), []);
    let many = vec!["a"; bound::MANY_MAX + 1];
    assert!(matches!(ask(&many), Err(StoreError::TooLarge { limit: bound::MANY_MAX, .. })));
    assert_eq!(ask(&many[1..]).unwrap().len(), bound::MANY_MAX);
}

fn a_number_is_decimal_text_and_starts_at_zero(scene: &Scene<'_>) {
    assert_eq!(scene.write(0, [add("n", 5), add("n", -7)]), [Wrote::Number(5), Wrote::Number(-2)]);
    assert_eq!(scene.value("n"), Some("-2".into()));
    scene.write(0, [put("n", "40")]);
    assert_eq!(scene.write(0, [add("n", 2)]), [Wrote::Number(42)]);
}

fn what_is_no_number_is_not_added_to(scene: &Scene<'_>) {
    let largest = i64::MAX.to_string();
    scene.write(0, [put("text", "seven"), put("largest", &largest)]);
    let text = scene.commit(txn(0).write(put("x", "x")).write(add("text", 1)));
    assert!(matches!(text, Err(StoreError::NotANumber { write: 1 })), "{text:?}");
    let large = scene.commit(txn(0).write(add("largest", 1)));
    assert!(matches!(large, Err(StoreError::Overflow { write: 0 })), "{large:?}");
    assert_eq!(scene.value("x"), None);
    assert_eq!(scene.value("largest"), Some(largest.into()));
}

fn an_expired_item_is_as_good_as_deleted(scene: &Scene<'_>) {
    let version = scene.commit(txn(0).write(put_until("a", "5", 10)).write(put("b", ""))).unwrap().version;
    let item = scene.get("a", 9).unwrap();
    assert_eq!((item.expires, item.version), (Some(after(10)), version));
    assert_eq!(scene.get("a", 10), None);
    assert!(!wait(scene.store.exists(scene.shard, &at("a"), after(10))).unwrap());
    assert_eq!(scene.keys("", 9), ["a", "b"]);
    assert_eq!(scene.keys("", 10), ["b"]);
    let stale = Check::Version { at: at("a"), is: Some(version) };
    scene.refused(txn(10).check(stale), Op::Check(0), Found::Version(None));
    // What is added to begins anew, and does not inherit the expiry.
    scene.commit(txn(10).check(Check::Version { at: at("a"), is: None }).write(add("a", 1))).unwrap();
    let item = scene.get("a", 1_000).unwrap();
    assert_eq!((item.value, item.expires), ("1".into(), None));
}

fn an_expiry_lasts_until_the_next_put(scene: &Scene<'_>) {
    scene.write(0, [put_until("a", "1", 10)]);
    scene.write(1, [add("a", 1)]);
    assert_eq!(scene.get("a", 9).map(|item| item.expires), Some(Some(after(10))));
    assert_eq!(scene.get("a", 10), None);
    scene.write(2, [put("a", "3")]);
    assert_eq!(scene.get("a", 5_000).map(|item| item.value), Some("3".into()));
    // Time goes on far beyond, with commits that may clear away what has expired.
    scene.write(3, [put_until("gone", "", 4)]);
    for minute in 1..5 {
        scene.write(minute * 60_000, [put("tick", "")]);
    }
    assert_eq!(scene.keys("", 0), ["a", "tick"]);
}

fn a_scan_gives_every_key_once_in_order(scene: &Scene<'_>) {
    let keys: Vec<String> = (0..25).map(|n| format!("k{n:02}")).collect();
    scene.write(0, keys.iter().rev().map(|key| put(key, key)));
    for (max, values) in [(1, true), (4, false), (25, true), (100, true)] {
        let mut seen = Vec::new();
        let mut scan = Scan { space: space(), prefix: "k".into(), after: None, max, values };
        loop {
            let page = wait(scene.store.scan(scene.shard, &scan, after(0))).unwrap();
            assert!(page.items.len() <= max);
            for (key, item) in page.items {
                assert_eq!(item.value, if values { key.clone() } else { Bytes::new() });
                seen.push(key);
            }
            match page.next {
                Some(next) => scan.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, keys, "in pages of {max}");
    }
}

fn a_scan_keeps_to_its_prefix_and_space(scene: &Scene<'_>) {
    let other = Space::new("spacf").unwrap();
    let neighbour = Space::new("spac").unwrap();
    let bytes = |key: &'static [u8]| Bytes::from_static(key);
    let put =
        |space: &Space, key| crate::Write::Put { at: At::new(space, bytes(key)), value: "".into(), expires: None };
    let keys: [&[u8]; 6] = [b"", b"a", b"a\xff", b"a\xff\xff", b"b", b"\xff\xff"];
    scene.write(0, keys.map(|key| put(&space(), key)));
    scene.write(0, [put(&other, b"a1"), put(&neighbour, b"a2")]);
    let list = |prefix: &'static [u8], behind: Option<&'static [u8]>| {
        let scan = Scan { space: space(), prefix: bytes(prefix), after: behind.map(bytes), max: 10, values: true };
        let page = wait(scene.store.scan(scene.shard, &scan, after(0))).unwrap();
        page.items.into_iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(list(b"", None), keys);
    assert_eq!(list(b"a", None), &keys[1..4]);
    assert_eq!(list(b"a\xff", None), &keys[2..4]);
    assert_eq!(list(b"\xff", None), &keys[5..]);
    assert_eq!(list(b"a", Some(b"a")), &keys[2..4]);
    assert_eq!(list(b"a", Some(b"")), &keys[1..4]);
    assert_eq!(list(b"a", Some(b"b")), Vec::<Vec<u8>>::new());
    assert_eq!(list(b"", Some(b"")), &keys[1..]);
}

fn keys_and_values_are_bytes(scene: &Scene<'_>) {
    let key = Bytes::from((0..=255).collect::<Vec<u8>>());
    let value = Bytes::from(vec![0; bound::VALUE_MAX]);
    let space = Space::new("snö\0wman").unwrap();
    let at = At::new(&space, key);
    scene.write(0, [crate::Write::Put { at: at.clone(), value: value.clone(), expires: None }]);
    let item = wait(scene.store.get(scene.shard, &at, after(0))).unwrap().unwrap();
    assert_eq!(item.value, value);
    assert!(item.version > Version(0));
    let short = At::new(&Space::new("snö").unwrap(), at.key.clone());
    assert_eq!(wait(scene.store.get(scene.shard, &short, after(0))).unwrap(), None);
}
