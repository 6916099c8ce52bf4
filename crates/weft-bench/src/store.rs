//! `bench store`: durable commits of our embedded store beside the engines it could be built on, measured by
//! `bench/engines`, which is a workspace of its own so that nothing else ever builds those engines.

use std::{fmt::Write as _, process::Command};

use serde_json::{Value, json};

use crate::args::{Args, place};

const OURS: &str = "weft-store-local";

/// What `bench/engines` says of one engine at one number of writers.
struct Engine {
    name: String,
    writers: u64,
    commits_per_s: f64,
    /// Of the rounds' figures, as a share of the median.
    spread: f64,
    p50_us: f64,
    p99_us: f64,
    cpu_us: f64,
}

/// The rows as JSON, and a table of all engines.
pub(crate) fn run(args: &Args) -> Result<(Vec<Value>, String), String> {
    let binary = place("WEFT_BENCH_ENGINES")?;
    let seconds = args.turn.as_secs_f64().ceil().to_string();
    let mut command = Command::new(&binary);
    command.args(["--format", "json", "--seconds", &seconds, "--rounds", &args.rounds.to_string()]);
    let out = command.stderr(std::process::Stdio::inherit()).output();
    let out = out.map_err(|e| format!("cannot run {}: {e}", binary.display()))?;
    if !out.status.success() {
        return Err(format!("{} ended with {}", binary.display(), out.status));
    }
    let engines = read(&String::from_utf8_lossy(&out.stdout))?;
    Ok((rows(&engines), markdown(&engines)))
}

fn read(text: &str) -> Result<Vec<Engine>, String> {
    let list: Vec<Value> = serde_json::from_str(text).map_err(|e| format!("bench/engines printed {text:?}: {e}"))?;
    let engine = |row: &Value| {
        let number = |key: &str| row[key].as_f64();
        Some(Engine {
            name: row["name"].as_str()?.split('/').next()?.to_owned(),
            writers: row["writers"].as_u64()?,
            commits_per_s: number("commits_per_s")?,
            spread: number("spread")?,
            p50_us: number("p50_us")?,
            p99_us: number("p99_us")?,
            cpu_us: number("cpu_us_per_commit")?,
        })
    };
    list.iter().map(|row| engine(row).ok_or_else(|| format!("bench/engines printed {row}"))).collect()
}

/// Ours against each engine at the same number of writers.
fn rows(engines: &[Engine]) -> Vec<Value> {
    let mut rows = Vec::new();
    for ours in engines.iter().filter(|engine| engine.name == OURS) {
        for peer in engines.iter().filter(|peer| peer.name != OURS && peer.writers == ours.writers) {
            let ratio = ours.commits_per_s / peer.commits_per_s;
            // Independent rounds: their shares add.
            let spread = ratio * (ours.spread + peer.spread) / 2.0;
            rows.push(json!({"name": format!("store/{}/{}", peer.name, ours.writers), "ours": ours.commits_per_s,
                "peer": peer.commits_per_s, "ratio": ratio, "spread": spread}));
        }
    }
    rows
}

fn markdown(engines: &[Engine]) -> String {
    let mut text = String::from(
        "| Engine | Writers | Commits/s | p50, µs | p99, µs | CPU a commit, µs |\n|---|---|---|---|---|---|\n",
    );
    for e in engines {
        let _ = writeln!(
            text,
            "| {} | {} | **{:.0}** ± {:.0} % | {:.0} | {:.0} | {:.0} |",
            e.name,
            e.writers,
            e.commits_per_s,
            e.spread * 50.0,
            e.p50_us,
            e.p99_us,
            e.cpu_us
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_compared_with_each_engine_at_the_same_writers() {
        let row = |name: &str, writers: u64, rate: f64| {
            json!({"name": format!("{name}/{writers}"), "writers": writers, "commits_per_s": rate, "spread": 0.1,
                "p50_us": 1.0, "p99_us": 2.0, "cpu_us_per_commit": 3.0, "get_ns": 4.0})
        };
        let text = json!([row("fjall", 1, 100.0), row(OURS, 1, 200.0), row(OURS, 10, 900.0)]).to_string();
        let rows = rows(&read(&text).unwrap());
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0]["name"], &rows[0]["ratio"]), (&json!("store/fjall/1"), &json!(2.0)));
        assert!(read("[{}]").is_err());
    }
}
