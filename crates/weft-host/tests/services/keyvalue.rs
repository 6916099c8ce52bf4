use weft_store::{At, KeyValue, Shard, Space};
use weft_types::Name;

use crate::bench::{Bench, query, stored};

const DRAFTS: [&str; 2] = ["kv", "kv2"];

#[tokio::test]
async fn both_drafts_see_one_store_and_every_write_is_durable_when_it_returns() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    for kv in DRAFTS {
        let get = |rest: &'static str| bench.text_of(&guest, kv, rest);
        assert_eq!(get("get?store=default&key=a").await, "none");
        assert_eq!(get("set?store=default&key=a&value=one").await, "set");
        assert_eq!(get("get?store=default&key=a").await, "one");
        assert_eq!(get("exists?store=default&key=a").await, "true");
        assert_eq!(get("set?store=default&key=a&value=two").await, "set");
        let (shard, space) = (Shard::of(&Name::new("shop").unwrap()), Space::new("orders").unwrap());
        let item = bench.store.get(&shard, &At::new(&space, "a"), bench.now()).await.unwrap().unwrap();
        assert_eq!(&item.value[..], b"two");
        assert_eq!(get("delete?store=default&key=a").await, "deleted");
        assert_eq!(get("delete?store=default&key=a").await, "deleted");
        assert_eq!(get("exists?store=default&key=a").await, "false");
    }
}

#[tokio::test]
async fn numbers_are_added_whatever_draft_adds() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let get = |path: &'static str| bench.text(&guest, path);
    assert_eq!(get("/kv/increment?store=default&key=n").await, "1");
    assert_eq!(get("/kv/increment?store=default&key=n&by=41").await, "42");
    assert_eq!(get("/kv2/increment?store=default&key=n&by=-50").await, "-8");
    assert!(get("/kv/increment?store=default&key=n&by=1").await.contains("the number is now -7"));
    assert!(get("/kv/increment?store=default&key=n&by=18446744073709551615").await.contains("too large to add"));
    assert_eq!(get("/kv2/get?store=default&key=n").await, "-7");
    assert_eq!(get("/kv/set?store=default&key=n&value=many").await, "set");
    assert!(get("/kv2/increment?store=default&key=n").await.contains("not a whole number"));
    assert_eq!(get("/kv2/set?store=default&key=n&value=9223372036854775807").await, "set");
    assert!(get("/kv2/increment?store=default&key=n").await.contains("beyond the range"));
}

#[tokio::test]
async fn increments_at_once_are_all_counted() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let calls = (0..12).map(|_| bench.text(&guest, "/kv/increment?store=default&key=n"));
    let mut sums: Vec<u64> = join_all(calls).await.iter().map(|text| text.parse().expect(text)).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_swap_happens_only_if_the_key_is_as_it_was_seen() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let get = |path: &'static str| bench.text(&guest, path);
    assert_eq!(get("/kv2/swap?store=default&key=c&expect=&value=one").await, "swapped");
    assert_eq!(get("/kv2/swap?store=default&key=c&expect=one&value=two").await, "swapped");
    assert_eq!(get("/kv2/swap?store=default&key=c&expect=one&value=three").await, "other: two");
    assert_eq!(get("/kv2/swap?store=default&key=c&expect=two&value=three&meddle=else").await, "failed: else");
    // Written again with the very same value: still another write came first.
    assert_eq!(get("/kv2/swap?store=default&key=c&expect=else&value=three&meddle=else").await, "failed: else");
    assert_eq!(get("/kv2/get?store=default&key=c").await, "else");
    // Absent when seen, there when swapped.
    assert_eq!(get("/kv2/swap?store=default&key=d&expect=&value=mine&meddle=yours").await, "failed: yours");
}

#[tokio::test]
async fn batches_read_write_and_delete_many_in_both_shapes() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    for kv in DRAFTS {
        let get = |rest: &'static str| bench.text_of(&guest, kv, rest);
        assert_eq!(get("set-many?store=default&keys=a,b,c&value=v").await, "set");
        assert_eq!(get("get-many?store=default&keys=c,x,a").await, "c=v,none,a=v");
        assert_eq!(get("delete-many?store=default&keys=a,b,x").await, "deleted");
        assert_eq!(get("get-many?store=default&keys=a,b,c").await, "none,none,c=v");
        assert_eq!(get("get-many?store=default&keys=").await, "");
        assert_eq!(get("set-many?store=default&keys=&value=v").await, "set");
        assert!(get("set-many?store=default&keys=a&value=").await.contains("set"));
    }
}

#[tokio::test]
async fn keys_are_listed_in_pages_by_either_cursor() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let (shard, space) = (Shard::of(&Name::new("shop").unwrap()), Space::new("orders").unwrap());
    let mut txn = weft_store::Txn::new(bench.now());
    for n in 0..2_345 {
        let at = At::new(&space, format!("k{n:04}"));
        txn = txn.write(weft_store::Write::Put { at, value: "v".into(), expires: None });
    }
    weft_store::Store::commit(&*bench.store, &shard, txn).await.unwrap();
    for kv in DRAFTS {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = bench.text(&guest, &format!("/{kv}/list?store=default&cursor={cursor}")).await;
            let (keys, next) = page.split_once(' ').expect("a page");
            seen.extend(keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned));
            pages += 1;
            if next == "end" {
                break;
            }
            cursor = next.to_owned();
        }
        assert_eq!(pages, 3, "{kv}");
        assert_eq!(seen, (0..2_345).map(|n| format!("k{n:04}")).collect::<Vec<_>>(), "{kv}");
    }
    assert_eq!(bench.text(&guest, "/kv/list?store=default&cursor=2345").await, " end");
    assert_eq!(bench.text(&guest, "/kv/list?store=default&cursor=18446744073709551615").await, " end");
    assert_eq!(bench.text(&guest, "/kv2/list?store=default&cursor=zzz").await, " end");
}

#[tokio::test]
async fn an_ungranted_store_is_denied_in_the_interfaces_own_words() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    for (kv, store) in [("kv", "orders"), ("kv", "cache"), ("kv2", ""), ("kv2", "Default")] {
        let answer = bench.get(&guest, &format!("/{kv}/open?store={store}")).await;
        assert_eq!((answer.status, answer.text().as_str()), (500, "Error::AccessDenied"));
    }
    let bare = bench.load("services-p2", Default::default());
    assert_eq!(bench.text(&bare, "/kv/open?store=default").await, "Error::AccessDenied");
}

#[tokio::test]
async fn sizes_beyond_the_bounds_are_refused_with_the_bound() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let long = "k".repeat(1_025);
    for kv in DRAFTS {
        let refused = |answer: &str, says: &str| assert!(answer.contains(says), "{answer}");
        refused(
            &bench.text(&guest, &format!("/{kv}/get?store=default&key={long}")).await,
            "1 to 1024 bytes, this one has 1025",
        );
        refused(&bench.text(&guest, &format!("/{kv}/set?store=default&key=&value=v")).await, "this one has 0");
        refused(&bench.text(&guest, &format!("/{kv}/get-many?store=default&keys=a,{long}")).await, "this one has 1025");
        assert_eq!(bench.text(&guest, &format!("/{kv}/get?store=default&key={}", &long[1..])).await, "none");
        let too_large = "value=v&value-times=1048577";
        let path = format!("/{kv}/set?store=default&key=big&{too_large}");
        refused(&bench.text(&guest, &path).await, "at most 1048576 bytes, the one of key big has 1048577");
        // Nothing of a batch is written when one of it cannot be.
        let path = format!("/{kv}/set-many?store=default&keys=small,big&{too_large}");
        refused(&bench.text(&guest, &path).await, "at most 1048576 bytes");
        assert_eq!(bench.text(&guest, &format!("/{kv}/exists?store=default&key=small")).await, "false");
        assert_eq!(
            bench.text(&guest, &format!("/{kv}/set?store=default&key=big&value=v&value-times=1048576")).await,
            "set"
        );
    }
}

#[tokio::test]
async fn keys_and_values_are_bytes_that_nothing_interprets() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let (key, value) = (query("a/../b?\u{1F980}\0\n"), query("''; DROP TABLE item; --\0"));
    assert_eq!(bench.text(&guest, &format!("/kv/set?store=default&key={key}&value={value}")).await, "set");
    assert_eq!(bench.text(&guest, &format!("/kv2/get?store=default&key={key}")).await, "''; DROP TABLE item; --\0");
}

#[tokio::test]
async fn applications_do_not_see_each_other() {
    let bench = Bench::new();
    let mine = bench.load("services-p2", stored());
    assert_eq!(bench.text(&mine, "/kv/set?store=default&key=a&value=mine").await, "set");
    let theirs = bench.load_as("other", "services-p2", stored());
    assert_eq!(bench.text(&theirs, "/kv/get?store=default&key=a").await, "none");
}

async fn join_all(calls: impl Iterator<Item = impl Future<Output = String>>) -> Vec<String> {
    let calls: Vec<_> = calls.collect();
    let mut answers = Vec::new();
    let mut pinned: Vec<_> = calls.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        pinned.retain_mut(|call| match call.as_mut().poll(cx) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pinned.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers
}
