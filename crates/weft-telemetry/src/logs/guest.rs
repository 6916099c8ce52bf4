//! What guests print and log, tied to the call that made them say it.

use std::sync::Arc;

use tracing::Level;
use weft_types::{Clock, InvocationId, Trace};

use super::{
    history::History,
    line::{Field, Format, Id, Line},
    queue::{From, Queue, Share},
    redact::{LOOK_MORE, Redactor},
};
use crate::metrics::ComponentMeter;

/// The message of one line; what is longer is cut, and says so.
pub const LINE_BYTES_MAX: usize = 16 << 10;
/// What a line is made from: so much is looked at for secrets.
const LOOK_BYTES: usize = LINE_BYTES_MAX + LOOK_MORE;
/// As the context of `wasi:logging` is a short word.
const CONTEXT_BYTES_MAX: usize = 256;

/// Where a guest said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Stdout,
    Stderr,
    /// `wasi:logging`, or a log record of `wasi:otel`.
    Logging,
}

impl Source {
    fn target(self) -> &'static str {
        match self {
            Self::Stdout => "guest.stdout",
            Self::Stderr => "guest.stderr",
            Self::Logging => "guest.log",
        }
    }
}

/// The call during which a guest speaks. Outside of one, as in an instance's initialisation, all is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct During<'a> {
    pub invocation: Option<InvocationId>,
    pub trace: Option<&'a Trace>,
}

/// One message of a guest. It may hold line breaks and anything else: they are escaped.
#[derive(Debug, Clone, Copy)]
pub struct GuestLog<'a> {
    pub source: Source,
    pub level: Level,
    /// The context of `wasi:logging`; empty elsewhere.
    pub context: &'a str,
    pub message: &'a str,
    pub during: During<'a>,
}

/// The log of one component: never waits, and counts in the component's meter what it could not keep.
pub struct GuestLogger {
    pub(super) queue: Arc<Queue>,
    pub(super) history: Arc<History>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) format: Format,
    pub(super) level: Level,
    pub(super) meter: Arc<ComponentMeter>,
    pub(super) redactor: Redactor,
    pub(super) share: Share,
}

impl std::fmt::Debug for GuestLogger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GuestLogger({}/{})", self.meter.application(), self.meter.component())
    }
}

impl GuestLogger {
    /// Whether a message of this level would be written at all.
    pub fn wants(&self, level: Level) -> bool {
        level <= self.level
    }

    pub fn log(&self, log: GuestLog<'_>) {
        if !self.wants(log.level) {
            return;
        }
        let message = self.bounded(log.message, LINE_BYTES_MAX);
        let context = self.bounded(log.context, CONTEXT_BYTES_MAX);
        let fields = [("context", Field::Text(&context))];
        let line = Line {
            at: self.clock.now(),
            level: log.level,
            target: log.source.target(),
            message: &message,
            application: Some(self.meter.application().as_str()),
            component: Some(self.meter.component().as_str()),
            invocation: log.during.invocation.map(Id::Invocation),
            trace: log.during.trace.map(|trace| Id::Trace(trace.trace)),
            span: log.during.trace.map(|trace| Id::Span(trace.span)),
            fields: if context.is_empty() { &[] } else { &fields },
        };
        let mut out = String::with_capacity(message.len() + 256);
        line.write(self.format, &mut out);
        self.history.keep(&line);
        self.meter.log_line(self.queue.push(From::Guest(self.share.clone()), out.as_bytes()));
    }

    /// A guest's own words, fit for a line of somebody else's: see [`Redactor::clean`].
    pub fn clean(&self, text: &str) -> String {
        self.redactor.clean(text)
    }

    fn bounded(&self, text: &str, max: usize) -> String {
        self.redactor.bounded(text, max)
    }
}

/// Makes lines of what a guest writes to a stream, however it cuts its writes.
///
/// Holds at most 20 KiB; the rest of a longer line is passed over.
#[derive(Debug)]
pub struct GuestLines {
    logger: Arc<GuestLogger>,
    source: Source,
    partial: Vec<u8>,
}

impl GuestLines {
    pub fn new(logger: Arc<GuestLogger>, source: Source) -> Self {
        Self { logger, source, partial: Vec::new() }
    }

    /// Takes bytes and logs each line that they complete.
    pub fn write(&mut self, during: During<'_>, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        // What follows the last line break, the whole if there is none, waits for the rest of its line.
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.hold(part);
            self.finish(during);
        }
        self.hold(last);
    }

    /// Logs what has no line break yet: when the guest flushes for good, or its call ends.
    pub fn finish(&mut self, during: During<'_>) {
        let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        if !line.is_empty() {
            let message = String::from_utf8_lossy(line);
            let log = GuestLog { source: self.source, level: Level::INFO, context: "", message: &message, during };
            self.logger.log(log);
        }
        self.partial.clear();
    }

    /// Whether a line is begun and not ended.
    pub fn pending(&self) -> bool {
        !self.partial.is_empty()
    }

    fn hold(&mut self, part: &[u8]) {
        // One byte more than is looked at, so that the logger sees that there was more.
        let room = (LOOK_BYTES + 1).saturating_sub(self.partial.len());
        let kept = part.len().min(room);
        self.partial.extend_from_slice(&part[..kept]);
    }
}
