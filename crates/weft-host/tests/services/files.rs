use std::os::unix::fs::symlink;

use weft_host::{Folder, Grants};

use crate::bench::{Bench, query};

#[tokio::test]
async fn a_granted_folder_is_all_that_a_guest_sees_of_the_disk() {
    let root = tempfile::tempdir().expect("a folder");
    let (open, shut) = (root.path().join("open"), root.path().join("shut"));
    std::fs::create_dir(&open).unwrap();
    std::fs::create_dir(&shut).unwrap();
    std::fs::write(open.join("a.txt"), "inside").unwrap();
    std::fs::write(root.path().join("outside.txt"), "outside").unwrap();
    symlink(root.path().join("outside.txt"), open.join("absolute")).unwrap();
    symlink("../outside.txt", open.join("relative")).unwrap();
    symlink("..", open.join("up")).unwrap();
    symlink("a.txt", open.join("good")).unwrap();

    let bench = Bench::new();
    let folder = |from: &std::path::Path, to: &str, write| Folder { from: from.to_owned(), to: to.into(), write };
    let files = vec![folder(&open, "/assets", false), folder(&shut, "/data", true)];
    let guest = bench.load("faults-p2", Grants { files, ..Grants::default() });
    let read = async |path: &str| bench.get(&guest, &format!("/fs?{}", query(path))).await;
    let write = async |path: &str| bench.get(&guest, &format!("/fs?{}=text", query(path))).await;

    assert_eq!(read("/assets/a.txt").await.text(), "inside");
    assert_eq!(read("/assets/good").await.text(), "inside");
    for escape in [
        "/assets/absolute",
        "/assets/relative",
        "/assets/up/outside.txt",
        "/assets/../outside.txt",
        "/etc/passwd",
        "/outside.txt",
    ] {
        let got = read(escape).await;
        assert_eq!(got.status, 500, "{escape}: {got:?}");
        assert!(!got.text().contains("outside"), "{escape}: {got:?}");
    }
    // Read-only unless said otherwise.
    assert_eq!(write("/assets/b.txt").await.status, 500);
    assert_eq!(write("/assets/a.txt").await.status, 500);
    assert_eq!(write("/data/b.txt").await.text(), "written");
    assert_eq!(std::fs::read_to_string(shut.join("b.txt")).unwrap(), "text");
    assert_eq!(write("/data/../open/c.txt").await.status, 500);
    assert!(!open.join("b.txt").exists() && !open.join("c.txt").exists());
}
