//! What exists before the node does: its clock, its meters, its log.

use std::{sync::Arc, time::Duration};

use weft_telemetry::{
    logs::{Logs, LogsError, Options},
    metrics::{Build, Metrics},
};
use weft_types::{Clock, SystemClock};

/// Whoever reads standard error may have gone.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// Shared by everything in the process. Cloning is a few reference counts.
#[derive(Clone)]
pub struct Telemetry {
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// `None` in tests, where nothing is logged.
    pub logs: Option<Arc<Logs>>,
}

impl Telemetry {
    pub fn quiet() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let build = Build { version: env!("CARGO_PKG_VERSION"), commit: "", wasmtime: "48" };
        Self { clock: Arc::new(SystemClock::new()), metrics: Metrics::new(build, cores), logs: None }
    }

    /// With the log of this process, to standard error. Once a process.
    pub fn logging(options: Options) -> Result<Self, LogsError> {
        let mut telemetry = Self::quiet();
        let logs = Logs::init(options, Arc::clone(&telemetry.clock), &telemetry.metrics)?;
        telemetry.logs = Some(Arc::new(logs));
        Ok(telemetry)
    }

    /// Writes what was logged, before the process ends: for a second at most.
    pub fn flush(&self) {
        if let Some(logs) = &self.logs {
            logs.flush(FLUSH_PATIENCE);
        }
    }

    /// Standard error's first lines; what was logged before follows them.
    pub fn announce(&self, text: &str) {
        match &self.logs {
            Some(logs) => logs.announce(text),
            None => eprintln!("{}", text.trim_end()),
        }
    }
}
