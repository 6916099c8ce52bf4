//! Embedded engines on Weft's own pattern of writes: small, mixed, durable, in groups.
//!
//! One commit is what placing an order is: two items put, one record appended to a log, one timer armed, each about
//! 256 bytes, with the checks that a store makes. Writers wait for their commit before the next; what waits together
//! is synced together, in every engine alike.
//!
//! `cargo run --release -- [--format text|json] [--seconds N] [--rounds N] [--folder PATH] [--engine NAME]`

mod engine;
mod fjall_engine;
mod measure;
mod redb_engine;
mod sqlite_engine;
mod weft_engine;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use measure::{Figures, Row};

struct Options {
    json: bool,
    seconds: u64,
    rounds: usize,
    folder: PathBuf,
    /// Only this one.
    engine: Option<String>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { json: false, seconds: 2, rounds: 3, folder: std::env::temp_dir(), engine: None };
        while let Some(arg) = args.next() {
            let value = args.next().ok_or(format!("`{arg}` needs a value"))?;
            let number = || value.parse().map_err(|_| format!("`{value}` is no number"));
            match (arg.as_str(), value.as_str()) {
                ("--format", "json") => options.json = true,
                ("--format", "text") => options.json = false,
                ("--seconds", _) => options.seconds = number()?,
                ("--rounds", _) => options.rounds = number()? as usize,
                ("--folder", _) => options.folder = value.into(),
                ("--engine", _) if ENGINES.iter().any(|(name, _)| *name == value) => options.engine = Some(value),
                _ => return Err(format!("`{arg} {value}` is not understood; see the top of src/main.rs")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let rows = run(&options);
    println!("{}", if options.json { json(&rows) } else { text(&rows) });
    ExitCode::SUCCESS
}

/// Every engine at every number of writers, taking turns within each round, so that a noisy minute hits all.
fn run(options: &Options) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for round in 0..options.rounds {
        for writers in [1, 10, 50] {
            let chosen = |name: &str| options.engine.as_deref().is_none_or(|only| only == name);
            for (name, start) in ENGINES.into_iter().filter(|(name, _)| chosen(name)) {
                eprintln!("round {}, {name}, {writers} writers", round + 1);
                let folder = tempfile::tempdir_in(&options.folder).expect("a folder");
                let figures = measure::run(start(folder.path()), writers, Duration::from_secs(options.seconds));
                let name = format!("{name}/{writers}");
                match rows.iter_mut().find(|row| row.name == name) {
                    Some(row) => row.rounds.push(figures),
                    None => rows.push(Row { name, writers, rounds: vec![figures] }),
                }
            }
        }
    }
    rows
}

const ENGINES: [(&str, fn(&std::path::Path) -> Box<dyn engine::Store>); 4] = [
    ("sqlite", |folder| engine::grouped(sqlite_engine::Sqlite::open(folder))),
    ("fjall", |folder| engine::grouped(fjall_engine::Fjall::open(folder))),
    ("redb", |folder| engine::grouped(redb_engine::Redb::open(folder))),
    ("weft-store-local", |folder| Box::new(weft_engine::Weft::open(folder))),
];

fn json(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let Figures { commits_per_s, p50_us, p99_us, cpu_us, get_ns } = row.median();
        format!(
            "  {{\"name\": \"{}\", \"writers\": {}, \"commits_per_s\": {commits_per_s:.0}, \"spread\": {:.3}, \
             \"p50_us\": {p50_us:.0}, \"p99_us\": {p99_us:.0}, \"cpu_us_per_commit\": {cpu_us:.1}, \
             \"get_ns\": {get_ns:.0}}}",
            row.name,
            row.writers,
            row.spread()
        )
    };
    format!("[\n{}\n]", rows.iter().map(row).collect::<Vec<_>>().join(",\n"))
}

fn text(rows: &[Row]) -> String {
    let mut out = String::from(
        "| engine/writers | commits/s | spread | p50 µs | p99 µs | CPU µs a commit | point get ns |\n|---|---|---|---|---|---|---|",
    );
    for row in rows {
        let Figures { commits_per_s, p50_us, p99_us, cpu_us, get_ns } = row.median();
        let spread = row.spread() * 100.0;
        out += &format!(
            "\n| {} | {commits_per_s:.0} | {spread:.0} % | {p50_us:.0} | {p99_us:.0} | {cpu_us:.0} | {get_ns:.0} |",
            row.name
        );
    }
    out
}
