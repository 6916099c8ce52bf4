//! The process as the kernel sees it. Read at each scrape from `/proc`; elsewhere these series are absent.

use std::fs;

/// The unit of times in `/proc/*/stat`. Fixed by the kernel's ABI on every architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: Option<f64>,
    /// Seconds since the Unix epoch.
    pub(crate) start_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) open_fds: Option<u64>,
    pub(crate) max_fds: Option<u64>,
}

impl Process {
    pub(crate) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let stat = text("/proc/self/stat");
        let status = text("/proc/self/status");
        // Reading the folder opens it: the listing counts one descriptor too many.
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() as u64).saturating_sub(1));
        Self {
            cpu_seconds: cpu_seconds(&stat),
            start_seconds: start_seconds(&stat, &text("/proc/stat")),
            resident_bytes: kilobytes(&status, "VmRSS:"),
            virtual_bytes: kilobytes(&status, "VmSize:"),
            threads: field(&status, "Threads:"),
            open_fds,
            max_fds: soft_limit(&text("/proc/self/limits")),
        }
    }
}

/// Field `number` of `stat`, counted from 1 as in proc(5). The second one may hold spaces and brackets.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) / TICKS_PER_SECOND)
}

fn start_seconds(stat: &str, system: &str) -> Option<f64> {
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + stat_field(stat, 22)? / TICKS_PER_SECOND)
}

fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    field(status, name).map(|kilobytes| kilobytes * 1024)
}

fn soft_limit(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 4 0 1000 9999 88";

    #[test]
    fn stat_is_read_past_a_name_with_brackets() {
        assert_eq!(cpu_seconds(STAT), Some(2.0));
        assert_eq!(start_seconds(STAT, "cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_010.0));
        assert_eq!(cpu_seconds("nonsense"), None);
    }

    #[test]
    fn status_and_limits_are_read_by_name() {
        let status = "Name:\tweft\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t7\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(1 << 20));
        assert_eq!(field(status, "Threads:"), Some(7));
        let limits = "Max processes             100  200  processes\nMax open files            1024    4096    files\n";
        assert_eq!(soft_limit(limits), Some(1024));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_all_of_them() {
        let process = Process::read();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 16), "{process:?}");
        assert!(process.open_fds.is_some_and(|count| count >= 3), "{process:?}");
        assert!(process.start_seconds.is_some_and(|at| at > 1.6e9), "{process:?}");
        assert!(process.cpu_seconds.is_some() && process.threads.is_some() && process.max_fds.is_some());
    }
}
