//! Load that does not wait: `weft load` at a rate, each request timed from when it was due.

use std::{net::SocketAddr, process::Command, time::Duration};

use serde_json::Value;

use crate::{args::place, load::Ask};

/// Where no answer is expected to be late.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What one load showed. Times in milliseconds, of successes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Successes a second.
    pub(crate) ok_per_s: f64,
    pub(crate) requests: f64,
    pub(crate) ok: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// A load: what is asked how often, for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) rate: f64,
    pub(crate) lasting: Duration,
    /// Open connections at most; who finds none free waits, and is timed from when it was due.
    pub(crate) connections: usize,
    /// An answer that comes later is none.
    pub(crate) patience: Duration,
}

pub(crate) fn load(address: SocketAddr, at: At<'_>) -> Result<Load, String> {
    start(address, at)?.wait()
}

/// A load that runs.
pub(crate) struct Running(std::process::Child);

pub(crate) fn start(address: SocketAddr, at: At<'_>) -> Result<Running, String> {
    let mut command = Command::new(place("WEFT_BENCH_WEFT")?);
    command.args(["load", &format!("http://{address}{}", at.ask.path), "--format", "json", "--poisson"]);
    command.args(["--rate", &format!("{:.2}", at.rate), "--for", &format!("{}ms", at.lasting.as_millis())]);
    command.args(["--warm-up", "500ms", "--connections", &at.connections.to_string(), "--timeout"]);
    command.arg(format!("{}ms", at.patience.as_millis()));
    // A node of ours that runs in this folder is not asked what it thinks of the load.
    command.args(["--data", "/nonexistent"]);
    for header in at.ask.headers {
        command.args(["-H", header]);
    }
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command.spawn().map(Running).map_err(|e| format!("cannot start weft load: {e}"))
}

impl Running {
    pub(crate) fn wait(self) -> Result<Load, String> {
        let out = self.0.wait_with_output().map_err(|e| format!("weft load: {e}"))?;
        let text = String::from_utf8_lossy(&out.stdout);
        let bad = || format!("weft load printed {text:?}, {}", String::from_utf8_lossy(&out.stderr));
        let report: Value = serde_json::from_str(&text).map_err(|_| bad())?;
        read(&report["whole"]).ok_or_else(bad)
    }
}

fn read(whole: &Value) -> Option<Load> {
    Some(Load {
        ok_per_s: whole["ok-per-s"].as_f64()?,
        requests: whole["requests"].as_f64()?,
        ok: whole["ok"].as_f64()?,
        p50: whole["latency"]["p50-ms"].as_f64()?,
        p99: whole["latency"]["p99-ms"].as_f64()?,
    })
}

impl Load {
    /// Fails the run where a request failed: a broken server is fast.
    pub(crate) fn whole(self) -> Result<Self, String> {
        if self.ok < self.requests {
            return Err(format!("{} of {} requests failed", self.requests - self.ok, self.requests));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let times = serde_json::json!({"p50-ms": 0.5, "p90-ms": 1.0, "p99-ms": 2.5, "p99.9-ms": 3.0, "max-ms": 4.0});
        let whole = serde_json::json!({"requests": 10, "ok": 9, "ok-per-s": 4.5, "latency": times});
        let load = read(&whole).unwrap();
        assert_eq!((load.ok_per_s, load.p50, load.p99), (4.5, 0.5, 2.5));
        assert_eq!(load.whole().unwrap_err(), "1 of 10 requests failed");
    }
}
