//! Where what guests say goes: a sink that the node provides.

use weft_types::{InvocationId, Name, Trace};

use super::Secret;

/// Makes the log of each component.
pub trait GuestLogs: Send + Sync {
    /// `secrets` are the values that the component was given: they must not be seen in its lines.
    fn open(&self, application: &Name, component: &Name, secrets: &[Secret]) -> std::sync::Arc<dyn GuestLog>;
}

/// The log of one component. Never waits: what it cannot keep it drops and counts.
pub trait GuestLog: Send + Sync {
    /// Whether a line of this level would be kept: a cheap question before the line is made.
    fn wants(&self, level: LogLevel) -> bool;

    fn log(&self, line: &GuestLine<'_>);

    /// A guest's own words as others may log them: no secret that it was given, no control character, bounded.
    fn clean(&self, text: &str) -> String;
}

/// One line, or one message of `wasi:logging`. It may hold anything, line breaks and control characters included:
/// the sink escapes and bounds it.
#[derive(Debug, Clone, Copy)]
pub struct GuestLine<'a> {
    pub source: LogSource,
    pub level: LogLevel,
    /// The context of `wasi:logging`; empty elsewhere.
    pub context: &'a str,
    pub message: &'a str,
    /// The call in which it was said; `None` before an instance's first.
    pub invocation: Option<InvocationId>,
    pub trace: Option<&'a Trace>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    Stdout,
    Stderr,
    /// `wasi:logging`, and log records of `wasi:otel`.
    Logging,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

/// Keeps nothing: for hosts without logs.
pub(super) struct NoLogs;

struct Nowhere(Vec<Secret>);

impl GuestLogs for NoLogs {
    fn open(&self, _: &Name, _: &Name, secrets: &[Secret]) -> std::sync::Arc<dyn GuestLog> {
        std::sync::Arc::new(Nowhere(secrets.to_vec()))
    }
}

impl GuestLog for Nowhere {
    fn wants(&self, _: LogLevel) -> bool {
        false
    }
    fn log(&self, _: &GuestLine<'_>) {}
    fn clean(&self, text: &str) -> String {
        let shows = |secret: &Secret| !secret.expose().is_empty() && text.contains(secret.expose());
        if self.0.iter().any(shows) { String::new() } else { text.to_owned() }
    }
}
