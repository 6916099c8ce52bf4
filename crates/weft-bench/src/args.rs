//! The command line, and the places that `cargo xtask bench` tells by environment.

use std::{env, path::PathBuf, time::Duration};

/// How to measure.
pub(crate) struct Args {
    /// Print JSON on standard output instead of the table.
    pub(crate) json: bool,
    /// How long one server is loaded before the other's turn.
    pub(crate) turn: Duration,
    /// How often each server has its turn.
    pub(crate) rounds: usize,
    /// Only rows whose name holds this.
    pub(crate) only: Option<String>,
    /// Count system calls too (it stops the server often: a run of its own).
    pub(crate) syscalls: bool,
    /// How many applications `idle` deploys.
    pub(crate) applications: u32,
}

impl Args {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut args = Self {
            json: false,
            turn: Duration::from_secs(3),
            rounds: 5,
            only: None,
            syscalls: true,
            applications: 10_000,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
            match word.as_str() {
                "--format" => args.json = value()? == "json",
                "--seconds" => args.turn = Duration::from_secs_f64(number(value()?)?),
                "--rounds" => args.rounds = (number(value()?)? as usize).max(1),
                "--only" => args.only = Some(value()?.clone()),
                "--applications" => args.applications = number(value()?)? as u32,
                "--no-syscalls" => args.syscalls = false,
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        Ok(args)
    }

    pub(crate) fn wants(&self, row: &str) -> bool {
        self.only.as_deref().is_none_or(|only| row.contains(only))
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n| *n > 0.0).ok_or(format!("`{text}` is not a positive number"))
}

/// A place that the environment names.
pub(crate) fn place(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(env::var_os(name).ok_or(format!("{name} is not set: run `cargo xtask bench`"))?);
    if path.exists() { Ok(path) } else { Err(format!("{name} names {}, which does not exist", path.display())) }
}

/// A component that `cargo xtask guests` built.
pub(crate) fn guest(name: &str) -> Result<PathBuf, String> {
    let path = place("WEFT_BENCH_GUESTS")?.join(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} is missing: run `cargo xtask guests`", path.display())) }
}
