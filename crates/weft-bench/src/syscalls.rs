//! System calls a request, by `strace` on a short run of its own. Counting slows the server: its speed is not read here.

use std::{
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{load, server::Server};

/// `None` where strace is missing or may not trace.
pub(crate) fn a_request(server: &Server) -> Option<f64> {
    let pid = server.process.id().to_string();
    let strace = Command::new("strace")
        .args(["-f", "-c", "-q", "-p", &pid])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    // It says nothing once attached; what comes before it is attached is not counted on either side by much.
    thread::sleep(Duration::from_millis(300));
    let count = load::turn(server.address, load::ROOT, Duration::from_secs(1));
    let stopped = Command::new("kill").args(["-INT", &strace.id().to_string()]).status();
    let out = strace.wait_with_output().ok()?;
    stopped.ok()?;
    let calls = total(&String::from_utf8_lossy(&out.stderr))?;
    Some(calls as f64 / count.ok()?.requests.max(1) as f64)
}

/// "100.00    1.014519          22     45302       110 total"
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ------------------\n\
                    100.00    1.014519          22     45302       110 total\n";
        assert_eq!(total(text), Some(45302));
        assert_eq!(total("strace: attach: Operation not permitted"), None);
    }
}
