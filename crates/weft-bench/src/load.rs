//! One turn of load, by wrk: 16 connections from one thread, since the machine's other core is the server's.

use std::{net::SocketAddr, process::Command, time::Duration};

const CONNECTIONS: usize = 16;

/// What one turn counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Count {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
}

impl Count {
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// What is asked, again and again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) path: &'a str,
    /// `name: value`.
    pub(crate) headers: &'a [String],
}

/// The greeting.
pub(crate) const ROOT: Ask<'static> = Ask { path: "/", headers: &[] };

/// Loads the server. An answer that is no 2xx, or a broken connection, fails the run: it would be measured as speed.
pub(crate) fn turn(address: SocketAddr, ask: Ask<'_>, lasting: Duration) -> Result<Count, String> {
    closed(address, ask, CONNECTIONS, lasting)
}

/// The same from so many clients.
pub(crate) fn closed(address: SocketAddr, ask: Ask<'_>, clients: usize, lasting: Duration) -> Result<Count, String> {
    // wrk knows whole seconds only.
    let seconds = lasting.as_secs_f64().ceil().to_string();
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c", &clients.to_string(), "-d", &seconds]);
    for header in ask.headers {
        wrk.args(["-H", header]);
    }
    let out = wrk.arg(format!("http://{address}{}", ask.path)).output();
    let out = out.map_err(|e| format!("cannot run wrk (`cargo xtask setup` installs it): {e}"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    if !out.status.success() {
        return Err(format!("wrk: {}", String::from_utf8_lossy(&out.stderr)));
    }
    counted(&text)
}

fn counted(text: &str) -> Result<Count, String> {
    for fault in ["Non-2xx", "Socket errors"] {
        if let Some(line) = text.lines().find(|line| line.contains(fault)) {
            return Err(format!("not every request was answered: {}", line.trim()));
        }
    }
    // "  45078 requests in 2.00s, 5.25MB read"
    let line = text.lines().find(|line| line.contains(" requests in ")).ok_or(format!("wrk printed {text:?}"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let requests = words[0].parse().map_err(|_| format!("wrk printed {line:?}"))?;
    let seconds = duration(words[3].trim_end_matches(',')).ok_or(format!("wrk printed {line:?}"))?;
    Ok(Count { requests, seconds })
}

fn duration(text: &str) -> Option<f64> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None if text.ends_with('m') => (text.trim_end_matches('m'), 60.0),
        None => (text.strip_suffix('s')?, 1.0),
    };
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Running 2s test @ http://127.0.0.1:1/\n  45078 requests in 2.00s, 5.25MB read\n";

    #[test]
    fn a_turn_is_read() {
        assert_eq!(counted(GOOD), Ok(Count { requests: 45078, seconds: 2.0 }));
        assert_eq!(duration("1.50m"), Some(90.0));
    }

    #[test]
    fn failures_are_not_speed() {
        let text = format!("{GOOD}  Non-2xx or 3xx responses: 7\n");
        assert_eq!(counted(&text), Err("not every request was answered: Non-2xx or 3xx responses: 7".into()));
        assert!(counted("  Socket errors: connect 0, read 3, write 0, timeout 0\n").is_err());
    }
}
