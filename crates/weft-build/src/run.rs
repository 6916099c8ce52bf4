//! Running a foreign program: its lines are passed on as they come, its last ones kept.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use crate::{BuildError, OnLine};

/// Lines kept for the error.
const TAIL_LINES: usize = 40;
/// A longer line is cut; the rest of it is dropped.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// Lines that may wait for whoever shows them; then the program waits.
const WAITING_LINES: usize = 64;

/// Runs `command` to its end. Its standard input is empty: a build must not ask questions.
pub(crate) fn run(command: &mut Command, on_line: OnLine<'_>) -> Result<(), BuildError> {
    let shown = show(command);
    let dir = command.get_current_dir().map_or_else(|| ".".into(), Into::into);
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(BuildError::io("run", command.get_program()))?;
    let (send, lines) = sync_channel(WAITING_LINES);
    let readers = [
        child.stdout.take().map(|out| read_lines(out, send.clone())),
        child.stderr.take().map(|out| read_lines(out, send.clone())),
    ];
    drop(send);
    let mut tail = VecDeque::with_capacity(TAIL_LINES);
    // Ends when both readers have: the program, and all that it started, have closed their ends.
    for line in lines {
        on_line(&line);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    for reader in readers.into_iter().flatten() {
        // A reader only reads: it has nothing to panic about, and no result.
        let _ = reader.join();
    }
    let status = child.wait().map_err(BuildError::io("wait for", command.get_program()))?;
    if status.success() {
        return Ok(());
    }
    Err(BuildError::Failed { command: shown, dir, status, tail: tail.into() })
}

/// The command as a person would type it.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn read_lines(from: impl Read + Send + 'static, to: SyncSender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        while let Some(line) = read_line(&mut from) {
            if to.send(line).is_err() {
                return;
            }
        }
    })
}

/// The next line without its break, cut to [`LINE_BYTES_MAX`]; none at the end.
fn read_line(from: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).ok()?;
    if line.is_empty() {
        return None;
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == LINE_BYTES_MAX {
        from.skip_until(b'\n').ok()?;
    }
    Some(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> (Result<(), BuildError>, Vec<String>) {
        let mut lines = Vec::new();
        let done = run(Command::new("sh").args(["-c", script]), &mut |line| lines.push(line.to_owned()));
        (done, lines)
    }

    #[test]
    fn lines_come_in_their_order_and_without_breaks() {
        let (done, lines) = sh("printf 'one\\r\\ntwo\\nthree'");
        assert!(done.is_ok());
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn a_failure_keeps_its_last_lines_only() {
        let (done, lines) = sh("for i in $(seq 1 100); do echo $i; done; exit 3");
        assert_eq!(lines.len(), 100);
        match done {
            Err(BuildError::Failed { status, tail, .. }) => {
                assert_eq!(status.code(), Some(3));
                assert_eq!(tail.first().map(String::as_str), Some("61"));
                assert_eq!(tail.last().map(String::as_str), Some("100"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let (done, lines) = sh("head -c 100000 /dev/zero | tr '\\0' x; echo; echo after");
        assert!(done.is_ok());
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [16 * 1024, 5]);
    }
}
