//! Accepting when there is nothing left to accept with.
#![cfg(unix)]

mod common;

use std::{fs::File, process::Command, sync::Arc, sync::atomic::Ordering::SeqCst};

use common::{catch_all, echo, local, raw, witness::Witness};
use tokio::net::TcpStream;
use weft_gateway::{Gateway, Observer};

const INSIDE: &str = "WEFT_TEST_FEW_FILES";

/// A process may open only few files: this test runs itself once more under such a limit.
#[test]
fn running_out_of_files_is_survived() {
    if std::env::var_os(INSIDE).is_some() {
        return tokio::runtime::Runtime::new().expect("a runtime").block_on(run_out());
    }
    let this = std::env::current_exe().expect("this test");
    let script = r#"ulimit -n 64 && exec "$0" --exact running_out_of_files_is_survived --nocapture"#;
    let output = Command::new("sh").args(["-c", script]).arg(this).env(INSIDE, "1").output().expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("survived"), "{said}");
}

async fn run_out() {
    let witness = Arc::new(Witness::default());
    let observer = Arc::clone(&witness) as Arc<dyn Observer>;
    let gateway = Gateway::new(echo(), catch_all()).observer(observer).serve(local());
    let ask = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(raw(gateway.address(), ask).await.starts_with("HTTP/1.1 200 "));

    // The first connection's file must not be given back later.
    while gateway.connections() > 0 {
        tokio::task::yield_now().await;
    }
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(files.len() < 64, "there is a limit");
    // One place, which the client takes: nothing is left for the server's side of the connection.
    files.pop();
    let waiting = TcpStream::connect(gateway.address()).await.expect("one place");
    witness.until(|witness| witness.accept_failed.load(SeqCst) >= 1).await;
    assert_eq!(gateway.connections(), 0);

    drop((files, waiting));
    assert!(raw(gateway.address(), ask).await.starts_with("HTTP/1.1 200 "));
    println!("survived");
}
