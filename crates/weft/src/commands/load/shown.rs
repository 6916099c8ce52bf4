//! A load as people read it.

use weft_load::{
    cause::{Sign, Where},
    report::{CapacityReport, Figures, Probe, Report, StageReport},
    search::Found,
    slo::{Clause, Judged, Judgement},
};

use crate::output;

const TIMES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

pub(super) fn load(heading: &str, report: &Report) -> String {
    let mut rows = vec![head(&["stage", "rate", "for"])];
    for (index, stage) in report.stages.iter().enumerate() {
        let name = if stage.warm_up { "warm-up".to_owned() } else { (index + 1).to_string() };
        let mut row = vec![name, rates(stage), format!("{}s", number(stage.lasting_s))];
        row.extend(cells(&stage.figures));
        rows.push(row);
    }
    if report.stages.len() > 1 {
        let mut row = vec!["whole".to_owned(), String::new(), String::new()];
        row.extend(cells(&report.whole));
        rows.push(row);
    }
    let mut text = format!("{heading}\n\n{}\n{}", output::table(&rows), outcomes(&report.whole));
    if report.interrupted {
        text.push_str("\nit was stopped before its end\n");
    }
    if let Some(judgement) = &report.judgement {
        text.push_str(&judged(judgement));
    }
    text.push_str(&signs("what went wrong, the first first", &report.signs));
    text
}

pub(super) fn capacity(heading: &str, report: &CapacityReport) -> String {
    let mut rows = vec![head(&["rate", "objective"])];
    for probe in &report.probes {
        let mut row = vec![format!("{}/s", number(probe.rate)), verdict(probe).to_owned()];
        row.extend(cells(&probe.figures));
        rows.push(row);
    }
    let mut text = format!("{heading}\n\n{}\n", output::table(&rows));
    text.push_str(&match report.found {
        Some(Found::Capacity { rate, missed }) => {
            format!("capacity: {} requests a second; {} missed the objective\n", number(rate), number(missed))
        }
        Some(Found::AtLeast { rate }) if report.probes.iter().any(|probe| !probe.sent_in_time) => {
            format!("capacity: at least {} requests a second; more cannot be sent from here in time\n", number(rate))
        }
        Some(Found::AtLeast { rate }) => {
            format!("capacity: at least {} requests a second; more was not tried\n", number(rate))
        }
        Some(Found::Below { rate }) => format!("capacity: below {} requests a second\n", number(rate)),
        Some(Found::NotSent { rate }) => {
            format!("capacity: unknown; not even {} requests a second can be sent from here in time\n", number(rate))
        }
        None => "capacity: not found, the search was stopped\n".to_owned(),
    });
    text.push_str(&signs("what gave way, the first first", &report.gave_way));
    text
}

/// One line while the search goes on.
pub(super) fn probe(probe: &Probe) -> String {
    let clauses: Vec<_> = probe.judgement.clauses.iter().map(measured).collect();
    format!("{}/s: {}, {}", number(probe.rate), verdict(probe), clauses.join(", "))
}

fn verdict(probe: &Probe) -> &'static str {
    match (probe.sent_in_time, probe.judgement.met) {
        (false, _) => "not sent in time",
        (true, true) => "met",
        (true, false) => "missed",
    }
}

fn head(first: &[&str]) -> Vec<String> {
    let counts = ["requests", "ok", "failed", "broken", "late"];
    first.iter().chain(&counts).chain(&TIMES).map(|cell| (*cell).to_owned()).collect()
}

fn cells(of: &Figures) -> Vec<String> {
    let broken: u64 = of.broken.values().sum();
    let counts = [of.requests, of.ok, of.requests - of.ok - broken, broken, of.late].map(|count| count.to_string());
    let times = [of.latency.p50_ms, of.latency.p90_ms, of.latency.p99_ms, of.latency.p999_ms, of.latency.max_ms];
    counts.into_iter().chain(times.map(millis)).collect()
}

fn rates(stage: &StageReport) -> String {
    if stage.from == stage.to {
        format!("{}/s", number(stage.from))
    } else {
        format!("{}..{}/s", number(stage.from), number(stage.to))
    }
}

/// By status, by code and without an answer; then what was not sent as it was meant to be.
fn outcomes(of: &Figures) -> String {
    let list = |pairs: Vec<(String, u64)>| {
        pairs.iter().map(|(what, count)| format!("{what}: {count}")).collect::<Vec<_>>().join(", ")
    };
    let statuses = list(of.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect());
    let codes = list(of.codes.iter().map(|(code, count)| (code.clone(), *count)).collect());
    let broken = of.broken.iter().map(|(broken, count)| (name(broken), *count));
    let mut rows = vec![vec!["ok".to_owned(), format!("{} a second", number(of.ok_per_s))]];
    for (what, list) in [("status", statuses), ("weft-error", codes), ("no answer", list(broken.collect()))] {
        if !list.is_empty() {
            rows.push(vec![what.to_owned(), list]);
        }
    }
    if of.late > 0 {
        let lag = format!("; our own lateness: p99 {}", millis(of.lag_p99_ms));
        rows.push(vec!["late".to_owned(), format!("{} were sent more than 5 ms after they were due{lag}", of.late)]);
    }
    if of.waited > 0 {
        let waited = format!("{} were due while every connection was in use (--connections)", of.waited);
        rows.push(vec!["waited".to_owned(), waited]);
    }
    output::table(&rows)
}

/// As the JSON has it.
fn name(of: &impl serde::Serialize) -> String {
    serde_json::to_value(of).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn judged(judgement: &Judgement) -> String {
    let verdict = if judgement.met { "met" } else { "missed" };
    let rows: Vec<_> = judgement
        .clauses
        .iter()
        .map(|judged| {
            let met = if judged.met { "met" } else { "missed" };
            vec![format!("  {}", judged.clause), met.to_owned(), measured(judged)]
        })
        .collect();
    format!("\nobjective {verdict}\n{}", output::table(&rows))
}

fn measured(of: &Judged) -> String {
    let few = if of.few { " (of too few requests to tell)" } else { "" };
    match of.clause {
        Clause::Latency { quantile: 1.0, .. } => format!("max {}", millis(of.measured)),
        Clause::Latency { quantile, .. } => format!("p{} {}{few}", number(quantile * 100.0), millis(of.measured)),
        Clause::Errors { .. } => format!("errors {} %", number(of.measured * 100.0)),
    }
}

fn signs(title: &str, signs: &[Sign]) -> String {
    if signs.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    let place = |sign: &Sign| match sign.place {
        Where::Server => "server",
        Where::Node => "node",
        Where::Generator => "this generator",
    };
    let rows: Vec<_> = signs
        .iter()
        .map(|sign| {
            let hint = sign.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            vec![format!("  +{}s", number(sign.after_s)), place(sign).to_owned(), format!("{}{hint}", sign.said)]
        })
        .collect();
    text.push_str(&output::table(&rows));
    text
}

fn millis(value: f64) -> String {
    if value >= 10_000.0 { format!("{:.1}s", value / 1000.0) } else { format!("{}ms", number(value)) }
}

/// Three digits that say something: 1234, 12.3, 0.012.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_what_they_can() {
        let said = [0.0, 0.0124, 1.5, 12.34, 500.0, 1234.6].map(number);
        assert_eq!(said, ["0", "0.012", "1.5", "12.3", "500", "1235"]);
        assert_eq!([0.5, 999.0, 12_345.0].map(millis), ["0.5ms", "999ms", "12.3s"]);
    }
}
