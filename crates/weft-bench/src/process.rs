//! A child process that ends with its owner, and what the kernel knows of it.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Linux counts CPU time in these, whatever the kernel's own tick.
const TICKS_A_SECOND: f64 = 100.0;
/// Lines of complaint that are kept for an error message.
const KEPT_LINES: usize = 20;

/// Killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<(Instant, String)>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Process {
    /// Starts it with no input; reads both its outputs, so that it never waits for us.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let shown = format!("{command:?}");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|e| format!("cannot start {shown}: {e}"))?;
        let (send, lines) = channel();
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let outputs: [Option<Box<dyn Read + Send>>; 2] =
            [child.stderr.take().map(|e| Box::new(e) as _), child.stdout.take().map(|o| Box::new(o) as _)];
        for output in outputs.into_iter().flatten() {
            let (send, last) = (send.clone(), Arc::clone(&last));
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let mut last = last.lock().expect("no one panics while holding it");
                    last.push_back(line.clone());
                    if last.len() > KEPT_LINES {
                        last.pop_front();
                    }
                    // Only the first lines are waited for.
                    let _ = send.send((Instant::now(), line));
                }
            });
        }
        Ok(Self { child, lines, last })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line that `wanted` makes something of, and when it came.
    pub(crate) fn line<T>(&self, wanted: impl Fn(&str) -> Option<T>, within: Duration) -> Result<(Instant, T), String> {
        let until = Instant::now() + within;
        while let Ok((at, line)) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(found) = wanted(&line) {
                return Ok((at, found));
            }
        }
        let why = if Instant::now() < until { "it ended".into() } else { format!("it did not within {within:?}") };
        Err(format!("waited for it to be ready, and {why}; its last words: {}", self.last_words()))
    }

    pub(crate) fn last_words(&self) -> String {
        let last = self.last.lock().expect("no one panics while holding it");
        last.iter().map(|line| format!("\n  {line}")).collect()
    }

    /// CPU time of all its threads and of its children, user and system: nginx works in processes of its own.
    pub(crate) fn cpu(&self) -> Result<Duration, String> {
        let own = Stat::of(self.id()).ok_or(format!("/proc/{}/stat is not there, or has another form", self.id()))?;
        let processes = fs::read_dir("/proc").map_err(|e| format!("/proc: {e}"))?;
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let children = ids.filter_map(Stat::of).filter(|stat| stat.parent == self.id());
        let ticks = own.ticks + children.map(|stat| stat.ticks).sum::<f64>();
        Ok(Duration::from_secs_f64(ticks / TICKS_A_SECOND))
    }

    /// Resident memory in bytes: all of it, and what is its own (neither files nor shared).
    pub(crate) fn memory(&self) -> Result<(u64, u64), String> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
        };
        field("VmRSS:").zip(field("RssAnon:")).ok_or(format!("{path} has another form"))
    }

    /// Asks it to end and waits.
    pub(crate) fn stop(mut self, within: Duration) -> Result<ExitStatus, String> {
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        asked.map_err(|e| format!("cannot run kill: {e}"))?;
        let until = Instant::now() + within;
        loop {
            match self.child.try_wait().map_err(|e| e.to_string())? {
                Some(status) => return Ok(status),
                None if Instant::now() > until => return Err(format!("did not end within {within:?}")),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// What the kernel says of one process.
struct Stat {
    parent: u32,
    ticks: f64,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The name may hold spaces; what follows its bracket does not. The parent is field 4 of the line, times 14 and 15.
    fn read(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_parent_are_read_behind_a_name_with_spaces() {
        let line = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 0 0 0 130 20 0 0 20 0 3 0 100 1 1";
        let stat = Stat::read(line).unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 150.0));
    }
}
