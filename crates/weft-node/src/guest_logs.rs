//! What guests say, from the host's seam to the log.

use std::sync::Arc;

use weft_host::{GuestLine, GuestLog, GuestLogs, LogLevel, LogSource, Secret};
use weft_telemetry::{
    logs::{self, During, GuestLogger, Level, Logs, Redactor},
    metrics::Metrics,
};
use weft_types::Name;

/// Opens the log of each component. Without a log of its own, a node keeps nothing.
pub(crate) struct Sinks {
    pub(crate) logs: Option<Arc<Logs>>,
    pub(crate) metrics: Arc<Metrics>,
}

struct Sink(Arc<GuestLogger>);

/// For a node without a log of its own: what others log must show no secret either.
struct Nowhere(Redactor);

impl GuestLogs for Sinks {
    fn open(&self, application: &Name, component: &Name, secrets: &[Secret]) -> Arc<dyn GuestLog> {
        let redactor = Redactor::new(secrets.iter().map(Secret::expose));
        let Some(logs) = &self.logs else { return Arc::new(Nowhere(redactor)) };
        Arc::new(Sink(logs.guest(self.metrics.component(application, component), redactor)))
    }
}

impl GuestLog for Sink {
    fn wants(&self, level: LogLevel) -> bool {
        self.0.wants(level_of(level))
    }

    fn log(&self, line: &GuestLine<'_>) {
        self.0.log(logs::GuestLog {
            source: match line.source {
                LogSource::Stdout => logs::Source::Stdout,
                LogSource::Stderr => logs::Source::Stderr,
                LogSource::Logging => logs::Source::Logging,
            },
            level: level_of(line.level),
            context: line.context,
            message: line.message,
            during: During { invocation: line.invocation, trace: line.trace },
        });
    }

    fn clean(&self, text: &str) -> String {
        self.0.clean(text)
    }
}

impl GuestLog for Nowhere {
    fn wants(&self, _: LogLevel) -> bool {
        false
    }
    fn log(&self, _: &GuestLine<'_>) {}
    fn clean(&self, text: &str) -> String {
        self.0.clean(text)
    }
}

fn level_of(level: LogLevel) -> Level {
    match level {
        LogLevel::Trace => Level::TRACE,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Info => Level::INFO,
        LogLevel::Warn => Level::WARN,
        LogLevel::Error | LogLevel::Critical => Level::ERROR,
    }
}
