//! What operators did to a node, and what they were refused: one JSON line each in `DATA/audit.jsonl`, only ever appended.
//!
//! A change is on the disk before it is begun, and again when it has ended; one that cannot be written down is not begun.
//! A refusal is written when it is answered. So that nobody fills the disk by being refused, at most 10 of those are
//! written in a second, and the next line says how many were not.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use weft_manifest::Operator;
use weft_types::Timestamp;

/// Refusals that are written in each second.
const REFUSALS_MAX: u32 = 10;
/// The last line lies in so many bytes.
const TAIL_BYTES: u64 = 64 << 10;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuditLine {
    /// Counts up by one: a gap is a line that is gone.
    pub number: u64,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    pub what: Audited,
    /// `POST /v1/applications`.
    pub request: String,
    /// Which operator; absent of who showed no token that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of what has ended or was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it was done to: an application and its revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Refusals before this line that were not written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unwritten: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audited {
    /// A change that is about to be made.
    Begun,
    /// A change that was made, or failed.
    Ended,
    /// Somebody who may not.
    Refused,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The file, open at its end.
#[derive(Clone)]
pub(crate) struct Audit(Arc<Mutex<Open>>);

struct Open {
    file: File,
    number: u64,
    /// The second in which refusals are counted, and how many there were.
    second: (u64, u32),
    unwritten: u64,
}

impl Audit {
    pub(crate) const NAME: &str = "audit.jsonl";

    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let path = data.join(Self::NAME);
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let (number, whole) = last(&mut file)?;
        if !whole {
            // Half a line, from a process that was killed: what follows must not become a part of it.
            file.write_all(b"\n")?;
        }
        Ok(Self(Arc::new(Mutex::new(Open { file, number, second: (0, 0), unwritten: 0 }))))
    }

    /// On the disk when it returns.
    pub(crate) async fn write(&self, line: AuditLine) -> io::Result<()> {
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || this.0.lock().append(line)).await;
        written.map_err(io::Error::other)?
    }

    /// The same, for a refusal, within its bound.
    pub(crate) async fn refused(&self, line: AuditLine) -> io::Result<()> {
        let room = self.0.lock().room(line.at_ms / 1000);
        if room { self.write(line).await } else { Ok(()) }
    }
}

impl Open {
    fn room(&mut self, second: u64) -> bool {
        if self.second.0 != second {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        let room = self.second.1 <= REFUSALS_MAX;
        self.unwritten += u64::from(!room);
        room
    }

    fn append(&mut self, line: AuditLine) -> io::Result<()> {
        let line = AuditLine { number: self.number + 1, unwritten: self.unwritten, ..line };
        let mut text = serde_json::to_vec(&line).map_err(io::Error::other)?;
        text.push(b'\n');
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            // What was written of it must not stand before the next line.
            let _ = self.file.set_len(before);
            return Err(error);
        }
        self.number = line.number;
        self.unwritten = 0;
        Ok(())
    }
}

impl AuditLine {
    /// Who asked.
    pub(crate) fn by(self, operator: Option<Operator>) -> Self {
        Self { by: operator.map(|operator| operator.name), ..self }
    }

    pub(crate) fn new(what: Audited, request: String, at: Timestamp) -> Self {
        Self {
            number: 0,
            at_ms: at.as_millis(),
            what,
            request,
            by: None,
            status: None,
            code: None,
            subject: None,
            unwritten: 0,
        }
    }
}

/// The number of the last line, and whether it is whole.
fn last(file: &mut File) -> io::Result<(u64, bool)> {
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let mut lines = tail.split(|byte| *byte == b'\n').rev();
    let number = lines.find_map(|line| serde_json::from_slice::<AuditLine>(line).ok());
    Ok((number.map_or(0, |line| line.number), tail.last().is_none_or(|byte| *byte == b'\n')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(data: &Path) -> Vec<AuditLine> {
        let text = std::fs::read_to_string(data.join(Audit::NAME)).expect("there");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn line(second: u64) -> AuditLine {
        AuditLine::new(Audited::Refused, "GET /v1/status".to_owned(), Timestamp::from_millis(second * 1000))
    }

    #[tokio::test]
    async fn lines_are_counted_over_restarts_and_half_a_line_spoils_none() {
        let data = tempfile::tempdir().expect("folder");
        let audit = Audit::open(data.path()).expect("opens");
        audit.write(line(1)).await.expect("written");
        drop(audit);
        let file = data.path().join(Audit::NAME);
        let text = std::fs::read_to_string(&file).expect("there");
        std::fs::write(&file, format!("{text}{{\"number\":2,\"at")).expect("written");
        let audit = Audit::open(data.path()).expect("opens");
        audit.write(line(2)).await.expect("written");
        assert_eq!(lines(data.path()).iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn refusals_are_bounded_and_those_that_are_not_written_are_counted() {
        let data = tempfile::tempdir().expect("folder");
        let audit = Audit::open(data.path()).expect("opens");
        for _ in 0..1000 {
            audit.refused(line(7)).await.expect("written");
        }
        audit.refused(line(8)).await.expect("written");
        let written = lines(data.path());
        assert_eq!(written.len(), REFUSALS_MAX as usize + 1);
        assert_eq!(written.last().map(|line| line.unwritten), Some(1000 - u64::from(REFUSALS_MAX)));
    }
}
