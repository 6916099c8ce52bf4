use weft_store::{Log, LogName, Shard, Timers};
use weft_types::{Name, Timestamp};

use crate::bench::{Bench, stored};

const PLACE: &str = "/unit/place?store=default&key=o1&value=pizza&log=orders&timer=o1-late&at=5000";

#[tokio::test]
async fn a_commit_changes_items_logs_and_timers_together_or_not_at_all() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let first = bench.text(&guest, PLACE).await;
    let (version, wrote) = first.split_once(' ').expect("a commit");
    assert_eq!(wrote, "done,0,done");
    assert_eq!(bench.text(&guest, "/unit/get?store=default&key=o1").await, format!("{version} pizza"));
    // What `wasi:keyvalue` sees in the bucket of that name is the same.
    assert_eq!(bench.text(&guest, "/kv/get?store=default&key=o1").await, "pizza");

    let again = bench.get(&guest, PLACE).await;
    assert_eq!((again.status, again.text().as_str()), (500, "Error::Conflict(0)"));
    assert_eq!(bench.text(&guest, "/unit/log?log=orders").await, "pizza");

    let shard = Shard::of(&Name::new("shop").unwrap());
    assert_eq!(bench.store.length(&shard, &LogName::new("app/orders").unwrap()).await.unwrap(), 1);
    let due = bench.store.due(&shard, Timestamp::from_millis(5_000), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(
        (due[0].timer.as_str(), due[0].at, &due[0].payload[..]),
        ("app/o1-late", Timestamp::from_millis(5_000), &b"pizza"[..])
    );
}

#[tokio::test]
async fn a_version_guards_a_replacement() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let first = bench.text(&guest, PLACE).await;
    let version: u64 = first.split(' ').next().unwrap().parse().unwrap();
    let replace = |version: u64| format!("/unit/replace?store=default&key=o1&value=soup&version={version}");
    let newer: u64 = bench.text(&guest, &replace(version)).await.parse().expect("a version");
    assert!(newer > version);
    assert_eq!(bench.text(&guest, &replace(version)).await, "Error::Conflict(0)");
    assert_eq!(bench.text(&guest, "/unit/get?store=default&key=o1").await, format!("{newer} soup"));
}

#[tokio::test]
async fn scans_and_logs_are_read_in_pages() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    for key in ["a1", "a2", "a3", "b1"] {
        let path = format!("/unit/place?store=default&key={key}&value={key}&log=l");
        assert!(bench.text(&guest, &path).await.contains("done"));
    }
    let get = |path: &'static str| bench.text(&guest, path);
    assert_eq!(get("/unit/scan?store=default&prefix=a&limit=2").await, "a1,a2 more");
    assert_eq!(get("/unit/scan?store=default&prefix=a&limit=2&after=a2").await, "a3 end");
    assert_eq!(get("/unit/scan?store=default&prefix=c").await, " end");
    assert!(get("/unit/scan?store=default&limit=0").await.contains("at least 1"));
    assert_eq!(get("/unit/log?log=l&start=1&limit=2").await, "a2,a3");
    assert_eq!(get("/unit/log?log=l&start=4").await, "");
    assert_eq!(get("/unit/log?log=unknown").await, "");
}

#[tokio::test]
async fn refusals_name_the_line_and_bounds_name_themselves() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", stored());
    let denied = bench.text(&guest, "/unit/get?store=cache&key=a").await;
    assert!(denied.starts_with("Error::Denied"), "{denied}");
    assert!(denied.contains("component `api` may not open store `cache`"), "{denied}");
    assert!(
        denied.contains("add `stores = { cache = ") && denied.contains("under [component.api] in weft.toml"),
        "{denied}"
    );
    let invalid = bench.text(&guest, "/unit/get?store=default&key=").await;
    assert!(invalid.starts_with("Error::Invalid") && invalid.contains("1 to 1024 bytes"), "{invalid}");
    let large = bench.text(&guest, "/unit/place?store=default&key=a&value=v&value-times=1048577").await;
    assert!(large.starts_with("Error::Invalid") && large.contains("1048576"), "{large}");

    let bare = bench.load("services-p2", Default::default());
    let denied = bench.text(&bare, "/unit/log?log=orders").await;
    assert!(denied.contains("may not use log `orders`") && denied.contains("[component.api]"), "{denied}");
}
