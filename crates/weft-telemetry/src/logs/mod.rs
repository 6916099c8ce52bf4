//! Logs: the node's and the guests', as JSON or for people, written by a thread of their own.

mod guest;
mod history;
mod layer;
mod line;
mod queue;
mod redact;

pub use guest::{During, GuestLines, GuestLog, GuestLogger, LINE_BYTES_MAX, Source};
pub use history::{History, Page, Wanted};
pub use line::Format;
pub use redact::Redactor;
pub use tracing::Level;

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use tracing::Subscriber;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};
use weft_types::Clock;

use crate::metrics::{ComponentMeter, Metrics};
use layer::QueueLayer;
use queue::{Queue, Share};

/// The end of a process waits no longer than this for a slow reader of its log.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// How to log.
#[derive(Debug, Clone)]
pub struct Options {
    pub format: Format,
    /// Levels of the node's own events: `info`, or by crate as in `info,weft_gateway=debug`.
    pub filter: String,
    /// The least important level of guests' messages that is written.
    pub guest_level: Level,
    /// Holds lines back until [`Logs::announce`] or [`Logs::release`].
    pub held: bool,
}

impl Options {
    /// For people, from `info` on, held back until the node is ready.
    pub fn held(format: Format) -> Self {
        Self { format, filter: "info".to_owned(), guest_level: Level::INFO, held: true }
    }
}

impl Format {
    /// Text, coloured where standard error is a terminal and `NO_COLOR` is not set.
    pub fn text() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::Text { colour: !refused && io::stderr().is_terminal() }
    }
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error("`{filter}` is not a log filter; write a level, or levels by crate, as in `info,weft_gateway=debug`")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("the log's thread could not be started")]
    Thread(#[source] io::Error),
    #[error("this process has a log already")]
    Taken(#[source] tracing_subscriber::util::TryInitError),
}

/// The log of this process. Dropping it writes what waits, for at most a second, held or not.
pub struct Logs {
    queue: Arc<Queue>,
    history: Arc<History>,
    clock: Arc<dyn Clock>,
    format: Format,
    guest_level: Level,
}

impl Logs {
    /// Logs to standard error, whatever this process says from now on.
    pub fn init(options: Options, clock: Arc<dyn Clock>, metrics: &Metrics) -> Result<Self, LogsError> {
        let (logs, subscriber) = Self::start(options, clock, metrics, io::stderr())?;
        subscriber.try_init().map_err(LogsError::Taken)?;
        Ok(logs)
    }

    /// Logs to `out`, and gives the subscriber that the caller may install where it likes.
    pub fn start(
        options: Options,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
        out: impl Write + Send + 'static,
    ) -> Result<(Self, impl Subscriber + Send + Sync), LogsError> {
        let targets: Targets = match options.filter.parse() {
            Ok(targets) => targets,
            Err(source) => return Err(LogsError::Filter { filter: options.filter, source }),
        };
        let queue = Arc::new(Queue::new(options.held));
        queue.spawn_writer(out).map_err(LogsError::Thread)?;
        let history = Arc::new(History::default());
        let layer = QueueLayer {
            queue: Arc::clone(&queue),
            history: Arc::clone(&history),
            format: options.format,
            clock: Arc::clone(&clock),
            node: Arc::clone(metrics.node()),
        };
        let subscriber = tracing_subscriber::registry().with(targets).with(layer);
        Ok((Self { queue, history, clock, format: options.format, guest_level: options.guest_level }, subscriber))
    }

    /// Writes `text` as it is, before every line that is held, and releases them: the node is ready.
    pub fn announce(&self, text: &str) {
        self.queue.push_first(format!("{}\n", text.trim_end()).as_bytes());
        self.queue.hold(false);
    }

    /// Lines wait, within their bound, until they are released.
    pub fn hold(&self) {
        self.queue.hold(true);
    }

    pub fn release(&self) {
        self.queue.hold(false);
    }

    /// The latest lines, for whoever asks.
    pub fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// Waits until what was logged is written; `false` if that takes longer than `within`.
    pub fn flush(&self, within: Duration) -> bool {
        self.queue.flush(within)
    }

    /// The log of one component, for as long as it is deployed. `redactor` knows the secrets that it was given.
    pub fn guest(&self, meter: Arc<ComponentMeter>, redactor: Redactor) -> Arc<GuestLogger> {
        Arc::new(GuestLogger {
            queue: Arc::clone(&self.queue),
            history: Arc::clone(&self.history),
            clock: Arc::clone(&self.clock),
            format: self.format,
            level: self.guest_level,
            meter,
            redactor,
            share: Share::default(),
        })
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.queue.close();
        self.queue.flush(CLOSE_WAIT);
    }
}
