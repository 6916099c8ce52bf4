//! The latest lines of the log, for whoever asks a running node.
//!
//! Lines are numbered from 1. Whoever reads says after which number to go on, and learns how many have gone meanwhile:
//! a slow reader holds nobody up and misses nothing unknowingly.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tracing::Level;

use super::line::{Format, Line};

/// Lines that are kept, and their bytes.
const LINES_MAX: usize = 10_000;
const BYTES_MAX: usize = 4 << 20;

/// The ring of them.
#[derive(Debug, Default)]
pub struct History {
    ring: Mutex<Ring>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Kept>,
    bytes: usize,
    /// The number of the line written last; 0 before the first.
    last: u64,
}

#[derive(Debug)]
struct Kept {
    level: Level,
    application: Option<Box<str>>,
    component: Option<Box<str>>,
    invocation: Option<Box<str>>,
    json: Arc<str>,
}

/// Which lines are wanted. Empty: all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub application: Option<String>,
    pub component: Option<String>,
    /// The id of a request.
    pub invocation: Option<String>,
    /// This level and what is more important.
    pub level: Option<Level>,
}

/// Some lines, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Each an object of JSON, without a line break.
    pub lines: Vec<Arc<str>>,
    /// Where to go on: every line up to here was looked at.
    pub next: u64,
    /// Lines after the number that was asked for, wanted or not, that were gone.
    pub missed: u64,
}

impl Wanted {
    fn takes(&self, line: &Kept) -> bool {
        let is = |wanted: &Option<String>, said: &Option<Box<str>>| {
            wanted.as_deref().is_none_or(|wanted| said.as_deref() == Some(wanted))
        };
        is(&self.application, &line.application)
            && is(&self.component, &line.component)
            && is(&self.invocation, &line.invocation)
            && self.level.is_none_or(|level| line.level <= level)
    }
}

impl History {
    pub(super) fn keep(&self, line: &Line<'_>) {
        let mut json = String::with_capacity(line.message.len() + 256);
        line.write(Format::Json, &mut json);
        json.truncate(json.trim_end().len());
        let kept = Kept {
            level: line.level,
            application: line.application.map(Into::into),
            component: line.component.map(Into::into),
            invocation: line.invocation.map(|id| id.to_string().into()),
            json: json.into(),
        };
        self.lock().push(kept);
        self.more.notify_waiters();
    }

    /// The lines after number `after` that are wanted: the first `max` of them.
    pub fn after(&self, after: u64, wanted: &Wanted, max: usize) -> Page {
        let ring = self.lock();
        let first = ring.first();
        let from = after.saturating_add(1).max(first);
        let (mut lines, mut next) = (Vec::new(), ring.last.max(after.min(ring.last)));
        for (at, line) in ring.lines.iter().enumerate().skip((from - first) as usize) {
            if wanted.takes(line) {
                lines.push(Arc::clone(&line.json));
                if lines.len() == max {
                    next = first + at as u64;
                    break;
                }
            }
        }
        let missed = from - after.saturating_add(1).min(from);
        Page { lines, next, missed }
    }

    /// The last `max` lines that are wanted.
    pub fn latest(&self, wanted: &Wanted, max: usize) -> Page {
        let ring = self.lock();
        let found = ring.lines.iter().rev().filter(|line| wanted.takes(line)).take(max);
        let mut lines: Vec<_> = found.map(|line| Arc::clone(&line.json)).collect();
        lines.reverse();
        Page { lines, next: ring.last, missed: 0 }
    }

    /// Waits until there is a line after number `after`, wanted or not.
    pub async fn grown(&self, after: u64) {
        loop {
            let more = self.more.notified();
            tokio::pin!(more);
            // From here on a line that is added wakes us.
            more.as_mut().enable();
            if self.lock().last > after {
                return;
            }
            more.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, line: Kept) {
        self.bytes += line.json.len();
        self.lines.push_back(line);
        self.last += 1;
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let Some(gone) = self.lines.pop_front() else { return };
            self.bytes -= gone.json.len();
        }
    }

    /// The number of the oldest line that is kept.
    fn first(&self) -> u64 {
        self.last + 1 - self.lines.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weft_types::Timestamp;

    use super::*;

    fn say(history: &History, application: &str, level: Level, message: &str) {
        history.keep(&Line {
            at: Timestamp::from_nanos(0),
            level,
            target: "test",
            message,
            application: Some(application),
            component: None,
            invocation: None,
            trace: None,
            span: None,
            fields: &[],
        });
    }

    fn messages(page: &Page) -> Vec<String> {
        let message = |line: &Arc<str>| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            value["message"].as_str().expect("text").to_owned()
        };
        page.lines.iter().map(message).collect()
    }

    #[test]
    fn a_reader_goes_on_where_it_stopped_and_sees_what_it_wants() {
        let history = History::default();
        let all = Wanted::default();
        assert_eq!(history.after(0, &all, 10), Page { lines: vec![], next: 0, missed: 0 });
        for n in 0..5 {
            say(&history, if n % 2 == 0 { "even" } else { "odd" }, Level::INFO, &n.to_string());
        }
        say(&history, "even", Level::ERROR, "bad");
        let page = history.after(0, &all, 4);
        assert_eq!((messages(&page), page.next), (["0", "1", "2", "3"].map(String::from).to_vec(), 4));
        let page = history.after(page.next, &all, 4);
        assert_eq!((messages(&page), page.next, page.missed), (vec!["4".to_owned(), "bad".to_owned()], 6, 0));
        let even = Wanted { application: Some("even".into()), ..Wanted::default() };
        assert_eq!(messages(&history.after(1, &even, 9)), ["2", "4", "bad"]);
        assert_eq!(messages(&history.latest(&even, 2)), ["4", "bad"]);
        let grave = Wanted { level: Some(Level::WARN), ..Wanted::default() };
        assert_eq!(messages(&history.latest(&grave, 9)), ["bad"]);
    }

    #[test]
    fn it_is_bounded_and_says_what_was_missed() {
        let history = History::default();
        let all = Wanted::default();
        for n in 0..LINES_MAX + 7 {
            say(&history, "a", Level::INFO, &n.to_string());
        }
        let page = history.after(2, &all, 1);
        assert_eq!((messages(&page), page.missed, page.next), (vec!["7".to_owned()], 5, 8));
        // Of 10,000 lines of 1 KiB only 4 MiB are kept.
        for _ in 0..LINES_MAX {
            say(&history, "a", Level::INFO, &"x".repeat(1024));
        }
        assert!(history.lock().bytes <= BYTES_MAX && history.lock().lines.len() > 3_000);
        // From the future, as after a restart: nothing, and not an error.
        let page = history.after(u64::MAX, &all, 9);
        assert!(page.lines.is_empty() && page.next < u64::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_by_the_next_line() {
        let history = Arc::new(History::default());
        say(&history, "a", Level::INFO, "1");
        history.grown(0).await;
        let late = tokio::time::timeout(Duration::from_secs(5), history.grown(1)).await;
        assert!(late.is_err(), "nothing was said");
        let (reader, told) = (Arc::clone(&history), Arc::clone(&history));
        let waits = tokio::spawn(async move { reader.grown(1).await });
        tokio::task::yield_now().await;
        say(&told, "a", Level::INFO, "2");
        waits.await.expect("woken");
    }
}
